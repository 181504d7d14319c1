#!/usr/bin/env python3
"""Checks evidence of a fork (docs/forks.md) without Entente: check_fork.py FILE [VKEY]

Needs the package `cryptography` for Ed25519. Exit status 0: the evidence is true.
"""
import base64
import hashlib
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def need(condition, problem):
    if not condition:
        raise ValueError(problem)


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(count):
    """Where a tree divides: the largest power of two below the count (RFC 6962)."""
    return 1 << (count - 1).bit_length() - 1


def root_around(size, begin, end, inside, outside):
    """The root of a tree of `size` leaves. The leaves begin..end are given by their perfect subtrees, everything else by
    the nodes outside of them; both lists are used up from left to right."""

    def walk(start, stop):
        if stop <= begin or start >= end:
            return outside.pop(0)
        count = stop - start
        if start >= begin and stop <= end and count & (count - 1) == 0:
            return inside.pop(0)
        middle = start + split(count)
        return node(walk(start, middle), walk(middle, stop))

    root = walk(0, size)
    need(not inside and not outside, "hashes are left over")
    return root


def checkpoint(note, vkey, log):
    """Size and root of a signed checkpoint (c2sp.org/tlog-checkpoint), once its signature is checked."""
    name, _, key = vkey.split("+", 2)
    key = base64.b64decode(key)
    need(key[0] == 1, "not an Ed25519 log key")
    key_id = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    text, lines = note.rsplit("\n\n", 1)
    for line in lines.splitlines():
        dash, signer, data = line.split(" ")
        data = base64.b64decode(data)
        if dash == "\u2014" and signer == name and data[:4] == key_id:
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(data[4:], (text + "\n").encode())
            origin, size, root = text.split("\n")
            need(origin == log, "another log's checkpoint")
            return int(size), base64.b64decode(root)
    raise ValueError("not signed by the log's key")


def main(path, vkey=None):
    with open(path, "rb") as file:
        data = file.read()

    def line(word=None):
        nonlocal data
        text, data = data.split(b"\n", 1)
        words = text.decode().split(" ")
        need(word is None or words[0] == word, f"{word} is missing")
        return words if word is None else words[1:]

    def hashes(count):
        return [base64.b64decode(line()[0]) for _ in range(count)]

    need(line() == ["entente-fork/1"], "not evidence of a fork")
    (key,) = line("key")
    need(vkey in (None, key), "another key than the log's")
    log = key.split("+")[0]
    if data.startswith(b"origin "):
        log = " ".join(line("origin"))
    prefix = hashes(int(line("prefix")[0]))
    first = None
    if data.startswith(b"first "):
        index, *counts = map(int, line("first"))
        first = index, [hashes(count + 1) for count in counts]
    notes = []
    for _ in range(2):
        count = int(line("checkpoint")[0])
        notes.append(data[:count].decode())
        data = data[count:]
    need(not data, "bytes behind the evidence")

    (small, small_root), (large, large_root) = [checkpoint(note, key, log) for note in notes]
    if small == large:
        need(small_root < large_root and not prefix, "no fork")
    else:
        need(0 < small < large, "not in order")
        count = bin(small).count("1")
        subtrees = prefix[:count]
        need(root_around(large, 0, small, list(subtrees), prefix[count:]) == large_root, "not under the larger root")
        root = subtrees.pop()
        while subtrees:
            root = node(subtrees.pop(), root)
        need(root != small_root, "no fork: the log only grew")
    print(f"{log}: its key has signed two histories, of {small} and {large} entries")
    if first:
        index, proofs = first
        for (leaf, *proof), size, root in zip(proofs, (small, large), (small_root, large_root)):
            need(root_around(size, index, index + 1, [leaf], proof) == root, "the entry is not under its root")
        before = bin(index).count("1")
        need(proofs[0][0] != proofs[1][0], "the entry is the same in both")
        need(proofs[0][1 : before + 1] == proofs[1][1 : before + 1], "an earlier entry differs")
        print(f"entry {index} is the first that differs")


if __name__ == "__main__":
    main(*sys.argv[1:])
