public import Cryptography
import GRDB

extension SQLiteLogStore {
    /// What is noted of each log's owner, by log.
    public func logContacts() throws -> [SHA256Digest: LogContact] {
        try database.read { db in
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT log_id, known, since, until, log_contact.size AS held, grown
                    FROM log_contact JOIN log ON log.id = log_contact.log
                    """)
            return Dictionary(
                try rows.map { row in
                    (
                        try row.digest("log_id"),
                        LogContact(
                            known: row.size("known"), since: (row["since"] as Int64?).map { UInt64(clamping: $0) },
                            until: (row["until"] as Int64?).map { UInt64(clamping: $0) }, size: row.size("held"),
                            grown: row.size("grown"))
                    )
                }, uniquingKeysWith: { first, _ in first })
        }
    }

    /// Writes down what is noted of logs, all at once.
    public func note(_ contacts: [SHA256Digest: LogContact]) throws {
        guard !contacts.isEmpty else { return }
        try database.write { db in
            let statement = try db.cachedStatement(
                sql: """
                    INSERT OR REPLACE INTO log_contact (log, known, since, until, size, grown) VALUES (?, ?, ?, ?, ?, ?)
                    """)
            for (log, contact) in contacts {
                try statement.execute(arguments: [
                    Self.rowID(db, log), Int64(clamping: contact.known), contact.since.map { Int64(clamping: $0) },
                    contact.until.map { Int64(clamping: $0) }, Int64(clamping: contact.size),
                    Int64(clamping: contact.grown),
                ])
            }
        }
    }

    /// By community and node: the last moment at which the node has cosigned a log of another's that is kept here.
    /// Whoever brought that could have brought what it says of its own logs, too.
    public func lastCosigned() throws -> [String: [String: UInt64]] {
        try database.read { db in
            var times: [String: [String: UInt64]] = [:]
            let rows = try Row.fetchCursor(
                db,
                sql: """
                    SELECT community, cosigner, max(time) AS time
                    FROM latest_cosignature JOIN log ON log.id = latest_cosignature.log
                    WHERE cosigner <> node GROUP BY community, cosigner
                    """)
            while let row = try rows.next() {
                times[try row.text("community"), default: [:]][try row.text("cosigner")] = row.size("time")
            }
            return times
        }
    }
}
