public import Cryptography
import GRDB
import TransparencyLog

import struct FoundationEssentials.Data

// What an audit reads that nothing else does.

/// A blob row, held or not.
public struct StoredBlob: Sendable, Hashable {
    public let reference: BlobReference
    /// `nil` while the bytes have not come.
    public let data: [UInt8]?
}

extension SQLiteLogStore {
    /// The stored tiles of a level whose numbers lie in the range, as they are, in order.
    public func tiles(of log: SHA256Digest, level: Int, numbers: Range<UInt64>) throws -> [UInt64: [UInt8]] {
        try database.read { db in
            let rows = try Row.fetchCursor(
                db,
                sql: "SELECT number, data FROM tile WHERE log = ? AND level = ? AND number >= ? AND number < ?",
                arguments: [
                    Self.rowID(db, log), level, Int64(clamping: numbers.lowerBound),
                    Int64(clamping: numbers.upperBound),
                ])
            var tiles: [UInt64: [UInt8]] = [:]
            while let row = try rows.next() {
                tiles[row.size("number")] = try row.withUnsafeData(named: "data") { [UInt8]($0 ?? Data()) }
            }
            return tiles
        }
    }

    /// How many tile and bundle rows a log has, beyond which nothing may lie.
    public func rowCounts(of log: SHA256Digest) throws -> (bundles: Int, tiles: Int) {
        try database.read { db in
            let row = try Self.rowID(db, log)
            return (
                try Int.fetchOne(db, sql: "SELECT count(*) FROM bundle WHERE log = ?", arguments: [row]) ?? 0,
                try Int.fetchOne(db, sql: "SELECT count(*) FROM tile WHERE log = ?", arguments: [row]) ?? 0
            )
        }
    }

    /// The blobs of a log from this entry on, at most `limit`.
    public func blobs(of log: SHA256Digest, from index: UInt64, limit: Int) throws -> [StoredBlob] {
        try database.read { db in
            try Row.fetchAll(
                db,
                sql: "SELECT entry, sha256, size, data FROM blob WHERE log = ? AND entry >= ? ORDER BY entry LIMIT ?",
                arguments: [Self.rowID(db, log), Int64(clamping: index), limit]
            ).map { row in
                StoredBlob(
                    reference: BlobReference(
                        log: log, index: row.size("entry"), sha256: try row.digest("sha256"),
                        size: Int(row.size("size"))),
                    data: (row["data"] as Data?).map { [UInt8]($0) })
            }
        }
    }

    /// The last checkpoint signed of an own log, as the separate mark says: size and root.
    public func signedMark(of log: SHA256Digest) throws -> (size: UInt64, root: SHA256Digest)? {
        try marks.mark(.own, log: log).map { ($0.size, $0.root) }
    }
}

// MARK: - What tests ask

extension SQLiteLogStore {
    /// The value of a setting on the writers of the two databases.
    package func pragmas(_ name: String) throws -> [String?] {
        try [database, marks.database].map { database in
            try database.pool().writeWithoutTransaction { try String.fetchOne($0, sql: "PRAGMA \(name)") }
        }
    }

    /// What a failed commit does: drops all connections.
    package func dropConnections() {
        database.drop()
        marks.database.drop()
    }

    /// Runs a statement on the writer of the log database, as a fault would.
    package func execute(_ sql: String) throws {
        try database.pool().writeWithoutTransaction { try $0.execute(sql: sql) }
    }
}
