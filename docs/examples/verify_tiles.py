#!/usr/bin/env python3
"""Checks a log that is published as tiles, without any code of Entente's.

    verify_tiles.py FOLDER KEY [KEY...]     the folder has the log's `checkpoint`; KEY is its vkey, then cosigners' keys

The format is https://c2sp.org/tlog-tiles. Every body is hashed, every tile compared byte by byte, and the root of all
held against the one that the log's key has signed. What is beside this file as verify_log.py reads keys and notes.
"""

import os
import sys

from verify_log import WIDTH, Wrong, bodies, checkpoint, leaf_hash, need, parse_key, signed_by, tree_hash


def tile_path(number, width):
    """`x001/x234/067` for 1234067, and `.p/W` behind it where the tile is not full."""
    path = f"{number % 1000:03}"
    while number := number // 1000:
        path = f"x{number % 1000:03}/{path}"
    return path if width == WIDTH else f"{path}.p/{width}"


def read(folder, level, number, width):
    """A tile or bundle; a partial one may have gone once the full one was there."""
    for path in (tile_path(number, width), tile_path(number, WIDTH)):
        try:
            with open(os.path.join(folder, "tile", str(level), path), "rb") as file:
                return file.read(), f"tile/{level}/{path}"
        except FileNotFoundError:
            continue
    raise Wrong(f"tile/{level}/{tile_path(number, width)} is missing")


def check_level(folder, level, hashes):
    """Every tile of a level; answers the hashes of the level above, one for each full tile."""
    above = []
    for number in range((len(hashes) + WIDTH - 1) // WIDTH):
        expected = hashes[number * WIDTH : (number + 1) * WIDTH]
        data, path = read(folder, level, number, len(expected))
        need(data[: 32 * len(expected)] == b"".join(expected), f"{path} is not what is below it")
        if len(expected) == WIDTH:
            above.append(tree_hash(expected))
    return above


def check(folder, keys):
    with open(os.path.join(folder, "checkpoint"), encoding="utf-8") as file:
        note = file.read()
    size, root = checkpoint(note, keys[0])
    hashes = []
    while len(hashes) < size:
        width = min(WIDTH, size - len(hashes))
        data, path = read(folder, "entries", len(hashes) // WIDTH, width)
        found = [leaf_hash(body) for body in bodies(data)][:width]
        need(len(found) == width, f"{path} has {len(found)} entries, not {width}")
        hashes += found
    need(tree_hash(hashes) == root, "the entries do not have the root that was signed")
    level, above = 0, hashes
    while above:
        above, level = check_level(folder, level, above), level + 1
    by = [key[0] for key in keys[1:] if signed_by(note, key)]
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
