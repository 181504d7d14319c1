package import Cryptography
import GRDB
package import Records
import TransparencyLog

// Logs that their owners gave up, and how far they are their owners'. What a thief of the key writes behind that is not
// taken, and what was taken before the successor was known publishes no keys.
extension SQLiteLogStore {
    /// Keeps what a successor says of the log before it. Throws `busy` where another command of this node has appended to
    /// that meanwhile: what it wrote would count for nothing.
    static func store(_ givenUp: GivenUpLog, in successor: StoredLog, _ db: Database) throws {
        let id = SHA256.hash(givenUp.origin.text)
        if successor.isOwn, successor.recovering == nil,
            let before = try Row.fetchOne(
                db.cachedStatement(sql: "\(selectLogs) WHERE log_id = ?"), arguments: [id.databaseBytes]
            ).map(log(from:)), before.isOwn, before.recovering == nil, before.givenUpAt != givenUp.size,
            before.size != givenUp.size
        {
            throw StoreError.busy(path: givenUp.origin.text)
        }
        // A later successor repeats what those before it say. Where it does not, it counts, and no earlier one: the newest
        // card names it.
        let known = try Row.fetchOne(
            db, sql: "SELECT size, successor FROM given_up WHERE log_id = ?", arguments: [id.databaseBytes])
        if let known, known.size("size") != givenUp.size,
            try generation(of: known.digest("successor"), db) > generation(successor)
        {
            return
        }
        try keep(givenUp, successor: successor.id, db)
    }

    private static func generation(_ log: StoredLog) -> UInt64 { LogOrigin(log.origin)?.generation ?? 0 }

    private static func generation(of log: SHA256Digest, _ db: Database) throws -> UInt64 {
        try Row.fetchOne(
            db.cachedStatement(sql: "\(selectLogs) WHERE log_id = ?"), arguments: [log.databaseBytes]
        ).map { try generation(self.log(from: $0)) } ?? 0
    }

    private static func keep(_ givenUp: GivenUpLog, successor: SHA256Digest, _ db: Database) throws {
        let id = SHA256.hash(givenUp.origin.text)
        let size = Int64(clamping: givenUp.size)
        try db.execute(
            sql: "INSERT OR REPLACE INTO given_up (log_id, size, successor) VALUES (?, ?, ?)",
            arguments: [id.databaseBytes, size, successor.databaseBytes])
        try db.execute(
            sql: """
                DELETE FROM pending WHERE log = (SELECT id FROM log WHERE log_id = ?)
                    AND (size > ? OR (size = ? AND root <> ?))
                """, arguments: [id.databaseBytes, size, size, givenUp.root?.databaseBytes])
    }

    /// From now on this own log, whose key is stolen, takes nothing more from anybody, before there is a key of its
    /// successor: whatever happens then, the successor says this size. Nothing is kept where nobody knows it.
    ///
    /// - Parameter said: how many entries the operator says are this node's; no more than are here.
    package func beginGivingUp(_ origin: LogOrigin, at said: UInt64? = nil) throws {
        guard let successor = origin.successor else { return }
        let written = try writtenHere(origin.text).flatMap { said == nil || said == $0.size ? $0 : nil }
        guard let size = said ?? written?.size else { return }
        try database.write { db in
            let (row, log) = try Self.fetch(db, SHA256.hash(origin.text))
            guard log.givenUpAt == nil else { return }
            // Another command has appended meanwhile.
            guard said != nil || log.recovering != nil || log.frozen != nil || log.size <= size else {
                throw StoreError.busy(path: origin.text)
            }
            guard written != nil || size <= log.size else {
                throw StoreError.notContiguous(held: log.size, start: size)
            }
            let root = try written?.root ?? Self.root(db, row: row, log: log, size: size)
            try Self.keep(
                GivenUpLog(origin: origin, size: size, root: root), successor: SHA256.hash(successor.text), db)
        }
    }

    /// The root of what is here of the owner's entries in a log that was given up; `nil` where not all of them are here.
    package func rootOfOwner(_ log: SHA256Digest) throws -> SHA256Digest? {
        try database.read { db in
            let (row, log) = try Self.fetch(db, log)
            guard let size = log.givenUpAt, size <= log.size else { return nil }
            return try Self.root(db, row: row, log: log, size: size)
        }
    }

    /// What its successor says of a log that was given up; `nil` where none here says anything.
    package func givenUp(_ log: SHA256Digest) throws -> GivenUpLog? {
        try database.read { db in try Self.givenUp(log, db) }
    }

    private static func givenUp(_ log: SHA256Digest, _ db: Database) throws -> GivenUpLog? {
        let successor = try Row.fetchOne(
            db.cachedStatement(sql: "SELECT successor FROM given_up WHERE log_id = ?"), arguments: [log.databaseBytes]
        ).map { try $0.digest("successor") }
        let stored = try successor.flatMap { id in
            try Row.fetchOne(
                db.cachedStatement(sql: "\(selectLogs) WHERE log_id = ?"), arguments: [id.databaseBytes]
            ).map(self.log(from:))
        }
        guard let stored, stored.size > 0 else { return nil }
        return try first(of: stored, db)?.givenUp(in: stored).first { SHA256.hash($0.origin.text) == log }
    }

    // MARK: The owner's part, where a thief's entries are here too

    /// The newest checkpoint here in which nothing stands behind what the owner wrote: the head, where that is so.
    package func headOfOwner(_ log: StoredLog) throws -> SignedHead? {
        guard log.isHeadBeyondOwner else { return log.head }
        return try database.read { db in try Self.headOfOwner(log, db) }
    }

