#!/usr/bin/env python3
"""Checks the logs of a home, and proofs of single records, without any code of Entente's.

    verify_log.py home NODE.SQLITE [KEY...]          every log that is kept there, from its first entry to its root
    verify_log.py proof PROOF BODY KEY [KEY...]      what `entente prove` wrote, of what `entente show --raw` wrote

NODE.SQLITE may be that of a running node, or a copy made with its -wal file. It is only read. A KEY is a vkey as it
stands in peer cards; with the keys of cosigners (mirror_key), cosignatures are checked too. Without the KEY of a log
`home` takes the one that the database names: that proves the log whole, not whose it is, and is said. Sealed parts are
held against the hash and size that their record names.

A log's KEY may be any that it has had: the records in which one key takes the place of another lead from it to those
before and behind it (docs/keys.md). A proof is checked with the key that had signed when it was made. The KEY of a
cosigner may be any that it has had, too: records in its own logs, as far as the home holds them, lead to the others, and
each key checks what is dated within its time.

The formats are public: https://c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature, tlog-tiles, tlog-proof; tree
hashing is RFC 6962. Needs cryptography, and zstandard or the zstd command: pip install cryptography zstandard
"""

import base64
import hashlib
import json
import sqlite3
import subprocess
import sys
import time
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

try:
    import zstandard
except ImportError:
    zstandard = None

LOG_KEY, COSIGNER_KEY = 1, 4
WIDTH = 256
LARGEST_BUNDLE = WIDTH * (16_384 + 2)


class Wrong(Exception):
    """What is not as it was signed."""


def need(condition, problem):
    if not condition:
        raise Wrong(problem)


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(body):
    return sha256(b"\0" + body)


def node_hash(left, right):
    return sha256(b"\1" + left + right)


def split(size):
    """The largest power of two below this size: where RFC 6962 cuts a tree."""
    return 1 << (size - 1).bit_length() - 1


def tree_hash(hashes):
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256(b"")
    cut = split(len(hashes))
    return node_hash(tree_hash(hashes[:cut]), tree_hash(hashes[cut:]))


# Signed notes


def parse_key(text):
    """A vkey `name+hash+base64`: its name, key id, type and public key."""
    name, hash_hex, encoded = text.split("+", 2)
    data = base64.b64decode(encoded, validate=True)
    key_id = sha256(name.encode() + b"\n" + data)[:4]
    need(len(data) == 33 and key_id.hex() == hash_hex, f"the key of {name} is damaged")
    return name, key_id, data[0], Ed25519PublicKey.from_public_bytes(data[1:])


def signed_by(note, key):
    """Whether the key has signed the note. A line under its name and key id that does not verify is an error."""
    name, key_id, kind, public_key = key
    text, lines = note[: note.rindex("\n\n") + 1], note[note.rindex("\n\n") + 2 :]
    found = False
    for line in lines.splitlines():
        dash, signer, encoded = line.split(" ")
        data = base64.b64decode(encoded, validate=True)
        if (dash, signer, data[:4]) != ("\u2014", name, key_id):
            continue
        message, signature = text.encode(), data[4:]
        if kind == COSIGNER_KEY:
            date, signature = int.from_bytes(signature[:8], "big"), signature[8:]
            need(date <= time.time() + 300, f"the cosignature of {name} is dated in the future")
            message = f"cosignature/v1\ntime {date}\n".encode() + message
        try:
            public_key.verify(signature, message)
        except InvalidSignature:
            raise Wrong(f"the signature of {name} does not verify") from None
        found = True
    return found


def checkpoint(note, key):
    """Size and root that the log's key has signed."""
    need(key[2] == LOG_KEY and signed_by(note, key), f"not signed by the key of {key[0]}")
    origin, size, root = note[: note.rindex("\n\n")].split("\n")
    need(origin == key[0], f"signed by {key[0]}, but for {origin}")
    return int(size), base64.b64decode(root, validate=True)


# Keys that took the place of others


