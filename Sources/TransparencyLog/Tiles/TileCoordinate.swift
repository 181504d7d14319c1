/// The place and width of a tile (c2sp.org/tlog-tiles): its hashes are those of the nodes of level `8 * level` from
/// index `256 * number`.
public struct TileCoordinate: Hashable, Sendable {
    /// 0 to 63; the tiles of level 0 hold the leaf hashes.
    public let level: Int
    public let number: UInt64
    /// How many hashes: 256, or less at the tree's right edge.
    public let width: Int

    public init(level: Int, number: UInt64, width: Int = Tile.fullWidth) throws {
        guard (0...63).contains(level), (1...Tile.fullWidth).contains(width), number <= UInt64.max >> 8 else {
            throw TileError.badCoordinate(level: level, number: number, width: width)
        }
        self.level = level
        self.number = number
        self.width = width
    }

    /// For values known to be within the limits.
    init(uncheckedLevel level: Int, number: UInt64, width: Int) {
        self.level = level
        self.number = number
        self.width = width
    }

    /// Whether the tile has all its 256 hashes.
    public var isFull: Bool { width == Tile.fullWidth }

    /// The full tile at this place.
    public var full: TileCoordinate {
        TileCoordinate(uncheckedLevel: level, number: number, width: Tile.fullWidth)
    }

    /// The path below a log's prefix, such as `tile/0/x001/x234/067.p/5`.
    public var path: String {
        "tile/\(level)/" + TilePath.suffix(number: number, width: width)
    }

    /// The tile of a path in its one canonical form.
    public init(path: String) throws {
        let parts = path.utf8.split(separator: UInt8(ascii: "/"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].elementsEqual("tile".utf8), parts[1].count <= 2,
            let level = Decimal.parse(parts[1]), let (number, width) = TilePath.parse(suffix: parts[2])
        else { throw TileError.badPath(path) }
        try self.init(level: Int(level), number: number, width: width)
    }

    /// The tile that holds a node, or the nodes it is made of, as a tree of this size has it.
    public static func tile(holding node: NodeCoordinate, treeSize: UInt64) throws -> TileCoordinate {
        guard node.isInside(treeSize: treeSize) else { throw TileError.nodeOutside(node) }
        let level = node.level / 8
        let number = (node.index << (node.level % 8)) >> 8
        let width = min(UInt64(Tile.fullWidth), (treeSize >> (8 * level)) - number << 8)
        return TileCoordinate(uncheckedLevel: level, number: number, width: Int(width))
    }
}

/// The place and width of an entry bundle: the bodies whose hashes the tile of level 0 with this number holds.
public struct BundleCoordinate: Hashable, Sendable {
    public let number: UInt64
    /// How many entries: 256, or less at the log's end.
    public let width: Int

    public init(number: UInt64, width: Int = Tile.fullWidth) throws {
        guard (1...Tile.fullWidth).contains(width), number <= UInt64.max >> 8 else {
            throw TileError.badCoordinate(level: 0, number: number, width: width)
        }
        self.number = number
        self.width = width
    }

    /// The bundle with the bodies of a tile of level 0.
    public init(of tile: TileCoordinate) throws {
        guard tile.level == 0 else {
            throw TileError.badCoordinate(level: tile.level, number: tile.number, width: tile.width)
        }
        try self.init(number: tile.number, width: tile.width)
    }

    /// The path below a log's prefix, such as `tile/entries/x001/x234/067.p/5`.
    public var path: String {
        "tile/entries/" + TilePath.suffix(number: number, width: width)
    }

    /// The bundle of a path in its one canonical form.
    public init(path: String) throws {
        let prefix = "tile/entries/".utf8
        guard path.utf8.starts(with: prefix),
            let (number, width) = TilePath.parse(suffix: path.utf8.dropFirst(prefix.count))
        else { throw TileError.badPath(path) }
        try self.init(number: number, width: width)
    }
}

/// The end of tile and bundle paths: the number in groups of three digits, then the width unless it is full.
enum TilePath {
    static func suffix(number: UInt64, width: Int) -> String {
        var path = ""
        var rest = number
        repeat {
            let digits = String(rest % 1_000)
            let group = String(repeating: "0", count: 3 - digits.count) + digits
            path = path.isEmpty ? group : "x\(group)/\(path)"
            rest /= 1_000
        } while rest > 0
        return width == Tile.fullWidth ? path : "\(path).p/\(width)"
    }

    /// The number and width; `nil` for anything that would be written otherwise.
    static func parse(suffix: Substring.UTF8View) -> (number: UInt64, width: Int)? {
        // Seven groups hold any number of 64 bits; ".p/255" is the longest end.
        guard suffix.count <= 7 * 5 + 6 else { return nil }
        var groups = suffix.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        var width = Tile.fullWidth
        if groups.count >= 2, groups[groups.count - 2].count == 5,
            groups[groups.count - 2].suffix(2).elementsEqual(".p".utf8)
        {
            guard let last = groups.popLast(), let parsed = Decimal.parse(last), parsed < Tile.fullWidth else {
                return nil
            }
            width = Int(parsed)
            groups[groups.count - 1] = groups[groups.count - 1].dropLast(2)
        }
        var number: UInt64 = 0
        for (position, group) in groups.enumerated() {
            let isLast = position == groups.count - 1
            guard let digits = isLast ? group : group.first == UInt8(ascii: "x") ? group.dropFirst() : nil,
                digits.count == 3
            else { return nil }
            for digit in digits {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
                let (product, overflow) = number.multipliedReportingOverflow(by: 10)
                let (sum, carry) = product.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
                guard !overflow, !carry else { return nil }
                number = sum
            }
        }
        // Leading groups of zeros and a width of 0 are no canonical forms.
        guard width > 0, self.suffix(number: number, width: width).utf8.elementsEqual(suffix) else { return nil }
        return (number, width)
    }
}
