/// A row of a log that is not what was signed any more, or is gone: found by whoever read it again.
public struct Damage: Sendable, Hashable {
    /// What is damaged.
    public enum Place: Sendable, Hashable {
        /// The bundle of entries from `256 * number` on.
        case bundle(UInt64)
        case tile(level: Int, number: UInt64)
        /// The sealed part of the entry at this index.
        case blob(entry: UInt64)
    }

    public let place: Place
    public let reason: String
    /// Unix seconds.
    public let found: UInt64

    public init(place: Place, reason: String, found: UInt64) {
        self.place = place
        self.reason = reason
        self.found = found
    }
}

extension Damage.Place: Comparable {
    /// The entries that this row holds, or whose hashes it holds, in a log of this size.
    public func entries(size: UInt64) -> Range<UInt64> {
        switch self {
        case .bundle(let number): Damage.Place.tile(level: 0, number: number).entries(size: size)
        case .tile(let level, let number):
            // Where a tile of a high level would reach beyond any size there is, the size is its end.
            if level >= 7 || number >= UInt64.max >> (8 * level + 9) {
                min(size, number << min(63, 8 * level + 8))..<size
            } else {
                min(size, number << (8 * level + 8))..<min(size, (number + 1) << (8 * level + 8))
            }
        case .blob(let entry): min(size, entry)..<min(size, entry.addingReportingOverflow(1).partialValue)
        }
    }

    /// Bundles, then tiles by level, then blobs: what others are made of comes first.
    private var order: (Int, Int, UInt64) {
        switch self {
        case .bundle(let number): (0, 0, number)
        case .tile(let level, let number): (1, level, number)
        case .blob(let entry): (2, 0, entry)
        }
    }

    public static func < (left: Damage.Place, right: Damage.Place) -> Bool {
        left.order < right.order
    }
}
