#!/usr/bin/env python3
"""Checks evidence of a fork (docs/forks.md) without Entente: check_fork.py FILE [VKEY]

VKEY is the log's key as you have it from its owner; without it the one in the file is believed. Needs what verify_proof.py
beside it needs. Exit status 0: the evidence is true. 1: it is not.
"""

import sys

from verify_proof import Wrong, checkpoint, decode, need, node_hash, parse_key


def root_around(size, begin, end, inside, outside):
    """The root of a tree of `size` leaves. The leaves begin..end are given by their perfect subtrees, everything else by
    the nodes outside of them; both lists are used up from left to right."""

    def walk(start, stop):
        if stop <= begin or start >= end:
            return outside.pop(0)
        count = stop - start
        if start >= begin and stop <= end and count & (count - 1) == 0:
            return inside.pop(0)
        middle = start + (1 << (count - 1).bit_length() - 1)  # RFC 6962
        return node_hash(walk(start, middle), walk(middle, stop))

    root = walk(0, size)
    need(not inside and not outside, "hashes are left over")
    return root


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
        return [decode(line()[0]) for _ in range(count)]

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

    (small, small_root), (large, large_root) = [checkpoint(note, parse_key(key), log) for note in notes]
    if small == large:
        need(small_root < large_root and not prefix, "no fork")
    else:
        need(0 < small < large, "not in order")
        count = bin(small).count("1")
        subtrees = prefix[:count]
        need(root_around(large, 0, small, list(subtrees), prefix[count:]) == large_root, "not under the larger root")
        root = subtrees.pop()
        while subtrees:
            root = node_hash(subtrees.pop(), root)
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
    if len(sys.argv) not in (2, 3):
        sys.exit(print(__doc__, file=sys.stderr) or 64)
    try:
        main(*sys.argv[1:])
    except (Wrong, ValueError, IndexError, OSError) as problem:
        sys.exit(print(f"NOT PROVED: {problem}") or 1)
