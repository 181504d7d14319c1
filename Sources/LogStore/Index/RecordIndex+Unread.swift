import Cryptography
import GRDB
import Glibc
import TransparencyLog

// Entries that are damaged in the log database: the index goes on without them, says which they are, and takes them in
// once they are mended.

/// Entries of one log that the index could not take in.
public struct UnreadEntries: Sendable, Hashable {
    public let origin: String
    public let entries: Range<UInt64>
}

extension RecordIndex {
    /// What the index lacks of that up to which it is filled, by log.
    public func unread() throws -> [UnreadEntries] {
        try unreadRows().reduce(into: []) { all, each in
            if let last = all.last, last.origin == each.origin, last.entries.upperBound == each.entries.lowerBound {
                all[all.count - 1] = UnreadEntries(
                    origin: each.origin, entries: last.entries.lowerBound..<each.entries.upperBound)
            } else {
                all.append(each)
            }
        }
    }

    private func unreadRows() throws -> [UnreadEntries] {
        try database.read { db in
            try Row.fetchAll(
                db.cachedStatement(
                    sql: """
                        SELECT origin, first, end FROM unread JOIN log ON log.id = unread.log ORDER BY origin, first
                        """)
            ).map {
                let first = $0.size("first")
                return UnreadEntries(origin: try $0.text("origin"), entries: first..<max(first, $0.size("end")))
            }
        }
    }

    /// Empties the index, but for what it says of sealed values, where something that it lacks can be read by now: what
    /// comes late does not fit into the order of what is there.
    func beginAnewIfMended(_ logs: [StoredLog]) throws {
        let unread = try unreadRows()
        guard !unread.isEmpty else { return }
        let known = Dictionary(logs.map { ($0.origin, $0) }, uniquingKeysWith: { first, _ in first })
        var reader = BodyReader(store)
        let isMended = try unread.contains { each in
            guard let log = known[each.origin] else { return false }
            do {
                return try reader.soundBody(of: log, at: each.entries.lowerBound) != nil
            } catch StoreError.damagedEntry, StoreError.damaged {
                return false
            }
        }
        guard isMended else { return }
        try database.write { db in
            for table in ["block", "run", "span", "effect", "unread"] { try db.execute(sql: "DELETE FROM \(table)") }
            try db.execute(sql: "UPDATE log SET entries = 0")
        }
    }

    /// Marks the bundles that cannot be read, as a scrub would. Where the database cannot be written, a scrub does it.
    func markUnreadable(_ pieces: [RecordTerms], of log: StoredLog) {
        let found = UInt64(clamping: time(nil))
        let damage = pieces.flatMap(\.unreadable).map { number, reason in
            Damage(place: .bundle(number), reason: reason, found: found)
        }
        try? store.mark(damage, of: log.id)
    }
}

extension SQLiteLogStore {
    /// Bundles with the leaf hashes that are kept of them, as far as the database can read the rows.
    func rows(
        of log: SHA256Digest, bundles numbers: Range<UInt64>
    ) throws -> (bundles: [UInt64: StoredBundle], leaves: [UInt64: [SHA256Digest]]) {
        func read<Value>(_ rows: (Range<UInt64>) throws -> [UInt64: Value]) throws -> [UInt64: Value] {
            do {
                return try rows(numbers)
            } catch StoreError.damaged {
                // One by one: a page of the file that has rotted takes some of them along.
                return numbers.reduce(into: [:]) { all, number in
                    all[number] = (try? rows(number..<(number + 1)))?[number]
                }
            }
        }
        let width = UInt64(EntryBundle.maximumEntries)
        let found = try read { numbers in
            Dictionary(
                try self.bundles(of: log, entries: (numbers.lowerBound * width)..<(numbers.upperBound * width))
                    .map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
        }
        let tiles = try read { try self.tiles(of: log, level: 0, numbers: $0) }
        return (found, tiles.mapValues { Tile.whole(of: $0) })
    }
}

extension Tile {
    /// The hashes of a stored tile; none where it is not made of whole ones.
    static func whole(of bytes: [UInt8]) -> [SHA256Digest] {
        guard bytes.count.isMultiple(of: SHA256Digest.byteCount) else { return [] }
        return bytes.withUnsafeBytes { hashes(of: $0) }
    }
}
