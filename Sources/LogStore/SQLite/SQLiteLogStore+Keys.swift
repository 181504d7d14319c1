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

    /// The keys that a log publishes, in its order; of one that was given up those that its owner has published.
    public func publishedKeys(of log: SHA256Digest) throws -> [PublishedKey] {
        try database.read { db in
            let (row, log) = try Self.fetch(db, log)
            let keys = try Self.publishedKeys(db, row: row)
            return log.givenUpAt.map { size in keys.filter { $0.entry < size } } ?? keys
        }
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
                    JOIN log ON log.id = published_key.log
                    LEFT JOIN given_up ON given_up.log_id = log.log_id
                    WHERE role = ? AND (given_up.size IS NULL OR entry < given_up.size) ORDER BY origin, entry
                    """, arguments: [role.rawValue]
            ).compactMap { row in
                try Self.publishedKey(from: row).map { (try row.text("node"), try row.text("origin"), $0) }
            }
        }
    }

    static func publishedKey(from row: Row) throws -> PublishedKey? {
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

    /// A checkpoint that a transfer brings in was signed by a key that may sign at its size, by all that has come of the
    /// log by now: the key before does not sign past the record that replaces it.
    static func checkTarget(_ target: SignedHead, _ db: Database, _ id: SHA256Digest) throws {
        let log = try fetch(db, id).log
        guard let keys = try? log.keys, (try? keys.verify(SignedNote(parsing: target.note))) != nil else {
            throw StoreError.retiredKey(origin: log.origin, size: target.size)
        }
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

// MARK: - Stepping stones and foreign keys

/// A key that has signed a checkpoint under a log's name, and to which nothing leads from those that are known.
public struct ForeignKey: Sendable, Hashable {
    public let keyID: UInt32
    /// The size of the largest checkpoint that it was seen under.
    public let size: UInt64
    /// Who passed that on.
    public let peer: String
    /// Unix seconds when it was seen last.
    public let time: UInt64
}

extension SQLiteLogStore {
    /// Of one log no more than these are told apart.
    static let maximumForeignKeys = 16

    /// Keeps a checkpoint of an earlier size, which the caller has verified, if the log's entries have its root.
    public func addStone(_ stone: SignedHead, of id: SHA256Digest) throws {
        try database.write { db in
            let (row, log) = try Self.fetch(db, id)
            guard stone.size > 0, stone.size <= log.head?.size ?? 0,
                try Self.root(db, row: row, log: log, size: stone.size) == stone.root
            else { throw StoreError.notProved(origin: log.origin, start: 0, end: stone.size) }
            try db.execute(
                sql: """
                    INSERT INTO checkpoint (log, size, root, note) VALUES (?, ?, ?, ?)
                    ON CONFLICT (log, size) DO UPDATE SET note = excluded.note WHERE root = excluded.root
                    """,
                arguments: [row, Int64(clamping: stone.size), stone.root.databaseBytes, stone.note])
        }
    }

    public func noteForeignKeys(
        _ keyIDs: [UInt32], of id: SHA256Digest, size: UInt64, peer: String, time: UInt64
    ) throws {
        try database.write { db in
            let row = try Self.rowID(db, id)
            for keyID in keyIDs {
                let count =
                    try Int.fetchOne(
                        db, sql: "SELECT count(*) FROM foreign_key WHERE log = ? AND key_id <> ?",
                        arguments: [row, Int64(keyID)]) ?? 0
                guard count < Self.maximumForeignKeys else { continue }
                try db.execute(
                    sql: """
                        INSERT INTO foreign_key (log, key_id, size, peer, time) VALUES (?, ?, ?, ?, ?)
                        ON CONFLICT (log, key_id) DO UPDATE SET
                            size = max(size, excluded.size), peer = excluded.peer, time = excluded.time
                        """,
                    arguments: [row, Int64(keyID), Int64(clamping: size), peer, Int64(clamping: time)])
            }
        }
    }

    /// The keys that were seen and that the chain as it is now does not lead to, or not for that size.
    public func foreignKeys(of log: StoredLog) throws -> [ForeignKey] {
        let seen = try database.read { db in
            try Row.fetchAll(
                db, sql: "SELECT key_id, size, peer, time FROM foreign_key WHERE log = ? ORDER BY time",
                arguments: [Self.rowID(db, log.id)]
            ).map {
                ForeignKey(
                    keyID: UInt32(truncatingIfNeeded: $0.size("key_id")), size: $0.size("size"),
                    peer: try $0.text("peer"), time: $0.size("time"))
            }
        }
        guard !seen.isEmpty else { return [] }
        let reigns = try log.keys.reigns
        return seen.filter { key in
            !reigns.contains { $0.key.keyID == key.keyID && $0.sizes.contains(key.size) }
        }
    }

    /// Takes another key for a log of which nothing has come yet. Answers whether it did.
    public func replaceAnchor(of id: SHA256Digest, with verifierKey: String) throws -> Bool {
        try database.write { db in
            let (row, log) = try Self.fetch(db, id)
            guard !log.isOwn, log.size == 0, log.head == nil, log.pending == nil else { return false }
            try db.execute(sql: "UPDATE log SET verifier_key = ? WHERE id = ?", arguments: [verifierKey, row])
            return true
        }
    }
}
