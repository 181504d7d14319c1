public import Cryptography
import GRDB
import TransparencyLog

// What a log was at earlier moments, read a piece at a time: there may be a checkpoint for every entry.
extension SQLiteLogStore {
    /// How many checkpoints are kept of a log.
    public func checkpointCount(of log: SHA256Digest) throws -> Int {
        try database.read { db in
            try Int.fetchOne(
                db, sql: "SELECT count(*) FROM checkpoint WHERE log = ?", arguments: [Self.rowID(db, log)]) ?? 0
        }
    }

    /// The newest checkpoints of at most this size, largest first.
    public func checkpoints(of log: SHA256Digest, upTo size: UInt64, limit: Int) throws -> [SignedHead] {
        try database.read { db in
            try Row.fetchAll(
                db,
                sql: "SELECT size, root, note FROM checkpoint WHERE log = ? AND size <= ? ORDER BY size DESC LIMIT ?",
                arguments: [Self.rowID(db, log), Int64(clamping: size), limit]
            ).map { SignedHead(size: $0.size("size"), root: try $0.digest("root"), note: try $0.text("note")) }
        }
    }

    /// The sizes at which checkpoints are kept: every one, or about as many as asked for at equal distances, and the last.
    public func checkpointSizes(of log: SHA256Digest, about count: Int) throws -> [UInt64] {
        try database.read { db in
            let row = try Self.rowID(db, log)
            let total =
                try Int.fetchOne(db, sql: "SELECT count(*) FROM checkpoint WHERE log = ?", arguments: [row]) ?? 0
            let rows = try Row.fetchCursor(
                db,
                sql: """
                    SELECT size FROM (SELECT size, row_number() OVER (ORDER BY size) AS number FROM checkpoint WHERE log = ?)
                    WHERE number % ? = 0 OR number = ? ORDER BY size
                    """,
                arguments: [row, max(1, total / max(1, count)), total])
            var sizes: [UInt64] = []
            while let row = try rows.next() { sizes.append(row.size("size")) }
            return sizes
        }
    }

    /// The cosignatures on checkpoints of these sizes, by size and cosigner.
    public func cosignatures(of log: SHA256Digest, sizes: ClosedRange<UInt64>) throws -> [StoredCosignature] {
        try database.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT cosigner, size, time, line FROM cosignature
                    WHERE log = ? AND size BETWEEN ? AND ? ORDER BY size, cosigner
                    """,
                arguments: [
                    Self.rowID(db, log), Int64(clamping: sizes.lowerBound), Int64(clamping: sizes.upperBound),
                ]
            ).map {
                StoredCosignature(
                    cosigner: try $0.text("cosigner"), size: $0.size("size"), time: $0.size("time"),
                    line: try $0.text("line"))
            }
        }
    }
}
