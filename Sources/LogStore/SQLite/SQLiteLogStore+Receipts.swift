public import Cryptography
import GRDB
import TransparencyLog

import struct FoundationEssentials.Data

/// One holder's dated statement that it holds the blob that a record names.
public struct StoredReceipt: Sendable, Hashable {
    /// The record's index in its log.
    public let index: UInt64
    public let sha256: SHA256Digest
    public let holder: String
    /// Unix seconds.
    public let time: UInt64
    /// The signature line, without its line break.
    public let line: String

    public init(index: UInt64, sha256: SHA256Digest, holder: String, time: UInt64, line: String) {
        self.index = index
        self.sha256 = sha256
        self.holder = holder
        self.time = time
        self.line = line
    }
}

// Blob receipts. Of several of one holder for one blob the earliest is kept, so that all nodes end up with the same.
extension SQLiteLogStore {
    /// Keeps these receipts, which the caller has verified. Answers those that were news.
    public func store(_ receipts: [StoredReceipt], of log: SHA256Digest) throws -> [StoredReceipt] {
        guard !receipts.isEmpty else { return [] }
        let news = try database.write { db in
            let row = try Self.rowID(db, log)
            return try receipts.filter { try Self.insert($0, row: row, db) }
        }
        receiptDigests.change(news, of: log)
        return news
    }

    /// Stores the bytes of a blob that is wanted together with this node's receipt for it, in one transaction: what is
    /// held is said to be held, and nothing else is. Answers whether the receipt was news.
    @discardableResult
    public func store(_ bytes: [UInt8], for reference: BlobReference, receipt: StoredReceipt) throws -> Bool {
        try Self.check(bytes, against: reference)
        let isNews = try database.write { db in
            try Self.write(bytes, for: reference, db)
            return try Self.insert(receipt, row: Self.rowID(db, reference.log), db)
        }
        if isNews { receiptDigests.change([receipt], of: reference.log) }
        return isNews
    }

    private static func insert(_ receipt: StoredReceipt, row: Int64, _ db: Database) throws -> Bool {
        // A place or time that the database cannot hold is none that anybody signed.
        guard receipt.index < TreeLimits.maximumSize, receipt.time <= UInt64(Int64.max) else { return false }
        let statement = try db.cachedStatement(
            sql: """
                INSERT INTO receipt (log, entry, sha256, holder, time, line) VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (log, entry, sha256, holder) DO UPDATE SET time = excluded.time, line = excluded.line
                WHERE excluded.time < receipt.time
                    OR (excluded.time = receipt.time AND excluded.line < receipt.line)
                """)
        try statement.execute(arguments: [
            row, Int64(receipt.index), receipt.sha256.databaseBytes, receipt.holder, Int64(receipt.time), receipt.line,
        ])
        return db.changesCount > 0
    }

    /// The receipts for records in this range, in order of index, hash and holder; at most `limit` where one is given,
    /// from the one behind `after` on.
    public func receipts(
        of log: SHA256Digest, entries range: Range<UInt64>, after last: StoredReceipt? = nil, limit: Int = -1
    ) throws -> [StoredReceipt] {
        try database.read { db in
            try Row.fetchAll(
                db.cachedStatement(
                    sql: """
                        SELECT entry, sha256, holder, time, line FROM receipt
                        WHERE log = ? AND entry >= ? AND entry < ? AND (entry, sha256, holder) > (?, ?, ?)
                        ORDER BY entry, sha256, holder LIMIT ?
                        """),
                arguments: [
                    Self.rowID(db, log), Int64(clamping: max(range.lowerBound, last?.index ?? 0)),
                    Int64(clamping: range.upperBound), last.map { Int64(clamping: $0.index) } ?? -1,
                    (last?.sha256 ?? .zero).databaseBytes, last?.holder ?? "", limit,
                ]
            ).map {
                StoredReceipt(
                    index: $0.size("entry"), sha256: try $0.digest("sha256"), holder: try $0.text("holder"),
                    time: $0.size("time"), line: try $0.text("line"))
            }
        }
    }

    /// Of these receipts the ones that are not known already, or say that the blob came earlier.
    public func unknown(_ receipts: [StoredReceipt], of log: SHA256Digest) throws -> [StoredReceipt] {
        try database.read { db in
            let row = try Self.rowID(db, log)
            let statement = try db.cachedStatement(
                sql: "SELECT time, line FROM receipt WHERE log = ? AND entry = ? AND sha256 = ? AND holder = ?")
            return try receipts.filter { receipt in
                let known = try Row.fetchOne(
                    statement,
                    arguments: [row, Int64(clamping: receipt.index), receipt.sha256.databaseBytes, receipt.holder])
                guard let known else { return true }
                let (time, line) = (known.size("time"), try known.text("line"))
                return receipt.time < time
                    || (receipt.time == time && receipt.line.utf8.lexicographicallyPrecedes(line.utf8))
            }
        }
    }

    /// Blobs of replicas that this node holds and has given no receipt for: at most `limit`.
    public func blobsWithoutReceipt(limit: Int) throws -> [BlobReference] {
        try database.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT log.log_id, blob.entry, blob.sha256, blob.size FROM blob JOIN log ON log.id = blob.log
                    WHERE log.own = 0 AND blob.data IS NOT NULL AND NOT EXISTS (
                        SELECT 1 FROM receipt WHERE receipt.log = blob.log AND receipt.entry = blob.entry
                            AND receipt.sha256 = blob.sha256 AND receipt.holder = ?)
                    LIMIT ?
                    """,
                arguments: [node, limit]
            ).map {
                BlobReference(
                    log: try $0.digest("log_id"), index: $0.size("entry"), sha256: try $0.digest("sha256"),
                    size: Int($0.size("size")))
            }
        }
    }
}
