public import Cryptography

/// Tree nodes from tiles, which a closure reads: from files, rows or a network copy.
///
/// A tile is read once for all the nodes of one request, and nothing is kept after it.
public struct TileNodeSource: NodeSource {
    private let treeSize: UInt64
    private let hasher: MerkleHasher
    private let read: (TileCoordinate) throws -> Tile

    /// Nodes of a tree of `treeSize` leaves. The closure gets the coordinate of the tile as a tree of that size has
    /// it; it may answer with a wider tile at the same place, since a full tile replaces the partial ones.
    public init(treeSize: UInt64, hasher: MerkleHasher, read: @escaping (TileCoordinate) throws -> Tile) {
        self.treeSize = treeSize
        self.hasher = hasher
        self.read = read
    }

    public func hashes(at coordinates: [NodeCoordinate]) throws -> [SHA256Digest] {
        var tiles: [TileCoordinate: Tile] = [:]
        return try coordinates.map { node in
            let wanted = try TileCoordinate.tile(holding: node, treeSize: treeSize)
            if let tile = tiles[wanted] { return try tile.hash(of: node, hasher: hasher) }
            let tile = try read(wanted)
            guard tile.coordinate.full == wanted.full, tile.coordinate.width >= wanted.width else {
                throw TileError.wrongTile(expected: wanted, actual: tile.coordinate)
            }
            tiles[wanted] = tile
            return try tile.hash(of: node, hasher: hasher)
        }
    }
}
