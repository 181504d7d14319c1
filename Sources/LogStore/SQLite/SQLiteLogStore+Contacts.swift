public import Cryptography
import GRDB

/// When a peer was last heard, and what went wrong last.
public struct PeerContact: Sendable, Hashable {
    public let peer: String
    /// Unix seconds; `nil` if it was never heard.
    public let lastHeard: UInt64?
    /// In words, for people.
    public let lastError: String?
    public let lastErrorTime: UInt64?

    public init(peer: String, lastHeard: UInt64? = nil, lastError: String? = nil, lastErrorTime: UInt64? = nil) {
        self.peer = peer
        self.lastHeard = lastHeard
        self.lastError = lastError
        self.lastErrorTime = lastErrorTime
    }

    /// The last error, unless the peer was heard again after it.
    public var currentError: String? {
        guard let lastError, lastErrorTime ?? 0 >= lastHeard ?? 0 else { return nil }
        return lastError
    }
}

extension SQLiteLogStore {
    /// What is known of each peer that was tried or heard.
    public func contacts() throws -> [String: PeerContact] {
        try database.read { db in
            let rows = try Row.fetchAll(db, sql: "SELECT peer, last_heard, last_error, last_error_time FROM contact")
            return Dictionary(
                try rows.map { row in
                    let peer = try row.text("peer")
                    return (
                        peer,
                        PeerContact(
                            peer: peer, lastHeard: (row["last_heard"] as Int64?).map { UInt64(clamping: $0) },
                            lastError: row["last_error"],
                            lastErrorTime: (row["last_error_time"] as Int64?).map { UInt64(clamping: $0) })
                    )
                }, uniquingKeysWith: { first, _ in first })
        }
    }

    /// Writes down what came of a connection: what is `nil` stays as it was, and no time of hearing goes back. What is
    /// written later in one second counts as later: its time is moved by as little as that takes.
    public func note(_ contact: PeerContact) throws {
        try database.write { db in
            try db.execute(
                sql: """
                    INSERT INTO contact (peer, last_heard, last_error, last_error_time) VALUES (?, ?, ?, ?)
                    ON CONFLICT (peer) DO UPDATE SET
                        last_heard = nullif(max(ifnull(last_heard, -1), ifnull(excluded.last_heard, -1)
                            + (excluded.last_error IS NULL AND excluded.last_heard IS last_error_time)), -1),
                        last_error = ifnull(excluded.last_error, last_error),
                        last_error_time = CASE
                            WHEN excluded.last_error_time IS NULL THEN last_error_time
                            WHEN last_heard BETWEEN excluded.last_error_time AND excluded.last_error_time + 2
                            THEN last_heard ELSE excluded.last_error_time END
                    """,
                arguments: [
                    contact.peer, contact.lastHeard.map { Int64(clamping: $0) },
                    contact.lastError.map { String($0.prefix(PeerContact.maximumError)) },
                    contact.lastErrorTime.map { Int64(clamping: $0) },
                ])
        }
    }

    /// The newest cosignature of each cosigner of a log, by name: how far each has said to hold it.
    public func newestCosignatures(of log: SHA256Digest) throws -> [StoredCosignature] {
        try database.read { db in
            try Row.fetchAll(
                db.cachedStatement(
                    sql: "SELECT cosigner, size, time, line FROM latest_cosignature WHERE log = ? ORDER BY cosigner"),
                arguments: [Self.rowID(db, log)]
            ).map(StoredCosignature.init(from:))
        }
    }

    /// When each cosigner first said to hold the entry at this index: Unix seconds by name. Since times never
    /// decrease with the size, that is the cosignature on the smallest size that covers it, of those that count.
    public func firstCosignatures(
        of log: SHA256Digest, covering index: UInt64, counting counts: (StoredCosignature) -> Bool = { _ in true }
    ) throws -> [String: UInt64] {
        try database.read { db in
            let row = try Self.rowID(db, log)
            let statement = try db.cachedStatement(
                sql: """
                    SELECT cosigner, size, time, line FROM cosignature WHERE log = ? AND cosigner = ? AND size > ?
                    ORDER BY size
                    """)
            var times: [String: UInt64] = [:]
            for cosigner in try Self.cosigners(db, row) {
                let rows = try Row.fetchCursor(statement, arguments: [row, cosigner, Int64(clamping: index)])
                while times[cosigner] == nil, let next = try rows.next() {
                    let cosignature = try StoredCosignature(from: next)
                    if counts(cosignature) { times[cosigner] = cosignature.time }
                }
            }
            return times
        }
    }

    private static func cosigners(_ db: Database, _ row: Int64) throws -> [String] {
        try String.fetchAll(
            db.cachedStatement(sql: "SELECT cosigner FROM latest_cosignature WHERE log = ?"), arguments: [row])
    }

    /// Between which moments the entry at this index came into the log, as far as cosignatures tell: the last one
    /// on a log that did not have it, the first one on a log that had it.
    public func appended(_ index: UInt64, to log: SHA256Digest) throws -> (notBefore: UInt64?, notAfter: UInt64?) {
        try database.read { db in
            (
                try Self.times(db, log, "size <= ? ORDER BY size DESC LIMIT 1", index).values.max(),
                try Self.times(db, log, "size > ? ORDER BY size LIMIT 1", index).values.min()
            )
        }
    }

    /// The time of one cosignature of each cosigner of a log, found by its size.
    private static func times(
        _ db: Database, _ log: SHA256Digest, _ condition: String, _ size: UInt64
    ) throws -> [String: UInt64] {
        let row = try rowID(db, log)
        let statement = try db.cachedStatement(
            sql: "SELECT time FROM cosignature WHERE log = ? AND cosigner = ? AND \(condition)")
        var times: [String: UInt64] = [:]
        for cosigner in try cosigners(db, row) {
            let time = try Int64.fetchOne(statement, arguments: [row, cosigner, Int64(clamping: size)])
            times[cosigner] = time.map { UInt64(clamping: $0) }
        }
        return times
    }
}

extension PeerContact {
    /// Characters of an error that are kept.
    static let maximumError = 400
}
