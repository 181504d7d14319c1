public import Cryptography

/// The place of a perfect subtree: over the leaves `index << level ..< (index + 1) << level`.
public struct NodeCoordinate: Hashable, Sendable {
    /// The height above the leaves, from 0.
    public var level: Int
    /// The position among the nodes of that level, from 0.
    public var index: UInt64

    public init(level: Int, index: UInt64) {
        self.level = level
        self.index = index
    }

    /// The first leaf below this node.
    public var begin: UInt64 { index << level }

    /// The leaf after the last one below this node.
    public var end: UInt64 { (index &+ 1) << level }

    /// Whether a tree of this size has all leaves below this node.
    public func isInside(treeSize: UInt64) -> Bool {
        (0..<64).contains(level) && index < treeSize >> level
    }
}

extension NodeCoordinate: CustomStringConvertible {
    public var description: String { "node \(index) of level \(level)" }
}

/// Whoever keeps the hashes of a tree's perfect subtrees: tiles on disk, an array in memory.
public protocol NodeSource {
    /// The hashes of these nodes, in this order and one each. Throws when one of them cannot be had.
    func hashes(at coordinates: [NodeCoordinate]) throws -> [SHA256Digest]
}

/// The limits of what this library calls a tree.
public enum TreeLimits {
    /// The largest number of leaves: sizes fit signed 64-bit integers everywhere.
    public static let maximumSize = UInt64(Int64.max)
}

/// A run of leaves that is one node of some tree: a perfect subtree, or one at the right edge.
struct LeafSpan: Hashable {
    var begin: UInt64
    var end: UInt64

    var count: UInt64 { end - begin }

    /// Where the span divides into its two children (RFC 6962: the largest power of two below the count).
    /// The count is at least two.
    var middle: UInt64 {
        begin + (1 << UInt64(63 - (count - 1).leadingZeroBitCount))
    }

    var left: LeafSpan { LeafSpan(begin: begin, end: middle) }
    var right: LeafSpan { LeafSpan(begin: middle, end: end) }

    /// The node that covers exactly this span, if it is perfect.
    var perfectNode: NodeCoordinate? {
        guard count.nonzeroBitCount == 1 else { return nil }
        let level = count.trailingZeroBitCount
        return NodeCoordinate(level: level, index: begin >> level)
    }

    /// The hashes of several spans, from one request for the perfect nodes they are made of.
    static func hashes(
        of spans: [LeafSpan], from source: some NodeSource, hasher: MerkleHasher
    ) throws -> [SHA256Digest] {
        let parts = spans.map { CompactRange.coordinates(begin: $0.begin, end: $0.end) }
        let coordinates = parts.flatMap(\.self)
        let nodes = try source.hashes(at: coordinates)
        guard nodes.count == coordinates.count else {
            throw ProofError.sourceAnswered(count: nodes.count, expected: coordinates.count)
        }
        var rest = nodes[...]
        return parts.map { part in
            defer { rest = rest.dropFirst(part.count) }
            return hasher.fold(rest.prefix(part.count))
        }
    }
}

extension MerkleHasher {
    /// The root over perfect subtrees of falling size, from left to right.
    func fold(_ nodes: some BidirectionalCollection<SHA256Digest>) -> SHA256Digest {
        guard var root = nodes.last else { return MerkleHasher.emptyRoot }
        for left in nodes.dropLast().reversed() {
            root = node(left, root)
        }
        return root
    }
}
