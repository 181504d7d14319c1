/// The tiles of a tree of `size` leaves, or those that are new or wider than in an earlier, smaller tree: level by
/// level, from left to right.
///
/// They are made one at a time, so any size costs nothing until it is walked.
public struct TileList: Sequence, Sendable {
    private let oldSize: UInt64
    private let newSize: UInt64
    private let levels: Range<Int>

    /// The tiles of a tree of `size` leaves that one of `oldSize` leaves does not have as they are.
    public init(size: UInt64, since oldSize: UInt64 = 0) {
        self.oldSize = oldSize
        newSize = size
        levels = 0..<8
    }

    /// The tiles of one level only, 0 to 7. Those of level 0 stand for the entry bundles, too.
    public init(level: Int, size: UInt64, since oldSize: UInt64 = 0) {
        self.oldSize = oldSize
        newSize = size
        levels = (0..<8).contains(level) ? level..<(level + 1) : 0..<0
    }

    public func makeIterator() -> AnyIterator<TileCoordinate> {
        var level = levels.lowerBound - 1
        var number: UInt64 = 0
        var width: UInt64 = 0
        return AnyIterator {
            while number << 8 >= width || level < levels.lowerBound {
                level += 1
                guard level < levels.upperBound else {
                    level = levels.upperBound
                    width = 0
                    return nil
                }
                width = newSize >> (8 * level)
                let oldWidth = oldSize >> (8 * level)
                // A level that has not grown has no new tile; otherwise the old partial tile is the first.
                number = oldWidth < width ? oldWidth >> 8 : width
                if oldWidth >= width { width = 0 }
            }
            defer { number += 1 }
            return TileCoordinate(
                uncheckedLevel: level, number: number, width: Int(Swift.min(256, width - number << 8)))
        }
    }
}
