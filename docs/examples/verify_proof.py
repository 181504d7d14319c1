#!/usr/bin/env python3
"""Checks that a log's key has signed a record at its place, without any code of Entente's.

    verify_proof.py PROOF BODY KEY [KEY...]      what `entente prove` wrote, of what `entente show --raw` wrote

A KEY is a vkey as it stands in peer cards: the one that signs the log, then those of cosigners (mirror_key, or a
witness'). Exit status 0: the line that is printed is proved. 1: it is not.

The programs beside this one read keys, notes and proofs with what is here. The formats are public:
https://c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof; tree hashing is RFC 6962. Needs the package
cryptography: pip install cryptography, or Debian's python3-cryptography
"""

import base64
import hashlib
import sys
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LOG_KEY, COSIGNER_KEY = 1, 4


class Wrong(Exception):
    """What is not as it was signed."""


def need(condition, problem):
    if not condition:
        raise Wrong(problem)


def printable(text):
    """The text with all that a terminal would obey, and not show, written out."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def sha256(data):
    return hashlib.sha256(data).digest()


def decode(text):
    return base64.b64decode(text, validate=True)


def leaf_hash(body):
    return sha256(b"\0" + body)


def node_hash(left, right):
    return sha256(b"\1" + left + right)


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


def parse_key(text):
    """A vkey `name+hash+base64`: its name, key id, type and public key."""
    name, hash_hex, encoded = text.split("+", 2)
    data = decode(encoded)
    key_id = sha256(name.encode() + b"\n" + data)[:4]
    need(len(data) == 33 and key_id.hex() == hash_hex, f"the key of {name} is damaged")
    return name, key_id, data[0], Ed25519PublicKey.from_public_bytes(data[1:])


def signatures(note, key):
    """The dates of the key's lines under a note: 0 for those of a log's key, which have none. Each has to verify."""
    name, key_id, kind, public_key = key
    text, lines = note[: note.rindex("\n\n") + 1], note[note.rindex("\n\n") + 2 :]
    dates = []
    for line in lines.splitlines():
        dash, signer, encoded = line.split(" ")
        data = decode(encoded)
        if (dash, signer, data[:4]) != ("\u2014", name, key_id):
            continue
        date, message, signature = 0, text.encode(), data[4:]
        if kind == COSIGNER_KEY:
            date, signature = int.from_bytes(signature[:8], "big"), signature[8:]
            need(date <= time.time() + 300, f"the cosignature of {name} is dated in the future")
            message = f"cosignature/v1\ntime {date}\n".encode() + message
        try:
            public_key.verify(signature, message)
        except InvalidSignature:
            raise Wrong(f"the signature of {name} does not verify") from None
        dates.append(date)
    return dates


def checkpoint(note, key, origin=None):
    """Size and root that the log's key has signed. The log is called like its key where no origin is given."""
    need(key[2] == LOG_KEY and signatures(note, key), f"not signed by the key of {key[0]}")
    log, size, root = note[: note.rindex("\n\n")].split("\n")
    need(log == (origin or key[0]), f"signed by {key[0]}, but for {log}")
    return int(size), decode(root)


def check_proof(text, body, key):
    """A tlog-proof: the place of the body in the log, and the note of the checkpoint that proves it."""
    head, note = text.split("\n\n", 1)
    lines = head.split("\n")
    need(lines.pop(0) == "c2sp.org/tlog-proof@v1", "no tlog-proof")
    if lines[0].startswith("extra "):
        lines.pop(0)
    word, index = lines.pop(0).split(" ")
    need(word == "index", "no index")
    size, root = checkpoint(note, key)
    proof = [decode(line) for line in lines]
    need(root_of_inclusion(leaf_hash(body), int(index), size, proof) == root, "the body is not what was signed there")
    return int(index), note


def main(arguments):
    if len(arguments) < 3:
        print(__doc__, file=sys.stderr)
        return 64
    try:
        keys = [parse_key(text) for text in arguments[2:]]
    except (Wrong, ValueError) as problem:
        print(f"no KEY name+hash+base64: {problem}", file=sys.stderr)
        return 64
    try:
        with open(arguments[0], encoding="utf-8") as proof, open(arguments[1], "rb") as body:
            index, note = check_proof(proof.read(), body.read(), keys[0])
        by = [key[0] for key in keys[1:] if signatures(note, key)]
    except (Wrong, ValueError, OSError) as problem:
        print(f"NOT SOUND; {printable(str(problem))}")
        return 1
    size, _ = checkpoint(note, keys[0])
    print(f"sound; entry {index} of {size}, cosigned by {', '.join(by) or 'nobody asked for'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
