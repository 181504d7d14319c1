import Cryptography
import Dispatch
import GRDB
import Records
import Synchronization
import TransparencyLog

import struct FoundationEssentials.Data

/// What the logs say, by address, transaction, actor, incident, label words and time. All of it is derived: the file
/// may be deleted, and is filled again from the logs.
///
/// Every log has a watermark, up to which its entries are in the index. A search first fills what is missing.
public final class RecordIndex: Sendable {
    let database: NodeDatabase
    let store: SQLiteLogStore

    /// Entries that one transaction indexes.
    static let batch: UInt64 = 65_536
    /// Entries that are read and parsed in one piece, next to others.
    private static let slice: UInt64 = 16_384

    /// - Parameter busySeconds: how long a call waits for another process that writes.
    public init(path: String, store: SQLiteLogStore, busySeconds: Double = 20) throws {
        database = try NodeDatabase(path: path, kind: .index, busySeconds: busySeconds)
        self.store = store
    }

    /// For a database that is open already.
    init(database: NodeDatabase, store: SQLiteLogStore) {
        self.database = database
        self.store = store
    }

    /// Reads a row of every table, which an index that was destroyed does not let.
    public func check() throws {
        try database.read { db in
            for table in NodeDatabase.Kind.index.tables(of: NodeDatabase.Kind.index.version) {
                _ = try Row.fetchOne(db, sql: "SELECT * FROM \(table) LIMIT 1")
            }
        }
    }

    /// Fills the index up to what the logs hold now. `progress` is told how many entries are done of how many.
    public func update(progress: ((_ done: UInt64, _ total: UInt64) -> Void)? = nil) throws {
        let logs = try store.logs()
        try beginAnewIfMended(logs)
        var marks = try database.read { db in try Self.watermarks(db) }
        let total = logs.reduce(0) { $0 + $1.size - min($1.size, marks[$1.id]?.entries ?? 0) }
        guard total > 0 else { return }
        var done: UInt64 = 0
        for log in logs {
            while log.size > marks[log.id]?.entries ?? 0 {
                let mark = try marks[log.id] ?? register(log)
                let end = min(log.size, (mark.entries / Self.batch + 1) * Self.batch)
                guard mark.entries < end else { break }
                let pieces = try read(log, row: mark.row, entries: mark.entries..<end)
                markUnreadable(pieces, of: log)
                let reached = try insert(pieces, log: log, row: mark.row, range: mark.entries..<end)
                done += reached - min(reached, mark.entries)
                marks[log.id] = (mark.row, reached)
                progress?(min(done, total), total)
            }
        }
    }

    private typealias Watermark = (row: Int64, entries: UInt64)

    private static func watermarks(_ db: Database) throws -> [SHA256Digest: Watermark] {
        try Row.fetchAll(db.cachedStatement(sql: "SELECT id, log_id, entries FROM log")).reduce(into: [:]) {
            marks, row in
            marks[try row.digest("log_id")] = (Int64(row.size("id")), row.size("entries"))
        }
    }

    private func register(_ log: StoredLog) throws -> Watermark {
        try database.write { db in
            try db.execute(
                sql: "INSERT OR IGNORE INTO log (log_id, origin, community) VALUES (?, ?, ?)",
                arguments: [log.id.databaseBytes, log.origin, log.community])
            return try Self.watermarks(db)[log.id] ?? (0, 0)
        }
    }

    /// Reads and parses the entries, on all cores.
    func read(_ log: StoredLog, row: Int64, entries range: Range<UInt64>) throws -> [RecordTerms] {
        let damaged = try store.damage(of: log.id).reduce(into: Set<UInt64>()) { numbers, damage in
            if case .bundle(let number) = damage.place { numbers.insert(number) }
        }
        let starts = Array(
            stride(from: range.lowerBound / Self.slice, through: (range.upperBound - 1) / Self.slice, by: 1))
        let results = Mutex<[Int: Result<RecordTerms, any Error>]>([:])
        DispatchQueue.concurrentPerform(iterations: starts.count) { piece in
            let slice = (starts[piece] * Self.slice)..<((starts[piece] + 1) * Self.slice)
            let result = Result {
                try parse(log, row: row, entries: slice.clamped(to: range), damaged: damaged)
            }
            results.withLock { $0[piece] = result }
        }
        let pieces = results.withLock { $0 }
        return try starts.indices.compactMap { try pieces[$0]?.get() }
    }

