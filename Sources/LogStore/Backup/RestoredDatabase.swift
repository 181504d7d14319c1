public import Cryptography
import GRDB
import Records
import TransparencyLog

/// What makes the database of a home out of a copy of a backup, before it gets its place.
public enum RestoredDatabase {
    /// What the home's own marks, which are in no backup, say of an own log of the backup.
    public enum Standing: Sendable, Hashable {
        /// Nothing was signed since.
        case complete
        /// Entries were signed since, up to this size.
        case behind(signed: UInt64)
        /// Nobody here knows what was signed since.
        case unknown
    }

    /// How each own log of the backup stands.
    ///
    /// Throws ``StoreError/contradictsSigned(origin:size:)`` where another history was signed than the backup has.
    ///
    /// - Parameter marks: the path of `signed.sqlite`; `nil` where there is none.
    public static func standings(of store: SQLiteLogStore, marks path: String?) throws -> [String: Standing] {
        let marks = try path.map { try SignedMarks(path: $0, busySeconds: 20) }
        var standings: [String: Standing] = [:]
        for log in try store.logs() where log.isOwn && log.frozen == nil {
            standings[log.origin] = try standing(of: log, in: store, marks?.mark(.own, log: log.id))
        }
        return standings
    }

    private static func standing(
        of log: StoredLog, in store: SQLiteLogStore, _ mark: SignedMarks.Mark?
    ) throws -> Standing {
        // Marks that are behind the backup were made anew, or are from an older copy themselves: they prove nothing.
        guard let mark, mark.size >= log.size else { return .unknown }
        guard mark.size == log.size else { return .behind(signed: mark.size) }
        let root = try store.database.read { db in
            try SQLiteLogStore.root(db, row: SQLiteLogStore.rowID(db, log.id), log: log, size: mark.size)
        }
        guard root == mark.root else { throw StoreError.contradictsSigned(origin: log.origin, size: mark.size) }
        return log.recovering == nil ? .complete : .behind(signed: max(mark.size, log.recovering ?? 0))
    }

    /// Makes the copy at this path the database of a home.
    ///
    /// From its first instant nothing is appended to a log of which more may have been signed, and no log that may have
    /// had sealed parts erased since gives any away.
    ///
    /// - Parameter time: when the backup was made, as Unix seconds.
    public static func prepare(_ path: String, standings: [String: Standing], time: UInt64) throws {
        try translatingErrors(path: path) {
            try StagedDatabase.change(path) { db in
                let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
                for step in NodeDatabase.Kind.node.steps(after: version) { try db.execute(sql: step) }
                try db.execute(sql: "PRAGMA user_version = \(NodeDatabase.Kind.node.version)")
                try db.execute(sql: "DROP TABLE backup; DROP TABLE backup_file")
                // Whoever had answered before has to answer again.
                try db.execute(sql: "DELETE FROM recovery")
                for (origin, standing) in standings {
                    let signed: UInt64
                    switch standing {
                    case .complete: continue
                    case .behind(let size): signed = size
                    case .unknown: signed = 0
                    }
                    try db.execute(
                        sql: "UPDATE log SET recovering = max(recovering, size + 1, ?) WHERE origin = ?",
                        arguments: [Int64(clamping: signed) + 1, origin])
                }
                try db.execute(
                    sql: """
                        INSERT OR IGNORE INTO restored (log, time)
                        SELECT id, ? FROM log WHERE (own = 0 AND size > 0) OR recovering > 0
                        """, arguments: [Int64(clamping: time)])
                // They are noted with the marks again, which may be new ones.
                try db.execute(sql: "UPDATE blob_erasure SET wiped = 0")
                try db.execute(sql: "PRAGMA application_id = \(NodeDatabase.Kind.node.applicationID)")
            }
        }
    }
}

extension SQLiteLogStore {
    // Logs that came back with a backup. What their owners have had erased since may still be here, and until they have
    // been asked nobody gets a sealed part of theirs.

    /// Notes that the owner of a replica holds exactly what is held here, with all that it has had erased.
    static func confirm(row: Int64, _ db: Database) throws {
        try db.execute(sql: "DELETE FROM restored WHERE log = ?", arguments: [row])
    }

    /// Whether sealed parts of a log may have been erased without this node knowing: the log, or a successor of it, came
    /// back with a backup, and its owner was not asked since.
    public func mayLackErasures(of id: SHA256Digest) throws -> Bool {
        try database.read { db in
            let log = try Self.fetch(db, id).log
            guard let origin = LogOrigin(log.origin) else { return log.restored != nil }
            let restored = try String.fetchAll(
                db.cachedStatement(
                    sql: """
                        SELECT origin FROM restored JOIN log ON log.id = restored.log WHERE node = ? AND community = ?
                        """), arguments: [log.node, log.community])
            return restored.contains { LogOrigin($0)?.speaks(for: origin) ?? false }
        }
    }

    /// Takes the marks of cosignatures from those that the database has of this node's own, where they are lost: none
    /// is given on less, or dated before.
    public func remarkCosignatures() throws {
        for log in try logs() where log.frozen == nil {
            let own = try cosignatures(of: log.id).filter { $0.cosigner == node }
            guard let newest = own.max(by: { ($0.size, $0.time) < ($1.size, $1.time) }),
                let head = try checkpoint(of: log.id, size: newest.size)
            else { continue }
            try marks.raise(
                .cosigned, log: log.id, origin: log.origin,
                to: .init(size: head.size, root: head.root, time: own.map(\.time).max() ?? newest.time))
        }
    }
}
