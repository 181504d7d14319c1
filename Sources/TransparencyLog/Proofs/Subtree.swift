/// The leaves `start..<end` of a tree as a tree of their own, where the start is a multiple of the smallest power
/// of two that is at least `end - start` (draft-ietf-plants-merkle-tree-certs). A whole tree is one that begins
/// at 0; an empty one may begin anywhere.
public struct Subtree: Hashable, Sendable {
    public let start: UInt64
    public let end: UInt64

    public init(start: UInt64, end: UInt64) throws {
        guard start <= end else {
            throw ProofError.badRange(start: start, end: end, size: TreeLimits.maximumSize)
        }
        try checkTreeSize(end)
        let count = end - start
        if count > 1 {
            // The count is at most 2^63 - 1, so the power of two fits 64 bits.
            let power: UInt64 = 1 << UInt64(64 - (count - 1).leadingZeroBitCount)
            guard start.isMultiple(of: power) else { throw ProofError.notASubtree(start: start, end: end) }
        }
        self.start = start
        self.end = end
    }

    public var count: UInt64 { end - start }

    var span: LeafSpan { LeafSpan(begin: start, end: end) }
}
