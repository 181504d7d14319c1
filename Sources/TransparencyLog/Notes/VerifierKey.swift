public import Cryptography

/// A public key with its name, as notes name and write it (c2sp.org/signed-note, "Verifier keys").
public struct VerifierKey: Sendable, Hashable {
    /// The algorithms supported.
    public enum Algorithm: UInt8, Sendable, Hashable {
        /// Ed25519 over the note's text.
        case ed25519 = 0x01
        /// Ed25519 over a dated message that holds the note's text (c2sp.org/tlog-cosignature).
        case cosignature = 0x04
    }

    public let name: String
    public let algorithm: Algorithm
    public let publicKey: Ed25519.PublicKey
    /// The first four bytes, big-endian, of `SHA-256(name || 0x0A || algorithm || public key)`.
    public let keyID: UInt32

    public init(name: String, algorithm: Algorithm, publicKey: Ed25519.PublicKey) throws {
        try KeyName.check(name)
        self.name = name
        self.algorithm = algorithm
        self.publicKey = publicKey
        let digest = SHA256.hash([UInt8](name.utf8) + [0x0A, algorithm.rawValue] + publicKey.bytes)
        keyID = digest.withUnsafeBytes { bytes in
            bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
        }
    }

    /// A key as text: `name+hash+base64(type || public key)`. What parses is written back identically.
    public init(parsing text: String) throws {
        guard text.utf8.count <= KeyName.maximumByteCount + 100 else {
            throw NoteError.tooLong(maximum: KeyName.maximumByteCount + 100)
        }
        // Base64 may hold plus signs of its own, so only the first two divide.
        let parts = text.unicodeScalars.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[1].count == 8, let idBytes = Hexadecimal.decode(String(parts[1])),
            let content = Base64.decode(String(parts[2])), let type = content.first
        else { throw NoteError.badKey }
        let stated = idBytes.reduce(0) { $0 << 8 | UInt32($1) }
        guard let algorithm = Algorithm(rawValue: type) else { throw NoteError.unsupportedKeyType(type) }
        guard content.count == 1 + Ed25519.PublicKey.byteCount else { throw NoteError.badKey }
        try self.init(
            name: String(parts[0]), algorithm: algorithm,
            publicKey: Ed25519.PublicKey([UInt8](content.dropFirst())))
        guard stated == keyID else { throw NoteError.wrongKeyID(stated: stated, actual: keyID) }
        guard KeyName.same(self.text, text) else { throw NoteError.badKey }
    }

    /// The key as text, `name+hash+base64`.
    public var text: String {
        "\(name)+\(keyIDText(keyID))+" + Base64.encode([algorithm.rawValue] + publicKey.bytes)
    }

    /// Whether a signature line names this key; whether it verifies is another question.
    public func isNamed(by signature: NoteSignature) -> Bool {
        signature.keyID == keyID && KeyName.same(signature.name, name)
    }

    public static func == (left: VerifierKey, right: VerifierKey) -> Bool {
        left.keyID == right.keyID && left.algorithm == right.algorithm && left.publicKey == right.publicKey
            && KeyName.same(left.name, right.name)
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(keyID)
        hasher.combine(publicKey)
    }
}

extension VerifierKey: CustomStringConvertible {
    public var description: String { text }
}
