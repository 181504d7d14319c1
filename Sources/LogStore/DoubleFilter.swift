import GRDB
import TransparencyLog

import struct FoundationEssentials.Data

/// Knows what an own log already says, by keyed hashes of its records without when and by whom, so that a repeated
/// import adds nothing twice. One filter serves one importer of one log.
///
/// The hashes lie in the database eight bytes a record, in the order of the log, written with the records; here they
/// are a table in memory. The key is local, so nobody can aim at a collision; by chance one of ten million records
/// meets one once in some 370,000 such logs.
public final class DoubleFilter {
    private var indices: [UInt64: UInt64] = [:]
    /// Hashes of entries that an append was only tried out with, and where each would stand.
    private var expected: [UInt64: UInt64] = [:]
    private var size: UInt64 = 0
    static let width = UInt64(EntryBundle.maximumEntries)

    public init() {}

    func index(of entry: NewEntry) -> UInt64? {
        indices[entry.doubleHash] ?? expected[entry.doubleHash]
    }

    func insert(_ entry: NewEntry, at index: UInt64) {
        if entry.doubleHash != 0 { indices[entry.doubleHash] = index }
        size = index + 1
    }

    /// Counts an entry as known that is not appended, while an append is only tried out.
    func expect(_ entry: NewEntry) {
        if entry.doubleHash != 0 { expected[entry.doubleHash] = size }
    }

    /// Drops everything; the next batch reads it anew.
    func forget() {
        indices = [:]
        size = 0
    }

    /// Takes in what the log has gained since the last batch, by this importer or another process. Begins anew where a
    /// hash of these entries stands in the log no more: its record was erased, or can be read no more.
    func update(_ db: Database, row: Int64, size: UInt64, for entries: [NewEntry]) throws {
        try update(db, row: row, size: size)
        var kept: [UInt64: [UInt64]] = [:]
        for entry in entries {
            guard let index = indices[entry.doubleHash] else { continue }
            let number = index / DoubleFilter.width
            if kept[number] == nil { kept[number] = try DoubleFilter.hashes(row: row, number: number, db) }
            let hashes = kept[number] ?? []
            let position = Int(index % DoubleFilter.width)
            guard position >= hashes.count || hashes[position] != entry.doubleHash else { continue }
            forget()
            return try update(db, row: row, size: size)
        }
    }

    private func update(_ db: Database, row: Int64, size newSize: UInt64) throws {
        guard newSize > size else { return }
        let rows = try Row.fetchCursor(
            db, sql: "SELECT number, hashes FROM double_hash WHERE log = ? AND number >= ? ORDER BY number",
            arguments: [row, Int64(size / DoubleFilter.width)])
        while let row = try rows.next() {
            let first = row.size("number") * DoubleFilter.width
            let hashes = row.bytes("hashes")
            hashes.withUnsafeBytes { bytes in
                for position in 0..<(bytes.count / 8) {
                    let hash = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: position * 8, as: UInt64.self))
                    if hash != 0, indices[hash] == nil { indices[hash] = first + UInt64(position) }
                }
            }
        }
        size = newSize
    }

    /// The hashes of one bundle's entries; 0 where there is none, fewer where there are none at the end.
    static func hashes(row: Int64, number: UInt64, _ db: Database) throws -> [UInt64] {
        let data = try Data.fetchOne(
            db.cachedStatement(sql: "SELECT hashes FROM double_hash WHERE log = ? AND number = ?"),
            arguments: [row, Int64(clamping: number)])
        return [UInt8](data ?? Data()).withUnsafeBytes { bytes in
            (0..<(bytes.count / 8)).map {
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self))
            }
        }
    }

    /// Replaces the hashes of one bundle's entries.
    static func put(_ hashes: [UInt64], row: Int64, number: UInt64, _ db: Database) throws {
        var bytes = Data(capacity: hashes.count * 8)
        for hash in hashes { withUnsafeBytes(of: hash.bigEndian) { bytes.append(contentsOf: $0) } }
        try db.execute(
            sql: "INSERT OR REPLACE INTO double_hash (log, number, hashes) VALUES (?, ?, ?)",
            arguments: [row, Int64(clamping: number), bytes])
    }

    /// Writes the hashes of entries that are being appended from `firstIndex` on.
    static func write(_ hashes: [UInt64], row: Int64, firstIndex: UInt64, _ db: Database) throws {
        guard hashes.contains(where: { $0 != 0 }) else { return }
        let statement = try db.cachedStatement(
            sql: """
                INSERT INTO double_hash (log, number, hashes) VALUES (?, ?, ?)
                ON CONFLICT (log, number) DO UPDATE SET hashes = excluded.hashes
                """)
        var index = firstIndex
        var rest = hashes[...]
        while !rest.isEmpty {
            let number = index / width
            let offset = Int(index % width)
            var bytes =
                offset == 0
                ? []
                : [UInt8](
                    try Data.fetchOne(
                        db, sql: "SELECT hashes FROM double_hash WHERE log = ? AND number = ?",
                        arguments: [row, Int64(number)]) ?? Data())
            // Entries that were appended without a hash leave zeros, which stand for none.
            bytes += [UInt8](repeating: 0, count: max(0, offset * 8 - bytes.count))
            let part = rest.prefix(Int(width) - offset)
            for hash in part { withUnsafeBytes(of: hash.bigEndian) { bytes += $0 } }
            try statement.execute(arguments: [row, Int64(number), Data(bytes)])
            rest = rest.dropFirst(part.count)
            index += UInt64(part.count)
        }
    }
}
