import Cryptography
import Testing
import TransparencyLog

@Suite struct TilePathTests {
    @Test func pathsAreThoseOfTheSpecification() throws {
        #expect(try TileCoordinate(level: 0, number: 1_234_067).path == "tile/0/x001/x234/067")
        #expect(try TileCoordinate(level: 0, number: 1_234_067, width: 5).path == "tile/0/x001/x234/067.p/5")
        #expect(try TileCoordinate(level: 63, number: 0, width: 255).path == "tile/63/000.p/255")
        #expect(try TileCoordinate(level: 1, number: 999).path == "tile/1/999")
        #expect(try TileCoordinate(level: 1, number: 1_000).path == "tile/1/x001/000")
        #expect(try BundleCoordinate(number: 273, width: 112).path == "tile/entries/273.p/112")
        #expect(try BundleCoordinate(number: 1_234_067).path == "tile/entries/x001/x234/067")
    }

    @Test func everyPathReadsBack() throws {
        var random = SeededGenerator(seed: 7)
        for _ in 0..<2_000 {
            let number =
                UInt64.random(in: 0...UInt64.max >> 8, using: &random) >> UInt64.random(in: 0..<56, using: &random)
            let width = Int.random(in: 1...256, using: &random)
            let tile = try TileCoordinate(level: Int.random(in: 0...63, using: &random), number: number, width: width)
            #expect(try TileCoordinate(path: tile.path) == tile)
            let bundle = try BundleCoordinate(number: number, width: width)
            #expect(try BundleCoordinate(path: bundle.path) == bundle)
        }
    }

    @Test(arguments: [
        "", "tile", "tile/", "tile/0", "tile/0/", "tile/0/0", "tile/0/00", "tile/0/0000", "tile/00/000",
        "tile/64/000", "tile/-1/000", "tile/0/x000/000", "tile/0/001/000", "tile/0/x001", "tile/0/x001/x000",
        "tile/0/000.p", "tile/0/000.p/", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/+1",
        "tile/0/000.p/1/", "tile/0/000.p/1/2", "tile/0/.p/1", "tile/0/x01.p/1", "tile/0/000/", "/tile/0/000",
        "tile/0/000 ", "tile/0/00\u{0660}", "tile/0//000", "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/0/x001/x000/x000/x000/x000/x000/x000/000", "tile/0/X001/000", "tile/entries/000", "tile/0/000.P/1",
    ])
    func pathsOfAnyOtherFormAreRefused(path: String) {
        #expect(throws: TileError.self) { try TileCoordinate(path: path) }
        let bundlePath = path.replacing("tile/0/", with: "tile/entries/")
        if bundlePath != path {
            #expect(throws: TileError.self) { try BundleCoordinate(path: bundlePath) }
        }
    }

    @Test func placesThatNoTileHasAreRefused() {
        #expect(throws: TileError.self) { try TileCoordinate(level: 64, number: 0) }
        #expect(throws: TileError.self) { try TileCoordinate(level: -1, number: 0) }
        #expect(throws: TileError.self) { try TileCoordinate(level: 0, number: 0, width: 0) }
        #expect(throws: TileError.self) { try TileCoordinate(level: 0, number: 0, width: 257) }
        #expect(throws: TileError.self) { try TileCoordinate(level: 0, number: .max) }
        #expect(throws: TileError.self) { try BundleCoordinate(of: TileCoordinate(level: 1, number: 0)) }
    }
}

@Suite struct TileTests {
    private let hasher = MerkleHasher()

    @Test func aTreesTilesAreListedWithoutEmptyOnes() {
        #expect(Array(TileList(size: 0)).isEmpty)
        #expect(TileList(size: 1).map(\.path) == ["tile/0/000.p/1"])
        #expect(TileList(size: 256).map(\.path) == ["tile/0/000", "tile/1/000.p/1"])
        #expect(TileList(size: 257).map(\.path) == ["tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"])
        #expect(TileList(level: 0, size: 700).map(\.path) == ["tile/0/000", "tile/0/001", "tile/0/002.p/188"])
        #expect(Array(TileList(level: 9, size: 700)).isEmpty)
        // Only what is walked is made.
        #expect(TileList(size: .max).prefix(3).map(\.number) == [0, 1, 2])
    }

    @Test func growthListsTheTilesThatChanged() {
        for old: UInt64 in [0, 1, 255, 256, 300, 512, 65_536, 70_000] {
            for new in [old, old + 1, old + 200, old + 256, old + 1_000] {
                let before = Set(TileList(size: old))
                let expected = TileList(size: new).filter { !before.contains($0) }
                #expect(Array(TileList(size: new, since: old)) == expected)
            }
        }
        #expect(Array(TileList(size: 5, since: 9)).isEmpty)
    }

    @Test func nodesAreFoundInTheirTiles() throws {
        let tree = NaiveTree(count: 700)
        let nodes = PerfectNodes(tree)
        let source = TileNodeSource(treeSize: 700, hasher: hasher) { coordinate in
            let level = 8 * coordinate.level
            let first = coordinate.number * 256
            let hashes = try nodes.hashes(
                at: (0..<UInt64(coordinate.width)).map { NodeCoordinate(level: level, index: first + $0) })
            return try Tile(coordinate: coordinate, data: Tile(coordinate: coordinate, hashes: hashes).data)
        }
        for level in 0...9 {
            for index in 0..<UInt64(700 >> level) {
                let node = NodeCoordinate(level: level, index: index)
                #expect(try source.hashes(at: [node]) == nodes.hashes(at: [node]))
            }
            let outside = NodeCoordinate(level: level, index: UInt64(700 >> level))
            #expect(throws: TileError.nodeOutside(outside)) { try source.hashes(at: [outside]) }
        }
        for node in [NodeCoordinate(level: 64, index: 0), .init(level: -1, index: 0), .init(level: 63, index: .max)] {
            #expect(throws: TileError.nodeOutside(node)) { try source.hashes(at: [node]) }
        }
    }

