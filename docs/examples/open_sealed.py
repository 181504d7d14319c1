#!/usr/bin/env python3
"""Opens sealed fields (entente-seal/1, see docs/sealing.md) without any code of Entente's.

    open_sealed.py open RECORD.json BLOB ORIGIN NODE KEYFILE   prints the fields, one JSON object a line
    open_sealed.py vectors docs/sealing-vectors.json           checks the published answers

RECORD.json is the record's body as signed (verify the log first), KEYFILE has the 32 bytes of the node's secret
sealing key. Needs PyNaCl: pip install pynacl
"""

import base64
import hashlib
import hmac
import json
import sys

from nacl import bindings, exceptions

SUITE = b"entente-seal/1"
LIMIT = 1 << 20


class Refused(Exception):
    """The name of the check that failed."""


def need(condition, outcome):
    if not condition:
        raise Refused(outcome)


def item(content):
    return len(content).to_bytes(4, "big") + content


def boxes_bytes(boxes):
    return len(boxes).to_bytes(4, "big") + b"".join(item(n) + item(k) + item(b) for n, k, b in boxes)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def count(self, low, high):
        raw = self.data[self.at : self.at + 4]
        number = int.from_bytes(raw, "big")
        need(len(raw) == 4 and low <= number <= high, "malformed_blob")
        self.at += 4
        return number

    def item(self, low, high):
        count = self.count(low, high)
        need(len(self.data) - self.at >= count, "malformed_blob")
        self.at += count
        return self.data[self.at - count : self.at]

    def name(self, high):
        name = self.item(1, high)
        need(all(0x21 <= byte <= 0x7E for byte in name), "malformed_blob")
        return name


def increasing(keys):
    return all(one < following for one, following in zip(keys, keys[1:]))


def padme(count):
    exponent = count.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (count + mask) & ~mask


def parse(blob):
    need(len(blob) <= LIMIT, "malformed_blob")
    reader = Reader(blob)
    need(reader.item(1, 64) == SUITE, "unknown_suite")
    salt = reader.item(16, 16)
    boxes = [(reader.name(253), reader.item(32, 32), reader.item(80, 80)) for _ in range(reader.count(1, 64))]
    fields = [(reader.name(256), reader.item(24, 24), reader.item(0, LIMIT)) for _ in range(reader.count(1, 64))]
    need(increasing([box[:2] for box in boxes]) and increasing([field[0] for field in fields]), "malformed_blob")
    for _, _, ciphertext in fields:
        count = len(ciphertext) - 16
        need(count >= 64 and padme(count) == count, "malformed_blob")
    need(reader.at == len(blob), "malformed_blob")
    return salt, boxes, fields


def agreed(header, blob):
    """Steps 1 and 2: the blob is the one that was signed, and says what the signed header says."""
    need(header["suite"].encode() == SUITE, "unknown_suite")
    need(len(blob) == header["size"], "wrong_size")
    need(hashlib.sha256(blob).hexdigest() == header["sha256"], "wrong_hash")
    salt, boxes, fields = parse(blob)
    recipients = [(r["node"].encode(), bytes.fromhex(r["key_id"])) for r in header["recipients"]]
    need(base64.b64decode(header["salt"], validate=True) == salt, "disagreement")
    need([box[:2] for box in boxes] == recipients, "disagreement")
    need([field[0] for field in fields] == [name.encode() for name in header["fields"]], "disagreement")
    return salt, boxes, fields


def subkey(data_key, number):
    """crypto_kdf_derive_from_key with the context "entseal1"."""
    salt = number.to_bytes(8, "little") + bytes(8)
    return hashlib.blake2b(b"", digest_size=32, key=data_key, salt=salt, person=b"entseal1" + bytes(8)).digest()


def keyed_hash(key, content):
    return hashlib.blake2b(content, digest_size=32, key=key).digest()


def unbox(boxes, node, secret_key):
    own = [box for box in boxes if box[0] == node.encode()]
    need(own, "not_a_recipient")
    public_key = bindings.crypto_scalarmult_base(secret_key)
    own = [box for box in own if box[1] == hashlib.sha256(public_key).digest()]
    need(own, "key_missing")
    try:
        return bindings.crypto_box_seal_open(own[0][2], public_key, secret_key)
    except exceptions.CryptoError:
        raise Refused("box_does_not_open") from None


def check_commitment(data_key, header, origin, salt, boxes, fields):
    """Step 3."""
    content = item(SUITE) + item(origin.encode()) + item(salt) + boxes_bytes(boxes)
    content += len(fields).to_bytes(4, "big")
    for name, nonce, ciphertext in fields:
        content += item(name) + item(nonce) + item(hashlib.sha256(ciphertext).digest())
    commitment = base64.b64decode(header["commitment"], validate=True)
    need(hmac.compare_digest(keyed_hash(subkey(data_key, 0), content), commitment), "wrong_commitment")


