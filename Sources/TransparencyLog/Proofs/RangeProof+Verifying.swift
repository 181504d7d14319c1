public import Cryptography

extension RangeProof {
    /// Checks that these are the leaf hashes at `start..<end` of the tree with this size and root.
    /// Throws what is wrong.
    public func verify(
        leafHashes: [SHA256Digest], start: UInt64, end: UInt64, size: UInt64, root: SHA256Digest,
        hasher: MerkleHasher
    ) throws {
        try RangeProof.check(start: start, end: end, size: size)
        guard UInt64(leafHashes.count) == end - start else {
            throw ProofError.wrongLeafCount(expected: end - start, actual: leafHashes.count)
        }
        try leafHashes.withUnsafeBufferPointer { leaves in
            try verify(start: start, end: end, size: size, root: root, hasher: hasher) { node in
                // The node is inside the range, so both bounds are indices of the leaves.
                hasher.root(
                    of: UnsafeBufferPointer(rebasing: leaves[Int(node.begin - start)..<Int(node.end - start)]))
            }
        }
    }

    /// Checks the range against the tree with this size and root, with what `perfect` says of the nodes inside it.
    ///
    /// `perfect` is asked for the largest perfect subtrees wholly inside the range, from left to right. Where it
    /// answers `nil`, for those below; a leaf without an answer is an error. So a tile's hash, once computed, saves
    /// its 256 leaves. Throws what is wrong, and what `perfect` throws.
    public func verify(
        start: UInt64, end: UInt64, size: UInt64, root: SHA256Digest, hasher: MerkleHasher,
        perfect: (NodeCoordinate) throws -> SHA256Digest?
    ) throws {
        let implied = try impliedRoot(start: start, end: end, size: size, hasher: hasher, perfect: perfect)
        guard implied == root else { throw ProofError.wrongRoot }
    }

    /// As `verify`, for a receiver that knows the leaves before the range: the proof must agree with them, too.
    public func verify(
        start: UInt64, end: UInt64, size: UInt64, root: SHA256Digest, prefix: CompactRange, hasher: MerkleHasher,
        perfect: (NodeCoordinate) throws -> SHA256Digest?
    ) throws {
        guard prefix.begin == 0, prefix.end == start else {
            throw ProofError.wrongPrefix(begin: prefix.begin, end: prefix.end, expectedEnd: start)
        }
        try verify(start: start, end: end, size: size, root: root, hasher: hasher, perfect: perfect)
        guard hashes.starts(with: prefix.hashes) else { throw ProofError.contradictsPrefix }
    }

    /// The root of a tree of this size that has these hashes around the range and these nodes inside it.
    public func impliedRoot(
        start: UInt64, end: UInt64, size: UInt64, hasher: MerkleHasher,
        perfect: (NodeCoordinate) throws -> SHA256Digest?
    ) throws -> SHA256Digest {
        let expected = try RangeProof.length(start: start, end: end, size: size)
        guard hashes.count == expected else {
            throw ProofError.wrongLength(expected: expected, actual: hashes.count)
        }
        var rest = hashes[...]
        return try hash(
            of: LeafSpan(begin: 0, end: size), range: LeafSpan(begin: start, end: end), rest: &rest, hasher, perfect)
    }

    private func hash(
        of node: LeafSpan, range: LeafSpan, rest: inout ArraySlice<SHA256Digest>, _ hasher: MerkleHasher,
        _ perfect: (NodeCoordinate) throws -> SHA256Digest?
    ) throws -> SHA256Digest {
        if node.end <= range.begin || node.begin >= range.end {
            guard let hash = rest.popFirst() else {
                throw ProofError.wrongLength(expected: hashes.count + 1, actual: hashes.count)
            }
            return hash
        }
        if node.begin >= range.begin, node.end <= range.end {
            if let coordinate = node.perfectNode, let hash = try perfect(coordinate) { return hash }
            guard node.count > 1 else { throw ProofError.missingLeaf(index: node.begin) }
        }
        let left = try hash(of: node.left, range: range, rest: &rest, hasher, perfect)
        let right = try hash(of: node.right, range: range, rest: &rest, hasher, perfect)
        return hasher.node(left, right)
    }
}

extension CompactRange {
    /// Checks that these leaves, `0..<end`, are the first of the tree with this size and root, given the hashes of
    /// a range proof that stand after its range (`RangeProof.hashesAfter(start:)`), which ends where this one does.
    ///
    /// This is the way for who receives a log in order: append the leaf hashes to a copy of the log's `TreeEdge`,
    /// then check its `compactRange`. It hashes no node a second time. Throws what is wrong.
    public func verify(
        after hashes: some Collection<SHA256Digest>, size: UInt64, root: SHA256Digest, hasher: MerkleHasher
    ) throws {
        guard begin == 0 else { throw ProofError.wrongPrefix(begin: begin, end: end, expectedEnd: end) }
        let nodes = Dictionary(
            uniqueKeysWithValues: zip(CompactRange.coordinates(begin: 0, end: end), self.hashes))
        try RangeProof(hashes: Array(hashes)).verify(
            start: 0, end: end, size: size, root: root, hasher: hasher
        ) { nodes[$0] }
    }
}
