"""A log that is none of a federation's, and asks a node to witness it (c2sp.org/tlog-witness). Shares no code with it.

    outside_log.py key NAME                                   prints the log's verifier key
    outside_log.py SCENARIO HOST:PORT CERTIFICATE WITNESS_KEY NAME [ARGUMENT…]

Each scenario prints a line for every answer that is not the one it has to be, and then ends with 1.
"""

import base64
import hashlib
import http.client
import socket
import ssl
import sys
import threading
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

DASH = "\u2014"


def b64(data):
    return base64.b64encode(data).decode()


def sha(data):
    return hashlib.sha256(data).digest()


# RFC 6962, section 2.1, as it is written there.


def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def root(leaves):
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return sha(b"\x00" + leaves[0])
    k = split(len(leaves))
    return sha(b"\x01" + root(leaves[:k]) + root(leaves[k:]))


def subproof(m, leaves, known):
    if m == len(leaves):
        return [] if known else [root(leaves)]
    k = split(len(leaves))
    if m <= k:
        return subproof(m, leaves[:k], known) + [root(leaves[k:])]
    return subproof(m - k, leaves[k:], False) + [root(leaves[:k])]


def proof(m, leaves):
    return subproof(m, leaves, True) if m > 0 else []


# Signed notes.


class Signer:
    def __init__(self, name, seed=None):
        self.name = name
        self.key = Ed25519PrivateKey.from_private_bytes(sha((seed or name).encode()))
        self.public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = sha(name.encode() + b"\n\x01" + self.public)[:4]
        self.vkey = f"{name}+{self.id.hex()}+{b64(bytes([1]) + self.public)}"

    def line(self, text):
        return f"{DASH} {self.name} {b64(self.id + self.key.sign(text.encode()))}\n"


def entries(size, variant="", common=0):
    return [f"entry {i} {variant if i >= common else ''}".encode() for i in range(size)]


def checkpoint(origin, leaves):
    return f"{origin}\n{len(leaves)}\n{b64(root(leaves))}\n"


def body(old, hashes, note):
    return (f"old {old}\n" + "".join(b64(h) + "\n" for h in hashes) + "\n" + note).encode()


# The witness.


class Witness:
    def __init__(self, address, certificate, vkey):
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)
        self.tls = ssl.create_default_context(cafile=certificate)
        # Its certificate says the node's name, and this one asks an address.
        self.tls.check_hostname = False
        name, key_id, key = vkey.split("+", 2)
        key = base64.b64decode(key)
        assert key[0] == 4 and sha(name.encode() + b"\n" + key)[:4].hex() == key_id
        self.name, self.id, self.key = name, bytes.fromhex(key_id), Ed25519PublicKey.from_public_bytes(key[1:])

    def connect(self):
        return http.client.HTTPSConnection(self.host, self.port, context=self.tls, timeout=60)

    def ask(self, data, connection=None, method="POST", path="/add-checkpoint"):
        one = connection or self.connect()
        one.request(method, path, body=data)
        answer = one.getresponse()
        read = answer.read()
        if connection is None:
            one.close()
        return answer.status, answer.headers.get("Content-Type"), read

    def cosigned(self, text, data):
        """The time of the one line in an answer, which has to verify."""
        lines = data.decode().split("\n")
        assert len(lines) == 2 and lines[1] == "", lines
        dash, name, signature = lines[0].split(" ")
        signature = base64.b64decode(signature, validate=True)
        assert dash == DASH and name == self.name and signature[:4] == self.id and len(signature) == 76
        moment = int.from_bytes(signature[4:12], "big")
        self.key.verify(signature[12:], f"cosignature/v1\ntime {moment}\n{text}".encode())
        return moment


class Log:
    def __init__(self, witness, name, origin=None):
        self.witness, self.signer, self.origin = witness, Signer(name), origin or name

    def note(self, leaves, more=()):
        text = checkpoint(self.origin, leaves)
        return text + "\n" + "".join(s.line(text) for s in (self.signer, *more))

    def send(self, old, leaves, hashes=None, connection=None):
        hashes = proof(old, leaves) if hashes is None else hashes
        return self.witness.ask(body(old, hashes, self.note(leaves)), connection)


failures = []


def expect(what, answer, status, content=None, kind=None):
    if answer[0] != status or (content is not None and answer[2] != content) or (kind and answer[1] != kind):
        failures.append(what)
        print(f"{what}: {answer}, expected {status} {content or ''} {kind or ''}")


def expect_cosigned(what, log, leaves, answer, since):
    expect(what, answer, 200, kind="text/plain; charset=utf-8")
    if answer[0] != 200:
        return 0
    moment = log.witness.cosigned(checkpoint(log.origin, leaves), answer[2])
    if not since <= moment <= time.time() + 1:
        failures.append(what)
        print(f"{what}: as of {moment}, not between {since} and now")
    return moment


