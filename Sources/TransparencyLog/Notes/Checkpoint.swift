public import Cryptography

/// The size and root of a log at one moment (c2sp.org/tlog-checkpoint), without extension lines.
public struct Checkpoint: Sendable, Hashable {
    /// The log's name, also that of its key.
    public let origin: String
    /// The number of entries, at most 2^63 - 1.
    public let size: UInt64
    public let root: SHA256Digest

    public init(origin: String, size: UInt64, root: SHA256Digest) throws {
        try self.init(origin: origin, size: size, root: root, checking: KeyName.check)
    }

    private init(
        origin: String, size: UInt64, root: SHA256Digest, checking check: (String) throws -> Void
    ) throws {
        try check(origin)
        guard size <= TreeLimits.maximumSize else { throw NoteError.sizeTooLarge(size) }
        guard size > 0 || root == MerkleHasher.emptyRoot else { throw NoteError.badEmptyRoot }
        self.origin = origin
        self.size = size
        self.root = root
    }

    /// A checkpoint from its text: three lines, each with its line feed. It is written back identically.
    public init(parsing text: String) throws {
        try self.init(parsing: text, checking: KeyName.check)
    }

    /// The same with another rule for the origin, which throws what is wrong with it.
    init(parsing text: String, checking check: (String) throws -> Void) throws {
        guard text.utf8.count <= KeyName.maximumByteCount + 100 else { throw NoteError.badCheckpoint }
        let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard lines.count == 4, lines[3].isEmpty, let origin = String(lines[0]),
            let size = Decimal.parse(lines[1]), let base64 = String(lines[2]),
            let root = SHA256Digest(base64: base64)
        else { throw NoteError.badCheckpoint }
        try self.init(origin: origin, size: size, root: root, checking: check)
    }

    /// The signed text: origin, size and root, each with its line feed.
    public var text: String {
        "\(origin)\n\(size)\n\(root.base64)\n"
    }

    /// The checkpoint as a note signed by the log's key, whose name must be the origin.
    public func sign(with signer: NoteSigner) throws -> SignedNote {
        guard KeyName.same(signer.verifierKey.name, origin) else {
            throw NoteError.wrongOrigin(expected: signer.verifierKey.name, actual: origin)
        }
        return try SignedNote(text: text, signatures: [signer.sign(text)])
    }

    /// The checkpoint of a note signed by the log's key, whose name is the expected origin.
    ///
    /// Signatures by other keys are ignored. Throws when the log's is missing or does not verify.
    public init(verifying note: SignedNote, logKey: VerifierKey) throws {
        try self.init(verifying: note, logKeys: [logKey])
    }

    /// As with one key, for a log whose key was replaced: one of them must have signed, and none may fail.
    /// The keys must all have the origin as their name.
    public init(verifying note: SignedNote, logKeys: [VerifierKey]) throws {
        self = try Checkpoint.open(note, logKeys: logKeys).checkpoint
    }

    /// The checkpoint, and which of the log's keys have signed it.
    static func open(
        _ note: SignedNote, logKeys: [VerifierKey]
    ) throws -> (checkpoint: Checkpoint, signers: [VerifierKey]) {
        guard logKeys.allSatisfy({ $0.algorithm == .ed25519 }) else { throw NoteError.wrongKeyType }
        let verified: [VerifierKey]
        do {
            verified = try note.verifiedKeys(among: logKeys)
        } catch NoteError.noKnownSignature {
            throw NoteError.notSignedByLog(origin: logKeys.first?.name ?? "a known log")
        }
        let checkpoint = try Checkpoint(parsing: note.text)
        for key in verified where !KeyName.same(key.name, checkpoint.origin) {
            throw NoteError.wrongOrigin(expected: key.name, actual: checkpoint.origin)
        }
        return (checkpoint, verified)
    }

    public static func == (left: Checkpoint, right: Checkpoint) -> Bool {
        left.size == right.size && left.root == right.root && KeyName.same(left.origin, right.origin)
    }
}
