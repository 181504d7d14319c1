#!/usr/bin/env python3
"""Opens sealed fields (entente-seal/1, see docs/sealing.md) without any code of Entente's.

    open_sealed.py home HOME REF [--passphrase-fd N]           opens a record as the node whose home it is
    open_sealed.py open RECORD.json BLOB ORIGIN NODE KEYFILE   the same from files
    open_sealed.py vectors docs/sealing-vectors.json           checks the published answers

Prints the fields, one JSON object a line. That the record is in the signed log is not checked here: verify the log first,
with verify_log.py beside this. HOME may be that of a running node, and is only read: the record and its sealed part from
node.sqlite, the sealing keys from keys/ (docs/keystore.md). A passphrase is asked for, or is the first line of descriptor
N. REF is the log, # and the number, as us.example/krus#1042 or us.example/krus/2#7. RECORD.json is the record's body as
signed, KEYFILE has the 32 bytes of the node's secret sealing key. Needs PyNaCl, and for HOME zstandard or the zstd
command: pip install pynacl zstandard
"""

import base64
import getpass
import glob
import hashlib
import hmac
import json
import os
import pathlib
import sqlite3
import subprocess
import sys

from nacl import bindings, exceptions

try:
    import zstandard
except ImportError:
    zstandard = None

SUITE = b"entente-seal/1"
LIMIT = 1 << 20
WIDTH = 256
LARGEST_BUNDLE = WIDTH * (16_384 + 2)
NO_REFERENCE = "no_reference: write the log, # and the number of the entry, as us.example/krus#1042 or us.example/krus/2#7"


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
        if count > len(self.data) - self.at:
            raise Refused("malformed_blob")
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
    if len(blob) > LIMIT:
        raise Refused("malformed_blob")
    reader = Reader(blob)
    need(reader.item(1, 64) == SUITE, "unknown_suite")
    salt = reader.item(16, 16)
    boxes = [(reader.name(253), reader.item(32, 32), reader.item(80, 80)) for _ in range(reader.count(1, 64))]
    fields = [(reader.name(256), reader.item(24, 24), reader.item(0, LIMIT)) for _ in range(reader.count(1, 64))]
    need(increasing([box[:2] for box in boxes]), "malformed_blob")
    need(increasing([field[0] for field in fields]), "malformed_blob")
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


