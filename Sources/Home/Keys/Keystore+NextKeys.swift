public import Cryptography
import Glibc

// The TLS key and the mirror key that are to take the place of those in use lie beside them, as those of logs do.
extension Keystore {
    // MARK: TLS

    private var nextTLSPath: String { KeyFile.nextPath(of: tlsPath) }

    /// Keeps the TLS key, in PEM, that is to be used later, in the place of one that was.
    public func storeNextTLSKey(pem: SecretBytes) throws {
        try storeTLSKey(pem, at: nextTLSPath, replacing: true)
    }

    /// The TLS key that is to be used later; `nil` where there is none.
    public func nextTLSKey() throws -> SecretBytes? {
        guard try hasNextTLSKey else { return nil }
        return try tlsKey(at: nextTLSPath)
    }

    /// Whether there is one, for which no passphrase is needed.
    public var hasNextTLSKey: Bool {
        get throws { try SystemCall.status(nextTLSPath) != nil }
    }

    /// Puts the next TLS key in the place of the one before, which is gone then. The certificate follows.
    public func promoteNextTLSKey() throws {
        try KeysLock.hold(home) { try KeyFile.promote(nextTLSPath, over: tlsPath) }
    }

    // MARK: Mirror

    private var nextMirrorFile: KeyFile {
        KeyFile(path: KeyFile.nextPath(of: mirrorFile.path), purpose: .mirror, name: node)
    }

    /// Makes the mirror key that is to be used later, or gives the one that was made before.
    public func makeNextMirrorKey() throws -> Ed25519.PrivateKey {
        if let made = try nextMirrorKey() { return made }
        let key = try Ed25519.PrivateKey()
        try create(nextMirrorFile, key.seed)
        return key
    }

    public func nextMirrorKey() throws -> Ed25519.PrivateKey? {
        guard try SystemCall.status(nextMirrorFile.path) != nil else { return nil }
        return try Ed25519.PrivateKey(seed: nextMirrorFile.read(unlock: unlock))
    }

    /// Its public key, for which no passphrase is needed; `nil` where none was made.
    public func nextMirrorCardKey() throws -> CardKey? {
        guard try SystemCall.status(nextMirrorFile.path) != nil else { return nil }
        return CardKey(name: node, kind: .mirror, publicKey: try Ed25519.PublicKey(nextMirrorFile.readPublicKey()))
    }

    /// Forgets the next TLS key, where there is one.
    public func removeNextTLSKey() throws {
        try KeysLock.hold(home) {
            guard unlink(nextTLSPath) == 0 || errno == ENOENT else {
                throw SystemCall.error("cannot be removed", nextTLSPath)
            }
            try SystemCall.synchronise(folder: home.keysFolder)
        }
    }

    /// Forgets the next mirror key, where there is one. It has signed nothing.
    public func removeNextMirrorKey() throws {
        try KeysLock.hold(home) {
            guard unlink(nextMirrorFile.path) == 0 || errno == ENOENT else {
                throw SystemCall.error("cannot be removed", nextMirrorFile.path)
            }
            try SystemCall.synchronise(folder: home.keysFolder)
        }
    }

    public func promoteNextMirrorKey() throws {
        try KeysLock.hold(home) { try KeyFile.promote(nextMirrorFile.path, over: mirrorFile.path) }
    }

    // MARK: One at a time

    /// Runs the closure while no other process replaces or destroys a key of this node.
    public func whileRotating<Result>(_ body: () throws -> Result) throws -> Result {
        // Not the lock of the key files, which is taken in between.
        try KeysLock.hold(folder: home.certificatesFolder, body)
    }
}

// The certificate of the next TLS key. In a switch the key goes first: where there is a next certificate and no next
// key, the next certificate is the one in use.
extension HomeFolder {
    private var nextCertificateFile: String { "\(certificatesFolder)/tls.next.pem" }

    /// The certificate that is not in its place yet, in PEM; `nil` where there is none.
    public func nextCertificate() throws -> [UInt8]? {
        guard try SystemCall.status(nextCertificateFile) != nil else { return nil }
        return try OpenFile(nextCertificateFile, O_RDONLY | O_NONBLOCK)
            .readAll(limit: HomeFolder.maximumCertificateByteCount)
    }

    public func writeNextCertificate(_ pem: [UInt8]) throws {
        try AtomicFile.write(pem, to: nextCertificateFile)
    }

    public func removeNextCertificate() throws {
        guard unlink(nextCertificateFile) == 0 || errno == ENOENT else {
            throw SystemCall.error("cannot be removed", nextCertificateFile)
        }
        try SystemCall.synchronise(folder: certificatesFolder)
    }

    public func promoteNextCertificate() throws {
        try KeyFile.promote(nextCertificateFile, over: certificateFile)
    }

    private var replacedPinsFile: String { "\(certificatesFolder)/tls.replaced" }

    /// Pins of stolen TLS keys of this node that its logs do not yet retire, one a line in hex, in the order in which they
    /// were replaced. One that is still in use is about to be.
    public func replacedTLSPins() throws -> [SHA256Digest] {
        guard try SystemCall.status(replacedPinsFile) != nil else { return [] }
        let bytes = try OpenFile(replacedPinsFile, O_RDONLY | O_NONBLOCK).readAll(limit: 65_536)
        return try String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { line in
            guard let pin = SHA256Digest(hex: String(line)) else {
                throw HomeError(
                    .configuration, "is no list of pins; remove it, and give partners the new card",
                    path: replacedPinsFile)
            }
            return pin
        }
    }

    /// Replaces the list; without pins there is no such file.
    public func setReplacedTLSPins(_ pins: [SHA256Digest]) throws {
        guard pins.isEmpty else {
            return try AtomicFile.write(
                Array((pins.map(\.hex).joined(separator: "\n") + "\n").utf8), to: replacedPinsFile)
        }
        guard unlink(replacedPinsFile) == 0 || errno == ENOENT else {
            throw SystemCall.error("cannot be removed", replacedPinsFile)
        }
        try SystemCall.synchronise(folder: certificatesFolder)
    }
}
