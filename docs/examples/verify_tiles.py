#!/usr/bin/env python3
"""Checks a log that is published as tiles, without any code of Entente's.

    verify_tiles.py FOLDER KEY [KEY...]     the folder has the log's `checkpoint`; KEY is its vkey, then cosigners' keys

The format is https://c2sp.org/tlog-tiles. Every body is hashed, every tile compared byte by byte, and the root of all
held against the one that the log's key has signed. verify_proof.py, log_keys.py and verify_log.py have to lie beside it.
KEY may be any that the log has had: the records in which one key takes the place of another lead to the one that signs.
The same goes for the mirror key of the log's own node; of other cosigners give the key that they sign with now.
"""

import os
import sys

from log_keys import key_change, mirror_change, reigns, terms
from verify_log import WIDTH, bodies, tree_hash
from verify_proof import Wrong, checkpoint, leaf_hash, need, parse_key, signatures


def tile_path(number, width):
    """`x001/x234/067` for 1234067, and `.p/W` behind it where the tile is not full."""
    path = f"{number % 1000:03}"
    while number := number // 1000:
        path = f"x{number % 1000:03}/{path}"
    return path if width == WIDTH else f"{path}.p/{width}"


def read(folder, level, number, width):
    """A tile or bundle, its path and its width: a partial one may have gone once the full one was there."""
    for path, found in (tile_path(number, width), width), (tile_path(number, WIDTH), WIDTH):
        try:
            with open(os.path.join(folder, "tile", str(level), path), "rb") as file:
                return file.read(), f"tile/{level}/{path}", found
        except FileNotFoundError:
            continue
    raise Wrong(f"tile/{level}/{tile_path(number, width)} is missing")


def check_level(folder, level, hashes):
    """Every tile of a level; answers the hashes of the level above, one for each full tile."""
    above = []
    for number in range((len(hashes) + WIDTH - 1) // WIDTH):
        expected = hashes[number * WIDTH : (number + 1) * WIDTH]
        data, path, found = read(folder, level, number, len(expected))
        need(len(data) == 32 * found, f"{path} has {len(data)} bytes, not {32 * found}")
        need(data[: 32 * len(expected)] == b"".join(expected), f"{path} is not what is below it")
        if len(expected) == WIDTH:
            above.append(tree_hash(expected))
    return above


def check(folder, keys):
    with open(os.path.join(folder, "checkpoint"), encoding="utf-8") as file:
        note = file.read()
    # Its size is only believed once a key has signed it that leads on from the one given.
    log, size = keys[0], int(note.split("\n")[1])
    node = log[0].split("/")[0]
    hashes, changes, mirrors = [], [], []
    while len(hashes) < size:
        width = min(WIDTH, size - len(hashes))
        data, path, whole = read(folder, "entries", len(hashes) // WIDTH, width)
        found = list(bodies(data))
        need(len(found) == whole, f"{path} has {len(found)} entries, not {whole}")
        for body in found[:width]:
            changes += filter(None, [key_change(body, len(hashes), log[0])])
            mirrors += filter(None, [mirror_change(body, node)])
            hashes.append(leaf_hash(body))
    signing = [key for key, start, end in reigns(log, changes) if start <= size <= end and signatures(note, key)]
    need(signing, f"not signed by the key of {log[0]} that was given, nor by one that it leads to")
    size, root = checkpoint(note, signing[0])
    need(tree_hash(hashes) == root, "the entries do not have the root that was signed")
    level, above = 0, hashes
    while above:
        above, level = check_level(folder, level, above), level + 1
    led = [[each for each, _ in terms(key, mirrors if key[0] == node else [])] for key in keys[1:]]
    by = [chain[0][0] for chain in led if any(signatures(note, key) for key in chain)]
    return f"{keys[0][0]}: sound; {size} entries, cosigned by {', '.join(by) or 'nobody asked for'}"


def main(arguments):
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 64
    try:
        print(check(arguments[0], [parse_key(text) for text in arguments[1:]]))
    except (Wrong, ValueError, OSError) as problem:
        print(f"NOT SOUND; {problem}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