class Keys:
    """The sealing keys in keys/: whose they are and their public halves in clear, the secrets only when they are used."""

    def __init__(self, home, descriptor):
        self.folder, self.descriptor, self.file_key, self.by_id = os.path.join(home, "keys"), descriptor, None, {}
        for path in sorted(glob.glob(os.path.join(glob.escape(self.folder), "sealing-*.key"))):
            try:
                with open(path, "rb") as file:
                    line = file.read(4_096)
                form, kind, purpose, name, rest = line.removesuffix(b"\n").split(b" ", 4)
                if (form, purpose) != (b"entente-key/1", b"x25519") or kind not in (b"plain", b"passphrase"):
                    raise ValueError("it is no sealing key of this format")
                public_key = base64.b64decode(rest.split(b" ")[0], validate=True)
                if len(public_key) != 32:
                    raise ValueError("its key has not 32 bytes")
                if kind == b"plain":  # that was the secret one
                    public_key = bindings.crypto_scalarmult_base(public_key)
                node = name.rsplit(b"#", 1)[0].decode()
            except (OSError, ValueError, exceptions.CryptoError) as problem:
                # Another key may open the record.
                print(f"left out: {path}: {problem}", file=sys.stderr)
                continue
            self.node = node
            self.by_id[hashlib.sha256(public_key).hexdigest()] = kind, line, rest

    def secret(self, boxes):
        """The secret key that opens one of these boxes for this node."""
        own = [key_id for node, key_id in boxes if node == self.node]
        need(own, "not_a_recipient")
        found = [self.by_id[key_id] for key_id in own if key_id in self.by_id]
        need(found, "key_missing")
        kind, line, rest = found[0]
        if kind == b"plain":
            return base64.b64decode(rest, validate=True)
        _, nonce, box = rest.split(b" ")
        return self.decrypt(line[: line.rindex(nonce)], nonce, box, self.unlock())

    def unlock(self):
        """The key of the files: under Argon2id of the passphrase, in passphrase.lock."""
        if self.file_key is None:
            with open(os.path.join(self.folder, "passphrase.lock"), "rb") as file:
                line = file.read(4_096).removesuffix(b"\n")
            form, kind, _, passes, memory, salt, nonce, box = line.split(b" ")
            need((form, kind) == (b"entente-passphrase/1", b"argon2id"), "unknown_passphrase_file")
            need(1 <= int(passes) <= 32 and 8 << 10 <= int(memory) <= 1 << 30, "unknown_passphrase_file")
            if self.descriptor is None:
                phrase = getpass.getpass(f"Passphrase of {self.node}: ").encode()
            else:
                with open(self.descriptor, "rb") as file:
                    phrase = file.readline(2_048).removesuffix(b"\n").removesuffix(b"\r")
            algorithm = bindings.crypto_pwhash_ALG_ARGON2ID13
            salt = base64.b64decode(salt, validate=True)
            key = bindings.crypto_pwhash_alg(32, phrase, salt, int(passes), int(memory), algorithm)
            self.file_key = self.decrypt(line[: line.rindex(box)], nonce, box, key)
        return self.file_key

    @staticmethod
    def decrypt(data, nonce, box, key):
        nonce, box = (base64.b64decode(text, validate=True) for text in (nonce, box))
        try:
            return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(box, data, nonce, key)
        except exceptions.CryptoError:
            raise Refused("wrong_passphrase_or_changed_key_file") from None


def unpack(data):
    if zstandard:
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=LARGEST_BUNDLE)
    return subprocess.run(["zstd", "-dc", "--no-progress"], input=data, capture_output=True, check=True).stdout


