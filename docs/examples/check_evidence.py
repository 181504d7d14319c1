#!/usr/bin/env python3
"""Checks an evidence file of `entente export --format evidence`, without Entente.

    check_evidence.py FILE LOG_VKEY [COSIGNER_VKEY…]

The keys are those that you have from the agencies (peer cards), not those in the file. LOG_VKEY may be one that the log
had earlier: records in the file in which one key takes the place of another, signed by both, lead on from it. It needs
the `cryptography` package of PyPI (Debian: python3-cryptography), and verify_log.py beside it. Exit status 0: what it
prints is proved. 1: it is not. 64: usage.
"""

import base64
import hashlib
import json
import sys
import time
from datetime import datetime, timezone

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from verify_log import key_change, reigns

OPENING = '<script type="application/json" id="entente-evidence">\n'
LOG_KEY, COSIGNER_KEY = 1, 4


def need(condition, problem):
    if not condition:
        raise ValueError(problem)


def sha256(data):
    return hashlib.sha256(data).digest()


def decode(text):
    return base64.b64decode(text, validate=True)


def parse_key(text):
    """C2SP vkey `name+hash+base64`: its name, key id, type and public key."""
    name, hash_hex, encoded = text.split("+", 2)
    data = decode(encoded)
    need(len(data) == 33 and sha256(name.encode() + b"\n" + data)[:4].hex() == hash_hex, f"the key of {name} is damaged")
    return name, bytes.fromhex(hash_hex), data[0], Ed25519PublicKey.from_public_bytes(data[1:])


def verify(key, signature, message):
    try:
        key[3].verify(signature, message)
    except InvalidSignature:
        raise ValueError(f"the signature of {key[0]} does not verify") from None


def check_proof(text, body, log_key):
    """A C2SP tlog-proof: index, and the checkpoint that it leads to, as its text and its signature lines."""
    head, note = text.split("\n\n", 1)
    lines = head.split("\n")
    need(lines.pop(0) == "c2sp.org/tlog-proof@v1", "no tlog-proof")
    if lines[0].startswith("extra "):
        lines.pop(0)
    index = int(lines.pop(0).removeprefix("index "))
    signed, signatures = note.split("\n\n", 1)
    origin, size, root = signed.split("\n")
    # From the leaf to the root, RFC 9162, section 2.1.3.2.
    at, last, hash_ = index, int(size) - 1, sha256(b"\0" + body)
    need(at <= last, "the index is not in the log")
    for sibling in map(decode, lines):
        need(last > 0, "the proof is too long")
        if at & 1 or at == last:
            hash_ = sha256(b"\1" + sibling + hash_)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            hash_ = sha256(b"\1" + hash_ + sibling)
        at, last = at >> 1, last >> 1
    need(last == 0 and hash_ == decode(root), "the body is not what was signed at this place")
    parsed = [(name, decode(encoded)) for _, name, encoded in (line.split(" ") for line in signatures.splitlines())]
    own = [data for name, data in parsed if (name, data[:4]) == log_key[:2]]
    need(origin == log_key[0] and log_key[2] == LOG_KEY and own, f"not signed by the key of {log_key[0]}")
    for data in own:
        verify(log_key, data[4:], (signed + "\n").encode())
    return index, signed + "\n", parsed


def main(path, log_vkey, *cosigner_vkeys):
    with open(path, encoding="utf-8") as file:
        data = json.loads(file.read().split(OPENING)[1].split("\n", 1)[0])
    need(data["format"] in ("entente-evidence/1", "entente-evidence/2"), "another format")
    known, body, size = parse_key(log_vkey), decode(data["body"]), int(data["proof"].split("\n\n")[1].split("\n")[1])
    history = [(decode(record["body"]), record["proof"]) for record in data["key_history"]]
    changes = [key_change(each, int(proof.split("index ")[1].split("\n")[0]), known[0]) for each, proof in history]
    # Where the key is replaced both sign: the later one.
    log_key = [key for key, start, end in reigns(known, filter(None, changes)) if start <= size <= end][-1]
    index, signed, lines = check_proof(data["proof"], body, log_key)
    origin = signed.split("\n")[0]
    need(data["ref"] == f"{origin}#{index}", "the proof is that of another record than the one named")
    print(f"{data['ref']} is what {origin} signed, under {size} entries: {body.decode()}")
    for key in map(parse_key, cosigner_vkeys):
        own = [line for name, line in lines if (name, line[:4]) == key[:2] and key[2] == COSIGNER_KEY]
        for line in own:
            date = int.from_bytes(line[4:12], "big")
            verify(key, line[12:], f"cosignature/v1\ntime {date}\n{signed}".encode())
            need(date <= time.time() + 300, f"the cosignature of {key[0]} is dated in the future")
            # A node that has cosigned by its mirror key holds the log; a witness has only seen that it grew.
            print(f"cosigned by {key[0]} at {datetime.fromtimestamp(date, timezone.utc):%Y-%m-%dT%H:%M:%SZ}")
        if not own:
            print(f"NOT PROVED: that {key[0]} has cosigned; there is no line by this key")
    for record, proof in history:
        entry, under, _ = check_proof(proof, record, log_key)
        need(under == signed, "a record about keys under another checkpoint")
        print(f"entry {entry} says of keys: {record.decode()}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(print(__doc__, file=sys.stderr) or 64)
    try:
        main(*sys.argv[1:])
    except (ValueError, KeyError, IndexError, TypeError, OSError) as problem:
        sys.exit(print(f"NOT PROVED: {problem}") or 1)
