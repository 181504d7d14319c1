public import Cryptography
import GRDB
import Records
import TransparencyLog

// The hashes by which an own log's records are known as doubles. Each is of all that a record says, its sealed values
// among them: who has the key of doubles can try a guess at them. So a hash goes with what it is of, once that is erased
// or can be read here no more, and does not come back.

extension SQLiteLogStore {
    /// The entries of an own log whose double hashes are not known, within these; those that came from partners.
    public func entriesWithoutDoubleHash(of id: SHA256Digest, in range: Range<UInt64>) throws -> [UInt64] {
        try database.read { db in
            let row = try Self.rowID(db, id)
            var known: [UInt64: [UInt64]] = [:]
            return try range.filter { index in
                let number = index / DoubleFilter.width
                if known[number] == nil { known[number] = try DoubleFilter.hashes(row: row, number: number, db) }
                let hashes = known[number] ?? []
                let position = Int(index % DoubleFilter.width)
                return position >= hashes.count || hashes[position] == 0
            }
        }
    }

    /// For when the key is gone under which they were made.
    public func forgetDoubleHashes(of id: SHA256Digest) throws {
        try database.write { db in
            try db.execute(sql: "DELETE FROM double_hash WHERE log = ?", arguments: [Self.rowID(db, id)])
        }
    }

    /// Puts double hashes in where none are known, so that what was recovered is known again when it is imported. What
    /// was erased meanwhile stays unknown.
    public func addDoubleHashes(_ hashes: [UInt64: UInt64], of id: SHA256Digest) throws {
        try database.write { db in
            let row = try Self.rowID(db, id)
            let erased = Set(
                try Int64.fetchAll(
                    db, sql: "SELECT entry FROM blob_erasure WHERE log_id = ?", arguments: [id.databaseBytes]))
            for (number, indices) in Dictionary(grouping: hashes.keys, by: { $0 / DoubleFilter.width }) {
                var row256 = try DoubleFilter.hashes(row: row, number: number, db)
                for index in indices where !erased.contains(Int64(clamping: index)) {
                    let position = Int(index % DoubleFilter.width)
                    if row256.count <= position {
                        row256 += [UInt64](repeating: 0, count: position + 1 - row256.count)
                    }
                    if row256[position] == 0 { row256[position] = hashes[index] ?? 0 }
                }
                try DoubleFilter.put(row256, row: row, number: number, db)
            }
        }
    }

    /// Takes away the hashes of own records that are sealed and have no box for any of these keys of this node: nobody
    /// can read here what they are of. The records that another key opens stay known.
    public func forgetDoubleHashes(sealedToNoneOf keyIDs: Set<SHA256Digest>) throws {
        var reader = BodyReader(self)
        for log in try logs() where log.isOwn {
            let entries = try database.read { db in
                try Int64.fetchAll(
                    db,
                    sql: """
                        SELECT DISTINCT entry FROM blob JOIN double_hash
                            ON double_hash.log = blob.log AND number = entry / \(DoubleFilter.width)
                        WHERE blob.log = ? ORDER BY entry
                        """, arguments: [Self.rowID(db, log.id)])
            }
            let unreadable = entries.compactMap { entry -> UInt64? in
                guard let index = UInt64(exactly: entry), let body = try? reader.body(of: log.id, at: index),
                    let header = EntryRecord.read(body).record?.sealed
                else { return nil }
                let isOpen = header.recipients.contains { $0.node.text == node && keyIDs.contains($0.keyID) }
                return isOpen ? nil : index
            }
            guard !unreadable.isEmpty else { continue }
            try database.write { db in
                let row = try Self.rowID(db, log.id)
                for index in unreadable { try Self.forgetDoubleHash(at: index, row: row, db) }
            }
        }
        // As with erasures the write-ahead log has them still. Another process that reads is no reason to fail.
        _ = try? database.pool().writeWithoutTransaction { try $0.checkpoint(.truncate) }
    }

    /// Takes away the hash of one entry; answers whether there was one.
    @discardableResult
    static func forgetDoubleHash(at index: UInt64, row: Int64, _ db: Database) throws -> Bool {
        let number = index / DoubleFilter.width
        let position = Int(index % DoubleFilter.width)
        var hashes = try DoubleFilter.hashes(row: row, number: number, db)
        guard position < hashes.count, hashes[position] != 0 else { return false }
        hashes[position] = 0
        try DoubleFilter.put(hashes, row: row, number: number, db)
        return true
    }

    /// Takes away the hashes of all that was erased: releases from before left them in place.
    func forgetErasedDoubleHashes() throws {
        guard try database.read({ try !Self.erasedDoubleHashes($0).isEmpty }) else { return }
        try database.write { try Self.forgetErasedDoubleHashes($0) }
    }

    /// The same within a transaction. What was erased counts as not yet wiped then, as the files have the hashes still.
    static func forgetErasedDoubleHashes(_ db: Database) throws {
        for (number, row, index) in try erasedDoubleHashes(db) {
            try forgetDoubleHash(at: index, row: row, db)
            try db.execute(sql: "UPDATE blob_erasure SET wiped = 0 WHERE number = ?", arguments: [number])
        }
    }

    private static func erasedDoubleHashes(_ db: Database) throws -> [(number: Int64, row: Int64, index: UInt64)] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT blob_erasure.number AS erasure, log.id AS row, entry
                FROM blob_erasure JOIN log ON log.log_id = blob_erasure.log_id
                JOIN double_hash ON double_hash.log = log.id AND double_hash.number = entry / \(DoubleFilter.width)
                WHERE substr(hashes, entry % \(DoubleFilter.width) * 8 + 1, 8) NOT IN (x'', zeroblob(8))
                """
        ).map { (number: $0["erasure"], row: $0["row"], index: $0.size("entry")) }
    }
}
