"""Keys that took the place of others (docs/keys.md): which records of a log say so, and which keys sign when.

For the programs beside this file; it prints nothing by itself.
"""

import json
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from verify_proof import COSIGNER_KEY, LOG_KEY, Wrong, decode, need, parse_key, sha256, signatures


def identity(key):
    """The id of a key in records: SHA-256 of the public key, hexadecimal."""
    return sha256(key[3].public_bytes(Encoding.Raw, PublicFormat.Raw)).hex()


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
        signed = {each["key_id"]: decode(each["signature"]) for each in record["signatures"]}
        for key in keys:
            need((key[0], key[2]) == (origin, LOG_KEY), "a key of another log")
            key[3].verify(signed[identity(key)], statement)
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
            need((key[0], key[2]) == (node, COSIGNER_KEY) and identity(key) == key_id, "another key")
        until = datetime.fromisoformat(record["valid_until"].replace("Z", "+00:00"))
        return old, int(until.timestamp()), new
    except (Wrong, ValueError, KeyError, TypeError, AttributeError):
        return None  # it says nothing


def terms(anchor, changes):
    """The mirror keys of a node from one that is known, each with the last second at which it signs.

    None signs longer than the one behind it: that may have been stolen.
    """
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
    result = [(last, 1 << 63)]
    for old, until, _ in reversed(chain):
        result.insert(0, (old, min(until, result[0][1])))
    return result


def is_named(line, keys):
    """Whether a signature line names one of a node's mirror keys, by its key id."""
    return any(decode(line.split(" ")[2])[:4] == key[1] for key, _ in keys)


def cosigned_by(note, keys, at=0):
    """Whether one of a node's mirror keys has cosigned the note, and, where a moment is given, signed at that then."""
    return any(signatures(note, key) and at <= until for key, until in keys)
