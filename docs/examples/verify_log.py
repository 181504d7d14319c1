#!/usr/bin/env python3
"""Checks the logs of a home, from their first entries to their roots, without any code of Entente's.

    verify_log.py NODE.SQLITE [KEY...]

NODE.SQLITE may be that of a running node, or a copy made with its -wal file. It is only read. A KEY is a vkey as it
stands in peer cards; with the keys of cosigners (mirror_key), cosignatures are checked too. Without the KEY of a log the
one that the database names is taken: that proves the log whole, not whose it is, and is said. Sealed parts are held
against the hash and size that their record names.

A log's KEY may be any that it has had: the records in which one key takes the place of another lead from it to those
before and behind it (log_keys.py, docs/keys.md). The KEY of a cosigner may be any that it has had, too: records in its
own logs, as far as the home holds them, lead to the others, and each key checks what is dated within its time.

Needs what verify_proof.py beside it needs, and zstandard or the zstd command: pip install cryptography zstandard
"""

import itertools
import json
import sqlite3
import subprocess
import sys

from log_keys import cosigned_by, is_named, key_change, mirror_change, reigns, terms
from verify_proof import COSIGNER_KEY, LOG_KEY, Wrong, checkpoint, decode, leaf_hash, need, node_hash, parse_key, sha256
from verify_proof import signatures

try:
    import zstandard
except ImportError:
    zstandard = None

WIDTH = 256
LARGEST_BUNDLE = WIDTH * (16_384 + 2)


def tree_hash(hashes):
    """RFC 6962: cut at the largest power of two below the size."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256(b"")
    cut = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(tree_hash(hashes[:cut]), tree_hash(hashes[cut:]))


def unpack(data):
    if zstandard:
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=LARGEST_BUNDLE)
    return subprocess.run(["zstd", "-dc", "--no-progress"], input=data, capture_output=True, check=True).stdout


def bodies(bundle):
    at = 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        need(end <= len(bundle), "an entry bundle ends within an entry")
        yield bundle[at + 2 : end]
        at = end


def sealed_part(body, index):
    """The sealed part that a record names, if it names one."""
    try:
        sealed = json.loads(body)["sealed"] if b'"sealed"' in body or b"\\" in body else {}
        return index, bytes.fromhex(sealed["sha256"]), sealed["size"]
    except (ValueError, KeyError, TypeError):
        return None


def check_log(database, row, key, cosigners):
    """All of a log: leaf hashes, every tile, the root at every checkpoint, signatures and cosignatures."""
    log, size = row
    rows = database.execute("SELECT number, compressed, data FROM bundle WHERE log = ? ORDER BY number", (log,))
    tiles = {(level, number): data for level, number, data in
             database.execute("SELECT level, number, data FROM tile WHERE log = ?", (log,))}  # fmt: skip
    # Level 0 has the leaf hashes; a hash of each level above stands for 256 below it.
    hashes, changes, sealed = [], [], set()
    for expected, (number, compressed, data) in enumerate(rows):
        need(number == expected, f"entry bundle {expected} is missing")
        for body in bodies(unpack(data) if compressed else data):
            changes += filter(None, [key_change(body, len(hashes), key[0])])
            sealed.update(filter(None, [sealed_part(body, len(hashes))]))
            hashes.append(leaf_hash(body))
        full = len(hashes) == (number + 1) * WIDTH
        need(full or len(hashes) == size, f"entry bundle {number} has the wrong number of entries")
    need(len(hashes) == size, f"{len(hashes)} entries where {size} are said to be")
    # The entries say which key signs when; that they are the log's own is what their roots are signed for, below.
    keys, heads = reigns(key, changes), {}
    # Whoever leaves out checkpoints could put what they like behind the last one.
    for signed_size, root, note in database.execute("SELECT size, root, note FROM checkpoint WHERE log = ?", (log,)):
        signers = [each for each, start, end in keys if start <= signed_size <= end and signatures(note, each)]
        need(signers, f"the checkpoint of size {signed_size} is not signed by a key that signs at that size")
        need(checkpoint(note, signers[0]) == (signed_size, root), f"the one of size {signed_size} says otherwise")
        heads[signed_size] = root, note
    newest = max(heads, default=0)
    need(newest >= size, f"no checkpoint covers the entries from {newest} on (a transfer may be under way)")
    levels = [hashes]
    while levels[-1]:
        below = levels[-1]
        for number, at in enumerate(range(0, len(below), WIDTH)):
            tile = tiles.pop((len(levels) - 1, number), b"")
            need(tile == b"".join(below[at : at + WIDTH]), f"tile/{len(levels) - 1}/{number} is not what is below it")
        whole = len(below) // WIDTH
        levels.append([tree_hash(below[number * WIDTH : (number + 1) * WIDTH]) for number in range(whole)])
    need(not tiles, "tiles behind the end of the log")
    # The root at a size: whole subtrees of the highest levels first, then what is left over at each level below.
    for signed_size, (root, _) in heads.items():
        need(signed_size <= size, f"a checkpoint of size {signed_size}, but {size} entries")
        peaks, at = [], 0
        for level in reversed(range(len(levels))):
            unit = WIDTH**level
            left = levels[level][at // unit : signed_size // unit]
            while left:
                cut = 1 << len(left).bit_length() - 1
                peaks.append(tree_hash(left[:cut]))
                left = left[cut:]
            at = signed_size // unit * unit
        total = peaks.pop() if peaks else sha256(b"")
        while peaks:
            total = node_hash(peaks.pop(), total)
        need(total == root, f"the entries do not have the root that was signed at size {signed_size}")
    checked = foreign = late = 0
    given = "SELECT cosigner, size, time, line FROM cosignature WHERE log = ?"
    for name, at, date, line in database.execute(given, (log,)):
        if name in cosigners:
            need(at in heads, f"a cosignature on size {at}, which has no checkpoint")
            text = heads[at][1][: heads[at][1].rindex("\n\n") + 2]
            said = int.from_bytes(decode(line.split(" ")[2])[4:12], "big")
            need(said == date and line.split(" ")[1] == name, f"a cosignature of {name} on size {at} of another time")
            if not is_named(line, cosigners[name]):
                foreign += 1  # no record here leads to its key: nobody can check it, and it counts for nothing
                continue
            need(cosigned_by(f"{text}{line}\n", cosigners[name]), f"no cosignature of {name} on size {at}")
            # By a key that had been replaced by then: whoever has stolen it may have signed that.
            in_time = cosigned_by(f"{text}{line}\n", cosigners[name], said)
            checked, late = checked + in_time, late + (not in_time)
    parts = "SELECT entry, sha256, size, data FROM blob WHERE log = ? AND data IS NOT NULL"
    for index, digest, length, data in database.execute(parts, (log,)):
        need((index, digest, length) in sealed, f"entry {index} does not name the sealed part that is kept of it")
        need((sha256(data), len(data)) == (digest, length), f"the sealed part of entry {index} is not what it names")
    rotations = f", {len(keys) - 1} changes of key" if len(keys) > 1 else ""
    others = f"; NOT COUNTED: {foreign} cosignatures by keys that nothing here leads to" if foreign else ""
    others += f"; NOT COUNTED: {late} cosignatures by keys that had been replaced by then" if late else ""
    return f"{size} entries, {len(heads)} checkpoints, {checked} cosignatures{rotations}{others}"


def bodies_of(database, log):
    rows = database.execute("SELECT compressed, data FROM bundle WHERE log = ? ORDER BY number", (log,))
    for compressed, data in rows:
        yield from bodies(unpack(data) if compressed else data)


def generation(origin):
    """The node with the community of a log, and which of its logs there it is."""
    node, community, *number = origin.split("/")
    return f"{node}/{community}", int(number[0]) if number else 1


def owners_ends(database):
    """How many entries of each log that was given up its owner had written, as the first record of its successor says."""
    ends = {}
    # The latest successor first: it counts where two do not agree.
    rows = database.execute("SELECT id, origin FROM log WHERE size > 0 ORDER BY length(origin) DESC, origin DESC")
    for log, origin in rows.fetchall():
        try:
            last = json.loads(next(bodies_of(database, log)))["predecessor"]
            for before in [last] + last.get("earlier", []):
                (whose, number), (successor, later) = generation(before["origin"]), generation(origin)
                if "size" in before and whose == successor and number < later and before["size"] >= 0:
                    ends.setdefault(before["origin"], before["size"])
        except (Wrong, ValueError, KeyError, TypeError, AttributeError, subprocess.CalledProcessError, StopIteration):
            continue  # it says nothing, or cannot be read, which is said of it below
    return ends


def mirror_changes(database, node, ends):
    """The changes of a node's mirror key that its logs tell of. That the logs are its own is checked with all others."""
    changes = []
    for log, origin in database.execute("SELECT id, origin FROM log WHERE node = ? ORDER BY origin", (node,)):
        for body in itertools.islice(bodies_of(database, log), ends.get(origin)):
            changes += filter(None, [mirror_change(body, node)])
    return changes


