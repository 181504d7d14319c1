/// Why a proof cannot be made, or does not prove what it should.
public enum ProofError: Error, Hashable, Sendable {
    /// The tree has more leaves than `TreeLimits.maximumSize`.
    case treeTooLarge(size: UInt64)
    /// The index is not that of a leaf of the tree or subtree.
    case indexOutside(index: UInt64, begin: UInt64, end: UInt64)
    /// The range of leaves is empty where it may not be, reversed, or passes the tree's end.
    case badRange(start: UInt64, end: UInt64, size: UInt64)
    /// The start is not a multiple of the smallest power of two that the leaf count fits in.
    case notASubtree(start: UInt64, end: UInt64)
    /// Every tree is consistent with the empty one: such a proof says nothing.
    case emptyOldTree
    /// The earlier tree is larger than the later one.
    case shrinks(from: UInt64, to: UInt64)
    /// A proof has exactly one length for given positions and sizes; this one has another.
    case wrongLength(expected: Int, actual: Int)
    /// The proof leads to another root.
    case wrongRoot
    /// The proof leads to another root for the earlier tree or for the subtree.
    case wrongOldRoot
    /// The number of leaf hashes is not that of the range.
    case wrongLeafCount(expected: UInt64, actual: Int)
    /// Nobody gave the hash of this leaf.
    case missingLeaf(index: UInt64)
    /// A node source answered with another number of hashes than it was asked for.
    case sourceAnswered(count: Int, expected: Int)
    /// The second range does not begin where the first one ends.
    case rangesDoNotMeet(end: UInt64, begin: UInt64)
    /// A known compact range is not that of the leaves before the proved ones.
    case wrongPrefix(begin: UInt64, end: UInt64, expectedEnd: UInt64)
    /// The proof disagrees with what is known of the leaves before the proved ones.
    case contradictsPrefix
}

extension ProofError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .treeTooLarge(let size):
            "a tree of \(size) leaves is larger than supported (\(TreeLimits.maximumSize))"
        case .indexOutside(let index, let begin, let end):
            "leaf \(index) is not among the leaves from \(begin) up to, not including, \(end)"
        case .badRange(let start, let end, let size):
            "the leaves from \(start) up to, not including, \(end) are no range of a tree of size \(size)"
        case .notASubtree(let start, let end):
            "the leaves from \(start) up to, not including, \(end) are no subtree: the start is not aligned"
        case .emptyOldTree:
            "a consistency proof from the empty tree proves nothing; begin at size 1"
        case .shrinks(let from, let to):
            "a tree of size \(to) cannot extend one of size \(from)"
        case .wrongLength(let expected, let actual):
            "the proof has \(actual) hashes, for these sizes it must have \(expected)"
        case .wrongRoot:
            "the proof does not lead to the tree's root"
        case .wrongOldRoot:
            "the proof does not lead to the root of the earlier tree or subtree"
        case .wrongLeafCount(let expected, let actual):
            "\(actual) leaf hashes were given for a range of \(expected)"
        case .missingLeaf(let index):
            "the hash of leaf \(index) was not given"
        case .sourceAnswered(let count, let expected):
            "the source of tree nodes answered with \(count) hashes instead of \(expected)"
        case .rangesDoNotMeet(let end, let begin):
            "a range that begins at \(begin) cannot be added to one that ends at \(end)"
        case .wrongPrefix(let begin, let end, let expectedEnd):
            "the known leaves are \(begin) up to \(end), not 0 up to \(expectedEnd)"
        case .contradictsPrefix:
            "the proof disagrees with the leaves already known before the range"
        }
    }
}

/// Refuses sizes beyond the limit, on whose arithmetic nothing below relies.
func checkTreeSize(_ size: UInt64) throws {
    guard size <= TreeLimits.maximumSize else { throw ProofError.treeTooLarge(size: size) }
}
