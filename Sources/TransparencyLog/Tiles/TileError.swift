/// Why a tile, an entry bundle or one of their paths is refused.
public enum TileError: Error, Hashable, Sendable {
    /// The path is not the one canonical form of any tile or bundle.
    case badPath(String)
    /// A tile's level is 0 to 63, its number below 2^56 and its width 1 to 256.
    case badCoordinate(level: Int, number: UInt64, width: Int)
    /// The tile's data has another length than its width asks for, in bytes.
    case wrongByteCount(expected: Int, actual: Int)
    /// The tile's hashes are not as many as its width.
    case wrongHashCount(expected: Int, actual: Int)
    /// A node is not below this tile, or not in the tree.
    case nodeOutside(NodeCoordinate)
    /// The source gave another tile, or a narrower one.
    case wrongTile(expected: TileCoordinate, actual: TileCoordinate)
    /// A partial tile of the tree's right edge has another width than the size asks for.
    case wrongEdge(level: Int, expected: Int, actual: Int)
    /// A bundle ends within an entry that begins at this byte.
    case truncatedBundle(offset: Int)
    /// An entry, the one at this position of the bundle, is empty or longer than allowed.
    case badBodyLength(position: Int, length: Int, maximum: Int)
    /// A bundle holds 1 to 256 entries.
    case badEntryCount(Int)
}

extension TileError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .badPath(let path):
            "not a tile path: \"\(path.prefix(100))\""
        case .badCoordinate(let level, let number, let width):
            "no tile has level \(level), number \(number) and width \(width)"
        case .wrongByteCount(let expected, let actual):
            "the tile has \(actual) bytes instead of \(expected)"
        case .wrongHashCount(let expected, let actual):
            "the tile has \(actual) hashes instead of \(expected)"
        case .nodeOutside(let node):
            "\(node) is not in this tile or tree"
        case .wrongTile(let expected, let actual):
            "asked for \(expected.path), was given \(actual.path)"
        case .wrongEdge(let level, let expected, let actual):
            "the partial tile of level \(level) has \(actual) hashes, for this size it must have \(expected)"
        case .truncatedBundle(let offset):
            "the entry bundle ends within the entry at byte \(offset)"
        case .badBodyLength(let position, let length, let maximum):
            "entry \(position) of the bundle has \(length) bytes; 1 to \(maximum) are allowed"
        case .badEntryCount(let count):
            count > Tile.fullWidth
                ? "an entry bundle holds at most \(Tile.fullWidth) entries" : "the entry bundle is empty"
        }
    }
}
