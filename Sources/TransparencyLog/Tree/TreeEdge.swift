public import Cryptography

/// The growing right edge of a log: its partial tiles, and the nodes that still wait for a right sibling.
///
/// Appending hashes every perfect node once, when its last leaf comes: n - 1 node hashes for n leaves.
public struct TreeEdge: Sendable {
    /// Tile levels of any tree of at most 2^63 - 1 leaves.
    public static let levelCount = 8

    /// The number of leaves.
    public private(set) var size: UInt64
    /// One partial tile a level, full ones left out: `tiles[level].count == (size >> 8 * level) % 256`.
    private var tiles: [[SHA256Digest]]
    /// `waiting[height]` is the perfect node of that height at the edge where `size` has that bit set: the compact
    /// range of the whole tree. Elsewhere it means nothing.
    private var waiting: [SHA256Digest]

    /// The edge of the empty tree.
    public init() {
        size = 0
        tiles = [[SHA256Digest]](repeating: [], count: TreeEdge.levelCount)
        waiting = [SHA256Digest](repeating: .zero, count: 64)
    }

    /// The edge of a tree of this size from its partial tiles, by tile level. Levels left out at the end are empty.
    public init(size: UInt64, partialTiles: [[SHA256Digest]], hasher: MerkleHasher = MerkleHasher()) throws {
        try checkTreeSize(size)
        self.init()
        for level in 0..<max(TreeEdge.levelCount, partialTiles.count) {
            let expected = level < TreeEdge.levelCount ? Int((size >> (8 * level)) & 255) : 0
            let actual = level < partialTiles.count ? partialTiles[level].count : 0
            guard expected == actual else {
                throw TileError.wrongEdge(level: level, expected: expected, actual: actual)
            }
            guard expected > 0 else { continue }
            tiles[level] = partialTiles[level]
            var offset = 0
            for height in (0..<8).reversed() where expected & (1 << height) != 0 {
                waiting[8 * level + height] = hasher.root(of: partialTiles[level][offset..<(offset + 1 << height)])
                offset += 1 << height
            }
        }
        self.size = size
    }

    /// The partial tiles by tile level, as `init(size:partialTiles:)` takes them; empty where the level has none.
    public var partialTiles: [[SHA256Digest]] {
        var partial = tiles
        while partial.last?.isEmpty == true { partial.removeLast() }
        return partial
    }

    /// The partial tiles with their coordinates, from level 0 up.
    public var tilesAtEdge: [Tile] {
        tiles.enumerated().compactMap { level, hashes in
            guard !hashes.isEmpty else { return nil }
            let coordinate = TileCoordinate(
                uncheckedLevel: level, number: size >> (8 * level + 8), width: hashes.count)
            return Tile(uncheckedCoordinate: coordinate, hashes: hashes)
        }
    }

    /// Adds leaves at the end; answers with the tiles that this made full, of all levels, in the order of their
    /// completion.
    public mutating func append(leafHashes: some Collection<SHA256Digest>, hasher: MerkleHasher) -> [Tile] {
        if let tiles = leafHashes.withContiguousStorageIfAvailable({ append($0, hasher) }) { return tiles }
        return [SHA256Digest](leafHashes).withUnsafeBufferPointer { append($0, hasher) }
    }

    private mutating func append(_ leaves: UnsafeBufferPointer<SHA256Digest>, _ hasher: MerkleHasher) -> [Tile] {
        var completed: [Tile] = []
        completed.reserveCapacity(leaves.count / 255 + 1)
        waiting.withUnsafeMutableBufferPointer { waiting in
            for leaf in leaves {
                TreeEdge.carry(leaf, from: 0, size: size, hasher, waiting, &tiles, &completed)
                size += 1
            }
        }
        return completed
    }

    /// Adds 256 leaves at the end of a tree that ends with a full tile, as ``append(leafHashes:hasher:)`` does, where
    /// their root (``MerkleHasher/root(of:)``) is known already: it may have been computed on another thread.
    public mutating func append(fullTile hashes: [SHA256Digest], root: SHA256Digest, hasher: MerkleHasher) -> [Tile] {
        precondition(size & 255 == 0 && hashes.count == Tile.fullWidth, "a full tile stands where a tile begins")
        let coordinate = TileCoordinate(uncheckedLevel: 0, number: size >> 8, width: Tile.fullWidth)
        var completed = [Tile(uncheckedCoordinate: coordinate, hashes: hashes)]
        waiting.withUnsafeMutableBufferPointer { waiting in
            TreeEdge.carry(root, from: 8, size: size, hasher, waiting, &tiles, &completed)
        }
        size += UInt64(Tile.fullWidth)
        return completed
    }

    /// Adds a perfect node of this height to the edge. Like counting in binary: it carries upwards past every waiting
    /// left sibling.
    @inline(__always)
    private static func carry(
        _ added: SHA256Digest, from start: Int, size: UInt64, _ hasher: MerkleHasher,
        _ waiting: UnsafeMutableBufferPointer<SHA256Digest>, _ tiles: inout [[SHA256Digest]], _ completed: inout [Tile]
    ) {
        var node = added
        var height = start
        while true {
            if height & 7 == 0, height >> 3 < TreeEdge.levelCount {
                add(node, level: height >> 3, size: size, to: &tiles, completed: &completed)
            }
            guard size & (1 << height) != 0 else { break }
            node = hasher.node(waiting[height], node)
            height += 1
        }
        waiting[height] = node
    }

    /// The root of the tree.
    public func root(hasher: MerkleHasher) -> SHA256Digest {
        hasher.fold(compactHashes)
    }

    /// The whole tree as a compact range.
    public var compactRange: CompactRange {
        CompactRange(uncheckedEnd: size, hashes: compactHashes)
    }

    private var compactHashes: [SHA256Digest] {
        (0..<64).reversed().filter { size & (1 << $0) != 0 }.map { waiting[$0] }
    }

    /// Adds one hash to the tile at the edge of a level, and hands the tile out once it is full. `size` is that
    /// before the leaf that completes the node.
    private static func add(
        _ node: SHA256Digest, level: Int, size: UInt64, to tiles: inout [[SHA256Digest]], completed: inout [Tile]
    ) {
        if tiles[level].isEmpty { tiles[level].reserveCapacity(Tile.fullWidth) }
        tiles[level].append(node)
        guard tiles[level].count == Tile.fullWidth else { return }
        var full: [SHA256Digest] = []
        swap(&full, &tiles[level])
        let coordinate = TileCoordinate(
            uncheckedLevel: level, number: size >> (8 * level + 8), width: Tile.fullWidth)
        completed.append(Tile(uncheckedCoordinate: coordinate, hashes: full))
    }
}
