import Cryptography
import Testing
import TransparencyLog

@Suite struct TreeEdgeTests {
    private let hasher = MerkleHasher()

    @Test func everySizeHasTheRootAndTilesOfTheDefinition() throws {
        let tree = NaiveTree(count: 1_200)
        let nodes = PerfectNodes(tree)
        var edge = TreeEdge()
        #expect(edge.root(hasher: hasher) == MerkleHasher.emptyRoot)
        for size in 1...1_200 {
            let completed = edge.append(leafHashes: [tree.leaves[size - 1]], hasher: hasher)
            #expect(completed.map(\.coordinate.path) == (size % 256 == 0 ? [path(size / 256 - 1)] : []))
            if size % 37 == 0 || size % 256 < 2 || size < 20 {
                #expect(edge.root(hasher: hasher) == tree.root(size: size))
            }
            let range = try CompactRange(begin: 0, end: UInt64(size), from: nodes)
            #expect(edge.compactRange == range)
            #expect(edge.root(hasher: hasher) == range.root(hasher: hasher))
            let again = try TreeEdge(size: UInt64(size), partialTiles: edge.partialTiles, hasher: hasher)
            #expect(again.compactRange == range)
            #expect(again.tilesAtEdge == edge.tilesAtEdge)
        }
    }

    @Test func batchesOfAnySizeGiveTheSameTiles() throws {
        let tree = NaiveTree(count: 3_000)
        var whole = TreeEdge()
        let expected = whole.append(leafHashes: tree.leaves, hasher: hasher)
        #expect(expected.count == 11)
        for tile in expected {
            let first = Int(tile.coordinate.number) * 256
            #expect(tile.hashes == Array(tree.leaves[first..<first + 256]))
        }
        #expect(whole.root(hasher: hasher) == tree.root(size: 3_000))
        var random = SeededGenerator(seed: 6)
        for _ in 0..<20 {
            var edge = TreeEdge()
            var tiles: [Tile] = []
            while edge.size < 3_000 {
                let first = Int(edge.size)
                let end = min(3_000, first + Int.random(in: 0...700, using: &random))
                tiles += edge.append(leafHashes: tree.leaves[first..<end], hasher: hasher)
                // Every so often from what would be stored.
                if Bool.random(using: &random) {
                    edge = try TreeEdge(size: edge.size, partialTiles: edge.partialTiles, hasher: hasher)
                }
            }
            #expect(tiles == expected)
            #expect(edge.partialTiles == whole.partialTiles)
            #expect(edge.root(hasher: hasher) == whole.root(hasher: hasher))
        }
    }

    @Test func aFullTileGrowsTheTreeAsItsLeavesDo() throws {
        let leaves = NaiveTree(count: 70_000).leaves
        var byLeaf = TreeEdge()
        var byTile = TreeEdge()
        for begin in stride(from: 0, to: leaves.count - 255, by: 256) {
            let hashes = Array(leaves[begin..<begin + 256])
            let completed = byTile.append(fullTile: hashes, root: hasher.root(of: hashes), hasher: hasher)
            #expect(completed == byLeaf.append(leafHashes: hashes, hasher: hasher))
            #expect(byTile.root(hasher: hasher) == byLeaf.root(hasher: hasher))
        }
        #expect(byTile.partialTiles == byLeaf.partialTiles)
        #expect(byTile.compactRange == byLeaf.compactRange)
        // What follows leaf by leaf stands on the same edge.
        let rest = leaves[(leaves.count / 256 * 256)...]
        #expect(!rest.isEmpty && byTile.append(leafHashes: rest, hasher: hasher).isEmpty)
        #expect(byLeaf.append(leafHashes: rest, hasher: hasher).isEmpty)
        #expect(byTile.root(hasher: hasher) == byLeaf.root(hasher: hasher))
    }

    @Test func seventyThousandLeavesHaveTilesOfThreeLevels() throws {
        let leaves = NaiveTree(count: 70_000).leaves
        var edge = TreeEdge()
        let tiles = edge.append(leafHashes: leaves, hasher: hasher)
        #expect(tiles.filter { $0.coordinate.level == 0 }.count == 273)
        #expect(tiles.filter { $0.coordinate.level == 1 }.map(\.coordinate.path) == ["tile/1/000"])
        #expect(tiles.count == 274)
        #expect(
            edge.tilesAtEdge.map(\.coordinate.path) == ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"])
        // The list names each of them, and reading them back gives the root.
        let byPath = Dictionary(uniqueKeysWithValues: (tiles + edge.tilesAtEdge).map { ($0.coordinate, $0) })
        #expect(Set(TileList(size: 70_000)) == Set(byPath.keys))
        let source = TileNodeSource(treeSize: 70_000, hasher: hasher) { try #require(byPath[$0]) }
        let range = try CompactRange(begin: 0, end: 70_000, from: source)
        #expect(range.root(hasher: hasher) == edge.root(hasher: hasher))
        #expect(hasher.root(of: leaves) == edge.root(hasher: hasher))
        let proof = try InclusionProof.make(index: 69_999, size: 70_000, from: source, hasher: hasher)
        try proof.verify(
            leafHash: leaves[69_999], index: 69_999, size: 70_000, root: edge.root(hasher: hasher), hasher: hasher)
    }

    @Test func partialTilesThatDoNotFitTheSizeAreRefused() {
        let hash = SHA256Digest.zero
        #expect(throws: TileError.wrongEdge(level: 0, expected: 1, actual: 0)) {
            try TreeEdge(size: 1, partialTiles: [])
        }
        #expect(throws: TileError.wrongEdge(level: 0, expected: 0, actual: 1)) {
            try TreeEdge(size: 256, partialTiles: [[hash], [hash]])
        }
        #expect(throws: TileError.wrongEdge(level: 8, expected: 0, actual: 1)) {
            try TreeEdge(size: 0, partialTiles: [[], [], [], [], [], [], [], [], [hash]])
        }
        #expect(throws: ProofError.treeTooLarge(size: .max)) { try TreeEdge(size: .max, partialTiles: []) }
    }

    private func path(_ number: Int) -> String { "tile/0/00\(number)" }
}
