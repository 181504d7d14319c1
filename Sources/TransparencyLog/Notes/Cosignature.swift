import Cryptography

/// A dated signature on a checkpoint (c2sp.org/tlog-cosignature, version 1 with Ed25519): "I hold these entries
/// as of then".
public struct Cosignature: Sendable, Hashable {
    /// The latest time, in Unix seconds.
    public static let maximumTime = UInt64(Int64.max)

    public let name: String
    public let keyID: UInt32
    /// Unix seconds.
    public let time: UInt64
    /// The 64 bytes of Ed25519.
    public let signature: [UInt8]

    public init(name: String, keyID: UInt32, time: UInt64, signature: [UInt8]) throws {
        try KeyName.check(name)
        guard time <= Cosignature.maximumTime else { throw NoteError.badTime }
        guard signature.count == Ed25519.signatureByteCount else { throw NoteError.notACosignature }
        self.name = name
        self.keyID = keyID
        self.time = time
        self.signature = signature
    }

    /// The cosignature in a note's signature line: eight bytes of time, big-endian, then those of Ed25519.
    public init(_ signature: NoteSignature) throws {
        guard signature.signature.count == 8 + Ed25519.signatureByteCount else { throw NoteError.notACosignature }
        try self.init(
            name: signature.name, keyID: signature.keyID,
            time: signature.signature.prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
            signature: [UInt8](signature.signature.dropFirst(8)))
    }

    /// A cosignature from its line, `— name base64`, without the line feed. It is written back identically.
    public init(parsing line: String) throws {
        try self.init(NoteSignature(parsing: line))
    }

    /// The signature line of a note.
    public var noteSignature: NoteSignature {
        get throws {
            let timeBytes = (0..<8).map { UInt8(truncatingIfNeeded: time >> (56 - 8 * $0)) }
            return try NoteSignature(name: name, keyID: keyID, signature: timeBytes + signature)
        }
    }

    /// The line, `— name base64`, without the line feed.
    public var line: String {
        get throws { try noteSignature.line }
    }

    /// Throws unless this is the key's valid cosignature on the checkpoint.
    public func verify(_ checkpoint: Checkpoint, by key: VerifierKey) throws {
        guard key.algorithm == .cosignature else { throw NoteError.wrongKeyType }
        guard verifies(checkpoint.text, by: key) else { throw NoteError.badSignature(name: name, keyID: keyID) }
    }

    func verifies(_ text: String, by key: VerifierKey) -> Bool {
        key.algorithm == .cosignature && key.keyID == keyID && KeyName.same(key.name, name)
            && key.publicKey.verifies(signature, of: Cosignature.message(text: text, time: time))
    }

    /// What is signed: a header, the time and the whole text of the checkpoint.
    static func message(text: String, time: UInt64) -> [UInt8] {
        [UInt8]("cosignature/v1\ntime \(time)\n\(text)".utf8)
    }

    public static func == (left: Cosignature, right: Cosignature) -> Bool {
        left.keyID == right.keyID && left.time == right.time && left.signature == right.signature
            && KeyName.same(left.name, right.name)
    }
}
