public import Cryptography

/// Proves that a tree has only been appended to (RFC 6962, section 2.1.2), or that a subtree with a given root is
/// part of a tree (draft-ietf-plants-merkle-tree-certs, subtree consistency proofs).
public struct ConsistencyProof: Hashable, Sendable {
    /// From the bottom up: at most 64.
    public var hashes: [SHA256Digest]

    public init(hashes: [SHA256Digest]) {
        self.hashes = hashes
    }

    /// The proof that the tree of `newSize` leaves extends that of `oldSize`, which is not empty.
    public static func make(
        from oldSize: UInt64, to newSize: UInt64, from source: some NodeSource, hasher: MerkleHasher
    ) throws -> ConsistencyProof {
        try checkGrowth(from: oldSize, to: newSize)
        return try make(
            of: Subtree(start: 0, end: oldSize), inTreeOfSize: newSize, from: source, hasher: hasher)
    }

    /// The proof that the subtree is part of the tree of `size` leaves.
    public static func make(
        of subtree: Subtree, inTreeOfSize size: UInt64, from source: some NodeSource, hasher: MerkleHasher
    ) throws -> ConsistencyProof {
        let spans = try path(to: subtree, size: size).reversed().map(\.span)
        return ConsistencyProof(hashes: try LeafSpan.hashes(of: spans, from: source, hasher: hasher))
    }

    /// Checks that the tree with the new size and root extends that with the old ones. Throws what is wrong.
    public func verify(
        oldSize: UInt64, oldRoot: SHA256Digest, newSize: UInt64, newRoot: SHA256Digest, hasher: MerkleHasher
    ) throws {
        try ConsistencyProof.checkGrowth(from: oldSize, to: newSize)
        try verify(
            Subtree(start: 0, end: oldSize), subtreeRoot: oldRoot, size: newSize, root: newRoot, hasher: hasher)
    }

    /// Checks that the subtree with this root is part of the tree with this size and root. Throws what is wrong.
    ///
    /// An empty subtree is part of every tree that reaches its start, so this says nothing about the tree's root.
    public func verify(
        _ subtree: Subtree, subtreeRoot: SHA256Digest, size: UInt64, root: SHA256Digest, hasher: MerkleHasher
    ) throws {
        let steps = try ConsistencyProof.path(to: subtree, size: size)
        guard hashes.count == steps.count else {
            throw ProofError.wrongLength(expected: steps.count, actual: hashes.count)
        }
        guard subtree.count > 0 else {
            guard subtreeRoot == MerkleHasher.emptyRoot else { throw ProofError.wrongOldRoot }
            return
        }
        var small = subtreeRoot
        var large = subtreeRoot
        for (step, hash) in zip(steps.reversed(), hashes) {
            switch step.kind {
            case .common:
                small = hash
                large = hash
            case .leftOfBoth:
                small = hasher.node(hash, small)
                large = hasher.node(hash, large)
            case .leftOfTree: large = hasher.node(hash, large)
            case .rightOfTree: large = hasher.node(large, hash)
            }
        }
        guard small == subtreeRoot else { throw ProofError.wrongOldRoot }
        guard large == root else { throw ProofError.wrongRoot }
    }

    /// How many hashes the proof has.
    public static func length(from oldSize: UInt64, to newSize: UInt64) throws -> Int {
        try checkGrowth(from: oldSize, to: newSize)
        return try path(to: Subtree(start: 0, end: oldSize), size: newSize).count
    }

    private struct Step {
        enum Kind {
            /// The rightmost part of the subtree that is also a node of the tree.
            case common
            /// A left sibling in the subtree and in the tree.
            case leftOfBoth
            /// A sibling in the tree only.
            case leftOfTree, rightOfTree
        }
        var span: LeafSpan
        var kind: Kind
    }

    private static func checkGrowth(from oldSize: UInt64, to newSize: UInt64) throws {
        try checkTreeSize(newSize)
        guard oldSize > 0 else { throw ProofError.emptyOldTree }
        guard oldSize <= newSize else { throw ProofError.shrinks(from: oldSize, to: newSize) }
    }

    /// The proof's nodes on the way down (the draft's SUBTREE_SUBPROOF), so in the reverse of their order.
    private static func path(to subtree: Subtree, size: UInt64) throws -> [Step] {
        try checkTreeSize(size)
        guard subtree.end <= size else {
            throw ProofError.badRange(start: subtree.start, end: subtree.end, size: size)
        }
        guard subtree.count > 0 else { return [] }
        var steps: [Step] = []
        var wanted = subtree.span
        var node = LeafSpan(begin: 0, end: size)
        var isWhole = true
        while node != wanted {
            if wanted.end <= node.middle {
                steps.append(Step(span: node.right, kind: .rightOfTree))
                node = node.left
            } else if wanted.begin >= node.middle {
                steps.append(Step(span: node.left, kind: .leftOfTree))
                node = node.right
            } else {
                // The start is aligned, so a subtree that crosses the middle begins with the node.
                steps.append(Step(span: node.left, kind: .leftOfBoth))
                node = node.right
                wanted.begin = node.begin
                isWhole = false
            }
        }
        if !isWhole { steps.append(Step(span: node, kind: .common)) }
        return steps
    }
}
