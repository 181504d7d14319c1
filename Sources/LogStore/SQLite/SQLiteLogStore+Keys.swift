public import Cryptography
import GRDB
public import Records
import TransparencyLog

import struct FoundationEssentials.Data

// Keys that logs publish, and those that signed what they may not.

extension SQLiteLogStore {
    static func store(_ key: PublishedKey, row: Int64, log: StoredLog, _ db: Database) throws {
        guard key.isIn(log) else { return }
        try db.execute(
            sql: """
                INSERT OR REPLACE INTO published_key
                    (log, role, entry, action, key_id, public_key, previous_key_id, previous_key, epoch, valid_until)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                row, key.role.rawValue, Int64(key.entry), key.action.rawValue, key.keyID.databaseBytes, key.publicKey,
                key.previousKeyID?.databaseBytes, key.previousKey, key.epoch.map { Int64($0) }, key.validUntil,
            ])
    }

    /// The keys that a log publishes, in its order.
    public func publishedKeys(of log: SHA256Digest) throws -> [PublishedKey] {
        try database.read { db in try Self.publishedKeys(db, row: Self.rowID(db, log)) }
    }

    static func publishedKeys(_ db: Database, row: Int64) throws -> [PublishedKey] {
        try Row.fetchAll(
            db, sql: "SELECT * FROM published_key WHERE log = ? ORDER BY entry", arguments: [row]
        ).compactMap { try publishedKey(from: $0) }
    }

    /// All keys of one role that logs publish, with the node whose log it is, in the order of each log.
    public func publishedKeys(role: KeyRecord.Role) throws -> [(node: String, origin: String, key: PublishedKey)] {
        try database.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT log.node, log.origin, published_key.* FROM published_key
                    JOIN log ON log.id = published_key.log WHERE role = ? ORDER BY origin, entry
                    """, arguments: [role.rawValue]
            ).compactMap { row in
                try Self.publishedKey(from: row).map { (try row.text("node"), try row.text("origin"), $0) }
            }
        }
    }

    private static func publishedKey(from row: Row) throws -> PublishedKey? {
        guard let role = KeyRecord.Role(rawValue: try row.text("role")),
            let action = KeyRecord.Action(rawValue: try row.text("action"))
        else { return nil }
        return PublishedKey(
            entry: row.size("entry"), role: role, action: action, keyID: try row.digest("key_id"),
            publicKey: String.fromDatabaseValue(row["public_key"]),
            previousKeyID: (row["previous_key_id"] as Data?).flatMap { SHA256Digest($0) },
            previousKey: String.fromDatabaseValue(row["previous_key"]),
            epoch: (row["epoch"] as Int64?).flatMap { UInt32(exactly: $0) }, validUntil: row["valid_until"],
            origin: nil)
    }

    /// The changes of a log's key as the list of logs has them: `entry old new`, a line each.
    static func keyChanges(_ text: String?) -> [LogKeyChange] {
        guard let text else { return [] }
        return text.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: " ").map(String.init)
            guard parts.count == 3, let entry = UInt64(parts[0]), entry < TreeLimits.maximumSize,
                let old = try? VerifierKey(parsing: parts[1]), let new = try? VerifierKey(parsing: parts[2])
            else { return nil }
            return LogKeyChange(size: entry + 1, old: old, new: new)
        }.sorted { $0.size < $1.size }
    }

    /// An own checkpoint carries the signature of the key that the log has, and of the one before where the entry
    /// before it replaces it. A command that took its key before another rotated it ends here, in its transaction.
    static func checkSigners(of head: SignedHead, row: Int64, log: StoredLog, _ db: Database) throws {
        let log = try fetch(db, log.id).log
        guard !log.keyChanges.isEmpty else { return }
        let keys = try log.keys
        // A record that replaces the key is the last of its batch: else no checkpoint would be the stepping stone.
        guard keys.changes.allSatisfy({ $0.size <= log.size || $0.size == head.size }),
            keys.isComplete(try SignedNote(parsing: head.note), size: head.size)
        else { throw StoreError.keyReplaced(origin: log.origin) }
    }
}

extension SQLiteLogStore {
    /// How many records name an envelope whose box for this node is for one of these keys and for no other.
    public func countEnvelopes(boxedOnlyTo keyIDs: Set<SHA256Digest>) throws -> Int {
        var reader = BodyReader(self)
        var count = 0
        for log in try logs() {
            let entries = try database.read { db in
                try Int64.fetchAll(
                    db, sql: "SELECT DISTINCT entry FROM blob WHERE log = ? ORDER BY entry",
                    arguments: [Self.rowID(db, log.id)])
            }
            for entry in entries {
                guard let index = UInt64(exactly: entry), let body = try? reader.body(of: log.id, at: index),
                    let header = EntryRecord.read(body).record?.sealed
                else { continue }
                let own = header.recipients.filter { $0.node.text == node }.map(\.keyID)
                if !own.isEmpty, own.allSatisfy(keyIDs.contains) { count += 1 }
            }
        }
        return count
    }
}