def key_change(body, index, origin):
    """What a record says of the log's key, if both keys have signed that: the size of the log with it, old and new."""
    if b'"key"' not in body and b"\\" not in body:
        return None
    try:
        record = json.loads(body)
        if (record["type"], record["role"], record["action"], record["origin"]) != ("key", "log", "replaces", origin):
            return None
        old, new = record["previous_key"], record["public_key"]
        keys = [parse_key(old), parse_key(new)]
        statement = f"entente log key 1\n{origin}\n{old}\n{new}\n".encode()
        signatures = {each["key_id"]: base64.b64decode(each["signature"]) for each in record["signatures"]}
        for name, _, kind, public_key in keys:
            need((name, kind) == (origin, LOG_KEY), "a key of another log")
            identity = public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)
            public_key.verify(signatures[sha256(identity).hex()], statement)
        return index + 1, keys[0], keys[1]
    except (Wrong, ValueError, KeyError, TypeError, AttributeError, InvalidSignature):
        return None  # it says nothing


def reigns(anchor, changes):
    """The keys of a log from one that is known: each with the sizes of the checkpoints that it may sign.

    Back from the known key to those before it, then on to those behind it. At the size of a change both keys sign.
    """
    same = lambda one, other: one[1] == other[1]
    seen, fresh = set(), []
    for each in changes:  # a key that has been in use never comes back
        seen.add(each[1][1])
        fresh += [] if each[2][1] in seen else [each]
        seen.add(each[2][1])
    changes = fresh
    chain, used = [], {anchor[1]}
    link = next((each for each in changes if same(each[2], anchor)), None)
    while link and link[1][1] not in used:
        used.add(link[1][1])
        chain.insert(0, link)
        link = next((each for each in reversed(changes) if each[0] < link[0] and same(each[2], link[1])), None)
    end, size = anchor, chain[-1][0] if chain else 0
    while link := next((each for each in changes if each[0] > size and same(each[1], end)), None):
        if link[2][1] in used:
            break
        used.add(link[2][1])
        chain.append(link)
        size, end = link[0], link[2]
    starts = [0] + [each[0] for each in chain]
    ends = [each[0] for each in chain] + [1 << 63]
    return list(zip([each[1] for each in chain] + [end], starts, ends))


def mirror_change(body, node):
    """What a record in a log of this node says of its mirror key: the old one, until when it signs, and the new one."""
    if b'"key"' not in body and b"\\" not in body:
        return None
    try:
        record = json.loads(body)
        if (record["type"], record["role"], record["action"]) != ("key", "mirror", "replaces"):
            return None
        old, new = parse_key(record["previous_key"]), parse_key(record["public_key"])
        for key, key_id in (old, record["previous_key_id"]), (new, record["key_id"]):
            identity = key[3].public_bytes(Encoding.Raw, PublicFormat.Raw)
            need((key[0], key[2]) == (node, COSIGNER_KEY) and sha256(identity).hex() == key_id, "another key")
        until = datetime.fromisoformat(record["valid_until"].replace("Z", "+00:00"))
        return old, int(until.timestamp()), new
    except (Wrong, ValueError, KeyError, TypeError, AttributeError):
        return None  # it says nothing


def terms(anchor, changes):
    """The mirror keys of a node from one that is known, each with the last second at which it signs."""
    same = lambda one, other: one[1] == other[1]
    chain, used = [], {anchor[1]}
    first = last = anchor
    while link := next((each for each in changes if same(each[2], first) and each[0][1] not in used), None):
        used.add(link[0][1])
        chain.insert(0, link)
        first = link[0]
    while link := next((each for each in changes if same(each[0], last) and each[2][1] not in used), None):
        used.add(link[2][1])
        chain.append(link)
        last = link[2]
    return [(old, until) for old, until, _ in chain] + [(last, 1 << 63)]


def cosigned_by(note, keys, at):
    """Whether one of a node's mirror keys has cosigned the note, within its time."""
    return any(signed_by(note, key) and at <= until for key, until in keys)


# Proofs


def root_of_inclusion(hash_, index, size, proof):
    """The root that a proof of inclusion leads to (RFC 9162, section 2.1.3.2)."""
    need(index < size, "the index is not in the tree")
    last = size - 1
    for sibling in proof:
        need(last > 0, "the proof is too long")
        if index & 1 or index == last:
            hash_ = node_hash(sibling, hash_)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            hash_ = node_hash(hash_, sibling)
        index, last = index >> 1, last >> 1
    need(last == 0, "the proof is too short")
    return hash_


