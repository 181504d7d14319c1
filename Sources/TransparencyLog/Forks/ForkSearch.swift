public import Cryptography

/// Finds the first entry in which two histories of a log differ, from hashes of both sides alone: down the first
/// subtree that differs, four levels a step. Each answer must hash to what was claimed before, so a side that lies is
/// found out, and there are at most sixteen steps.
public struct ForkSearch: Sendable {
    /// Levels of one step.
    public static let depth = 4

    /// How many entries both sides are compared on.
    public let size: UInt64
    /// The tree of the other side, and its nodes known so far, by span.
    private let treeSize: UInt64
    private var known: [LeafSpan: SHA256Digest] = [:]

    /// The node to look below, in both trees, and its hash in the other one.
    public private(set) var question: NodeCoordinate?
    private var claim = SHA256Digest.zero
    /// The first entry that differs, with its leaf hash here and there, once it is known.
    public private(set) var result: (index: UInt64, own: SHA256Digest, other: SHA256Digest)?

    /// - Parameters:
    ///   - own: the perfect subtrees of the first `size` entries here.
    ///   - prefix: the same of the other side, and the hashes behind them up to `treeSize`, checked already.
    public init(size: UInt64, own: [SHA256Digest], treeSize: UInt64, prefix: [SHA256Digest]) throws {
        self.size = size
        self.treeSize = treeSize
        let coordinates = CompactRange.coordinates(begin: 0, end: size)
        guard own.count == coordinates.count, prefix.count >= own.count else {
            throw ProofError.wrongLength(expected: coordinates.count, actual: min(own.count, prefix.count))
        }
        for (coordinate, hash) in zip(coordinates, prefix) {
            known[LeafSpan(begin: coordinate.begin, end: coordinate.end)] = hash
        }
        for (span, hash) in zip(RangeProof.spans(after: size, size: treeSize), prefix.dropFirst(coordinates.count)) {
            known[span] = hash
        }
        guard let position = coordinates.indices.first(where: { own[$0] != prefix[$0] }) else {
            throw ForkError.noContradiction
        }
        look(below: coordinates[position], own: own[position], other: prefix[position])
    }

    private mutating func look(below node: NodeCoordinate, own: SHA256Digest, other: SHA256Digest) {
        if node.level == 0 {
            question = nil
            result = (node.index, own, other)
        } else {
            question = node
            claim = other
        }
    }

    /// The nodes of an answer about a node, from left to right.
    public static func nodes(below node: NodeCoordinate) -> [NodeCoordinate] {
        let steps = min(depth, node.level)
        return (0..<(UInt64(1) << UInt64(steps))).map {
            NodeCoordinate(level: node.level - steps, index: node.index << UInt64(steps) + $0)
        }
    }

    /// Takes the nodes below the one asked about, of both sides. Throws where the other side's do not hash to what it
    /// said before, or nothing differs.
    public mutating func answer(own: [SHA256Digest], other: [SHA256Digest]) throws {
        guard let node = question else { return }
        let nodes = ForkSearch.nodes(below: node)
        guard own.count == nodes.count, other.count == nodes.count else {
            throw ProofError.wrongLength(expected: nodes.count, actual: other.count)
        }
        guard MerkleHasher().root(ofPerfect: other) == claim else { throw ProofError.wrongRoot }
        for (coordinate, hash) in zip(nodes, other) {
            known[LeafSpan(begin: coordinate.begin, end: coordinate.end)] = hash
        }
        guard let position = nodes.indices.first(where: { own[$0] != other[$0] }) else {
            throw ForkError.noContradiction
        }
        look(below: nodes[position], own: own[position], other: other[position])
    }

    /// The proof of the entry found, in the other side's tree, from what it has shown on the way.
    public func otherProof() throws -> RangeProof {
        guard let result else { throw ForkError.badDifference }
        let before = CompactRange.coordinates(begin: 0, end: result.index).map {
            LeafSpan(begin: $0.begin, end: $0.end)
        }
        return RangeProof(
            hashes: try (before + RangeProof.spans(after: result.index + 1, size: treeSize)).map {
                try hash(of: $0, MerkleHasher())
            })
    }

    private func hash(of span: LeafSpan, _ hasher: MerkleHasher) throws -> SHA256Digest {
        if let hash = known[span] { return hash }
        guard span.count > 1 else { throw ProofError.missingLeaf(index: span.begin) }
        return hasher.node(try hash(of: span.left, hasher), try hash(of: span.right, hasher))
    }
}

extension MerkleHasher {
    /// The root over a power of two of equal subtrees.
    func root(ofPerfect nodes: [SHA256Digest]) -> SHA256Digest? {
        guard nodes.count.nonzeroBitCount == 1 else { return nil }
        var level = nodes
        while level.count > 1 {
            level = stride(from: 0, to: level.count, by: 2).map { node(level[$0], level[$0 + 1]) }
        }
        return level.first
    }
}