def decrypt(data_key, origin, record_type, salt, fields):
    """Step 4."""
    values = {}
    for position, (name, nonce, ciphertext) in enumerate(fields):
        data = item(SUITE) + item(origin.encode()) + item(salt) + item(record_type.encode()) + item(name)
        try:
            padded = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                ciphertext, data, nonce, subkey(data_key, position + 1)
            )
        except exceptions.CryptoError:
            raise Refused("field_does_not_open") from None
        value = padded.rstrip(b"\0")
        need(value.endswith(b"\x80"), "bad_padding")
        value = value[:-1]
        need(padme(max(len(value) + 1, 64)) == len(padded), "bad_padding")
        values[name.decode()] = value.decode()
    return values


def open_sealed(header, blob, origin, record_type, node, secret_key):
    salt, boxes, fields = agreed(header, blob)
    data_key = unbox(boxes, node, secret_key)
    check_commitment(data_key, header, origin, salt, boxes, fields)
    return decrypt(data_key, origin, record_type, salt, fields)


def open_granted(grant, header, blob, origin, record_type, node, secret_key):
    """The caller has checked that the record at the reference has that leaf hash and this header."""
    salt, boxes, fields = agreed(header, blob)
    original = bytes.fromhex(grant["original_commitment"])
    need(base64.b64decode(header["commitment"], validate=True) == original, "wrong_grant_target")
    need(grant["reference"].startswith(origin + "#"), "wrong_grant_target")
    new = [(r["node"].encode(), bytes.fromhex(r["key_id"]), bytes.fromhex(r["box"])) for r in grant["recipients"]]
    need(1 <= len(new) <= 64 and increasing([box[:2] for box in new]), "malformed_grant")
    data_key = unbox(new, node, secret_key)
    check_commitment(data_key, header, origin, salt, boxes, fields)
    content = item(b"grant") + item(grant["reference"].encode()) + item(bytes.fromhex(grant["leaf_hash"]))
    content += item(original) + boxes_bytes(new)
    commitment = bytes.fromhex(grant["commitment"])
    need(hmac.compare_digest(keyed_hash(subkey(data_key, 0), content), commitment), "wrong_grant_commitment")
    return decrypt(data_key, origin, record_type, salt, fields)


def check_vectors(path):
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)
    right = wrong = 0

    def check(name, expected, opened, *arguments):
        nonlocal right, wrong
        try:
            outcome = opened(*arguments)
        except Refused as refusal:
            outcome = str(refusal)
        if outcome == expected:
            right += 1
        else:
            wrong += 1
            print(f"{name}: {outcome!r} instead of {expected!r}")

    values = {v["name"]: {f["name"]: f["value"] for f in v["fields"]} for v in vectors["envelopes"]}
    envelopes = {v["name"]: v for v in vectors["envelopes"]}

    def arguments(vector, reader):
        blob = bytes.fromhex(vector["blob"])
        secret_key = bytes.fromhex(reader["secret_key"])
        return vector["header"], blob, vector["origin"], vector["record_type"], reader["node"], secret_key

    for vector in vectors["envelopes"]:
        for reader in vector["readers"]:
            check(vector["name"], values[vector["name"]], open_sealed, *arguments(vector, reader))
    for grant in vectors["grants"]:
        for reader in grant["readers"]:
            expected = values[grant["envelope"]] if grant["outcome"] == "opened" else grant["outcome"]
            given = arguments(envelopes[grant["envelope"]], reader)
            check(grant["name"], expected, open_granted, grant, *given)
    for vector in vectors["refused"]:
        check(vector["name"], vector["outcome"], open_sealed, *arguments(vector, vector["reader"]))
    print(f"{right} as published, {wrong} not")
    return 1 if wrong else 0


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "vectors":
        return check_vectors(arguments[1])
    if len(arguments) != 6 or arguments[0] != "open":
        print(__doc__, file=sys.stderr)
        return 64
    _, record_path, blob_path, origin, node, key_path = arguments
    with open(record_path, encoding="utf-8") as file:
        record = json.load(file)
    with open(blob_path, "rb") as file:
        blob = file.read(LIMIT + 1)
    with open(key_path, "rb") as file:
        secret_key = file.read(33)
    try:
        if len(secret_key) != 32:
            raise Refused("key_missing")
        fields = open_sealed(record["sealed"], blob, origin, record["type"], node, secret_key)
    except Refused as refusal:
        print(f"refused: {refusal}", file=sys.stderr)
        return 1
    for name, value in fields.items():
        print(json.dumps({"field": name, "value": json.loads(value)}, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
