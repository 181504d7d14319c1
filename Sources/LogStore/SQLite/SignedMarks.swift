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

    private let database: NodeDatabase

    init(path: String) throws {
        database = try NodeDatabase(path: path, kind: .signed)
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
            try db.execute(
                sql: """
                    INSERT INTO mark (role, log_id, origin, size, root, time) VALUES (?, ?, ?, ?, ?, ?)
                    ON CONFLICT (role, log_id) DO UPDATE SET size = excluded.size, root = excluded.root,
                        time = max(time, excluded.time)
                    """,
                arguments: [
                    role.rawValue, log.databaseBytes, origin, Int64(mark.size), mark.root.databaseBytes,
                    Int64(clamping: mark.time),
                ])
        }
    }

    private static func fetch(_ db: Database, _ role: Role, _ log: SHA256Digest) throws -> Mark? {
        let row = try Row.fetchOne(
            db, sql: "SELECT size, root, time FROM mark WHERE role = ? AND log_id = ?",
            arguments: [role.rawValue, log.databaseBytes])
        guard let row else { return nil }
        return Mark(size: row.size("size"), root: try row.digest("root"), time: row.size("time"))
    }
}
