public import Cryptography

/// Signs note texts with Ed25519 (type 0x01): a log's key, whose name is the log's origin.
public struct NoteSigner: Sendable {
    public let verifierKey: VerifierKey
    private let signature: @Sendable (_ message: [UInt8]) throws -> [UInt8]

    public init(name: String, privateKey: Ed25519.PrivateKey) throws {
        try self.init(name: name, publicKey: privateKey.publicKey) { privateKey.sign($0) }
    }

    /// A signer whose private key is elsewhere; the closure gives the signature over a message, or throws why there is
    /// none.
    public init(
        name: String, publicKey: Ed25519.PublicKey,
        signature: @escaping @Sendable (_ message: [UInt8]) throws -> [UInt8]
    ) throws {
        verifierKey = try VerifierKey(name: name, algorithm: .ed25519, publicKey: publicKey)
        self.signature = signature
    }

    /// The signature over what `LogKeyChange.statement` gives: no note text, and never taken for one.
    public func sign(statement: [UInt8]) throws -> [UInt8] {
        try signature(statement)
    }

    /// The signature line over a text, which ends with a line feed.
    public func sign(_ text: String) throws -> NoteSignature {
        guard text.utf8.last == UInt8(ascii: "\n") else { throw NoteError.unfinishedText }
        return try NoteSignature(
            name: verifierKey.name, keyID: verifierKey.keyID, signature: signature([UInt8](text.utf8)))
    }
}

/// Signs checkpoints with a date (c2sp.org/tlog-cosignature, type 0x04): a node's mirror key, whose name is the
/// node's. The signed message does not name its signer, so a key must have no other role.
public struct Cosigner: Sendable {
    public let verifierKey: VerifierKey
    private let privateKey: Ed25519.PrivateKey

    public init(name: String, privateKey: Ed25519.PrivateKey) throws {
        verifierKey = try VerifierKey(name: name, algorithm: .cosignature, publicKey: privateKey.publicKey)
        self.privateKey = privateKey
    }

    /// The cosignature on a checkpoint as of a time in Unix seconds.
    public func cosign(_ checkpoint: Checkpoint, time: UInt64) throws -> Cosignature {
        try cosign(text: checkpoint.text, time: time)
    }

    func cosign(text: String, time: UInt64) throws -> Cosignature {
        guard time <= Cosignature.maximumTime else { throw NoteError.badTime }
        let message = Cosignature.message(text: text, time: time)
        return try Cosignature(
            name: verifierKey.name, keyID: verifierKey.keyID, time: time, signature: privateKey.sign(message))
    }
}
