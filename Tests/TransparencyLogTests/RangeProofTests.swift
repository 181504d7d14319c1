import Cryptography
import Testing
import TransparencyLog

@Suite struct RangeProofTests {
    private let hasher = MerkleHasher()

    @Test func everyRangeOfSmallTreesIsProved() throws {
        let tree = NaiveTree(count: 20)
        for size in 1...20 {
            let root = tree.root(size: size)
            for start in 0..<size {
                for end in start + 1...size {
                    let proof = try make(start, end, size, from: tree)
                    #expect(proof.hashes == tree.outside(start..<end, in: 0..<size))
                    let length = try RangeProof.length(
                        start: UInt64(start), end: UInt64(end), size: UInt64(size))
                    #expect(length == proof.hashes.count)
                    #expect(passes(proof.hashes, Array(tree.leaves[start..<end]), start, end, size, root))
                }
            }
        }
    }

    @Test func randomRangesOfLargeTreesAreProvedAndNothingElseIs() throws {
        var random = SeededGenerator(seed: 3)
        let tree = NaiveTree(count: 3_000)
        let nodes = PerfectNodes(tree)
        for round in 0..<40 {
            let size = Int.random(in: 2...3_000, using: &random)
            var start = Int.random(in: 0..<size, using: &random)
            if round.isMultiple(of: 2) { start = start / 256 * 256 }
            let end = Int.random(in: start + 1...size, using: &random)
            let root = tree.root(size: size)
            let proof = try make(start, end, size, from: nodes)
            #expect(proof.hashes == tree.outside(start..<end, in: 0..<size))
            let leaves = Array(tree.leaves[start..<end])
            #expect(passes(proof.hashes, leaves, start, end, size, root))
            for changed in mutations(of: proof.hashes, using: &random) {
                #expect(!passes(changed, leaves, start, end, size, root), "\(start)..<\(end) of \(size)")
            }
            var forged = leaves
            forged[Int.random(in: leaves.indices, using: &random)] = .zero
            #expect(!passes(proof.hashes, forged, start, end, size, root))
            #expect(!passes(proof.hashes, leaves, start + 1, end + 1, size, root))
            #expect(!passes(proof.hashes, leaves.dropLast(), start, end, size, root))
            #expect(!passes(proof.hashes, leaves, start, end, size, root.flipped(bit: 100)))
        }
    }

    @Test func aSizeThatGivesTheProofAnotherShapeIsRefused() throws {
        let tree = NaiveTree(count: 300)
        let nodes = PerfectNodes(tree)
        for size in 1...150 {
            // A range that ends with the tree says its size; others are bound to it by the signed checkpoint only.
            let proof = try make(size / 2, size, size, from: nodes)
            let leaves = Array(tree.leaves[size / 2..<size])
            for wrong in [size - 1, size + 1, 2 * size] {
                #expect(!passes(proof.hashes, leaves, size / 2, size, wrong, tree.root(size: size)))
            }
        }
    }

