import Cryptography
import TransparencyLog

/// The definitions of RFC 6962 and its successors written down directly, slow and without regard to shape.
struct NaiveTree: NodeSource {
    var leaves: [SHA256Digest]

    init(count: Int, seed: UInt64 = 0) {
        leaves = (0..<count).map { SHA256.hash("leaf \(seed) \($0)") }
    }

    static func node(_ left: SHA256Digest, _ right: SHA256Digest) -> SHA256Digest {
        SHA256.hash([1] + left.bytes + right.bytes)
    }

    static func split(_ count: Int) -> Int {
        var power = 1
        while power * 2 < count { power *= 2 }
        return power
    }

    /// MTH over the leaves of the range.
    func root(_ range: Range<Int>) -> SHA256Digest {
        switch range.count {
        case 0: return SHA256.hash([UInt8]())
        case 1: return leaves[range.lowerBound]
        default:
            let middle = range.lowerBound + NaiveTree.split(range.count)
            return NaiveTree.node(root(range.lowerBound..<middle), root(middle..<range.upperBound))
        }
    }

    func root(size: Int) -> SHA256Digest { root(0..<size) }

    /// PATH of RFC 6962, section 2.1.1.
    func path(_ index: Int, in range: Range<Int>) -> [SHA256Digest] {
        guard range.count > 1 else { return [] }
        let middle = range.lowerBound + NaiveTree.split(range.count)
        return index < middle
            ? path(index, in: range.lowerBound..<middle) + [root(middle..<range.upperBound)]
            : path(index, in: middle..<range.upperBound) + [root(range.lowerBound..<middle)]
    }

    /// SUBTREE_SUBPROOF of draft-ietf-plants-merkle-tree-certs; with a start of 0, SUBPROOF of RFC 6962.
    func consistency(_ wanted: Range<Int>, in node: Range<Int>, known: Bool = true) -> [SHA256Digest] {
        if wanted == node { return known ? [] : [root(node)] }
        let middle = node.lowerBound + NaiveTree.split(node.count)
        let left = node.lowerBound..<middle
        let right = middle..<node.upperBound
        if wanted.upperBound <= middle { return consistency(wanted, in: left, known: known) + [root(right)] }
        if wanted.lowerBound >= middle { return consistency(wanted, in: right, known: known) + [root(left)] }
        return consistency(middle..<wanted.upperBound, in: right, known: false) + [root(left)]
    }

    /// The nodes outside the range, from left to right.
    func outside(_ wanted: Range<Int>, in node: Range<Int>) -> [SHA256Digest] {
        if node.upperBound <= wanted.lowerBound || node.lowerBound >= wanted.upperBound { return [root(node)] }
        if node.lowerBound >= wanted.lowerBound, node.upperBound <= wanted.upperBound { return [] }
        let middle = node.lowerBound + NaiveTree.split(node.count)
        return outside(wanted, in: node.lowerBound..<middle) + outside(wanted, in: middle..<node.upperBound)
    }

    func hashes(at coordinates: [NodeCoordinate]) throws -> [SHA256Digest] {
        try coordinates.map { node in
            guard node.isInside(treeSize: UInt64(leaves.count)) else { throw TileError.nodeOutside(node) }
            return root(Int(node.begin)..<Int(node.end))
        }
    }
}

/// The same tree with every perfect node computed once, for tests that ask often.
struct PerfectNodes: NodeSource {
    private var levels: [[SHA256Digest]]

    init(_ tree: NaiveTree) {
        levels = [tree.leaves]
        while let below = levels.last, below.count > 1 {
            levels.append((0..<below.count / 2).map { NaiveTree.node(below[2 * $0], below[2 * $0 + 1]) })
        }
    }

    func hashes(at coordinates: [NodeCoordinate]) throws -> [SHA256Digest] {
        try coordinates.map { node in
            guard node.level < levels.count, node.index < levels[node.level].count else {
                throw TileError.nodeOutside(node)
            }
            return levels[node.level][Int(node.index)]
        }
    }
}

/// A small generator (SplitMix64), so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}

extension SHA256Digest {
    /// The digest with one bit changed.
    func flipped(bit: Int) -> SHA256Digest {
        var changed = bytes
        changed[bit / 8] ^= 1 << (bit % 8)
        return SHA256Digest(changed) ?? .zero
    }
}
