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
        try keep(givenUp, successor: successor.id, db)
    }

    private static func keep(_ givenUp: GivenUpLog, successor: SHA256Digest, _ db: Database) throws {
        let id = SHA256.hash(givenUp.origin.text)
        let size = Int64(clamping: givenUp.size)
        try db.execute(
            sql: "INSERT OR REPLACE INTO given_up (log_id, size, successor) VALUES (?, ?, ?)",
            arguments: [id.databaseBytes, size, successor.databaseBytes])
        try db.execute(
            sql: "DELETE FROM pending WHERE log = (SELECT id FROM log WHERE log_id = ?) AND size > ?",
            arguments: [id.databaseBytes, size])
    }

    /// From now on this own log, whose key is stolen, takes nothing more from anybody, before there is a key of its
    /// successor: whatever happens then, the successor says this size. Nothing is kept where nobody knows it.
    package func beginGivingUp(_ origin: LogOrigin) throws {
        guard let successor = origin.successor, let size = try sizeWrittenHere(origin.text) else { return }
        try database.write { db in
            let log = try Self.fetch(db, SHA256.hash(origin.text)).log
            guard log.givenUpAt == nil else { return }
            // Another command has appended meanwhile.
            guard log.recovering != nil || log.size == size else { throw StoreError.busy(path: origin.text) }
            try Self.keep(GivenUpLog(origin: origin, size: size), successor: SHA256.hash(successor.text), db)
        }
    }

    /// Whether this successor was begun here and has nothing in it: it is not in the database, and was not signed.
    package func isGivingUp(for successor: LogOrigin) throws -> Bool {
        let id = SHA256.hash(successor.text)
        guard try givenUpLogs().contains(where: { $0.successor == id }), try log(id: id) == nil else { return false }
        return try marks.remade() == nil && marks.mark(.own, log: id) == nil
    }

    /// Keeps what successors say that are here already: an earlier release has taken them in, or the row is lost.
    func readGivenUp() throws {
        let kept = Set(try givenUpLogs().map(\.successor))
        for log in try logs() where log.size > 0 && !kept.contains(log.id) && LogOrigin(log.origin)?.generation ?? 1 > 1
        {
            // One that cannot be read is left to `scrub`.
            guard let givenUp = (try? self.givenUp(saidBy: log)) ?? nil else { continue }
            try database.write { db in try Self.store(givenUp, in: log, db) }
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

    /// What the first record of a successor says of the log before it.
    package func givenUp(saidBy successor: StoredLog) throws -> GivenUpLog? {
        guard let body = try body(of: successor.id, at: 0) else { return nil }
        return body.withUnsafeBytes { EntryFinding(body: $0, index: 0) }?.givenUp(in: successor)
    }
}

extension StoredLog {
    /// Whether entries are here that stand behind what its owner wrote.
    public var reachesBeyondOwner: Bool { givenUpAt.map { size > $0 } ?? false }
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