# Scenarios.


def answers(log, unknown):
    start = int(time.time())
    one = log.witness.connect()
    last = expect_cosigned("first", log, entries(5), log.send(0, entries(5), connection=one), start)
    last = expect_cosigned("the same again", log, entries(5), log.send(5, entries(5), connection=one), last)
    expect("old 0 afterwards", log.send(0, entries(9)), 409, b"5\n", "text/x.tlog.size")
    expect("old 3", log.send(3, entries(9)), 409, b"5\n", "text/x.tlog.size")
    expect("old 7", log.send(7, entries(9)), 409, b"5\n", "text/x.tlog.size")
    expect("smaller", log.send(4, entries(4)), 409, b"5\n", "text/x.tlog.size")
    last = expect_cosigned("growth", log, entries(13), log.send(5, entries(13), connection=one), last)
    expect("old larger than the checkpoint", log.send(13, entries(8), hashes=[]), 400)
    good = proof(13, entries(40))
    for number in range(len(good)):
        wrong = list(good)
        wrong[number] = sha(wrong[number])
        expect(f"hash {number} is wrong", log.send(13, entries(40), hashes=wrong), 422)
    expect("a hash is missing", log.send(13, entries(40), hashes=good[:-1]), 422)
    expect("a hash too many", log.send(13, entries(40), hashes=good + [sha(b"")]), 422)
    expect("63 hashes", log.send(13, entries(40), hashes=[sha(b"")] * 63), 422)
    expect("64 hashes", log.send(13, entries(40), hashes=[sha(b"")] * 64), 400)
    expect("another history", log.send(13, entries(40, "b")), 422)

    text = checkpoint(log.origin, entries(40))
    stranger = Signer(log.signer.name, "stranger")
    ask = lambda note: log.witness.ask(body(13, good, note))
    expect("signed by nobody known", ask(text + "\n" + stranger.line(text)), 403)
    expect("a signature of another text", ask(text + "\n" + log.signer.line(text + "x")), 403)
    expect("a good and a bad one", ask(log.note(entries(40)) + log.signer.line(text + "x")), 403)
    expect("unknown origin", Log(log.witness, unknown).send(0, entries(3)), 404)
    expect("signed for another origin", ask(log.note(entries(40)).replace(log.origin, unknown, 1)), 404)
    note = log.note(entries(40), more=[stranger] * 15)
    last = expect_cosigned("a good one among strangers", log, entries(40), ask(note), last)
    expect("a proof from nothing", log.send(0, entries(3), hashes=[sha(b"")]), 409, b"40\n")
    last = expect_cosigned("still there", log, entries(40), log.send(40, entries(40)), last)


def malformed(log):
    note = log.note(entries(3))
    good = body(0, [], note)
    for what, data in {
        "empty": b"", "line feeds": b"\n\n\n", "garbage": bytes(range(256)) * 16, "no old": good[6:],
        "old 00": good.replace(b"old 0", b"old 00"), "old -1": good.replace(b"old 0", b"old -1"),
        "old 2^63": good.replace(b"old 0", b"old 9223372036854775808"), "no empty line": good.replace(b"\n\n", b"\n", 1),
        "short hash": good.replace(b"\n", b"\nAAAA\n", 1), "carriage returns": good.replace(b"\n", b"\r\n"),
        "no signature": good.split(DASH.encode())[0], "cut": good[:-1], "size 007": good.replace(b"\n3\n", b"\n003\n"),
        "extension line": body(0, [], note.replace("\n\n", "\nmore\n\n", 1)), "not UTF-8": good + b"\xff\n",
    }.items():
        expect(what, log.witness.ask(data), 400)
    expect("a proof from nothing", log.send(0, entries(3), hashes=[sha(b"")]), 422)
    expect("GET", log.witness.ask(None, method="GET"), 405)
    for path in ["/", "/add-checkpoint/", "/add-checkpoint?x", "//add-checkpoint", "/x/add-checkpoint"]:
        expect(path, log.witness.ask(good, path=path), 404)
    expect_cosigned("a good one", log, entries(3), log.witness.ask(good), 0)


def raw(witness):
    plain = socket.create_connection((witness.host, witness.port), timeout=60)
    return witness.tls.wrap_socket(plain)


def until_closed(connection):
    data = b""
    try:
        while part := connection.recv(65536):
            data += part
    except (ssl.SSLError, OSError):
        pass
    return data


