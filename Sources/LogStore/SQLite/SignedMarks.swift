import Cryptography
import GRDB

/// `signed.sqlite`: the last checkpoint signed of each own log and the last cosigned of each replica. A mark is only
/// ever raised, and this database is in no backup, so that a node restored from one notices.
struct SignedMarks: Sendable {
    enum Role: String {
        case own
        case cosigned
    }

    struct Mark: Hashable {
        let size: UInt64
        let root: SHA256Digest
        /// Unix seconds of the newest cosignature; 0 for own logs.
        let time: UInt64
    }

    let database: NodeDatabase

    init(path: String, busySeconds: Double, mayUpgrade: @escaping UpgradeCheck = { _ in }) throws {
        database = try NodeDatabase(path: path, kind: .signed, busySeconds: busySeconds, mayUpgrade: mayUpgrade)
    }

    /// The origins with a mark of this role.
    func origins(_ role: Role) throws -> [(id: SHA256Digest, origin: String, size: UInt64)] {
        try database.read { db in
            try Row.fetchAll(
                db, sql: "SELECT log_id, origin, size FROM mark WHERE role = ? ORDER BY origin",
                arguments: [role.rawValue]
            ).map { (try $0.digest("log_id"), try $0.text("origin"), $0.size("size")) }
        }
    }

    func mark(_ role: Role, log: SHA256Digest) throws -> Mark? {
        try database.read { db in try Self.fetch(db, role, log) }
    }

    /// Raises the mark, or leaves one that is already higher. Durable when it returns.
    ///
    /// Throws ``StoreError/contradictsSigned(origin:size:)`` where this size is marked with another root.
    func raise(_ role: Role, log: SHA256Digest, origin: String, to mark: Mark) throws {
        try database.write { db in
            if let old = try Self.fetch(db, role, log) {
                guard old.size != mark.size || old.root == mark.root else {
                    throw StoreError.contradictsSigned(origin: origin, size: mark.size)
                }
                // A write that was overtaken by a later one has nothing left to say.
                guard old.size < mark.size || (old.size == mark.size && old.time < mark.time) else { return }
            }
            try Self.put(db, role, log, origin, mark)
        }
    }

    /// Raises the mark of a cosignature, in one transaction with the check that nothing goes back; so two processes
    /// never show cosignatures of which the later one is behind. Answers the time to sign, which is never before
    /// that of the last cosignature. Durable when it returns.
    ///
    /// Throws ``StoreError/cosignedBeyond(origin:size:)`` for a smaller size, another root at the same size or at that
    /// of the last cosignature, or a clock more than five minutes behind it.
    func cosign(_ marking: Cosigning) throws -> UInt64 {
        try database.write { db in try Self.cosign(db, marking) }
    }

    /// The same for several logs, made durable together.
    func cosign(_ markings: [Cosigning]) -> [Result<UInt64, any Error>] {
        database.writeEach(markings) { db, marking in try Self.cosign(db, marking) }
    }

    /// A cosignature that is about to be given.
    struct Cosigning {
        let head: SignedHead
        let log: SHA256Digest
        let origin: String
        let time: UInt64
        /// The root of what is held at a size up to the head's: a database that was restored from an older copy may
        /// have been led elsewhere since.
        let root: (UInt64) throws -> SHA256Digest
    }

    private static func cosign(_ db: Database, _ marking: Cosigning) throws -> UInt64 {
        let (head, origin) = (marking.head, marking.origin)
        var time = marking.time
        if let old = try Self.fetch(db, .cosigned, marking.log) {
            guard head.size > old.size || (head.size == old.size && head.root == old.root),
                time >= old.time || old.time - time <= 300
            else { throw StoreError.cosignedBeyond(origin: origin, size: old.size) }
            if head.size > old.size, old.size > 0, try marking.root(old.size) != old.root {
                throw StoreError.cosignedBeyond(origin: origin, size: old.size)
            }
            time = max(time, old.time)
            if old == Mark(size: head.size, root: head.root, time: time) { return time }
        }
        try Self.put(db, .cosigned, marking.log, origin, Mark(size: head.size, root: head.root, time: time))
        return time
    }