    static func headOfOwner(_ log: StoredLog, _ db: Database) throws -> SignedHead? {
        guard log.isHeadBeyondOwner, let limit = log.givenUpAt else { return log.head }
        return try newestCheckpoint(of: log.id, upTo: limit, db)
    }

    private static func newestCheckpoint(of log: SHA256Digest, upTo size: UInt64, _ db: Database) throws -> SignedHead?
    {
        try Row.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT size, root, note FROM checkpoint WHERE log = (SELECT id FROM log WHERE log_id = ?)
                        AND size <= ? ORDER BY size DESC LIMIT 1
                    """), arguments: [log.databaseBytes, Int64(clamping: size)]
        ).map { SignedHead(size: $0.size("size"), root: try $0.digest("root"), note: try $0.text("note")) }
    }

    /// Takes a checkpoint of the owner's part whose entries are all here.
    static func adopt(_ head: SignedHead, row: Int64, of log: StoredLog, _ db: Database) throws {
        let known = try newestCheckpoint(of: log.id, upTo: log.givenUpAt ?? 0, db)?.size ?? 0
        guard head.size > known else { throw StoreError.notContiguous(held: known, start: head.size) }
        guard try root(db, row: row, log: log, size: head.size) == head.root else {
            throw StoreError.contradictsHeld(origin: log.origin, size: head.size)
        }
        try insert(head, row: row, db)
    }

    /// Whether this successor was begun here and has nothing in it: it is not in the database, or empty there, and was not
    /// signed.
    package func isGivingUp(for successor: LogOrigin) throws -> Bool {
        let id = SHA256.hash(successor.text)
        guard try givenUpLogs().contains(where: { $0.successor == id }),
            try log(id: id).map({ $0.size == 0 && $0.recovering == nil }) ?? true
        else { return false }
        return try marks.remade() == nil && marks.mark(.own, log: id) == nil
    }

    /// Keeps what successors say that are here already: an earlier release has taken them in, or the row is lost.
    func readGivenUp() throws {
        let kept = Set(try givenUpLogs().map(\.log))
        for log in try logs() where log.size > 0 && LogOrigin(log.origin)?.generation ?? 1 > 1 {
            // One that cannot be read is left to `scrub`.
            for givenUp in (try? self.givenUp(saidBy: log)) ?? []
            where !kept.contains(SHA256.hash(givenUp.origin.text)) {
                try database.write { db in try Self.store(givenUp, in: log, db) }
            }
        }
    }

    static func checkNotGivenUp(_ log: StoredLog) throws {
        guard log.givenUpAt != nil else { return }
        throw StoreError.givenUp(origin: log.origin, size: log.size)
    }

    /// A checkpoint of this size has nothing in it that stands behind what the owner wrote.
    static func checkOfOwner(_ size: UInt64, _ log: StoredLog) throws {
        guard let limit = log.givenUpAt, size > limit else { return }
        throw StoreError.givenUp(origin: log.origin, size: limit)
    }

    /// The same of a checkpoint, which at the end is what the owner says.
    static func checkOfOwner(_ head: SignedHead, _ log: StoredLog, _ db: Database) throws {
        try checkOfOwner(head.size, log)
        guard head.size == log.givenUpAt,
            // Of a successor that is damaged nobody knows what it says.
            let root = (try? givenUp(log.id, db))??.root, root != head.root
        else { return }
        throw StoreError.notOfOwner(origin: log.origin, size: head.size)
    }

    /// The logs that are kept as given up because successors say so, with the successor.
    package func givenUpLogs() throws -> [(log: SHA256Digest, size: UInt64, successor: SHA256Digest)] {
        try database.read { db in
            try Row.fetchAll(db, sql: "SELECT log_id, size, successor FROM given_up ORDER BY log_id").map {
                (try $0.digest("log_id"), $0.size("size"), try $0.digest("successor"))
            }
        }
    }

    /// Whether this is kept at all: not in a copy of an earlier release.
    package func keepsGivenUp() throws -> Bool {
        try database.read { db in try Self.isKept(db, table: "given_up") }
    }

    /// What the first record of a successor says of the logs before it.
    package func givenUp(saidBy successor: StoredLog) throws -> [GivenUpLog] {
        guard successor.size > 0 else { return [] }
        return try database.read { db in try Self.first(of: successor, db)?.givenUp(in: successor) ?? [] }
    }

    private static func first(of log: StoredLog, _ db: Database) throws -> EntryFinding? {
        try body(db, row: rowID(db, log.id), at: 0).flatMap { body in
            body.withUnsafeBytes { EntryFinding(body: $0, index: 0) }
        }
    }
}

extension StoredLog {
    /// Whether entries are here that stand behind what its owner wrote.
    public var reachesBeyondOwner: Bool { givenUpAt.map { size > $0 } ?? false }

    fileprivate var isHeadBeyondOwner: Bool { givenUpAt.map { head?.size ?? 0 > $0 } ?? false }

    /// How many of the entries here its owner has written.
    public var sizeOfOwner: UInt64 { min(size, givenUpAt ?? size) }
}

extension StoredLog {
    /// Whether a successor of this log is among these: it has no say any more in who may hold what its owner writes.
    public func isSucceeded(among logs: [StoredLog]) -> Bool {
        guard let origin = LogOrigin(origin) else { return false }
        return logs.contains { log in
            log.node == node && log.community == community
                && LogOrigin(log.origin).map { $0.generation > origin.generation } ?? false
        }
    }
}
