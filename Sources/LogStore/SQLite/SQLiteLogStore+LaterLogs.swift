import GRDB
package import Records

/// A log of this node that partners hold and that comes after the one which is written here: keys and databases here are
/// from before that was given up.
public struct LaterLog: Sendable, Hashable {
    /// The newest one of which a partner has told.
    public let origin: String
    /// The partners that have told of it, sorted.
    public let holders: [String]
}

// What is known of successors of own logs beside those that are in the database.
extension SQLiteLogStore {
    /// Keeps that a partner says it holds a log of this node that is not here. It counts until the partner is removed: who
    /// has lost that log since held it all the same.
    package func noteLaterLog(_ origin: LogOrigin, heldBy partner: String) throws {
        // It says so in each session.
        guard try !exists("SELECT 1 FROM later_log WHERE partner = ? AND origin = ?", [partner, origin.text]) else {
            return
        }
        try insert("INSERT OR IGNORE INTO later_log (partner, origin) VALUES (?, ?)", [partner, origin.text])
    }

    /// For when a partner is removed, whose word counts no more.
    public func forgetLaterLogs(heldBy partner: String) throws {
        try database.write { db in try db.execute(sql: "DELETE FROM later_log WHERE partner = ?", arguments: [partner])
        }
    }

    /// The newest log after this own one that some partner is known to hold; `nil` where none has told of any.
    public func laterLog(after origin: String) throws -> LaterLog? {
        try database.read { db in try Self.laterLog(after: origin, db) }
    }

    private static func laterLog(after origin: String, _ db: Database) throws -> LaterLog? {
        let successors = (LogOrigin(origin)?.nextSuccessors ?? []).map(\.text)
        guard !successors.isEmpty else { return nil }
        let places = successors.map { _ in "?" }.joined(separator: ", ")
        let rows = try Row.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT partner, origin FROM later_log JOIN seen_card ON seen_card.node = partner
                    WHERE origin IN (\(places)) ORDER BY partner
                    """), arguments: StatementArguments(successors)
        ).map { (partner: try $0.text("partner"), origin: try $0.text("origin")) }
        guard let newest = successors.last(where: { origin in rows.contains { $0.origin == origin } }) else {
            return nil
        }
        return LaterLog(origin: newest, holders: rows.filter { $0.origin == newest }.map(\.partner))
    }

    /// Throws where nothing may be appended to an own log, since partners hold what came after it.
    public func checkNoLaterLog(after origin: String) throws {
        try database.read { db in try Self.checkNoLaterLog(after: origin, db) }
    }

    static func checkNoLaterLog(after origin: String, _ db: Database) throws {
        guard let later = try laterLog(after: origin, db) else { return }
        throw StoreError.laterLog(origin: origin, later: later.origin, holders: later.holders)
    }

    // MARK: Successors that are about to be made

    /// Keeps, before there is a key of it, that this successor is about to be made: with that key alone nobody would know
    /// whether it was written.
    package func noteBegun(_ successor: LogOrigin) throws {
        try insert("INSERT OR IGNORE INTO begun_log (origin) VALUES (?)", [successor.text])
    }

    /// For when the successor is in the database.
    package func forgetBegun(_ successor: LogOrigin) throws {
        try database.write { db in
            try db.execute(sql: "DELETE FROM begun_log WHERE origin = ?", arguments: [successor.text])
        }
    }

    /// Whether the making of this successor was broken off before it was in the database: nothing was signed in it.
    package func isBegun(_ successor: LogOrigin) throws -> Bool {
        guard try exists("SELECT 1 FROM begun_log WHERE origin = ?", [successor.text]), try log(successor.text) == nil,
            try marks.remade() == nil, try !marks.origins(.own).contains(where: { $0.origin == successor.text })
        else { return false }
        // Told by a partner, it was written after this copy of the database was made.
        return try successor.predecessor.map { try laterLog(after: $0.text) == nil } ?? false
    }

    // MARK: Logs without an end

    /// Keeps that this own log, whose key is stolen, ends nobody knows where.
    package func noteOpenEnd(of log: LogOrigin) throws {
        try insert("INSERT OR IGNORE INTO open_end (origin) VALUES (?)", [log.text])
    }

    /// The own logs of which that is kept, by origin.
    public func logsWithOpenEnd() throws -> [String] {
        try database.read { db in
            try String.fetchAll(db, sql: "SELECT origin FROM open_end ORDER BY origin")
        }
    }

    private func exists(_ query: String, _ arguments: StatementArguments) throws -> Bool {
        try database.read { db in try Row.fetchOne(db, sql: query, arguments: arguments) } != nil
    }

    private func insert(_ statement: String, _ arguments: StatementArguments) throws {
        try database.write { db in try db.execute(sql: statement, arguments: arguments) }
    }
}