    /// What is damaged, or not what was kept when it came, is passed over.
    private func parse(
        _ log: StoredLog, row: Int64, entries range: Range<UInt64>, damaged: Set<UInt64>
    ) throws -> RecordTerms {
        let unpacker = BundleUnpacker()
        let hasher = MerkleHasher()
        let width = UInt64(EntryBundle.maximumEntries)
        var terms = RecordTerms(origin: log.origin, log: row)
        var next = range.lowerBound
        while next < range.upperBound {
            // A few bundles at a time, so that a log of large bodies takes no more memory than one of small ones.
            let end = min(range.upperBound, (next / width + 8) * width)
            let rows = try store.rows(of: log.id, bundles: (next / width)..<((end - 1) / width + 1))
            for number in (next / width)..<((end - 1) / width + 1) {
                var (raw, places): ([UInt8], [Range<Int>]) = ([], [])
                do {
                    guard let bundle = rows.bundles[number] else {
                        throw StoreError.badBundle(number: number, reason: "its row is gone")
                    }
                    raw = try unpacker.raw(bundle)
                    places = try EntryBundle.bodies(in: raw)
                } catch {
                    terms.unreadable[number] = "\(error)"
                }
                let leaves = damaged.contains(number) ? [] : rows.leaves[number] ?? []
                for index in (number * width..<(number + 1) * width).clamped(to: range) {
                    let offset = Int(index % width)
                    guard offset < places.count, offset < leaves.count else {
                        terms.passOver(index)
                        continue
                    }
                    let body = Array(raw[places[offset]])
                    if hasher.leaf(body) == leaves[offset] {
                        terms.add(body, index: index)
                    } else {
                        terms.passOver(index)
                    }
                }
            }
            next = end
        }
        terms.finish()
        return terms
    }

    /// Writes the entries, unless another process was faster. Answers how far the index reaches now.
    private func insert(
        _ pieces: [RecordTerms], log: StoredLog, row: Int64, range: Range<UInt64>
    ) throws -> UInt64 {
        let entries = try TermRun.merge(pieces.map(\.sorted))
        return try database.write { db in
            let known = try Row.fetchOne(
                db, sql: "SELECT entries FROM log WHERE id = ? AND log_id = ?",
                arguments: [row, log.id.databaseBytes])
            guard let known else {
                throw StoreError.io(path: database.path, reason: "the index was replaced; try again")
            }
            let mark = known.size("entries")
            guard mark == range.lowerBound else { return mark }
            try TermRun.write(entries, db)
            try Self.write(pieces.flatMap(\.times), log: row, from: range.lowerBound, db)
            for entries in pieces.flatMap(\.unread) {
                try db.cachedStatement(sql: "INSERT OR REPLACE INTO unread (log, first, end) VALUES (?, ?, ?)")
                    .execute(arguments: [row, Int64(entries.lowerBound), Int64(entries.upperBound)])
            }
            for mark in pieces.flatMap(\.effects) {
                try db.cachedStatement(
                    sql: """
                        INSERT OR IGNORE INTO effect (target_origin, target_index, kind, record, replacement)
                        VALUES (?, ?, ?, ?, ?)
                        """
                ).execute(
                    arguments: [
                        mark.origin, Int64(clamping: mark.index), mark.kind.rawValue, mark.record, mark.replacement,
                    ])
            }
            try db.execute(
                sql: "UPDATE log SET entries = ? WHERE id = ?", arguments: [Int64(range.upperBound), row])
            return range.upperBound
        }
    }