def check_proof(text, body, keys):
    """A tlog-proof: where the body stands in the log whose key is the first. Answers who cosigned the checkpoint."""
    head, note = text.split("\n\n", 1)
    lines = head.split("\n")
    need(lines.pop(0) == "c2sp.org/tlog-proof@v1", "no tlog-proof")
    if lines[0].startswith("extra "):
        lines.pop(0)
    word, index = lines.pop(0).split(" ")
    need(word == "index", "no index")
    size, root = checkpoint(note, keys[0])
    proof = [base64.b64decode(line, validate=True) for line in lines]
    need(root_of_inclusion(leaf_hash(body), int(index), size, proof) == root, "the body is not what was signed there")
    return int(index), size, [key[0] for key in keys[1:] if signed_by(note, key)]


# A home's database


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
        signers = [each for each, start, end in keys if start <= signed_size <= end and signed_by(note, each)]
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
    checked = 0
    given = "SELECT cosigner, size, time, line FROM cosignature WHERE log = ?"
    for name, at, date, line in database.execute(given, (log,)):
        if name in cosigners:
            need(at in heads, f"a cosignature on size {at}, which has no checkpoint")
            text = heads[at][1][: heads[at][1].rindex("\n\n") + 2]
            said = int.from_bytes(base64.b64decode(line.split(" ")[2], validate=True)[4:12], "big")
            need(said == date, f"a cosignature of {name} on size {at} of another time")
            need(cosigned_by(f"{text}{line}\n", cosigners[name], said), f"no cosignature of {name} on size {at}")
            checked += 1
    parts = "SELECT entry, sha256, size, data FROM blob WHERE log = ? AND data IS NOT NULL"
    for index, digest, length, data in database.execute(parts, (log,)):
        need((index, digest, length) in sealed, f"entry {index} does not name the sealed part that is kept of it")
        need((sha256(data), len(data)) == (digest, length), f"the sealed part of entry {index} is not what it names")
    rotations = f", {len(keys) - 1} changes of key" if len(keys) > 1 else ""
    return f"{size} entries, {len(heads)} checkpoints, {checked} cosignatures{rotations}"


def mirror_changes(database, node):
    """The changes of a node's mirror key that its logs tell of. That the logs are its own is checked with all others."""
    changes = []
    for (log,) in database.execute("SELECT id FROM log WHERE node = ? ORDER BY origin", (node,)):
        rows = database.execute("SELECT compressed, data FROM bundle WHERE log = ? ORDER BY number", (log,))
        for compressed, data in rows:
            for body in bodies(unpack(data) if compressed else data):
                changes += filter(None, [mirror_change(body, node)])
    return changes


def check_home(path, keys):
    named = {key[0]: key for key in keys if key[2] == LOG_KEY}
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    database.execute("BEGIN")  # all of it as of one moment
    cosigners = {key[0]: terms(key, mirror_changes(database, key[0])) for key in keys if key[2] == COSIGNER_KEY}
    failed = False
    for log, origin, vkey, size in database.execute("SELECT id, origin, verifier_key, size FROM log ORDER BY origin"):
        try:
            key = named.get(origin) or parse_key(vkey)
            need(key[0] == origin, f"its key is that of {key[0]}")
            found = check_log(database, (log, size), key, cosigners)
            whose = "" if named.pop(origin, None) else "; WHOSE IT IS IS NOT PROVED: its key was not given"
            print(f"{origin}: sound; {found}{whose}")
        except (Wrong, ValueError, subprocess.CalledProcessError) as problem:
            failed = True
            named.pop(origin, None)
            print(f"{origin}: NOT SOUND; {problem}")
    for origin in named:
        print(f"{origin}: NOT PROVED: its key was given, and no such log is here")
    return 1 if failed else 0


def main(arguments):
    if arguments[:1] not in (["home"], ["proof"]) or len(arguments) < (2 if arguments[0] == "home" else 4):
        print(__doc__, file=sys.stderr)
        return 64
    try:
        keys = [parse_key(text) for text in arguments[2 if arguments[0] == "home" else 3 :]]
    except (Wrong, ValueError) as problem:
        print(f"no KEY name+hash+base64: {problem}", file=sys.stderr)
        return 64
    if arguments[0] == "home":
        return check_home(arguments[1], keys)
    with open(arguments[1], encoding="utf-8") as file:
        text = file.read()
    with open(arguments[2], "rb") as file:
        body = file.read()
    try:
        index, size, by = check_proof(text, body, keys)
    except (Wrong, ValueError) as problem:
        print(f"NOT SOUND; {problem}")
        return 1
    print(f"sound; entry {index} of {size}, cosigned by {', '.join(by) or 'nobody asked for'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
