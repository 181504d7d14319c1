public import Cryptography

/// Proves that a leaf hash stands at an index of a tree (RFC 6962, section 2.1.1), or of a subtree
/// (draft-ietf-plants-merkle-tree-certs, subtree inclusion proofs).
public struct InclusionProof: Hashable, Sendable {
    /// The siblings on the way up, from the leaf's to the root's child: at most 63.
    public var hashes: [SHA256Digest]

    public init(hashes: [SHA256Digest]) {
        self.hashes = hashes
    }

    /// The proof for one leaf of a tree of `size` leaves.
    public static func make(
        index: UInt64, size: UInt64, from source: some NodeSource, hasher: MerkleHasher
    ) throws -> InclusionProof {
        try make(index: index, in: Subtree(start: 0, end: size), from: source, hasher: hasher)
    }

    /// The proof for one leaf of a subtree; `index` counts from the start of the whole tree.
    public static func make(
        index: UInt64, in subtree: Subtree, from source: some NodeSource, hasher: MerkleHasher
    ) throws -> InclusionProof {
        let steps = try path(to: index, in: subtree)
        let spans = steps.reversed().map(\.sibling)
        return InclusionProof(hashes: try LeafSpan.hashes(of: spans, from: source, hasher: hasher))
    }

    /// Checks that the leaf stands at `index` of the tree with this size and root. Throws what is wrong.
    ///
    /// Size and root belong together, so take them from one signed checkpoint: a path does not say everything about
    /// the size.
    public func verify(
        leafHash: SHA256Digest, index: UInt64, size: UInt64, root: SHA256Digest, hasher: MerkleHasher
    ) throws {
        try verify(
            leafHash: leafHash, index: index, in: Subtree(start: 0, end: size), root: root, hasher: hasher)
    }

    /// Checks that the leaf stands at `index` (counted from the start of the whole tree) of the subtree with this
    /// root. Throws what is wrong.
    public func verify(
        leafHash: SHA256Digest, index: UInt64, in subtree: Subtree, root: SHA256Digest, hasher: MerkleHasher
    ) throws {
        let steps = try InclusionProof.path(to: index, in: subtree)
        guard hashes.count == steps.count else {
            throw ProofError.wrongLength(expected: steps.count, actual: hashes.count)
        }
        var hash = leafHash
        for (step, sibling) in zip(steps.reversed(), hashes) {
            hash = step.siblingIsLeft ? hasher.node(sibling, hash) : hasher.node(hash, sibling)
        }
        guard hash == root else { throw ProofError.wrongRoot }
    }

    /// How many hashes the proof for this leaf has.
    public static func length(index: UInt64, size: UInt64) throws -> Int {
        try path(to: index, in: Subtree(start: 0, end: size)).count
    }

    private struct Step {
        var sibling: LeafSpan
        var siblingIsLeft: Bool
    }

    /// The siblings on the way down, from the root's child to the leaf's.
    private static func path(to index: UInt64, in subtree: Subtree) throws -> [Step] {
        guard index >= subtree.start, index < subtree.end else {
            throw ProofError.indexOutside(index: index, begin: subtree.start, end: subtree.end)
        }
        var steps: [Step] = []
        var span = subtree.span
        while span.count > 1 {
            let isLeft = index >= span.middle
            steps.append(Step(sibling: isLeft ? span.left : span.right, siblingIsLeft: isLeft))
            span = isLeft ? span.right : span.left
        }
        return steps
    }
}
