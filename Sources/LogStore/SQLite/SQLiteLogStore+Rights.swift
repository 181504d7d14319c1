public import Cryptography
import GRDB
import Records
import TransparencyLog

/// The last of the grants, or of the erasures, that somebody who follows them has seen.
public struct RightMark: Sendable, Hashable {
    /// Grants, and erasures, are numbered as they come to be kept, whatever log they are of.
    public let number: Int64
    /// The record that says it.
    public let record: RecordPosition
}

// What came to be kept of grants and erasures since somebody looked last.
extension SQLiteLogStore {
    public enum Right: String, Sendable {
        case grant = "access_grant"
        case erasure = "blob_erasure"
    }

    /// A grant to one node, or an erasure.
    public struct KeptRight: Sendable, Hashable {
        public let mark: RightMark
        /// The sealed record.
        public let target: RecordPosition
        /// The new reader; `nil` of an erasure.
        public let node: String?
        /// The number that the row of the erased blob had.
        public let blobRow: Int64?
    }

    public func rights(_ right: Right, after mark: RightMark?, limit: Int) throws -> [KeptRight] {
        try rights(right, "number > ? ORDER BY number LIMIT ?", [mark?.number ?? 0, limit])
    }

    public func last(_ right: Right) throws -> RightMark? {
        try rights(right, "1 ORDER BY number DESC LIMIT 1", []).first?.mark
    }

    /// Whether this is still what was seen: not so in an older copy of the database.
    public func stands(_ right: Right, _ mark: RightMark) throws -> Bool {
        try rights(right, "number = ?", [mark.number]).first?.mark == mark
    }

    private func rights(
        _ right: Right, _ condition: String, _ arguments: StatementArguments
    ) throws -> [KeptRight] {
        let own = right == .grant ? "kept.node, NULL AS blob_row" : "NULL AS node, blob_row"
        return try database.read { db in
            try Row.fetchAll(
                db.cachedStatement(
                    sql: """
                        SELECT number, log_id, entry, record_log, record, \(own) FROM (
                            SELECT * FROM \(right.rawValue) WHERE \(condition)) AS kept ORDER BY number
                        """), arguments: arguments
            ).map { row in
                KeptRight(
                    mark: RightMark(
                        number: row["number"],
                        record: RecordPosition(log: try row.digest("record_log"), index: row.size("record"))),
                    target: RecordPosition(log: try row.digest("log_id"), index: row.size("entry")),
                    node: row["node"], blobRow: row["blob_row"])
            }
        }
    }

    /// Reads logs again for what was not looked for when they came: what successors say of the logs before them, in which
    /// an earlier release saw nothing, and the sealed parts of which this node has become a carrier since. A bundle that
    /// cannot be read is left to `scrub`.
    ///
    /// One transaction a bundle; whatever ends it in between, it is begun again when the database is opened next.
    func readAgain() throws {
        let unread = try database.read { db in
            try Row.fetchAll(
                db, sql: "SELECT log, log_id FROM unread_successor JOIN log ON log.id = unread_successor.log"
            ).map { (row: Int64($0.size("log")), id: try $0.digest("log_id")) }
        }
        for (row, id) in unread {
            guard let log = try log(id: id) else { continue }
            let width = UInt64(EntryBundle.maximumEntries)
            for first in stride(from: 0, to: log.size, by: Int(width)) {
                for bundle in try bundles(of: id, entries: first..<min(first + width, log.size)) {
                    do {
                        try restoreRights(in: bundle, of: log)
                        try want(missingBlobRows(among: expectedBlobs(in: bundle, of: log)))
                    } catch let error as StoreError {
                        guard case .badBundle = error else { throw error }
                    } catch {
                        // What it unpacks to is no bundle.
                        continue
                    }
                }
            }
            try database.write { try $0.execute(sql: "DELETE FROM unread_successor WHERE log = ?", arguments: [row]) }
        }
    }

    /// Has these sealed parts wanted, but those that were erased.
    private func want(_ references: [BlobReference]) throws {
        guard !references.isEmpty else { return }
        try database.write { db in
            for each in references where try !Self.isErased(db, each.log, at: each.index, each.sha256) {
                try Self.addBlobRow(
                    [
                        Self.rowID(db, each.log), Int64(clamping: each.index), each.sha256.databaseBytes, each.size,
                        nil,
                    ], db)
            }
        }
    }

    /// The logs here that a log succeeds: those of which it may open or erase sealed parts.
    public func predecessors(of log: StoredLog) throws -> [SHA256Digest] {
        guard let origin = LogOrigin(log.origin), origin.generation > 1 else { return [] }
        return try database.read { db in
            try Row.fetchAll(
                db.cachedStatement(sql: "SELECT log_id, origin FROM log WHERE node = ? AND community = ?"),
                arguments: [log.node, log.community]
            ).filter { row in
                let other = LogOrigin(try row.text("origin"))
                return other.map { $0 != origin && origin.speaks(for: $0) } ?? false
            }.map { try $0.digest("log_id") }
        }
    }

    /// The logs of whose records something was granted to anybody.
    public func logsWithGrants() throws -> Set<SHA256Digest> {
        try database.read { db in
            let rows = try Row.fetchAll(db, sql: "SELECT DISTINCT log_id FROM access_grant")
            return Set(try rows.map { try $0.digest("log_id") })
        }
    }
}
