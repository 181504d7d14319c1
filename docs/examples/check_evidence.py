#!/usr/bin/env python3
"""Checks an evidence file of `entente export --format evidence`, without Entente.

    check_evidence.py FILE LOG_VKEY [COSIGNER_VKEY…]

The keys are those that you have from the agencies (peer cards), not those in the file. LOG_VKEY may be one that the log
had earlier: records in the file in which one key takes the place of another, signed by both, lead on from it. The data
in the file are checked, not the page around them: read what is printed here. Needs what verify_proof.py beside it needs.
Exit status 0: what it prints is proved. 1: it is not. 64: usage.
"""

import json
import sys
from datetime import datetime, timezone

from log_keys import key_change, reigns
from verify_proof import COSIGNER_KEY, Wrong, check_proof, decode, need, parse_key, printable, signatures

OPENING = '<script type="application/json" id="entente-evidence">\n'
FORMATS = "entente-evidence/1", "entente-evidence/2", "entente-evidence/3"


def members(pairs):
    """An object of the data; which of two equal names counts nobody knows."""
    need(len(dict(pairs)) == len(pairs), "a name that stands twice in its data")
    return dict(pairs)


def main(path, log_vkey, *cosigner_vkeys):
    with open(path, encoding="utf-8") as file:
        parts = file.read().split(OPENING)
    need(len(parts) == 2, "no data, or several")
    data = json.loads(parts[1].split("\n", 1)[0], object_pairs_hook=members)
    need(data["format"] in FORMATS, "another format")
    need(("given_up_at" in data) == (data["format"] == FORMATS[2]), "what its format has of the log's end")
    known, body, size = parse_key(log_vkey), decode(data["body"]), int(data["proof"].split("\n\n")[1].split("\n")[1])
    history = [(decode(record["body"]), record["proof"]) for record in data["key_history"]]
    changes = [key_change(each, int(proof.split("index ")[1].split("\n")[0]), known[0]) for each, proof in history]
    # Where the key is replaced both sign: the later one.
    log_key = [key for key, start, end in reigns(known, filter(None, changes)) if start <= size <= end][-1]
    index, note = check_proof(data["proof"], body, log_key)
    need(data["ref"] == f"{log_key[0]}#{index}", "the proof is that of another record than the one named")
    exporter, end = data["exported_by"], data.get("given_up_at")
    need(isinstance(exporter, str), "its exported_by")
    if "given_up_at" in data:
        need(type(end) is int and 0 <= end <= index, "its given_up_at, which is no number up to that of the record")
    print(f"{data['ref']} is what {log_key[0]} signed, under {size} entries: {printable(body.decode())}")
    if "given_up_at" in data:
        # Nobody has signed that, nor who says it.
        print(f"NOT ITS OWNER'S, says {printable(exporter)}: the log had been given up at {end} entries")
    for key in map(parse_key, cosigner_vkeys):
        # A node that has cosigned by its mirror key holds the log; a witness has only seen that it grew.
        dates = signatures(note, key) if key[2] == COSIGNER_KEY else []
        for date in dates:
            print(f"cosigned by {key[0]} at {datetime.fromtimestamp(date, timezone.utc):%Y-%m-%dT%H:%M:%SZ}")
        if not dates:
            print(f"NOT PROVED: that {key[0]} has cosigned; there is no line by this key")
    for record, proof in history:
        entry, under = check_proof(proof, record, log_key)
        need(under.split("\n\n")[0] == note.split("\n\n")[0], "a record about keys under another checkpoint")
        print(f"entry {entry} says of keys: {printable(record.decode())}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(print(__doc__, file=sys.stderr) or 64)
    try:
        main(*sys.argv[1:])
    except (Wrong, ValueError, KeyError, IndexError, TypeError, OSError) as problem:
        sys.exit(print(f"NOT PROVED: {printable(str(problem))}") or 1)