    /// Times lie eight bytes an entry, 256 of them in a row.
    private static func write(_ times: [Int64], log: Int64, from start: UInt64, _ db: Database) throws {
        let insert = try db.cachedStatement(sql: "INSERT OR REPLACE INTO span (id, times) VALUES (?, ?)")
        var rest = times[...]
        var index = start
        while !rest.isEmpty {
            let part = rest.prefix(256 - Int(index & 255))
            let span = RecordNumber.span(RecordNumber.make(log: log, index: index))
            var bytes = Data()
            if index & 255 != 0 {
                // The last row goes on.
                bytes = try Data.fetchOne(db, sql: "SELECT times FROM span WHERE id = ?", arguments: [span]) ?? Data()
                guard bytes.count == Int(index & 255) * 8 else {
                    throw StoreError.damaged(path: "the index", reason: "times are missing; delete it")
                }
            }
            part.withUnsafeBytes { bytes.append(contentsOf: $0) }
            try insert.execute(arguments: [span, bytes])
            rest = rest.dropFirst(part.count)
            index += UInt64(part.count)
        }
    }
}

extension NodeDatabase.Kind {
    /// Everything derived.
    static let index = NodeDatabase.Kind(
        applicationID: 0x456e_7433,  // "Ent3"
        version: 4,
        steps: [
            """
            CREATE TABLE log (
                id INTEGER PRIMARY KEY,
                log_id BLOB NOT NULL UNIQUE,
                origin TEXT NOT NULL,
                community TEXT NOT NULL,
                entries INTEGER NOT NULL DEFAULT 0
            ) STRICT;
            -- Sorted runs of terms; the larger the level, the larger the run.
            CREATE TABLE run (
                id INTEGER PRIMARY KEY,
                level INTEGER NOT NULL
            ) STRICT;
            CREATE TABLE block (
                run INTEGER NOT NULL,
                first BLOB NOT NULL,
                data BLOB NOT NULL,
                UNIQUE (run, first)
            ) STRICT;
            -- The times of 256 neighbours; the id is log * 2^32 + index / 256.
            CREATE TABLE span (
                id INTEGER PRIMARY KEY,
                times BLOB NOT NULL
            ) STRICT;
            -- What withdrawals and assessments say of other records.
            CREATE TABLE effect (
                target_origin TEXT NOT NULL,
                target_index INTEGER NOT NULL,
                kind TEXT NOT NULL,
                record INTEGER NOT NULL,
                replacement TEXT,
                PRIMARY KEY (target_origin, target_index, record)
            ) STRICT, WITHOUT ROWID;
            -- Entries that were damaged when they were looked at, each range within one bundle.
            CREATE TABLE unread (
                log INTEGER NOT NULL,
                first INTEGER NOT NULL,
                end INTEGER NOT NULL,
                PRIMARY KEY (log, first)
            ) STRICT, WITHOUT ROWID;
            -- Which records have which keyed, truncated digests of sealed values.
            CREATE TABLE sealed_term (
                digest INTEGER NOT NULL,
                record INTEGER NOT NULL,
                PRIMARY KEY (digest, record)
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX sealed_record ON sealed_term (record);
            -- Blobs, by number, that were not here when their records were looked at.
            CREATE TABLE sealed_awaited (
                number INTEGER PRIMARY KEY
            ) STRICT;
            -- The keys that the digests are made with, and the last blob, grant and erasure looked at.
            CREATE TABLE sealed_state (
                id INTEGER PRIMARY KEY CHECK (id = 0),
                fingerprint BLOB NOT NULL,
                keys BLOB NOT NULL,
                lacks INTEGER NOT NULL DEFAULT 0,
                number INTEGER NOT NULL DEFAULT 0,
                log_id BLOB,
                entry INTEGER NOT NULL DEFAULT 0,
                sha256 BLOB,
                size INTEGER NOT NULL DEFAULT 0,
                grant_number INTEGER,
                grant_log BLOB,
                grant_record INTEGER,
                erasure_number INTEGER,
                erasure_log BLOB,
                erasure_record INTEGER
            ) STRICT;
            """
        ],
        isDurable: false,
        pageSize: 8_192
    )
}
