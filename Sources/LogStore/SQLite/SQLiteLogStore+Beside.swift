public import Cryptography
import GRDB
import TransparencyLog

import struct FoundationEssentials.Data

// What lies beside the logs: who may hold them, who says to hold them, and sealed blobs.

extension StoredCosignature {
    /// From a row with the columns of either table of cosignatures.
    init(from row: Row) throws {
        self.init(
            cosigner: try row.text("cosigner"), size: row.size("size"), time: row.size("time"),
            line: try row.text("line"))
    }
}

extension SQLiteLogStore {
    // MARK: Members

    public func membership(of log: SHA256Digest) throws -> Membership? {
        try database.read { db in try Self.membership(db, row: Self.rowID(db, log)) }
    }

    static func membership(_ db: Database, row: Int64) throws -> Membership? {
        let row = try Row.fetchOne(
            db.cachedStatement(sql: "SELECT members, members_carry FROM membership WHERE log = ?"), arguments: [row])
        return try row.map(membership(from:))
    }

    static func membership(from row: Row) throws -> Membership {
        Membership(
            members: try row.text("members").split(separator: "\n").map(String.init),
            membersCarrySealed: row.size("members_carry") != 0)
    }

    /// Keeps who may hold a log. Where that makes this node hold what is sealed to others, the log has to be read again
    /// for the sealed parts of earlier records.
    func store(_ membership: Membership, at index: UInt64, row: Int64, log: StoredLog, _ db: Database) throws {
        if !log.isOwn, membership.makesCarrier(node),
            try Self.membership(db, row: row)?.makesCarrier(node) != true
        {
            try db.execute(sql: "INSERT OR IGNORE INTO unread_successor (log) VALUES (?)", arguments: [row])
        }
        try db.execute(
            sql: "INSERT OR REPLACE INTO membership (log, entry, members, members_carry) VALUES (?, ?, ?, ?)",
            arguments: [
                row, Int64(index), membership.members.joined(separator: "\n"), membership.membersCarrySealed,
            ])
    }

    // MARK: Cosignatures

    public func cosignatures(of log: SHA256Digest) throws -> [StoredCosignature] {
        try database.read { db in try Self.cosignatures(db, row: Self.rowID(db, log), from: "cosignature") }
    }

    /// All rows of a log in one of the two tables of cosignatures.
    static func cosignatures(_ db: Database, row: Int64, from table: String) throws -> [StoredCosignature] {
        try Row.fetchAll(
            db, sql: "SELECT cosigner, size, time, line FROM \(table) WHERE log = ? ORDER BY cosigner, size",
            arguments: [row]
        ).map(StoredCosignature.init(from:))
    }

    /// A node's cosignature on the checkpoint of this size.
    public func cosignature(of log: SHA256Digest, by cosigner: String, size: UInt64) throws -> StoredCosignature? {
        try database.read { db in
            try Row.fetchOne(
                db,
                sql: "SELECT time, line FROM cosignature WHERE log = ? AND cosigner = ? AND size = ?",
                arguments: [Self.rowID(db, log), cosigner, Int64(clamping: size)]
            ).map {
                StoredCosignature(cosigner: cosigner, size: size, time: $0.size("time"), line: try $0.text("line"))
            }
        }
    }

    public func store(_ cosignature: StoredCosignature, of log: SHA256Digest) throws {
        try database.write { db in try Self.write(cosignature, of: log, db) }
    }

    /// The same for several, made durable together.
    public func store(
        _ cosignatures: [(cosignature: StoredCosignature, log: SHA256Digest)]
    ) -> [Result<Void, any Error>] {
        database.writeEach(cosignatures) { db, each in try Self.write(each.cosignature, of: each.log, db) }
    }

    private static func write(_ cosignature: StoredCosignature, of log: SHA256Digest, _ db: Database) throws {
        // A size or time that the database cannot hold is none that anybody signed.
        guard cosignature.size <= TreeLimits.maximumSize, cosignature.time <= UInt64(Int64.max) else { return }
        let arguments: StatementArguments = [
            try rowID(db, log), cosignature.cosigner, Int64(clamping: cosignature.size),
            Int64(clamping: cosignature.time), cosignature.line,
        ]
        try db.cachedStatement(
            sql: """
                INSERT INTO cosignature (log, cosigner, size, time, line) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (log, cosigner, size) DO UPDATE SET time = excluded.time, line = excluded.line
                WHERE excluded.time > cosignature.time
                """
        ).execute(arguments: arguments)
        try db.cachedStatement(
            sql: """
                INSERT INTO latest_cosignature (log, cosigner, size, time, line) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (log, cosigner)
                DO UPDATE SET size = excluded.size, time = excluded.time, line = excluded.line
                WHERE (excluded.size, excluded.time) > (latest_cosignature.size, latest_cosignature.time)
                """
        ).execute(arguments: arguments)
    }

    @discardableResult
    public func markCosigned(_ head: SignedHead, of log: SHA256Digest, time: UInt64) throws -> UInt64 {
        try marks.cosign(database.read { db in try cosigning(head, of: log, time: time, db) })
    }

