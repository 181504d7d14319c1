public import Cryptography
import GRDB
import Records
import TransparencyLog

/// A sealed part that its author has had erased.
public struct Erasure: Sendable, Hashable {
    public let log: SHA256Digest
    /// The record that names the sealed part.
    public let index: UInt64
    public let sha256: SHA256Digest
    /// The record that asks for the erasure: in the same log, or in a successor of it.
    public let record: RecordPosition

    package init(log: SHA256Digest, index: UInt64, sha256: SHA256Digest, record: RecordPosition) {
        self.log = log
        self.index = index
        self.sha256 = sha256
        self.record = record
    }
}

// Erasures. The bytes go in the transaction that stores the record which asks for it, and with them the row that could
// want them again, and at their author the hash by which the record would be known as a double. That it was erased is kept twice: beside the log, and with the marks, which no copy of the database
// brings back to what they were.

extension SQLiteLogStore {
    /// The erasure of a sealed part, if its author has asked for one.
    public func erasure(of log: SHA256Digest, at index: UInt64, sha256: SHA256Digest) throws -> Erasure? {
        try database.read { db in
            try Self.erasures(
                db, "log_id = ? AND entry = ? AND sha256 = ?",
                [log.databaseBytes, Int64(clamping: index), sha256.databaseBytes]
            ).first
        }
    }

    /// All erasures of a log, by the record whose sealed part is gone.
    public func erasures(of log: SHA256Digest) throws -> [Erasure] {
        try database.read { db in try Self.erasures(db, "log_id = ?", [log.databaseBytes]) }
    }

    /// All that are kept because records of this log ask for them.
    public func erasures(saidBy log: SHA256Digest) throws -> [Erasure] {
        try database.read { db in try Self.erasures(db, "record_log = ?", [log.databaseBytes]) }
    }

    /// Whether the marks know of this erasure, which they do of all that were made in these databases.
    public func isMarked(_ erasure: Erasure) throws -> Bool {
        try marks.erased(of: erasure.log).contains { $0.index == erasure.index && $0.sha256 == erasure.sha256 }
    }

