public import Cryptography

/// Proves that given leaves are those at `start..<end` of a tree.
///
/// Walk the tree of RFC 6962 from the root: a node wholly inside the range is computed by whoever verifies, one
/// wholly outside gives its hash to the proof, any other is divided. The hashes stand from left to right. So there
/// is exactly one proof for given sizes, of at most 126 hashes; those left of the range are the compact range
/// of `0..<start`.
public struct RangeProof: Hashable, Sendable {
    /// The most hashes that any proof has: 63 on each side.
    public static let maximumLength = 126

    /// The nodes outside the range, from left to right.
    public var hashes: [SHA256Digest]

    public init(hashes: [SHA256Digest]) {
        self.hashes = hashes
    }

    /// The whole proof, for a receiver that knows the leaves before the range and was sent only the hashes after it.
    public init(prefix: CompactRange, after hashes: [SHA256Digest]) {
        self.hashes = prefix.hashes + hashes
    }

    /// The proof for a range that is not empty, made of perfect nodes only.
    public static func make(
        start: UInt64, end: UInt64, size: UInt64, from source: some NodeSource, hasher: MerkleHasher
    ) throws -> RangeProof {
        try check(start: start, end: end, size: size)
        let before = CompactRange.coordinates(begin: 0, end: start).map {
            LeafSpan(begin: $0.begin, end: $0.end)
        }
        let spans = before + spans(after: end, size: size)
        return RangeProof(hashes: try LeafSpan.hashes(of: spans, from: source, hasher: hasher))
    }

    /// How many hashes the proof of this range has.
    public static func length(start: UInt64, end: UInt64, size: UInt64) throws -> Int {
        try check(start: start, end: end, size: size)
        return start.nonzeroBitCount + spans(after: end, size: size).count
    }

    /// The hashes of the nodes after the range: all that a receiver needs who knows the leaves before it.
    public func hashesAfter(start: UInt64) -> ArraySlice<SHA256Digest> {
        hashes.dropFirst(start.nonzeroBitCount)
    }

    static func check(start: UInt64, end: UInt64, size: UInt64) throws {
        try checkTreeSize(size)
        guard start < end, end <= size else {
            throw ProofError.badRange(start: start, end: end, size: size)
        }
    }

    /// The nodes right of the range, from left to right: the right siblings on the way to its last leaf.
    static func spans(after end: UInt64, size: UInt64) -> [LeafSpan] {
        var spans: [LeafSpan] = []
        var node = LeafSpan(begin: 0, end: size)
        while node.end > end {
            if end <= node.middle {
                spans.append(node.right)
                node = node.left
            } else {
                node = node.right
            }
        }
        return spans.reversed()
    }
}