    // MARK: Losses

    /// When this database was made anew, the one before it having been lost: Unix seconds, `nil` if it never was.
    func remade() throws -> UInt64? {
        try database.read { db in try Int64.fetchOne(db, sql: "SELECT max(time) FROM remade") }.map {
            UInt64(clamping: $0)
        }
    }

    func note(remade time: UInt64) throws {
        try database.write {
            try $0.execute(sql: "INSERT INTO remade (time) VALUES (?)", arguments: [Int64(clamping: time)])
        }
    }

    func forgetRemade() throws {
        try database.write { try $0.execute(sql: "DELETE FROM remade") }
    }

    /// Notes that a recovery is about to raise the mark of an own log beyond what was known to be signed. The first time
    /// counts: what lies behind that may be somebody else's from then on.
    func note(recovered log: SHA256Digest, from size: UInt64, time: UInt64) throws {
        try database.write {
            try $0.execute(
                sql: "INSERT OR IGNORE INTO recovered (log_id, size, time) VALUES (?, ?, ?)",
                arguments: [log.databaseBytes, Int64(clamping: size), Int64(clamping: time)])
        }
    }

    /// How much of an own log was known to be signed here when a recovery first brought more, and when that was, in Unix
    /// seconds; `nil` where none did.
    func recovered(_ log: SHA256Digest) throws -> (size: UInt64, time: UInt64)? {
        try database.read { db in
            try Row.fetchOne(
                db, sql: "SELECT size, time FROM recovered WHERE log_id = ?", arguments: [log.databaseBytes]
            ).map { ($0.size("size"), $0.size("time")) }
        }
    }

    // MARK: Erasures

    /// What was erased of one log in these databases; no copy of the other database brings it back.
    func erased(of log: SHA256Digest) throws -> [Erasure] {
        try database.read { db in try Self.erased(db, "log_id = ?", [log.databaseBytes]) }
    }

    static func erased(_ db: Database, _ condition: String, _ arguments: StatementArguments) throws -> [Erasure] {
        try Row.fetchAll(
            db.cachedStatement(sql: "SELECT * FROM erased_blob WHERE \(condition)"), arguments: arguments
        ).map {
            Erasure(
                log: try $0.digest("log_id"), index: $0.size("entry"), sha256: try $0.digest("sha256"),
                record: RecordPosition(log: try $0.digest("record_log"), index: $0.size("record")))
        }
    }

    func note(_ erasures: [Erasure]) throws {
        try database.write { db in
            for each in erasures {
                try db.execute(
                    sql: """
                        INSERT OR IGNORE INTO erased_blob (log_id, entry, sha256, record_log, record) VALUES (?, ?, ?, ?, ?)
                        """,
                    arguments: [
                        each.log.databaseBytes, Int64(clamping: each.index), each.sha256.databaseBytes,
                        each.record.log.databaseBytes, Int64(clamping: each.record.index),
                    ])
            }
        }
    }

    private static func put(_ db: Database, _ role: Role, _ log: SHA256Digest, _ origin: String, _ mark: Mark) throws {
        try db.execute(
            sql: """
                INSERT INTO mark (role, log_id, origin, size, root, time) VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (role, log_id) DO UPDATE SET size = excluded.size, root = excluded.root,
                    time = max(time, excluded.time)
                """,
            arguments: [
                role.rawValue, log.databaseBytes, origin, Int64(clamping: mark.size), mark.root.databaseBytes,
                Int64(clamping: mark.time),
            ])
    }

    private static func fetch(_ db: Database, _ role: Role, _ log: SHA256Digest) throws -> Mark? {
        let row = try Row.fetchOne(
            db.cachedStatement(sql: "SELECT size, root, time FROM mark WHERE role = ? AND log_id = ?"),
            arguments: [role.rawValue, log.databaseBytes])
        guard let row else { return nil }
        return Mark(size: row.size("size"), root: try row.digest("root"), time: row.size("time"))
    }
}
