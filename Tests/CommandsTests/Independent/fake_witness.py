"""A witness (c2sp.org/tlog-witness) whose first path component says how it answers. Prints one line of JSON when it
listens: its port, the pin of its server and a key for each way. Needs the package `cryptography`."""
import base64, datetime, hashlib, http.server, json, os, signal, ssl, struct, sys, tempfile, time
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

# Whoever starts it may have blocked the signal that ends it.
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

WAYS = ["honest", "behind", "forged", "stranger", "future", "endless", "silent", "dripping", "busy", "elsewhere",
        "looping", "ahead", "unproved", "unknown", "wordless", "garbage"]
folder = sys.argv[1]
last = {}  # size cosigned last, by way and origin


def seed(way):
    return hashlib.sha256(b"fake witness " + way.encode()).digest()


def key(way):
    return ed25519.Ed25519PrivateKey.from_private_bytes(seed(way))


def key_id(name, public):
    return hashlib.sha256(name.encode() + b"\n\x04" + public).digest()[:4]


def name(way):
    return way + ".example"


def vkey(way):
    public = key(way).public_key().public_bytes_raw()
    return "%s+%s+%s" % (name(way), key_id(name(way), public).hex(), base64.b64encode(b"\x04" + public).decode())


def cosignature(way, text, when, signer=None):
    message = b"cosignature/v1\ntime %d\n" % when + text
    public = key(way).public_key().public_bytes_raw()
    signature = (signer or key(way)).sign(message)
    line = base64.b64encode(key_id(name(way), public) + struct.pack(">Q", when) + signature).decode()
    return ("\u2014 %s %s\n" % (name(way), line)).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, body=b"", kind="text/plain; charset=utf-8", headers=()):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for header in headers:
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        way = self.path.split("/")[1]
        request = self.rfile.read(int(self.headers["Content-Length"]))
        head, _, rest = request.partition(b"\n\n")
        lines = head.split(b"\n")
        old = int(lines[0].split()[1])
        text = rest[: rest.rindex(b"\n\n") + 1]
        origin, size, _ = text.decode().split("\n", 2)
        size, now = int(size), int(time.time())
        with open(os.path.join(folder, "requests"), "a") as log:
            log.write("%s %s old %d proof %d size %d\n" % (way, self.path, old, len(lines) - 1, size))
        if way in ("honest", "behind"):
            # It has seen a size before that nobody told its client of.
            known = last.get((way, origin), 1 if way == "behind" else 0)
            if old != known:
                return self.answer(409, b"%d\n" % known, "text/x.tlog.size")
            last[way, origin] = size
            return self.answer(200, cosignature("wordless", text, now) + cosignature(way, text, now))
        if way == "forged":
            return self.answer(200, cosignature(way, text, now, key("stranger")))
        if way == "stranger":
            return self.answer(200, cosignature("honest", text, now))
        if way == "future":
            return self.answer(200, cosignature(way, text, now + 86400))
        if way == "endless":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            chunk = b"x" * 4096
            try:
                while True:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            except OSError:
                self.close_connection = True
            return None
        if way == "silent":
            time.sleep(60)
            return None
        if way == "dripping":
            self.send_response(200)
            self.send_header("Content-Length", "10000")
            self.end_headers()
            try:
                for _ in range(60):
                    self.wfile.write(b"x")
                    self.wfile.flush()
                    time.sleep(1)
            except OSError:
                self.close_connection = True
            return None
        if way == "busy":
            return self.answer(503, b"come back later\x1b[2J\n")
        if way == "elsewhere":
            return self.answer(307, headers=[("Location", "https://127.0.0.1:1/honest/add-checkpoint")])
        if way == "looping":
            return self.answer(409, b"%d\n" % (0 if old == 1 else 1), "text/x.tlog.size")
        if way == "ahead":
            return self.answer(409, b"1000000\n", "text/x.tlog.size")
        if way == "unproved":
            return self.answer(422, b"the proof does not verify\n")
        if way == "unknown":
            return self.answer(404, b"no such log\n")
        if way == "wordless":
            return self.answer(200)
        return self.answer(409, b"not a size\n", "text/x.tlog.size")


server_key, authority_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
now = datetime.datetime.now(datetime.timezone.utc)


def certificate(name, key, extension):
    """A certificate by the authority, for the authority itself or for a server."""
    subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, "authority"))
    return (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1)).add_extension(extension, critical=False)
        .sign(authority_key, hashes.SHA256())).public_bytes(serialization.Encoding.PEM)


# The server may be believed by its pin, or by this authority for the name localhost.
with open(os.path.join(sys.argv[1], "authority.pem"), "wb") as file:
    file.write(certificate("authority", authority_key, x509.BasicConstraints(ca=True, path_length=0)))
with tempfile.NamedTemporaryFile() as file:
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.DNSName("*.witness.invalid")])
    file.write(certificate("server", server_key, names))
    file.write(
        server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    file.flush()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file.name)
pin = hashlib.sha256(
    server_key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def finish_request(self, request, client):
        # The handshake is taken in the thread of the connection.
        super().finish_request(context.wrap_socket(request, server_side=True), client)

    def handle_error(self, request, client):
        pass


server = Server(("127.0.0.1", 0), Handler)
print(json.dumps({"port": server.server_port, "pin": pin, "keys": {way: vkey(way) for way in WAYS}}), flush=True)
server.serve_forever()
