public import Cryptography

/// One entry's proof as a file (c2sp.org/tlog-proof): its index, its inclusion proof and the signed checkpoint.
public struct TLogProof: Sendable, Hashable {
    /// The longest file, in bytes.
    public static let maximumByteCount = 2 * SignedNote.maximumByteCount
    /// What a file's name should end with.
    public static let fileExtension = ".tlog-proof"
    private static let header = "c2sp.org/tlog-proof@v1"

    /// Free bytes, which nothing authenticates.
    public let extra: [UInt8]?
    public let index: UInt64
    public let inclusion: InclusionProof
    public let note: SignedNote

    public init(index: UInt64, inclusion: InclusionProof, note: SignedNote, extra: [UInt8]? = nil) throws {
        guard index <= TreeLimits.maximumSize else {
            throw ProofError.indexOutside(index: index, begin: 0, end: TreeLimits.maximumSize)
        }
        guard inclusion.hashes.count <= 63 else {
            throw ProofError.wrongLength(expected: 63, actual: inclusion.hashes.count)
        }
        guard (extra?.count ?? 0) <= SignedNote.maximumByteCount / 2 else {
            throw NoteError.tooLong(maximum: SignedNote.maximumByteCount / 2)
        }
        self.extra = extra
        self.index = index
        self.inclusion = inclusion
        self.note = note
    }

    /// The proof for the entry at `index` under a signed checkpoint.
    public static func make(
        index: UInt64, note: SignedNote, extra: [UInt8]? = nil, from source: some NodeSource, hasher: MerkleHasher
    ) throws -> TLogProof {
        let checkpoint = try Checkpoint(parsing: note.text)
        let inclusion = try InclusionProof.make(
            index: index, size: checkpoint.size, from: source, hasher: hasher)
        return try TLogProof(index: index, inclusion: inclusion, note: note, extra: extra)
    }

    /// The file's content.
    public var serialized: String {
        var text = TLogProof.header + "\n"
        if let extra { text += "extra \(Base64.encode(extra))\n" }
        text += "index \(index)\n"
        for hash in inclusion.hashes { text += hash.base64 + "\n" }
        return text + "\n" + note.serialized
    }

    /// A proof from a file's bytes.
    public init(parsing bytes: [UInt8]) throws {
        guard bytes.count <= TLogProof.maximumByteCount else {
            throw NoteError.tooLong(maximum: TLogProof.maximumByteCount)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw NoteError.notUTF8 }
        try self.init(parsing: text)
    }

    /// A proof from a file's content. It is written back identically.
    public init(parsing text: String) throws {
        guard text.utf8.count <= TLogProof.maximumByteCount else {
            throw NoteError.tooLong(maximum: TLogProof.maximumByteCount)
        }
        var lines = LineReader(text)
        guard let header = lines.next(), header.elementsEqual(TLogProof.header.utf8) else {
            throw NoteError.badProofFile(line: 1)
        }
        var line = lines.next()
        var extra: [UInt8]?
        if let base64 = line?.dropping("extra ") {
            guard let bytes = String(base64).flatMap(Base64.decode) else {
                throw NoteError.badProofFile(line: lines.number)
            }
            extra = bytes
            line = lines.next()
        }
        guard let index = line?.dropping("index ").flatMap(Decimal.parse) else {
            throw NoteError.badProofFile(line: lines.number)
        }
        var hashes: [SHA256Digest] = []
        while true {
            guard let line = lines.next() else { throw NoteError.badProofFile(line: lines.number) }
            if line.isEmpty { break }
            guard hashes.count < 63, let hash = String(line).flatMap({ SHA256Digest(base64: $0) }) else {
                throw NoteError.badProofFile(line: lines.number)
            }
            hashes.append(hash)
        }
        try self.init(
            index: index, inclusion: InclusionProof(hashes: hashes),
            note: SignedNote(parsing: String(Substring(lines.rest))), extra: extra)
    }

    /// Checks everything: the log's signature, the cosignatures and the entry's place. Answers with the checkpoint.
    ///
    /// Of the cosigners' keys, at least `requiredCosignatures` must have signed; one that fails rejects the proof.
    public func verify(
        leafHash: SHA256Digest, logKey: VerifierKey, cosigners: [VerifierKey] = [], requiredCosignatures: Int = 0,
        hasher: MerkleHasher
    ) throws -> Checkpoint {
        let checkpoint = try Checkpoint(verifying: note, logKey: logKey)
        guard cosigners.allSatisfy({ $0.algorithm == .cosignature }) else { throw NoteError.wrongKeyType }
        let verified = try note.verifiedKeys(among: [logKey] + cosigners)
        // Two keys that share their public key are one cosigner.
        let count = Set(verified.filter { $0.algorithm == .cosignature }.map(\.publicKey)).count
        guard count >= requiredCosignatures else {
            throw NoteError.tooFewCosignatures(required: requiredCosignatures, verified: count)
        }
        try inclusion.verify(
            leafHash: leafHash, index: index, size: checkpoint.size, root: checkpoint.root, hasher: hasher)
        return checkpoint
    }

    /// As with a leaf hash, for the entry's body.
    public func verify(
        body: [UInt8], logKey: VerifierKey, cosigners: [VerifierKey] = [], requiredCosignatures: Int = 0,
        hasher: MerkleHasher
    ) throws -> Checkpoint {
        try verify(
            leafHash: hasher.leaf(body), logKey: logKey, cosigners: cosigners,
            requiredCosignatures: requiredCosignatures, hasher: hasher)
    }
}

/// Lines that end with a line feed, one at a time.
private struct LineReader {
    private(set) var rest: Substring.UTF8View
    /// That of the last line asked for, from 1.
    private(set) var number = 0

    init(_ text: String) {
        rest = text.utf8[...]
    }

    mutating func next() -> Substring.UTF8View? {
        number += 1
        guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        defer { rest = rest[rest.index(after: end)...] }
        return rest[..<end]
    }
}

extension Substring.UTF8View {
    /// What follows the prefix; `nil` without it.
    fileprivate func dropping(_ prefix: String) -> Substring.UTF8View? {
        starts(with: prefix.utf8) ? dropFirst(prefix.utf8.count) : nil
    }
}