def limits(log):
    head = b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n"
    expect("64 KiB and a byte", log.witness.ask(b"x" * 65537), 413)
    expect("64 KiB", log.witness.ask(b"x" * 65536), 400)
    one = raw(log.witness)
    one.sendall(head + b"Content-Length: 1000000000\r\n\r\n")
    if not until_closed(one).startswith(b"HTTP/1.1 413"):
        failures.append("a long body is refused by its head")
    one = raw(log.witness)
    one.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
    try:
        for _ in range(64):
            one.sendall(b"2000\r\n" + b"x" * 8192 + b"\r\n")
    except OSError:
        pass
    if not until_closed(one).startswith(b"HTTP/1.1 413"):
        failures.append("a long body in chunks is refused")
    # Who is asked to go on goes on.
    data = body(0, [], log.note(entries(3)))
    one = raw(log.witness)
    one.sendall(head + b"Connection: close\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(data))
    if not one.recv(4096).startswith(b"HTTP/1.1 100"):
        failures.append("100 Continue")
    one.sendall(data)
    if not until_closed(one).startswith(b"HTTP/1.1 200"):
        failures.append("200 after 100")
    # A body that comes by drops is not waited for.
    slow = raw(log.witness)
    slow.sendall(head + b"Content-Length: 1000\r\n\r\n")
    start = time.time()
    try:
        while time.time() - start < 40:
            slow.sendall(b"x")
            time.sleep(0.5)
    except OSError:
        pass
    took = time.time() - start
    if not 5 < took < 20:
        failures.append(f"a slow body was given {took} s")
    # One address has sixteen connections, and who leaves makes room.
    data = body(3, [], log.note(entries(3)))
    many = [log.witness.connect() for _ in range(16)]
    for each in many:
        expect("one of sixteen", log.witness.ask(data, each), 200)
    try:
        answer = log.witness.ask(data)
        failures.append(f"a seventeenth connection got {answer}")
    except (OSError, http.client.HTTPException):
        pass
    for each in many:
        each.close()
    for _ in range(100):
        try:
            expect("after they have gone", log.witness.ask(data), 200)
            return
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
    failures.append("nobody is let in any more")


def race(log):
    """Eight histories at once from one cosigned size: one is cosigned, and the others prove the fork."""
    expect("before", log.send(0, entries(5)), 200)
    results = [None] * 8
    gate = threading.Barrier(8)

    def run(number):
        leaves = entries(9, f"history {number}", common=5)
        one = log.witness.connect()
        one.connect()
        gate.wait()
        results[number] = log.send(5, leaves, connection=one)
        one.close()

    threads = [threading.Thread(target=run, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = sorted(answer[0] for answer in results)
    if statuses != [200] + [409] * 7:
        failures.append(f"statuses {statuses}")
    for answer in results:
        if answer[0] == 409 and answer[2] != b"9\n":
            failures.append(f"{answer}")


def fork(log):
    expect("one", log.send(0, entries(7)), 200)
    expect("the other", log.send(7, entries(7, "b")), 422)
    expect("the other again", log.send(7, entries(7, "b")), 422)
    # Neither goes on.
    expect("the first again", log.send(7, entries(7)), 422)
    expect("the first and more", log.send(7, entries(9)), 422)


def hammer(log, size):
    """Grows until the witness is gone; says what it asked for last, and what was answered last."""
    size, answered = int(size), int(size)
    one = log.witness.connect()
    print("begun", flush=True)
    try:
        while True:
            size += 1
            answer = log.send(size - 1, entries(size), connection=one)
            if answer[0] != 200:
                failures.append(f"{answer}")
                break
            answered = size
    except (OSError, http.client.HTTPException):
        pass
    print(answered, size)


def resume(log, answered, asked):
    """Goes on after hammer: what was answered counts, and what was asked for may."""
    answered, asked = int(answered), int(asked)
    size = answered
    answer = log.send(size, entries(asked + 1))
    if answer[0] == 409:
        size = int(answer[2])
        if not answered < size <= asked:
            failures.append(f"{size} is stored, {answered} was answered, {asked} was asked for")
        # Nobody got that cosignature: it is there for the asking.
        expect("what was not answered", log.send(size, entries(size)), 200)
        answer = log.send(size, entries(asked + 1))
    expect("further", answer, 200)
    expect("another history", log.send(asked + 1, entries(asked + 2, "b")), 422)
    print(size)


def grow(log, old, new):
    """One growth, whatever becomes of it."""
    try:
        print(log.send(int(old), entries(int(new)))[0])
    except (OSError, http.client.HTTPException):
        print("gone")


def main():
    if sys.argv[1] == "key":
        print(Signer(sys.argv[2]).vkey)
        return
    scenario, address, certificate, vkey, name = sys.argv[1:6]
    name, _, origin = name.partition("=")
    globals()[scenario](Log(Witness(address, certificate, vkey), name, origin or None), *sys.argv[6:])
    for failure in failures:
        print(f"FAILED {failure}")
    sys.exit(1 if failures else 0)


main()
