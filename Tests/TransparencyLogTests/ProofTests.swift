import Cryptography
import Testing
import TransparencyLog

@Suite struct InclusionProofTests {
    private let hasher = MerkleHasher()

    @Test func everyLeafOfSmallTreesIsProved() throws {
        let tree = NaiveTree(count: 40)
        for size in 1...40 {
            let root = tree.root(size: size)
            for index in 0..<size {
                let proof = try InclusionProof.make(
                    index: UInt64(index), size: UInt64(size), from: tree, hasher: hasher)
                #expect(proof.hashes == tree.path(index, in: 0..<size))
                #expect(try InclusionProof.length(index: UInt64(index), size: UInt64(size)) == proof.hashes.count)
                try proof.verify(
                    leafHash: tree.leaves[index], index: UInt64(index), size: UInt64(size), root: root,
                    hasher: hasher)
            }
        }
    }

    @Test func randomLeavesOfLargeTreesAreProvedAndNothingElseIs() throws {
        var random = SeededGenerator(seed: 1)
        let tree = NaiveTree(count: 3_000)
        let nodes = PerfectNodes(tree)
        for _ in 0..<60 {
            let size = Int.random(in: 1...3_000, using: &random)
            let index = Int.random(in: 0..<size, using: &random)
            let root = tree.root(size: size)
            let proof = try InclusionProof.make(
                index: UInt64(index), size: UInt64(size), from: nodes, hasher: hasher)
            #expect(proof.hashes == tree.path(index, in: 0..<size))
            func passes(_ proof: [SHA256Digest], index: Int = index, size: Int = size, leaf: SHA256Digest) -> Bool {
                (try? InclusionProof(hashes: proof).verify(
                    leafHash: leaf, index: UInt64(index), size: UInt64(size), root: root, hasher: hasher)) != nil
            }
            let leaf = tree.leaves[index]
            #expect(passes(proof.hashes, leaf: leaf))
            #expect(!passes(proof.hashes, leaf: leaf.flipped(bit: Int.random(in: 0..<256, using: &random))))
            // An index and a size with the same path shape elsewhere would still hash in another order.
            #expect(index == size - 1 || !passes(proof.hashes, index: index + 1, leaf: leaf))
            for changed in mutations(of: proof.hashes, using: &random) {
                #expect(!passes(changed, leaf: leaf), "size \(size), index \(index)")
            }
        }
    }

    @Test func subtreeLeavesAreProvedByTheirPlaceInTheWholeTree() throws {
        let tree = NaiveTree(count: 64)
        for (start, end) in [(0, 1), (8, 16), (8, 13), (32, 64), (48, 59), (63, 64)] {
            let subtree = try Subtree(start: UInt64(start), end: UInt64(end))
            for index in start..<end {
                let proof = try InclusionProof.make(index: UInt64(index), in: subtree, from: tree, hasher: hasher)
                #expect(proof.hashes == tree.path(index, in: start..<end))
                try proof.verify(
                    leafHash: tree.leaves[index], index: UInt64(index), in: subtree, root: tree.root(start..<end),
                    hasher: hasher)
            }
        }
    }

    @Test func positionsOutsideTheTreeAreRefused() throws {
        let proof = InclusionProof(hashes: [])
        #expect(throws: ProofError.indexOutside(index: 0, begin: 0, end: 0)) {
            try proof.verify(leafHash: .zero, index: 0, size: 0, root: .zero, hasher: hasher)
        }
        #expect(throws: ProofError.indexOutside(index: 5, begin: 0, end: 5)) {
            try proof.verify(leafHash: .zero, index: 5, size: 5, root: .zero, hasher: hasher)
        }
        #expect(throws: ProofError.treeTooLarge(size: 1 << 63)) {
            try proof.verify(leafHash: .zero, index: 5, size: 1 << 63, root: .zero, hasher: hasher)
        }
        #expect(throws: ProofError.notASubtree(start: 1, end: 15)) { try Subtree(start: 1, end: 15) }
        #expect(throws: ProofError.self) { try Subtree(start: 3, end: 2) }
        #expect(try InclusionProof.length(index: 5, size: TreeLimits.maximumSize) == 63)
    }
}

@Suite struct ConsistencyProofTests {
    private let hasher = MerkleHasher()

