public import Cryptography

/// Proof that the owner of a log signed two histories of it: two checkpoints under its key, of one size with different
/// roots, or a smaller and a larger one with a proof, valid under the larger root, of another root at the smaller size.
///
/// Anybody can check it with the log's key alone. A proof that merely fails is never evidence: see ``verify()``.
public struct ForkEvidence: Sendable, Hashable {
    /// Where the two histories part, each side proved under its own checkpoint.
    public struct Difference: Sendable, Hashable {
        /// The first entry that is not the same in both.
        public let index: UInt64
        /// Its leaf hash under the smaller checkpoint and under the larger one.
        public let leaves: [SHA256Digest]
        /// The range proofs of that entry alone, in the same order. What they say of the entries before it is equal.
        public let proofs: [RangeProof]

        public init(index: UInt64, leaves: [SHA256Digest], proofs: [RangeProof]) {
            self.index = index
            self.leaves = leaves
            self.proofs = proofs
        }
    }

    /// What the evidence proves.
    public struct Finding: Sendable, Hashable {
        public let origin: String
        public let sizes: [UInt64]
        public let roots: [SHA256Digest]
        /// The first entry that differs, where the evidence says so.
        public let firstDifference: UInt64?
    }

    public let key: VerifierKey
    /// The log: the name of its key, unless it is an outside one whose key is named otherwise.
    public let origin: String
    /// The checkpoint of the smaller size; of the smaller root where the sizes are equal.
    public let smaller: SignedNote
    public let larger: SignedNote
    /// The perfect subtrees of the first entries, as many as the smaller size, and the hashes behind them up to the
    /// larger one, all under the larger root; empty where the sizes are equal.
    public let prefix: [SHA256Digest]
    public let difference: Difference?

    /// Evidence from two checkpoints in either order; throws where it proves nothing.
    public init(
        key: VerifierKey, origin: String? = nil, _ first: SignedNote, _ second: SignedNote, prefix: [SHA256Digest],
        difference: Difference?
    ) throws {
        let origin = origin ?? key.name
        let one = try ForkEvidence.checkpoint(first, key: key, origin: origin)
        let other = try ForkEvidence.checkpoint(second, key: key, origin: origin)
        let isOrdered = one.size != other.size ? one.size < other.size : one.root < other.root
        self.key = key
        self.origin = origin
        smaller = isOrdered ? first : second
        larger = isOrdered ? second : first
        self.prefix = one.size == other.size ? [] : prefix
        self.difference = difference.map {
            isOrdered ? $0 : Difference(index: $0.index, leaves: $0.leaves.reversed(), proofs: $0.proofs.reversed())
        }
        try verify()
    }

    /// For a document that was read; ``verify()`` judges it.
    init(
        key: VerifierKey, origin: String, smaller: SignedNote, larger: SignedNote, prefix: [SHA256Digest],
        difference: Difference?
    ) {
        self.key = key
        self.origin = origin
        self.smaller = smaller
        self.larger = larger
        self.prefix = prefix
        self.difference = difference
    }

    /// Says what is proved. Throws ``ForkError`` where the two checkpoints do not contradict each other, or a note or
    /// proof error where something does not verify.
    @discardableResult
    public func verify() throws -> Finding {
        let hasher = MerkleHasher()
        let one = try ForkEvidence.checkpoint(smaller, key: key, origin: origin)
        let other = try ForkEvidence.checkpoint(larger, key: key, origin: origin)
        guard one.size > 0, one.size <= other.size else { throw ForkError.wrongOrder }
        if one.size == other.size {
            guard prefix.isEmpty, one.root < other.root else { throw ForkError.noContradiction }
        } else {
            let root = try ForkEvidence.prefixRoot(
                prefix, size: one.size, treeSize: other.size, treeRoot: other.root, hasher: hasher)
            guard root != one.root else { throw ForkError.noContradiction }
        }
        try difference?.verify(one, other, hasher: hasher)
        return Finding(
            origin: one.origin, sizes: [one.size, other.size], roots: [one.root, other.root],
            firstDifference: difference?.index)
    }

    /// The checkpoint of a note that the key has signed for this log.
    private static func checkpoint(_ note: SignedNote, key: VerifierKey, origin: String) throws -> Checkpoint {
        let checkpoint: Checkpoint
        if KeyName.same(key.name, origin) {
            checkpoint = try Checkpoint(verifying: note, logKey: key)
        } else {
            guard key.algorithm == .ed25519 else { throw NoteError.wrongKeyType }
            _ = try note.verifiedKeys(among: [key])
            checkpoint = try Checkpoint(parsingForeign: note.text)
        }
        guard KeyName.same(checkpoint.origin, origin) else { throw ForkError.differentLogs }
        return checkpoint
    }

    /// The root of the first `size` entries that these hashes prove under the root of a larger tree, or of the same.
    /// Throws where they do not hash to that root.
    public static func prefixRoot(
        _ hashes: [SHA256Digest], size: UInt64, treeSize: UInt64, treeRoot: SHA256Digest, hasher: MerkleHasher
    ) throws -> SHA256Digest {
        let count = CompactRange.count(begin: 0, end: size)
        guard hashes.count >= count else { throw ProofError.wrongLength(expected: count, actual: hashes.count) }
        let range = try CompactRange(begin: 0, end: size, hashes: Array(hashes.prefix(count)))
        try range.verify(after: hashes.dropFirst(count), size: treeSize, root: treeRoot, hasher: hasher)
        return range.root(hasher: hasher) ?? MerkleHasher.emptyRoot
    }

    /// What ``prefixRoot(_:size:treeSize:treeRoot:hasher:)`` checks, from whoever holds the larger tree.
    public static func makePrefix(
        size: UInt64, treeSize: UInt64, from source: some NodeSource, hasher: MerkleHasher
    ) throws -> [SHA256Digest] {
        let range = try CompactRange(begin: 0, end: size, from: source)
        let proof = try RangeProof.make(start: 0, end: size, size: treeSize, from: source, hasher: hasher)
        return range.hashes + proof.hashes
    }
}

extension ForkEvidence.Difference {
    func verify(_ one: Checkpoint, _ other: Checkpoint, hasher: MerkleHasher) throws {
        guard index < one.size, leaves.count == 2, proofs.count == 2, leaves[0] != leaves[1] else {
            throw ForkError.badDifference
        }
        for (position, checkpoint) in [one, other].enumerated() {
            try proofs[position].verify(
                leafHashes: [leaves[position]], start: index, end: index + 1, size: checkpoint.size,
                root: checkpoint.root, hasher: hasher)
        }
        // Equal subtrees before it: it is the first.
        let before = index.nonzeroBitCount
        guard proofs[0].hashes.prefix(before) == proofs[1].hashes.prefix(before) else { throw ForkError.badDifference }
    }
}

/// Why evidence proves no fork.
public enum ForkError: Error, Hashable, Sendable {
    case differentLogs
    case wrongOrder
    /// The two checkpoints may belong to one history.
    case noContradiction
    case badDifference
    /// The document is not of the format, in this line.
    case badDocument(line: Int)
}

extension ForkError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .differentLogs: "the two checkpoints are of different logs"
        case .wrongOrder: "the two checkpoints are not in order"
        case .noContradiction: "the two checkpoints do not contradict each other"
        case .badDifference: "what is said of the first entry that differs is not proved"
        case .badDocument(let line): "line \(line) is not of the format entente-fork/1"
        }
    }
}