    private static func erasures(
        _ db: Database, _ condition: String, _ arguments: StatementArguments
    ) throws -> [Erasure] {
        try Row.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT log_id, entry, sha256, record_log, record FROM blob_erasure
                    WHERE \(condition) ORDER BY log_id, entry, sha256
                    """), arguments: arguments
        ).map {
            Erasure(
                log: try $0.digest("log_id"), index: $0.size("entry"), sha256: try $0.digest("sha256"),
                record: RecordPosition(log: try $0.digest("record_log"), index: $0.size("record")))
        }
    }

    static func isErased(_ db: Database, _ log: SHA256Digest, at index: UInt64, _ sha256: SHA256Digest) throws -> Bool {
        try Bool.fetchOne(
            db.cachedStatement(sql: "SELECT 1 FROM blob_erasure WHERE log_id = ? AND entry = ? AND sha256 = ?"),
            arguments: [log.databaseBytes, Int64(clamping: index), sha256.databaseBytes]) ?? false
    }

    /// Keeps an erasure, also of a log that is not here: it may come behind its successor. Of several records that ask
    /// for the same that of the last successor is kept, since all partners hear of it; in one log the first.
    static func erase(_ erasure: Erasure, _ db: Database) throws {
        let row = try rowIDIfKnown(db, erasure.log)
        let (index, sha256) = (Int64(clamping: erasure.index), erasure.sha256.databaseBytes)
        try giveWay(to: erasure, db)
        try db.execute(
            sql: """
                INSERT INTO blob_erasure (log_id, entry, sha256, record_log, record, blob_row) VALUES (
                    ?1, ?2, ?3, ?4, ?5, (SELECT rowid FROM blob WHERE log = ?6 AND entry = ?2 AND sha256 = ?3))
                ON CONFLICT (log_id, entry, sha256) DO UPDATE
                SET record = iif(record_log = excluded.record_log, min(record, excluded.record), record),
                    blob_row = coalesce(excluded.blob_row, blob_row)
                """,
            arguments: [
                erasure.log.databaseBytes, index, sha256, erasure.record.log.databaseBytes,
                Int64(clamping: erasure.record.index), row,
            ])
        guard let row else { return }
        if try forgetDoubleHash(at: erasure.index, row: row, db) {
            try db.execute(
                sql: "UPDATE blob_erasure SET wiped = 0 WHERE log_id = ? AND entry = ? AND sha256 = ?",
                arguments: [erasure.log.databaseBytes, index, sha256])
        }
        try db.execute(
            sql: "DELETE FROM blob WHERE log = ? AND entry = ? AND sha256 = ?", arguments: [row, index, sha256])
        if db.changesCount > 0 {
            try clear(.blob(entry: erasure.index), row: row, db)
        }
    }

    /// Has an erasure stand for one that an earlier log of its owner has asked for.
    private static func giveWay(to erasure: Erasure, _ db: Database) throws {
        let kept = try erasures(
            db, "log_id = ? AND entry = ? AND sha256 = ?",
            [erasure.log.databaseBytes, Int64(clamping: erasure.index), erasure.sha256.databaseBytes]
        ).first
        guard let kept, kept.record.log != erasure.record.log,
            let new = try generation(of: erasure.record.log, db),
            try generation(of: kept.record.log, db) ?? 0 < new
        else { return }
        try db.execute(
            sql: """
                UPDATE blob_erasure SET record_log = ?, record = ? WHERE log_id = ? AND entry = ? AND sha256 = ?
                """,
            arguments: [
                erasure.record.log.databaseBytes, Int64(clamping: erasure.record.index), erasure.log.databaseBytes,
                Int64(clamping: erasure.index), erasure.sha256.databaseBytes,
            ])
    }

    private static func generation(of log: SHA256Digest, _ db: Database) throws -> UInt64? {
        try String.fetchOne(db, sql: "SELECT origin FROM log WHERE log_id = ?", arguments: [log.databaseBytes])
            .flatMap { LogOrigin($0)?.generation }
    }

    /// Makes the database and the marks know of the same erasures. What the marks alone have is erased again: the
    /// database is an older copy, or its log is only now made anew. What the database alone has is noted with the marks,
    /// whether it was settled or not: the marks are an older copy, or were lost and made anew.
    ///
    /// The two sets themselves are compared, in one pass over both: any sum of them might agree by chance.
    func eraseAgain(of log: SHA256Digest? = nil) throws {
        defer { settleErasuresIfPossible() }
        let (unmarked, missing) = try compareErasures(of: log)
        let said = try unmarked.isEmpty ? [] : undisputed(unmarked)
        if !said.isEmpty { try marks.note(said) }
        if !missing.isEmpty {
            try database.write { db in
                for erasure in missing { try Self.erase(erasure, db) }
            }
        }
    }

    /// What only the database has, and what only the marks have.
    private func compareErasures(of log: SHA256Digest?) throws -> (unmarked: [Erasure], missing: [Erasure]) {
        try marks.database.read { marked in
            try database.read { db in
                let condition = log == nil ? "" : "WHERE log_id = ?"
                let arguments: StatementArguments = log.map { [$0.databaseBytes] } ?? []
                func keys(_ db: Database, _ table: String) throws -> ErasureKeys {
                    try ErasureKeys(
                        Row.fetchCursor(
                            db,
                            sql: """
                                SELECT log_id, entry, sha256 FROM \(table) \(condition) ORDER BY log_id, entry, sha256
                                """, arguments: arguments))
                }
                var (here, there) = (try keys(db, "blob_erasure"), try keys(marked, "erased_blob"))
                var result: (unmarked: [Erasure], missing: [Erasure]) = ([], [])
                while here.next != nil || there.next != nil {
                    switch (here.next, there.next) {
                    case (let kept?, let other?) where kept == other:
                        try here.advance()
                        try there.advance()
                    case (let kept?, let other) where other.map { kept < $0 } ?? true:
                        result.unmarked += try Self.erasures(db, Self.one, kept.arguments)
                        try here.advance()
                    case (_, let other):
                        if let other { result.missing += try SignedMarks.erased(marked, Self.one, other.arguments) }
                        try there.advance()
                    }
                }
                return result
            }
        }
    }

    private static let one = "log_id = ? AND entry = ? AND sha256 = ?"

    /// Those that no record which is here contradicts. A row that somebody has put into the database is for the audit to
    /// find, and not to be made to last.
    private func undisputed(_ erasures: [Erasure]) throws -> [Erasure] {
        let logs = Dictionary(try logs().map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        var reader = BodyReader(self)
        // In the order of the records, of which neighbours share bundles.
        return erasures.sorted { $0.record < $1.record }.filter { erasure in
            guard let log = logs[erasure.record.log], erasure.record.index < log.size,
                let body = try? reader.body(of: log.id, at: erasure.record.index)
            else { return true }
            let finding = body.withUnsafeBytes { EntryFinding(body: $0, index: erasure.record.index) }
            return finding?.erasure(in: log) == erasure
        }
    }

    /// Notes new erasures with the marks, and makes their bytes leave the files: the pages that held them are
    /// overwritten already, but the write-ahead log has them until it is copied back and cut off.
    ///
    /// Does nothing where nothing is new. Throws where another process reads for long, or the disk fails: what is left
    /// to do is done by the next call.
    public func settleErasures() throws {
        let open = try database.read { db in try Self.erasures(db, "wiped = 0", []) }
        guard !open.isEmpty else { return }
        try marks.note(open)
        try translatingErrors(path: database.path) {
            _ = try database.pool().writeWithoutTransaction { try $0.checkpoint(.truncate) }
        }
        try database.write { db in
            for each in open {
                try db.execute(
                    sql: "UPDATE blob_erasure SET wiped = 1 WHERE log_id = ? AND entry = ? AND sha256 = ?",
                    arguments: [each.log.databaseBytes, Int64(clamping: each.index), each.sha256.databaseBytes])
            }
        }
    }

    /// The same at the end of something that has succeeded, and stays so if this does not.
    func settleErasuresIfPossible() {
        try? settleErasures()
    }
}

/// The keys of one of the two tables of erasures, in order, one after another.
private struct ErasureKeys {
    struct Key: Comparable {
        let log: SHA256Digest
        let entry: Int64
        let sha256: SHA256Digest

        var arguments: StatementArguments { [log.databaseBytes, entry, sha256.databaseBytes] }

        static func < (left: Key, right: Key) -> Bool {
            if left.log != right.log { return left.log < right.log }
            return left.entry != right.entry ? left.entry < right.entry : left.sha256 < right.sha256
        }
    }

    private let rows: RowCursor
    private(set) var next: Key?

    init(_ rows: RowCursor) throws {
        self.rows = rows
        try advance()
    }

    mutating func advance() throws {
        next = try rows.next().map { row in
            Key(
                log: try row.digest(at: 0), entry: Int64.fromDatabaseValue(row[1]) ?? 0, sha256: try row.digest(at: 2))
        }
    }
}
