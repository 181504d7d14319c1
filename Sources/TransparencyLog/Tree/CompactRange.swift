public import Cryptography

/// The leaves `begin..<end` of a tree as the fewest perfect subtrees that cover exactly them, from left to right.
///
/// At most 126 hashes stand for any number of leaves, and two ranges that meet add up to a longer one.
public struct CompactRange: Hashable, Sendable {
    public let begin: UInt64
    public private(set) var end: UInt64
    /// The hashes of the nodes at `coordinates(begin:end:)`.
    public private(set) var hashes: [SHA256Digest]

    /// The range without leaves that begins here.
    public init(begin: UInt64 = 0) {
        self.begin = begin
        end = begin
        hashes = []
    }

    /// A range from the hashes of its nodes, which must be as many as `coordinates(begin:end:)` names.
    public init(begin: UInt64, end: UInt64, hashes: [SHA256Digest]) throws {
        guard begin <= end, end <= TreeLimits.maximumSize else {
            throw ProofError.badRange(start: begin, end: end, size: TreeLimits.maximumSize)
        }
        let expected = CompactRange.count(begin: begin, end: end)
        guard hashes.count == expected else {
            throw ProofError.wrongLength(expected: expected, actual: hashes.count)
        }
        self.begin = begin
        self.end = end
        self.hashes = hashes
    }

    /// The range `begin..<end`, its nodes taken from a source.
    public init(begin: UInt64, end: UInt64, from source: some NodeSource) throws {
        guard begin <= end, end <= TreeLimits.maximumSize else {
            throw ProofError.badRange(start: begin, end: end, size: TreeLimits.maximumSize)
        }
        try self.init(
            begin: begin, end: end, hashes: source.hashes(at: CompactRange.coordinates(begin: begin, end: end)))
    }

    /// For hashes known to be those of `0..<end`.
    init(uncheckedEnd end: UInt64, hashes: [SHA256Digest]) {
        begin = 0
        self.end = end
        self.hashes = hashes
    }

    /// The number of leaves.
    public var count: UInt64 { end &- begin }

    /// Adds one leaf at the end.
    public mutating func append(leafHash: SHA256Digest, hasher: MerkleHasher) {
        append(NodeCoordinate(level: 0, index: end), leafHash, hasher)
    }

    /// Adds the leaves of a range that begins where this one ends.
    public mutating func append(_ other: CompactRange, hasher: MerkleHasher) throws {
        guard other.begin == end else {
            throw ProofError.rangesDoNotMeet(end: end, begin: other.begin)
        }
        for (coordinate, hash) in zip(CompactRange.coordinates(begin: other.begin, end: other.end), other.hashes) {
            append(coordinate, hash, hasher)
        }
    }

    /// The root of the tree of these leaves; `nil` unless the range begins at 0.
    public func root(hasher: MerkleHasher) -> SHA256Digest? {
        begin == 0 ? hasher.fold(hashes) : nil
    }

    /// The perfect subtrees that cover exactly these leaves, from left to right: first growing, then shrinking.
    public static func coordinates(begin: UInt64, end: UInt64) -> [NodeCoordinate] {
        guard begin < end else { return [] }
        var coordinates: [NodeCoordinate] = []
        var position = begin
        while position < end {
            let level = levelOfNode(at: position, end: end)
            coordinates.append(NodeCoordinate(level: level, index: position >> level))
            position += 1 << level
        }
        return coordinates
    }

    /// How many hashes stand for these leaves.
    public static func count(begin: UInt64, end: UInt64) -> Int {
        var count = 0
        var position = begin
        while position < end {
            position += 1 << levelOfNode(at: position, end: end)
            count += 1
        }
        return count
    }

    /// The largest perfect subtree that begins at `position` and does not pass `end`.
    private static func levelOfNode(at position: UInt64, end: UInt64) -> Int {
        let largestFitting = 63 - (end - position).leadingZeroBitCount
        return min(position.trailingZeroBitCount, largestFitting)
    }

    private mutating func append(_ coordinate: NodeCoordinate, _ hash: SHA256Digest, _ hasher: MerkleHasher) {
        var node = coordinate
        var hash = hash
        end = coordinate.end
        while !node.index.isMultiple(of: 2), (node.index - 1) << node.level >= begin, let left = hashes.popLast() {
            hash = hasher.node(left, hash)
            node = NodeCoordinate(level: node.level + 1, index: node.index >> 1)
        }
        hashes.append(hash)
    }
}
