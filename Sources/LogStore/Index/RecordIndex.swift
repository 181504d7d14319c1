import Cryptography
import GRDB
import Records
import TransparencyLog

/// What the logs say, by address, transaction, actor, incident, label words and time. All of it is derived: the file
/// may be deleted, and is filled again from the logs.
///
/// Every log has a watermark, up to which its entries are in the index. A search first fills what is missing.
public final class RecordIndex: Sendable {
    let database: NodeDatabase
    let store: SQLiteLogStore

    /// Entries that one transaction indexes.
    private static let batch: UInt64 = 8_192

    /// - Parameter busySeconds: how long a call waits for another process that writes.
    public init(path: String, store: SQLiteLogStore, busySeconds: Double = 20) throws {
        database = try NodeDatabase(path: path, kind: .index, busySeconds: busySeconds)
        self.store = store
    }

    /// Fills the index up to what the logs hold now. `progress` is told how many entries are done of how many.
    public func update(progress: ((_ done: UInt64, _ total: UInt64) -> Void)? = nil) throws {
        let logs = try store.logs()
        var marks = try database.read { db in try Self.watermarks(db) }
        let total = logs.reduce(0) { $0 + $1.size - min($1.size, marks[$1.id] ?? 0) }
        guard total > 0 else { return }
        var done: UInt64 = 0
        for log in logs {
            while true {
                let mark = marks[log.id] ?? 0
                guard mark < log.size else { break }
                let end = min(log.size, (mark / Self.batch + 1) * Self.batch)
                let rows = try read(log, entries: mark..<end)
                let reached = try insert(rows, log: log, range: mark..<end)
                done += reached - mark
                marks[log.id] = reached
                progress?(done, total)
            }
        }
    }

    private static func watermarks(_ db: Database) throws -> [SHA256Digest: UInt64] {
        try Row.fetchAll(db, sql: "SELECT log_id, entries FROM log").reduce(into: [:]) { marks, row in
            marks[try row.digest("log_id")] = row.size("entries")
        }
    }

    private func read(_ log: StoredLog, entries range: Range<UInt64>) throws -> [IndexRow] {
        let codec = BundleCodec()
        let width = UInt64(EntryBundle.maximumEntries)
        var rows: [IndexRow] = []
        rows.reserveCapacity(Int(range.upperBound - range.lowerBound))
        for bundle in try store.bundles(of: log.id, entries: range) {
            let raw = bundle.isCompressed ? try codec.decompress(bundle.data, number: bundle.number) : bundle.data
            for (offset, body) in try EntryBundle.bodies(in: raw).enumerated() {
                let index = bundle.number * width + UInt64(offset)
                guard range.contains(index) else { continue }
                rows.append(IndexRow(body: Array(raw[body]), index: index, origin: log.origin))
            }
        }
        return rows
    }

    /// Writes the rows, unless another process was faster. Answers how far the index reaches now.
    private func insert(_ rows: [IndexRow], log: StoredLog, range: Range<UInt64>) throws -> UInt64 {
        try database.write { db in
            try db.execute(
                sql: "INSERT OR IGNORE INTO log (log_id, origin, community) VALUES (?, ?, ?)",
                arguments: [log.id.databaseBytes, log.origin, log.community])
            let known = try Row.fetchOne(
                db, sql: "SELECT id, entries FROM log WHERE log_id = ?", arguments: [log.id.databaseBytes])
            guard let known else { return range.lowerBound }
            let mark = known.size("entries")
            guard mark == range.lowerBound else { return mark }
            let logRow: Int64 = known["id"]
            // Neighbours in the trees of addresses stand together: fewer pages are touched.
            for row in rows.sorted(by: { ($0.addressKey ?? "") < ($1.addressKey ?? "") }) {
                try row.insert(db, log: logRow)
            }
            let held = rows.count < Int(range.upperBound - range.lowerBound)
            if held {
                throw StoreError.damaged(path: log.origin, reason: "entries \(range) cannot all be read")
            }
            try db.execute(
                sql: "UPDATE log SET entries = ? WHERE id = ?", arguments: [Int64(range.upperBound), logRow])
            return range.upperBound
        }
    }
}

extension NodeDatabase.Kind {
    /// Everything derived.
    static let index = NodeDatabase.Kind(
        applicationID: 0x456e_7433,  // "Ent3"
        version: 1,
        schema: """
            CREATE TABLE log (
                id INTEGER PRIMARY KEY,
                log_id BLOB NOT NULL UNIQUE,
                origin TEXT NOT NULL,
                community TEXT NOT NULL,
                entries INTEGER NOT NULL DEFAULT 0
            ) STRICT;
            -- The id is log * 2^40 + index.
            CREATE TABLE record (
                id INTEGER PRIMARY KEY,
                type TEXT NOT NULL,
                time INTEGER NOT NULL,
                chain TEXT,
                address_key TEXT,
                tx_hash TEXT,
                actor TEXT,
                incident TEXT
            ) STRICT;
            CREATE INDEX record_address ON record (address_key) WHERE address_key IS NOT NULL;
            CREATE INDEX record_tx ON record (tx_hash) WHERE tx_hash IS NOT NULL;
            CREATE INDEX record_actor ON record (actor, time) WHERE actor IS NOT NULL;
            CREATE INDEX record_incident ON record (incident, time) WHERE incident IS NOT NULL;
            CREATE INDEX record_time ON record (time);
            -- Addresses beyond the subject: the ends of transfers.
            CREATE TABLE mention (
                address_key TEXT NOT NULL,
                record INTEGER NOT NULL,
                PRIMARY KEY (address_key, record)
            ) STRICT, WITHOUT ROWID;
            -- What withdrawals and assessments say of other records.
            CREATE TABLE effect (
                target_origin TEXT NOT NULL,
                target_index INTEGER NOT NULL,
                kind TEXT NOT NULL,
                record INTEGER NOT NULL,
                replacement TEXT,
                PRIMARY KEY (target_origin, target_index, record)
            ) STRICT, WITHOUT ROWID;
            CREATE VIRTUAL TABLE words USING fts5 (
                text, content = '', detail = none, columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
            );
            """,
        isDurable: false,
        pageSize: 4_096
    )
}
