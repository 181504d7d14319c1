import GRDB

/// A blob that records name, in the order in which they came to name it.
public struct BlobRow: Sendable, Hashable {
    public let number: Int64
    public let reference: BlobReference
}

extension SQLiteLogStore {
    private static let rows = """
        SELECT blob.rowid AS number, log.log_id, entry, sha256, blob.size FROM blob JOIN log ON log.id = blob.log
        """

    private static func blobRow(_ row: Row) throws -> BlobRow {
        BlobRow(
            number: row["number"],
            reference: BlobReference(
                log: try row.digest("log_id"), index: row.size("entry"), sha256: try row.digest("sha256"),
                size: Int(row.size("size"))))
    }

    /// Adds the row of a blob, unless there is one: log, entry, hash, size, bytes. Its number is larger than any before
    /// it, those of blobs that were erased among them, so that whoever follows the rows misses none.
    static func addBlobRow(_ values: StatementArguments, _ db: Database) throws {
        try db.cachedStatement(
            sql: """
                INSERT OR IGNORE INTO blob (rowid, log, entry, sha256, size, data) VALUES (
                    1 + max(
                        (SELECT coalesce(max(rowid), 0) FROM blob), (SELECT coalesce(max(blob_row), 0) FROM blob_erasure)),
                    ?, ?, ?, ?, ?)
                """
        ).execute(arguments: values)
    }

    /// Whether this row is what it was, or went with the erasure of its blob.
    public func stands(_ row: BlobRow) throws -> Bool {
        if let now = try blobRow(row.number) { return now.reference == row.reference }
        return try database.read { db in
            try Bool.fetchOne(
                db,
                sql: """
                    SELECT 1 FROM blob_erasure
                    WHERE blob_row = ? AND log_id = ? AND entry = ? AND sha256 = ?
                    """,
                arguments: [
                    row.number, row.reference.log.databaseBytes, Int64(clamping: row.reference.index),
                    row.reference.sha256.databaseBytes,
                ]) ?? false
        }
    }

    /// The blobs that came to be named after this one, whether they are here or not.
    public func blobs(after number: Int64, limit: Int) throws -> [BlobRow] {
        try database.read { db in
            try Row.fetchAll(
                db.cachedStatement(sql: "\(Self.rows) WHERE blob.rowid > ? ORDER BY blob.rowid LIMIT ?"),
                arguments: [number, limit]
            ).map(Self.blobRow)
        }
    }

    /// The one that was named last.
    public func lastBlob() throws -> BlobRow? {
        try database.read { db in
            try Row.fetchOne(db, sql: "\(Self.rows) ORDER BY blob.rowid DESC LIMIT 1").map(Self.blobRow)
        }
    }

    public func blobRow(_ number: Int64) throws -> BlobRow? {
        try database.read { db in
            try Row.fetchOne(db.cachedStatement(sql: "\(Self.rows) WHERE blob.rowid = ?"), arguments: [number])
                .map(Self.blobRow)
        }
    }

    /// Those that the record at this place names.
    public func blobRows(at position: RecordPosition) throws -> [BlobRow] {
        try database.read { db in
            try Row.fetchAll(
                db, sql: "\(Self.rows) WHERE log.log_id = ? AND blob.entry = ?",
                arguments: [position.log.databaseBytes, Int64(clamping: position.index)]
            ).map(Self.blobRow)
        }
    }

    /// Those of these that are here.
    public func blobsHere(among numbers: [Int64]) throws -> [BlobRow] {
        guard !numbers.isEmpty else { return [] }
        return try database.read { db in
            let statement = try db.cachedStatement(
                sql: "\(Self.rows) WHERE blob.rowid = ? AND blob.data IS NOT NULL")
            return try numbers.compactMap { number in
                try Row.fetchOne(statement, arguments: [number]).map(Self.blobRow)
            }
        }
    }
}
