/// What an index says, or what it would say of a log, in a few bytes for every 256 entries: the sum of a hash of every
/// single statement, which is the same in whatever order they come. Whoever does not know the hash, which is another in
/// every process, cannot change a statement and keep the sum.
struct IndexSums {
    /// Entries with one sum.
    static let width: UInt64 = 256

    /// How many entries of each log are looked at, by its row.
    private let sizes: [Int64: UInt64]
    private var sums: [Int64: [UInt64]]
    /// Records that are hidden by others of their log: any number of those may say so.
    private(set) var hidden: Set<Int64> = []
    /// Whether something is said of an entry, or a log, that is not looked at.
    private(set) var hasStrangers = false

    private static let hiddenKey = TermKey.hidden.key("")
    private static let timeSeed = UInt64.random(in: .min ... .max)

    init(sizes: [Int64: UInt64]) {
        self.sizes = sizes
        sums = sizes.mapValues { [UInt64](repeating: 0, count: Int(($0 + IndexSums.width - 1) / IndexSums.width)) }
    }

    /// That this term stands in these records. False where the list cannot be read.
    mutating func add(_ entry: TermEntry) -> Bool {
        var records: [Int64] = []
        guard entry.records.unpack(into: &records) else { return false }
        if entry.key == IndexSums.hiddenKey {
            hidden.formUnion(records)
        } else {
            var hasher = Hasher()
            entry.key.withUnsafeBytes { hasher.combine(bytes: $0) }
            let key = UInt64(bitPattern: Int64(hasher.finalize()))
            for record in records { add(IndexSums.mix(key ^ IndexSums.mix(UInt64(bitPattern: record))), of: record) }
        }
        return true
    }

    /// That this record has this time.
    mutating func add(time: Int64, of record: Int64) {
        let place = IndexSums.mix(UInt64(bitPattern: record) ^ IndexSums.timeSeed)
        add(IndexSums.mix(place ^ UInt64(bitPattern: time)), of: record)
    }

    mutating func add(_ mark: RecordMark) {
        add(
            effect: mark.kind.rawValue, on: mark.origin, at: mark.index, replacement: mark.replacement, of: mark.record)
    }

    /// That this record says something of another.
    mutating func add(effect: String, on origin: String, at index: UInt64, replacement: String?, of record: Int64) {
        var hasher = Hasher()
        hasher.combine(effect)
        hasher.combine(origin)
        hasher.combine(index)
        hasher.combine(replacement)
        hasher.combine(record)
        add(UInt64(bitPattern: Int64(hasher.finalize())), of: record)
    }

    private mutating func add(_ hash: UInt64, of record: Int64) {
        let (log, index) = (RecordNumber.log(record), RecordNumber.index(record))
        guard let size = sizes[log], index < size else {
            hasStrangers = true
            return
        }
        sums[log]?[Int(index / IndexSums.width)] &+= hash
    }

    /// The entries of a log of which two say different things, from this entry on, as few ranges as there are.
    func differences(from other: IndexSums, log: Int64, start: UInt64) -> [Range<UInt64>] {
        let (mine, theirs, size) = (sums[log] ?? [], other.sums[log] ?? [], sizes[log] ?? 0)
        var ranges: [Range<UInt64>] = []
        for place in mine.indices.dropFirst(Int(start / IndexSums.width)) where mine[place] != theirs[place] {
            let first = UInt64(place) * IndexSums.width
            let end = min(size, first + IndexSums.width)
            if let last = ranges.last, last.upperBound == first {
                ranges[ranges.count - 1] = last.lowerBound..<end
            } else {
                ranges.append(first..<end)
            }
        }
        return ranges
    }

    /// The finaliser of SplitMix64: every bit of the number changes about half of the bits of the answer.
    private static func mix(_ number: UInt64) -> UInt64 {
        var mixed = number &+ 0x9e37_79b9_7f4a_7c15
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