    @Test func oneRequestReadsATileOnce() throws {
        let tree = NaiveTree(count: 600)
        var reads: [String] = []
        let source = TileNodeSource(treeSize: 600, hasher: hasher) { coordinate in
            reads.append(coordinate.path)
            // A full tile may stand in for the partial one; a tile of another place may not.
            let first = Int(coordinate.number) * 256
            return try Tile(coordinate: coordinate, hashes: Array(tree.leaves[first..<first + coordinate.width]))
        }
        _ = try source.hashes(at: (0..<600).map { NodeCoordinate(level: 0, index: $0) })
        #expect(reads == ["tile/0/000", "tile/0/001", "tile/0/002.p/88"])

        let wide = try Tile(coordinate: TileCoordinate(level: 0, number: 0), hashes: Array(tree.leaves[..<256]))
        let fallback = TileNodeSource(treeSize: 5, hasher: hasher) { _ in wide }
        #expect(try fallback.hashes(at: [NodeCoordinate(level: 2, index: 0)]) == [tree.root(size: 4)])
        let wrong = TileNodeSource(treeSize: 300, hasher: hasher) { _ in wide }
        #expect(throws: TileError.self) { try wrong.hashes(at: [NodeCoordinate(level: 0, index: 299)]) }
        let narrow = try Tile(
            coordinate: TileCoordinate(level: 0, number: 0, width: 3), hashes: Array(tree.leaves[..<3]))
        let short = TileNodeSource(treeSize: 5, hasher: hasher) { _ in narrow }
        #expect(throws: TileError.self) { try short.hashes(at: [NodeCoordinate(level: 0, index: 0)]) }
    }

    @Test func tilesOfTheWrongLengthAreRefused() throws {
        let coordinate = try TileCoordinate(level: 0, number: 0, width: 2)
        #expect(throws: TileError.wrongByteCount(expected: 64, actual: 63)) {
            try Tile(coordinate: coordinate, data: [UInt8](repeating: 0, count: 63))
        }
        #expect(throws: TileError.wrongHashCount(expected: 2, actual: 3)) {
            try Tile(coordinate: coordinate, hashes: [.zero, .zero, .zero])
        }
        let data = (0..<64).map { UInt8($0) }
        #expect(try Tile(coordinate: coordinate, data: data[...]).data == data)
        let tile = try Tile(coordinate: coordinate, data: data)
        for node in [NodeCoordinate(level: 2, index: 0), .init(level: 8, index: 0), .init(level: 0, index: 256)] {
            #expect(throws: TileError.nodeOutside(node)) { try tile.hash(of: node, hasher: hasher) }
        }
    }
}

@Suite struct EntryBundleTests {
    private let hasher = MerkleHasher()

    @Test func bundlesReadBackAsTheirBodies() throws {
        let bodies = (1...256).map { [UInt8](repeating: UInt8($0 & 255), count: $0 == 256 ? 65_535 : $0) }
        let bundle = try EntryBundle.encode(bodies)
        #expect(bundle.prefix(4) == [0, 1, 1, 0])
        #expect(try EntryBundle.bodies(in: bundle).map { Array(bundle[$0]) } == bodies)
        #expect(try EntryBundle.leafHashes(of: bundle, hasher: hasher) == bodies.map { hasher.leaf($0) })
    }

    @Test func limitsHoldBothWays() {
        #expect(throws: TileError.badEntryCount(0)) { try EntryBundle.encode([]) }
        #expect(throws: TileError.badEntryCount(0)) { try EntryBundle.bodies(in: []) }
        #expect(throws: TileError.badEntryCount(257)) {
            try EntryBundle.encode([[UInt8]](repeating: [1], count: 257))
        }
        let tooMany = [[UInt8]](repeating: [0, 1, 9], count: 257).flatMap(\.self)
        #expect(throws: TileError.badEntryCount(257)) { try EntryBundle.bodies(in: tooMany) }
        #expect(throws: TileError.badBodyLength(position: 1, length: 0, maximum: 65_535)) {
            try EntryBundle.encode([[1], []])
        }
        #expect(throws: TileError.badBodyLength(position: 1, length: 0, maximum: 65_535)) {
            try EntryBundle.bodies(in: [0, 1, 9, 0, 0])
        }
        #expect(throws: TileError.badBodyLength(position: 0, length: 11, maximum: 10)) {
            try EntryBundle.bodies(in: [0, 11] + [UInt8](repeating: 0, count: 11), maximumBody: 10)
        }
        #expect(throws: TileError.badBodyLength(position: 0, length: 65_536, maximum: 65_535)) {
            try EntryBundle.encode([[UInt8](repeating: 0, count: 65_536)], maximumBody: 100_000)
        }
    }

    @Test func bundlesCutAnywhereButBetweenEntriesAreRefused() throws {
        let bundle = try EntryBundle.encode([[1, 2, 3], [4], [5, 6]])
        for length in 1..<bundle.count {
            let cut = Array(bundle.prefix(length))
            if length == 5 || length == 8 {
                #expect(try EntryBundle.bodies(in: cut).count == (length == 5 ? 1 : 2))
            } else {
                #expect(throws: TileError.self) { try EntryBundle.bodies(in: cut) }
                #expect(throws: TileError.self) { try EntryBundle.leafHashes(of: cut, hasher: hasher) }
            }
        }
    }
}
