public import Cryptography
import GRDB
import TransparencyLog

// What a log was at earlier moments, read a piece at a time: there may be a checkpoint for every entry.

/// Some checkpoints of a log in the order of their sizes, with all that is kept of who has cosigned up to there.
public struct CheckpointPage: Sendable {
    /// The log as of the same moment.
    public let log: StoredLog
    public let heads: [SignedHead]
    /// On sizes up to that of the last checkpoint, by size.
    public let cosignatures: [StoredCosignature]
    /// Whether nothing is kept behind it; cosignatures behind the last checkpoint are in it then, too.
    public let isLast: Bool
}

extension SQLiteLogStore {
    /// How many checkpoints are kept of a log.
    public func checkpointCount(of log: SHA256Digest) throws -> Int {
        try database.read { db in try Self.checkpointCount(db, row: Self.rowID(db, log)) }
    }

    static func checkpointCount(_ db: Database, row: Int64) throws -> Int {
        try Int.fetchOne(db, sql: "SELECT count(*) FROM checkpoint WHERE log = ?", arguments: [row]) ?? 0
    }

    /// The checkpoints from this size on, smallest first, and the cosignatures among them.
    public func checkpointPage(of id: SHA256Digest, from size: UInt64, limit: Int) throws -> CheckpointPage {
        try database.read { db in
            let (row, log) = try Self.fetch(db, id)
            return try Self.page(db, row: row, log: log, from: size, limit: limit)
        }
    }

    static func page(
        _ db: Database, row: Int64, log: StoredLog, from size: UInt64, limit: Int
    ) throws -> CheckpointPage {
        let heads = try Row.fetchAll(
            db.cachedStatement(
                sql: "SELECT size, root, note FROM checkpoint WHERE log = ? AND size >= ? ORDER BY size LIMIT ?"),
            arguments: [row, Int64(clamping: size), limit]
        ).map { SignedHead(size: $0.size("size"), root: try $0.digest("root"), note: try $0.text("note")) }
        let isLast = heads.count < limit
        let end = isLast ? UInt64(Int64.max) : heads.last?.size ?? size
        return CheckpointPage(
            log: log, heads: heads,
            cosignatures: try cosignatures(db, row: row, sizes: min(size, end)...end), isLast: isLast)
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
        try database.read { db in try Self.cosignatures(db, row: Self.rowID(db, log), sizes: sizes) }
    }

    /// When a node has cosigned a checkpoint smaller than this last: Unix seconds.
    public func lastCosigned(_ log: SHA256Digest, by cosigner: String, below size: UInt64) throws -> UInt64? {
        try database.read { db in
            try Int64.fetchOne(
                db.cachedStatement(
                    sql: """
                        SELECT time FROM cosignature WHERE log = ? AND cosigner = ? AND size < ?
                        ORDER BY size DESC LIMIT 1
                        """), arguments: [Self.rowID(db, log), cosigner, Int64(clamping: size)])
        }.map { UInt64(clamping: $0) }
    }

    /// Whoever has cosigned a log, found by one step a name: `?1` is the log.
    private static let cosigners = """
        WITH RECURSIVE name (cosigner) AS (
            SELECT min(cosigner) FROM cosignature WHERE log = ?1
            UNION ALL
            SELECT (SELECT min(cosigner) FROM cosignature WHERE log = ?1 AND cosigner > name.cosigner)
            FROM name WHERE cosigner IS NOT NULL)
        """

    private static func cosignatures(
        _ db: Database, row: Int64, sizes: ClosedRange<UInt64>
    ) throws -> [StoredCosignature] {
        try Row.fetchAll(
            db.cachedStatement(
                sql: """
                    \(cosigners)
                    SELECT given.cosigner, size, time, line FROM name CROSS JOIN cosignature AS given
                        ON given.log = ?1 AND given.cosigner = name.cosigner AND size BETWEEN ?2 AND ?3
                    ORDER BY size, given.cosigner
                    """),
            arguments: [row, Int64(clamping: sizes.lowerBound), Int64(clamping: sizes.upperBound)]
        ).map(StoredCosignature.init(from:))
    }

    /// Of each cosigner the cosignature on the largest size.
    static func newestCosignatures(_ db: Database, row: Int64) throws -> [StoredCosignature] {
        try Row.fetchAll(
            db,
            sql: """
                \(cosigners)
                SELECT given.cosigner, size, time, line FROM name CROSS JOIN cosignature AS given
                    ON given.log = ?1 AND given.cosigner = name.cosigner AND size =
                        (SELECT max(size) FROM cosignature WHERE log = ?1 AND cosigner = name.cosigner)
                """, arguments: [row]
        ).map(StoredCosignature.init(from:))
    }

    /// Whether the file has a table: for one of an earlier release that is only read, an empty one stands in its place.
    static func isKept(_ db: Database, table: String) throws -> Bool {
        try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_temp_schema WHERE name = ?", arguments: [table]) == 0
    }
}