    @Test func everyGrowthOfSmallTreesIsProved() throws {
        let tree = NaiveTree(count: 33)
        for new in 1...33 {
            for old in 1...new {
                let proof = try ConsistencyProof.make(
                    from: UInt64(old), to: UInt64(new), from: tree, hasher: hasher)
                #expect(proof.hashes == tree.consistency(0..<old, in: 0..<new))
                #expect(try ConsistencyProof.length(from: UInt64(old), to: UInt64(new)) == proof.hashes.count)
                try proof.verify(
                    oldSize: UInt64(old), oldRoot: tree.root(size: old), newSize: UInt64(new),
                    newRoot: tree.root(size: new), hasher: hasher)
            }
        }
    }

    @Test func randomGrowthOfLargeTreesIsProvedAndNothingElseIs() throws {
        var random = SeededGenerator(seed: 2)
        let tree = NaiveTree(count: 3_000)
        let nodes = PerfectNodes(tree)
        for _ in 0..<60 {
            let new = Int.random(in: 2...3_000, using: &random)
            let old = Int.random(in: 1..<new, using: &random)
            let roots = (tree.root(size: old), tree.root(size: new))
            let proof = try ConsistencyProof.make(from: UInt64(old), to: UInt64(new), from: nodes, hasher: hasher)
            #expect(proof.hashes == tree.consistency(0..<old, in: 0..<new))
            func passes(_ proof: [SHA256Digest], _ old: Int, _ new: Int, _ first: SHA256Digest) -> Bool {
                (try? ConsistencyProof(hashes: proof).verify(
                    oldSize: UInt64(old), oldRoot: first, newSize: UInt64(new), newRoot: roots.1, hasher: hasher))
                    != nil
            }
            #expect(passes(proof.hashes, old, new, roots.0))
            #expect(!passes(proof.hashes, old, new, roots.0.flipped(bit: 7)))
            #expect(!passes(proof.hashes, new, old, roots.0))
            for changed in mutations(of: proof.hashes, using: &random) {
                #expect(!passes(changed, old, new, roots.0), "from \(old) to \(new)")
            }
        }
    }

    @Test func subtreesAreProvedToBePartOfTheTree() throws {
        let tree = NaiveTree(count: 70)
        for size in [1, 2, 7, 33, 64, 70] {
            for end in 1...size {
                for start in 0..<end {
                    guard let subtree = try? Subtree(start: UInt64(start), end: UInt64(end)) else { continue }
                    let proof = try ConsistencyProof.make(
                        of: subtree, inTreeOfSize: UInt64(size), from: tree, hasher: hasher)
                    #expect(proof.hashes == tree.consistency(start..<end, in: 0..<size))
                    try proof.verify(
                        subtree, subtreeRoot: tree.root(start..<end), size: UInt64(size),
                        root: tree.root(size: size), hasher: hasher)
                }
            }
        }
    }

    @Test func proofsFromNothingOrBackwardsAreRefused() {
        let proof = ConsistencyProof(hashes: [])
        #expect(throws: ProofError.emptyOldTree) {
            try proof.verify(
                oldSize: 0, oldRoot: MerkleHasher.emptyRoot, newSize: 5, newRoot: .zero, hasher: hasher)
        }
        #expect(throws: ProofError.shrinks(from: 5, to: 4)) {
            try proof.verify(oldSize: 5, oldRoot: .zero, newSize: 4, newRoot: .zero, hasher: hasher)
        }
        #expect(throws: ProofError.wrongRoot) {
            try proof.verify(oldSize: 5, oldRoot: .zero, newSize: 5, newRoot: .zero.flipped(bit: 0), hasher: hasher)
        }
    }

    @Test func aSourceThatAnswersShortIsNoticed() {
        struct Silent: NodeSource {
            func hashes(at coordinates: [NodeCoordinate]) throws -> [SHA256Digest] { [] }
        }
        #expect(throws: ProofError.sourceAnswered(count: 0, expected: 3)) {
            try ConsistencyProof.make(from: 6, to: 8, from: Silent(), hasher: hasher)
        }
    }
}

/// The proof changed in every way that must not pass: a bit, one less, one more, two swapped.
func mutations(of proof: [SHA256Digest], using random: inout SeededGenerator) -> [[SHA256Digest]] {
    var changed: [[SHA256Digest]] = [proof + [.zero], [.zero] + proof]
    if let last = proof.last { changed.append(proof + [last]) }
    for position in proof.indices {
        var flipped = proof
        flipped[position] = proof[position].flipped(bit: Int.random(in: 0..<256, using: &random))
        changed.append(flipped)
        var shorter = proof
        shorter.remove(at: position)
        changed.append(shorter)
        if position > 0 {
            var swapped = proof
            swapped.swapAt(position - 1, position)
            changed.append(swapped)
        }
    }
    return changed
}