def check_home(path, keys):
    named = {key[0]: key for key in keys if key[2] == LOG_KEY}
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    database.execute("BEGIN")  # all of it as of one moment
    ends = owners_ends(database)
    cosigners = {key[0]: terms(key, mirror_changes(database, key[0], ends)) for key in keys if key[2] == COSIGNER_KEY}
    failed = False
    for log, origin, vkey, size in database.execute("SELECT id, origin, verifier_key, size FROM log ORDER BY origin"):
        try:
            key = named.get(origin) or parse_key(vkey)
            need(key[0] == origin, f"its key is that of {key[0]}")
            found = check_log(database, (log, size), key, cosigners)
            whose = "" if named.pop(origin, None) else "; WHOSE IT IS IS NOT PROVED: its key was not given"
            beyond = size > ends.get(origin, size)
            whose += f"; ENTRIES FROM {ends[origin]} ON ARE NOT ITS OWNER'S, who had given it up" if beyond else ""
            print(f"{origin}: sound; {found}{whose}")
        except (Wrong, ValueError, subprocess.CalledProcessError) as problem:
            failed = True
            named.pop(origin, None)
            print(f"{origin}: NOT SOUND; {problem}")
    for origin in named:
        print(f"{origin}: NOT PROVED: its key was given, and no such log is here")
    return 1 if failed else 0


def main(arguments):
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 64
    try:
        keys = [parse_key(text) for text in arguments[1:]]
    except (Wrong, ValueError) as problem:
        print(f"no KEY name+hash+base64: {problem}", file=sys.stderr)
        return 64
    return check_home(arguments[0], keys)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
