import Cryptography
import LogStore
import TransparencyLog

/// One log on its way through a scrub: its rows are read once, in order, and judged by the signed root at the end.
struct LogScan {
    let log: StoredLog
    /// What the rows are judged by.
    let head: SignedHead?
    let store: SQLiteLogStore
    private(set) var missingBlobs: [BlobReference] = []

    private var evidence = TreeEvidence()
    /// By bundle: why it cannot be read.
    private var unreadable: [UInt64: String] = [:]
    /// By bundle: why its tile of leaf hashes cannot be.
    private var badTiles: [UInt64: String] = [:]
    /// Bundles whose bodies do not have the leaf hashes that are kept.
    private var disagreeing: Set<UInt64> = []
    private let hasher = MerkleHasher()
    private static let width = UInt64(EntryBundle.maximumEntries)

    init(log: StoredLog, head: SignedHead?, store: SQLiteLogStore) {
        self.log = log
        self.head = head
        self.store = store
    }

    var bundleCount: UInt64 { (log.size + Self.width - 1) / Self.width }

    /// Reads these bundles and their tiles of leaf hashes.
    mutating func read(_ numbers: Range<UInt64>) throws {
        let bundles = try rows(numbers) { numbers in
            let entries = (numbers.lowerBound * Self.width)..<(numbers.upperBound * Self.width)
            return Dictionary(
                try store.bundles(of: log.id, entries: entries).map { ($0.number, $0) },
                uniquingKeysWith: { first, _ in first })
        }
        let tiles = try rows(numbers) { try store.tiles(of: log.id, level: 0, numbers: $0) }
        // Rows at the edge may have been written after the log was looked up.
        let size = max(log.size, try store.log(log.origin)?.size ?? 0)
        var sealed: [BlobReference] = []
        for number in numbers {
            let first = number * Self.width
            let count = min(Self.width, log.size - first)...min(Self.width, size - first)
            var bodies: [SHA256Digest]?
            do {
                bodies = try store.leafHashes(of: bundles[number], number: number, count: count)
            } catch {
                unreadable[number] = "\(error)"
            }
            let leaves = tiles[number].flatMap { tile -> [SHA256Digest]? in
                guard tile.count.isMultiple(of: 32), count.contains(UInt64(tile.count / 32)) else { return nil }
                return tile.withUnsafeBytes { Tile.hashes(of: $0) }
            }
            if leaves == nil { badTiles[number] = tiles[number] == nil ? "missing" : "of the wrong size" }
            if let bodies, let leaves {
                if bodies.prefix(Int(count.lowerBound)) == leaves.prefix(Int(count.lowerBound)) {
                    if let bundle = bundles[number] {
                        try store.restoreRights(in: bundle, of: log)
                        sealed += try store.expectedBlobs(in: bundle, of: log)
                    }
                } else {
                    disagreeing.insert(number)
                }
            }
            guard let head, first < head.size else { continue }
            let judged = Int(min(Self.width, head.size - first))
            evidence.units.append(
                TreeEvidence.Unit(
                    bodies: bodies.map { hasher.root(of: $0.prefix(judged)) },
                    leaves: leaves.map { hasher.root(of: $0.prefix(judged)) }))
        }
        missingBlobs += try store.missingBlobRows(among: sealed)
    }

    /// Reads rows at once, or one by one where the database itself cannot read some of them.
    private func rows<Value>(
        _ numbers: Range<UInt64>, _ read: (Range<UInt64>) throws -> [UInt64: Value]
    ) throws -> [UInt64: Value] {
        do {
            return try read(numbers)
        } catch StoreError.damaged {
            var all: [UInt64: Value] = [:]
            for number in numbers {
                all.merge((try? read(number..<(number + 1))) ?? [:]) { first, _ in first }
            }
            return all
        }
    }

    /// What is damaged and why, once everything is read.
    mutating func judge() throws -> [Damage.Place: String] {
        var found: [Damage.Place: String] = [:]
        let proved = try head.map { try judge(by: $0, &found) } ?? 0
        // Behind the newest checkpoint, and where nothing proves anything, rows can only be held against each other.
        for number in proved..<max(proved, bundleCount) {
            if let reason = badTiles[number] { found[.tile(level: 0, number: number)] = reason }
            if let reason = unreadable[number] {
                found[.bundle(number)] = reason
            } else if disagreeing.contains(number) {
                found[.bundle(number)] = "its entries do not have the leaf hashes that were kept"
            }
        }
        return found
    }

    /// Judges rows by the signed root. Answers how many bundles are judged completely.
    private mutating func judge(by head: SignedHead, _ found: inout [Damage.Place: String]) throws -> UInt64 {
        let full = head.size / Self.width
        for number in stride(from: 0, to: full, by: 256) {
            let tile = try upperTile(level: 1, number: number / 256)
            for offset in 0..<Int(min(256, full - number)) where offset < tile.count {
                evidence.units[Int(number) + offset].above = tile[offset]
            }
        }
        guard let truth = evidence.truth(root: head.root) else {
            // Several rows are wrong in ways that agree with each other: none of them can be believed.
            let reason = "the log's entries do not have the signed root"
            for number in 0..<UInt64(evidence.units.count) { found[.bundle(number)] = reason }
            for tile in TileList(size: head.size) { found[.tile(level: tile.level, number: tile.number)] = reason }
            return UInt64(evidence.units.count)
        }
        for (number, hash) in truth.enumerated().map({ (UInt64($0.offset), $0.element) }) {
            let unit = evidence.units[Int(number)]
            if unit.bodies != hash {
                found[.bundle(number)] = unreadable[number] ?? "its entries are not those that were signed"
            }
            if unit.leaves != hash {
                found[.tile(level: 0, number: number)] = badTiles[number] ?? "not the leaf hashes that were signed"
            }
        }
        for tile in TreeEvidence.upperTiles(truth, size: head.size) {
            let (level, number) = (tile.coordinate.level, tile.coordinate.number)
            if try !upperTile(level: level, number: number).starts(with: tile.hashes) {
                found[.tile(level: level, number: number)] = "missing, or not what its entries hash to"
            }
        }
        return full == UInt64(evidence.units.count) || head.size == log.size ? UInt64(evidence.units.count) : full
    }

    /// The hashes of a stored tile; none where it is missing, or wider or narrower than the log makes it.
    private func upperTile(level: Int, number: UInt64) throws -> [SHA256Digest] {
        let rows = try rows(number..<(number + 1)) { try store.tiles(of: log.id, level: level, numbers: $0) }
        let size = max(log.size, try store.log(log.origin)?.size ?? 0)
        let first = number << 8
        let least = min(256, (log.size >> (8 * level)) - min(first, log.size >> (8 * level)))
        let most = min(256, (size >> (8 * level)) - min(first, size >> (8 * level)))
        guard let data = rows[number], data.count.isMultiple(of: 32),
            (least...most).contains(UInt64(data.count / 32))
        else { return [] }
        return data.withUnsafeBytes { Tile.hashes(of: $0) }
    }
}