def body_at(database, log, index):
    """A body, out of the bundle of 256 entries that it stands in: each is two bytes of length, and itself."""
    query = "SELECT compressed, data FROM bundle WHERE log = ? AND number = ?"
    row = database.execute(query, (log, index // WIDTH)).fetchone()
    need(row, "no_such_record")
    bundle, at = unpack(row[1]) if row[0] else row[1], 0
    for _ in range(index % WIDTH):
        at += 2 + int.from_bytes(bundle[at : at + 2], "big")
    body = bundle[at + 2 : at + 2 + int.from_bytes(bundle[at : at + 2], "big")]
    need(body, "no_such_record")
    return body


def open_in_home(home, reference, descriptor):
    origin, _, index = reference.partition("#")
    need(index.isascii() and index.isdecimal() and len(index) < 19, NO_REFERENCE)
    path = pathlib.Path(home, "node.sqlite").absolute().as_uri()
    database = sqlite3.connect(f"{path}?mode=ro", uri=True)
    database.execute("BEGIN")  # all of it as of one moment
    version = database.execute("PRAGMA user_version").fetchone()[0]
    tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    need({"log", "bundle", "blob"} <= tables, f"node.sqlite_of_version_{version}_is_not_known_here")
    log = database.execute("SELECT id FROM log WHERE origin = ?", (origin,)).fetchone()
    need(log, "no_such_log")
    log, index = log[0], int(index)
    body = body_at(database, log, index)
    record = json.loads(body)
    need("sealed" in record, "nothing_is_sealed")
    header = record["sealed"]
    query = "SELECT data FROM blob WHERE log = ? AND entry = ? AND sha256 = ?"
    blob = database.execute(query, (log, index, bytes.fromhex(header["sha256"]))).fetchone()
    need(blob and blob[0] is not None, "the_sealed_part_is_not_here_or_was_erased")
    keys = Keys(home, descriptor)
    need(keys.by_id, "no_sealing_key")
    own = [(each["node"], each["key_id"]) for each in header["recipients"]]
    try:
        key = keys.secret(own)
        return open_sealed(header, blob[0], origin, record["type"], keys.node, key)
    except Refused as refusal:
        if str(refusal) not in ("not_a_recipient", "key_missing"):
            raise
        failure = refusal
    # Not for one of its keys at first; perhaps the author has opened it to one of them later, in that log or in a
    # successor of it.
    if "access_grant" in tables:
        query = """SELECT DISTINCT log.id, record FROM access_grant JOIN log ON log.log_id = record_log
            WHERE access_grant.log_id = ? AND entry = ? ORDER BY access_grant.number"""
        granted = database.execute(query, (hashlib.sha256(origin.encode()).digest(), index)).fetchall()
    elif "sealed_grant" in tables:  # up to version 6, in the log of the record only
        query = "SELECT DISTINCT log, record FROM sealed_grant WHERE log = ? AND entry = ? ORDER BY number"
        granted = database.execute(query, (log, index)).fetchall()
    else:
        print(f"grants are not looked for: node.sqlite of version {version} has no table of them", file=sys.stderr)
        granted = []
    for by, at in granted:
        said = json.loads(body_at(database, by, at))
        grant = {
            "reference": said["target"]["reference"],
            "leaf_hash": said["target"]["hash"],
            "original_commitment": base64.b64decode(said["original_commitment"], validate=True).hex(),
            "commitment": base64.b64decode(said["commitment"], validate=True).hex(),
            "recipients": [
                {**each, "box": base64.b64decode(each["box"], validate=True).hex()} for each in said["recipients"]
            ],
        }
        need(grant["reference"] == f"{origin}#{index}", "wrong_grant_target")
        need(grant["leaf_hash"] == hashlib.sha256(b"\0" + body).hexdigest(), "wrong_grant_target")
        try:
            key = keys.secret([(each["node"], each["key_id"]) for each in grant["recipients"]])
            return open_granted(grant, header, blob[0], origin, record["type"], keys.node, key)
        except Refused as refusal:
            failure = refusal
    raise failure


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


def open_files(record_path, blob_path, origin, node, key_path):
    with open(record_path, encoding="utf-8") as file:
        record = json.load(file)
    with open(blob_path, "rb") as file:
        blob = file.read(LIMIT + 1)
    with open(key_path, "rb") as file:
        secret_key = file.read(33)
    need(len(secret_key) == 32, "key_missing")
    return open_sealed(record["sealed"], blob, origin, record["type"], node, secret_key)


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "vectors":
        return check_vectors(arguments[1])
    descriptor = None
    if arguments[:1] == ["home"] and arguments[3:4] == ["--passphrase-fd"] and arguments[4:5]:
        if not (arguments[4].isascii() and arguments[4].isdecimal()):
            print(f"--passphrase-fd takes the number of an open descriptor, not {arguments[4]}", file=sys.stderr)
            return 64
        descriptor, arguments = int(arguments[4]), arguments[:3] + arguments[5:]
    try:
        if len(arguments) == 3 and arguments[0] == "home":
            fields = open_in_home(arguments[1], arguments[2], descriptor)
        elif len(arguments) == 6 and arguments[0] == "open":
            fields = open_files(*arguments[1:])
        else:
            print(__doc__, file=sys.stderr)
            return 64
    except Refused as refusal:
        print(f"refused: {refusal}", file=sys.stderr)
        return 1
    except EOFError:
        print("no passphrase was given", file=sys.stderr)
        return 77
    except (OSError, ValueError, LookupError, TypeError, sqlite3.Error, subprocess.CalledProcessError) as problem:
        print(f"cannot be read: {problem}", file=sys.stderr)
        return 66
    for name, value in fields.items():
        print(json.dumps({"field": name, "value": json.loads(value)}, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
