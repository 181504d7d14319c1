public import Cryptography

/// Up to 256 neighbouring hashes of one level (c2sp.org/tlog-tiles).
public struct Tile: Hashable, Sendable {
    /// The hashes of a full tile.
    public static let fullWidth = 256
    /// The bytes of a full tile.
    public static let fullByteCount = fullWidth * SHA256Digest.byteCount

    public let coordinate: TileCoordinate
    public let hashes: [SHA256Digest]

    public init(coordinate: TileCoordinate, hashes: [SHA256Digest]) throws {
        guard hashes.count == coordinate.width else {
            throw TileError.wrongHashCount(expected: coordinate.width, actual: hashes.count)
        }
        self.coordinate = coordinate
        self.hashes = hashes
    }

    /// For hashes known to be as many as the width says.
    init(uncheckedCoordinate coordinate: TileCoordinate, hashes: [SHA256Digest]) {
        self.coordinate = coordinate
        self.hashes = hashes
    }

    /// A tile from its bytes: 32 for each hash.
    public init(coordinate: TileCoordinate, data: some Collection<UInt8>) throws {
        self = try [UInt8](data).withUnsafeBytes { try Tile(coordinate: coordinate, data: $0) }
    }

    /// A tile from its bytes: 32 for each hash.
    public init(coordinate: TileCoordinate, data: UnsafeRawBufferPointer) throws {
        let expected = coordinate.width * SHA256Digest.byteCount
        guard data.count == expected else {
            throw TileError.wrongByteCount(expected: expected, actual: data.count)
        }
        self.coordinate = coordinate
        hashes = Tile.hashes(of: data)
    }

    /// The hashes one after the other.
    public var data: [UInt8] {
        hashes.withUnsafeBytes { [UInt8]($0) }
    }

    /// The digests that stand one after the other in these bytes, whose count is a multiple of 32.
    public static func hashes(of data: UnsafeRawBufferPointer) -> [SHA256Digest] {
        precondition(data.count.isMultiple(of: SHA256Digest.byteCount), "digests have 32 bytes each")
        let count = data.count / SHA256Digest.byteCount
        return [SHA256Digest](unsafeUninitializedCapacity: count) { target, filled in
            UnsafeMutableRawBufferPointer(target).copyMemory(from: data)
            filled = count
        }
    }

    /// The hash of a perfect node that lies in this tile or is made of hashes of it.
    public func hash(of node: NodeCoordinate, hasher: MerkleHasher) throws -> SHA256Digest {
        let height = node.level % 8
        let first = node.index << height
        guard node.level >= 0, node.level / 8 == coordinate.level, node.index <= UInt64.max >> 8,
            first >> 8 == coordinate.number
        else { throw TileError.nodeOutside(node) }
        let offset = Int(first & 255)
        guard offset + 1 << height <= hashes.count else { throw TileError.nodeOutside(node) }
        return hasher.root(of: hashes[offset..<(offset + 1 << height)])
    }
}
