public import Cryptography
import GRDB
public import Records

// What a log says of its node's keys is measured against the node's card: a card that somebody put in its place later
// knows better than the entries that were here by then.
extension SQLiteLogStore {
    /// Notes of partners' cards, by node, how far their logs are here, where the card is another than the one before.
    public func noteCards(_ cards: [String: SHA256Digest]) throws {
        let seen = try database.read { db in try Self.seenCards(db) }
        guard cards.contains(where: { seen[$0.key] != $0.value }) else { return }
        try database.write { db in
            let seen = try Self.seenCards(db)
            for (node, fingerprint) in cards where seen[node] != fingerprint {
                try db.execute(
                    sql: "INSERT OR REPLACE INTO seen_card (node, fingerprint) VALUES (?, ?)",
                    arguments: [node, fingerprint.databaseBytes])
                try db.execute(sql: "DELETE FROM card_mark WHERE node = ?", arguments: [node])
                try db.execute(
                    sql: "INSERT INTO card_mark (node, origin, size) SELECT node, origin, size FROM log WHERE node = ?",
                    arguments: [node])
            }
        }
    }

    private static func seenCards(_ db: Database) throws -> [String: SHA256Digest] {
        Dictionary(
            try Row.fetchAll(db, sql: "SELECT node, fingerprint FROM seen_card").map {
                (try $0.text("node"), try $0.digest("fingerprint"))
            }, uniquingKeysWith: { first, _ in first })
    }

    /// A key that a log publishes, whose log that is, and whether the entry was here when its node's card was seen first.
    public struct PartnerKey: Sendable, Hashable {
        public let node: String
        public let origin: String
        public let key: PublishedKey
        public let isBeforeCard: Bool

        public init(node: String, origin: String, key: PublishedKey, isBeforeCard: Bool) {
            self.node = node
            self.origin = origin
            self.key = key
            self.isBeforeCard = isBeforeCard
        }
    }

    /// Of one log no more records of keys than these are looked at: of those behind the card, and of those before it.
    public static let maximumKeysOfLog = 512

    /// The keys of a role that replicas publish, by log and in its order: the first ones behind each card's mark, and,
    /// where they are asked for, the last ones before it.
    public func partnerKeys(role: KeyRecord.Role, withEarlier: Bool = false) throws -> [PartnerKey] {
        try database.read { db in
            let logs = try Row.fetchAll(
                db,
                sql: """
                    SELECT log.id, log.node, log.origin, ifnull(card_mark.size, 0) AS mark,
                        ifnull(given_up.size, 9223372036854775807) AS given_up FROM log
                    LEFT JOIN given_up ON given_up.log_id = log.log_id
                    LEFT JOIN card_mark ON card_mark.node = log.node AND card_mark.origin = log.origin
                    WHERE own = 0 ORDER BY log.origin
                    """)
            let later = try db.cachedStatement(
                sql: """
                    SELECT * FROM published_key
                    WHERE log = ?1 AND role = ?2 AND entry >= ?3 AND entry < ?5 ORDER BY entry LIMIT ?4
                    """)
            let earlier = try db.cachedStatement(
                sql: """
                    SELECT * FROM published_key
                    WHERE log = ?1 AND role = ?2 AND entry < min(?3, ?5) ORDER BY entry DESC LIMIT ?4
                    """)
            var keys: [PartnerKey] = []
            for log in logs {
                let (node, origin) = (try log.text("node"), try log.text("origin"))
                let arguments: StatementArguments = [
                    log["id"] as Int64, role.rawValue, log["mark"] as Int64, Self.maximumKeysOfLog,
                    log["given_up"] as Int64,
                ]
                func add(_ rows: [Row], isBeforeCard: Bool) throws {
                    keys += try rows.compactMap { try Self.publishedKey(from: $0) }.map {
                        PartnerKey(node: node, origin: origin, key: $0, isBeforeCard: isBeforeCard)
                    }
                }
                if withEarlier {
                    try add(Row.fetchAll(earlier, arguments: arguments).reversed(), isBeforeCard: true)
                }
                try add(Row.fetchAll(later, arguments: arguments), isBeforeCard: false)
            }
            return keys
        }
    }
}

/// A mirror key that has signed in a node's name, and that was not known to be that node's.
public struct ForeignCosigner: Sendable, Hashable {
    public let node: String
    public let keyID: UInt32
    public let origin: String
    /// Unix seconds when it was seen last.
    public let time: UInt64
}

extension SQLiteLogStore {
    /// Of one node no more than these are told apart.
    private static let maximumForeignCosigners = 16

    public func noteForeignCosigner(_ node: String, keyID: UInt32, origin: String, size: UInt64, time: UInt64) throws {
        try database.write { db in
            let count = try Int.fetchOne(
                db, sql: "SELECT count(*) FROM foreign_cosigner WHERE node = ? AND key_id <> ?",
                arguments: [node, Int64(keyID)])
            guard count ?? 0 < Self.maximumForeignCosigners else { return }
            try db.execute(
                sql:
                    "INSERT OR REPLACE INTO foreign_cosigner (node, key_id, origin, size, time) VALUES (?, ?, ?, ?, ?)",
                arguments: [node, Int64(keyID), origin, Int64(clamping: size), Int64(clamping: time)])
        }
    }

    public func foreignCosigners() throws -> [ForeignCosigner] {
        try database.read { db in
            try Row.fetchAll(db, sql: "SELECT node, key_id, origin, time FROM foreign_cosigner ORDER BY node, key_id")
                .map {
                    ForeignCosigner(
                        node: try $0.text("node"), keyID: UInt32(truncatingIfNeeded: $0.size("key_id")),
                        origin: try $0.text("origin"), time: $0.size("time"))
                }
        }
    }
}