    @Test func tileHashesAnswerForTheirLeaves() throws {
        let tree = NaiveTree(count: 2_900)
        let nodes = PerfectNodes(tree)
        let root = tree.root(size: 2_900)
        let proof = try make(512, 2_900, 2_900, from: nodes)
        var asked = 0
        try proof.verify(start: 512, end: 2_900, size: 2_900, root: root, hasher: hasher) { node in
            // Nothing above a tile is known, nothing below is needed but at the ragged end.
            asked += 1
            return node.level > 8 ? nil : try nodes.hashes(at: [node])[0]
        }
        #expect(asked < 40)
        #expect(throws: ProofError.missingLeaf(index: 512)) {
            try proof.verify(start: 512, end: 2_900, size: 2_900, root: root, hasher: hasher) { _ in nil }
        }
    }

    @Test func theHashesBeforeARangeAreTheCompactRangeOfWhatPrecedesIt() throws {
        var random = SeededGenerator(seed: 4)
        let tree = NaiveTree(count: 1_500)
        let nodes = PerfectNodes(tree)
        for _ in 0..<40 {
            let size = Int.random(in: 2...1_500, using: &random)
            let start = Int.random(in: 0..<size, using: &random)
            let end = Int.random(in: start + 1...size, using: &random)
            let proof = try make(start, end, size, from: nodes)
            let prefix = try CompactRange(begin: 0, end: UInt64(start), from: nodes)
            let after = Array(proof.hashesAfter(start: UInt64(start)))
            #expect(RangeProof(prefix: prefix, after: after) == proof)
            func verify(_ prefix: CompactRange) throws {
                try proof.verify(
                    start: UInt64(start), end: UInt64(end), size: UInt64(size), root: tree.root(size: size),
                    prefix: prefix, hasher: hasher
                ) { try nodes.hashes(at: [$0])[0] }
            }
            try verify(prefix)
            guard start > 0 else { continue }
            let other = try CompactRange(
                begin: 0, end: UInt64(start), hashes: prefix.hashes.map { $0.flipped(bit: 3) })
            #expect(throws: ProofError.contradictsPrefix) { try verify(other) }
            #expect(throws: ProofError.self) { try verify(CompactRange()) }
        }
    }

    @Test func aLogReceivedInOrderIsCheckedByItsEdge() throws {
        var random = SeededGenerator(seed: 10)
        let tree = NaiveTree(count: 3_000)
        let nodes = PerfectNodes(tree)
        let root = tree.root(size: 3_000)
        var edge = TreeEdge()
        while edge.size < 3_000 {
            let start = edge.size
            let end = min(3_000, start + UInt64.random(in: 1...700, using: &random))
            let after = try RangeProof.make(start: start, end: end, size: 3_000, from: nodes, hasher: hasher)
                .hashesAfter(start: start)
            var forged = edge
            var leaves = Array(tree.leaves[Int(start)..<Int(end)])
            _ = edge.append(leafHashes: leaves, hasher: hasher)
            try edge.compactRange.verify(after: after, size: 3_000, root: root, hasher: hasher)
            #expect(throws: ProofError.self) {
                try edge.compactRange.verify(after: after + [.zero], size: 3_000, root: root, hasher: hasher)
            }
            leaves[leaves.count / 2] = .zero
            _ = forged.append(leafHashes: leaves, hasher: hasher)
            #expect(throws: ProofError.wrongRoot) {
                try forged.compactRange.verify(after: after, size: 3_000, root: root, hasher: hasher)
            }
        }
        #expect(throws: ProofError.badRange(start: 0, end: 0, size: 5)) {
            try CompactRange().verify(after: [.zero], size: 5, root: .zero, hasher: hasher)
        }
        #expect(throws: ProofError.badRange(start: 0, end: 3_000, size: 5)) {
            try edge.compactRange.verify(after: [], size: 5, root: .zero, hasher: hasher)
        }
    }

    @Test func noProofIsLongerThanItsBound() throws {
        let size = TreeLimits.maximumSize
        #expect(try RangeProof.length(start: 0, end: size, size: size) == 0)
        #expect(try RangeProof.length(start: size - 1, end: size, size: size) == 62)
        let middle: UInt64 = (1 << 62) - 1
        let longest = try RangeProof.length(start: middle, end: middle + 2, size: size)
        #expect(longest > 100 && longest <= RangeProof.maximumLength)
    }

    @Test func impossibleRangesAreRefused() {
        for (start, end, size): (UInt64, UInt64, UInt64) in [
            (0, 0, 0), (3, 3, 5), (4, 3, 5), (0, 6, 5), (5, 6, 5), (0, 1, .max), (.max, 0, 5), (0, .max, .max),
        ] {
            #expect(throws: ProofError.self) { try RangeProof.length(start: start, end: end, size: size) }
            #expect(throws: ProofError.self) {
                try RangeProof(hashes: []).verify(
                    start: start, end: end, size: size, root: .zero, hasher: hasher
                ) { _ in .zero }
            }
        }
        #expect(throws: ProofError.wrongLeafCount(expected: 2, actual: 1)) {
            try RangeProof(hashes: []).verify(
                leafHashes: [.zero], start: 0, end: 2, size: 2, root: .zero, hasher: hasher)
        }
    }

    private func make(_ start: Int, _ end: Int, _ size: Int, from source: some NodeSource) throws -> RangeProof {
        try RangeProof.make(
            start: UInt64(start), end: UInt64(end), size: UInt64(size), from: source, hasher: hasher)
    }

    private func passes(
        _ proof: [SHA256Digest], _ leaves: [SHA256Digest], _ start: Int, _ end: Int, _ size: Int,
        _ root: SHA256Digest
    ) -> Bool {
        (try? RangeProof(hashes: proof).verify(
            leafHashes: leaves, start: UInt64(start), end: UInt64(end), size: UInt64(size), root: root,
            hasher: hasher)) != nil
    }
}

@Suite struct CompactRangeTests {
    private let hasher = MerkleHasher()

    @Test func rangesCoverTheirLeavesWithTheFewestNodes() {
        for begin: UInt64 in 0..<40 {
            for end in begin..<40 {
                let nodes = CompactRange.coordinates(begin: begin, end: end)
                #expect([begin] + nodes.map(\.end) == nodes.map(\.begin) + [end])
                #expect(nodes.count == CompactRange.count(begin: begin, end: end))
                for (left, right) in zip(nodes, nodes.dropFirst()) {
                    // Siblings would have been one node.
                    #expect(left.level != right.level || left.index >> 1 != right.index >> 1)
                }
            }
        }
    }

    @Test func rangesThatMeetAddUp() throws {
        let tree = NaiveTree(count: 70)
        let nodes = PerfectNodes(tree)
        var random = SeededGenerator(seed: 5)
        for _ in 0..<200 {
            let bounds = (0..<3).map { _ in UInt64.random(in: 0...70, using: &random) }.sorted()
            var range = try CompactRange(begin: bounds[0], end: bounds[1], from: nodes)
            try range.append(CompactRange(begin: bounds[1], end: bounds[2], from: nodes), hasher: hasher)
            #expect(range == (try CompactRange(begin: bounds[0], end: bounds[2], from: nodes)))
        }
        var range = CompactRange()
        for size in 0..<70 {
            #expect(range.root(hasher: hasher) == tree.root(size: size))
            range.append(leafHash: tree.leaves[size], hasher: hasher)
        }
        #expect(try CompactRange(begin: 3, end: 9, from: nodes).root(hasher: hasher) == nil)
        #expect(throws: ProofError.rangesDoNotMeet(end: 70, begin: 71)) {
            try range.append(CompactRange(begin: 71), hasher: hasher)
        }
        #expect(throws: ProofError.wrongLength(expected: 2, actual: 1)) {
            try CompactRange(begin: 0, end: 3, hashes: [.zero])
        }
        #expect(throws: ProofError.self) { try CompactRange(begin: 0, end: .max, hashes: []) }
    }
}