    /// The same for several logs, made durable together.
    public func markCosigned(
        _ heads: [(head: SignedHead, log: SHA256Digest, time: UInt64)]
    ) throws -> [Result<UInt64, any Error>] {
        var results: [Result<UInt64, any Error>?] = []
        var markings: [SignedMarks.Cosigning] = []
        try database.read { db in
            for each in heads {
                do {
                    markings.append(try cosigning(each.head, of: each.log, time: each.time, db))
                    results.append(nil)
                } catch let refusal as StoreError {
                    results.append(.failure(refusal))
                }
            }
        }
        var marked = marks.cosign(markings)[...]
        return results.compactMap { $0 ?? marked.popFirst() }
    }

    /// Checks that this node holds what it is about to cosign.
    private func cosigning(
        _ head: SignedHead, of log: SHA256Digest, time: UInt64, _ db: Database
    ) throws -> SignedMarks.Cosigning {
        let (row, stored) = try Self.fetch(db, log)
        if let reason = stored.frozen { throw StoreError.frozen(origin: stored.origin, reason: reason) }
        try Self.checkOfOwner(head.size, stored)
        guard head.size <= stored.size else {
            throw StoreError.notContiguous(held: stored.size, start: head.size)
        }
        guard try Self.root(db, row: row, log: stored, size: head.size) == head.root else {
            throw StoreError.notProved(origin: stored.origin, start: 0, end: head.size)
        }
        // What is damaged is not held.
        try Self.checkUndamaged(db, row: row, log: stored)
        if stored.isOwn {
            try checkMark(of: stored, in: db)
            try Self.checkNotRecovering(stored)
        }
        return SignedMarks.Cosigning(head: head, log: log, origin: stored.origin, time: time) { [database] size in
            try database.read { db in
                let (row, stored) = try Self.fetch(db, log)
                return try Self.root(db, row: row, log: stored, size: size)
            }
        }
    }

    /// Unix seconds of the last cosignature given on this log; 0 if there is none.
    public func lastCosigned(_ log: SHA256Digest) throws -> UInt64 {
        try marks.mark(.cosigned, log: log)?.time ?? 0
    }

    // MARK: Blobs

    public func wantedBlobs(of log: SHA256Digest) throws -> [BlobReference] {
        try database.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT entry, sha256, size FROM blob WHERE log = ?1 AND data IS NULL
                    UNION
                    SELECT entry, sha256, size FROM blob
                    JOIN damage ON damage.log = blob.log AND kind = 'blob' AND level = 0 AND number = entry
                    WHERE blob.log = ?1
                    ORDER BY entry
                    """,
                arguments: [Self.rowID(db, log)]
            ).map {
                BlobReference(
                    log: log, index: $0.size("entry"), sha256: try $0.digest("sha256"), size: Int($0.size("size")))
            }
        }
    }

    public func blob(_ reference: BlobReference) throws -> [UInt8]? {
        let bytes = try database.read { db in
            try Data.fetchOne(
                db, sql: "SELECT data FROM blob WHERE log = ? AND entry = ? AND sha256 = ? AND data IS NOT NULL",
                arguments: [
                    Self.rowID(db, reference.log), Int64(clamping: reference.index),
                    reference.sha256.databaseBytes,
                ]
            ).map { [UInt8]($0) }
        }
        // Bytes that have rotted are not those that the record names: they are shown and sent to nobody.
        return bytes.flatMap { SHA256.hash($0) == reference.sha256 ? $0 : nil }
    }

    /// Whether bytes are kept of a sealed part, be they right or not.
    public func keepsBlob(_ reference: BlobReference) throws -> Bool {
        try database.read { db in
            try Bool.fetchOne(
                db,
                sql:
                    "SELECT EXISTS (SELECT 1 FROM blob WHERE log = ? AND entry = ? AND sha256 = ? AND data IS NOT NULL)",
                arguments: [
                    Self.rowID(db, reference.log), Int64(clamping: reference.index), reference.sha256.databaseBytes,
                ]) == true
        }
    }

    public func store(_ bytes: [UInt8], for reference: BlobReference) throws {
        try Self.check(bytes, against: reference)
        try database.write { db in try Self.write(bytes, for: reference, db) }
    }

    static func check(_ bytes: [UInt8], against reference: BlobReference) throws {
        guard SHA256.hash(bytes) == reference.sha256 else { throw StoreError.wrongBlob(index: reference.index) }
    }

    static func write(_ bytes: [UInt8], for reference: BlobReference, _ db: Database) throws {
        let size = try Int.fetchOne(
            db, sql: "SELECT size FROM blob WHERE log = ? AND entry = ? AND sha256 = ?",
            arguments: [
                rowID(db, reference.log), Int64(clamping: reference.index), reference.sha256.databaseBytes,
            ])
        guard let size else {
            let isErased = try isErased(db, reference.log, at: reference.index, reference.sha256)
            throw isErased
                ? StoreError.erasedBlob(index: reference.index) : StoreError.unwantedBlob(index: reference.index)
        }
        guard size == bytes.count else { throw StoreError.wrongBlob(index: reference.index) }
        try db.execute(
            sql: "UPDATE blob SET data = ? WHERE log = ? AND entry = ? AND sha256 = ?",
            arguments: [
                Data(bytes), rowID(db, reference.log), Int64(clamping: reference.index),
                reference.sha256.databaseBytes,
            ])
        try clear(.blob(entry: reference.index), row: rowID(db, reference.log), db)
    }
}
