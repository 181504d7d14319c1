public import Cryptography
import GRDB
import Records

/// What one record does to another.
public enum RecordEffect: String, Sendable, Hashable {
    case withdrawn
    case superseded
    case disputed
    case corroborated
}

/// How a record stands after what later records say of it.
public enum RecordState: String, Sendable, Hashable {
    case current
    case withdrawn
    case superseded
    case disputed
}

/// What to search for; every part that is given must hold.
public struct RecordQuery: Sendable, Hashable {
    /// Words of labels, names and slugs; the last letters of a word may be missing.
    public var text: String?
    public var address: String?
    public var transaction: String?
    public var actor: String?
    public var incident: String?
    public var type: String?
    public var community: String?
    /// Whether withdrawn and superseded records are shown.
    public var includesWithdrawn = false
    public var limit = 100

    public init() {}
}

/// One record that was found.
public struct FoundRecord: Sendable, Hashable {
    public let log: SHA256Digest
    public let origin: String
    public let index: UInt64
    public let state: RecordState
    public let body: [UInt8]

    public init(log: SHA256Digest, origin: String, index: UInt64, state: RecordState, body: [UInt8]) {
        self.log = log
        self.origin = origin
        self.index = index
        self.state = state
        self.body = body
    }
}

/// Another record's word on a record.
public struct RecordOpinion: Sendable, Hashable {
    public let effect: RecordEffect
    public let origin: String
    public let index: UInt64
    public let replacement: String?
}

extension RecordIndex {
    /// Records, newest first, with how many withdrawn ones were left out. Fills the index first.
    public func search(
        _ query: RecordQuery, progress: ((_ done: UInt64, _ total: UInt64) -> Void)? = nil
    ) throws -> (found: [FoundRecord], hidden: Int) {
        try update(progress: progress)
        let hits = try database.read { db in try Self.hits(db, query) }
        var hidden = 0
        var found: [FoundRecord] = []
        for hit in hits {
            if !query.includesWithdrawn, hit.state == .withdrawn || hit.state == .superseded {
                hidden += 1
                continue
            }
            guard found.count < query.limit else { break }
            guard let body = try store.body(of: hit.log, at: hit.index) else { continue }
            found.append(
                FoundRecord(log: hit.log, origin: hit.origin, index: hit.index, state: hit.state, body: body))
        }
        return (found, hidden)
    }

    /// How one record stands, and what others say of it. Fills the index first.
    public func standing(of origin: String, at index: UInt64) throws -> (state: RecordState, opinions: [RecordOpinion])
    {
        try update()
        return try database.read { db in
            let opinions = try Row.fetchAll(
                db,
                sql: """
                    SELECT effect.kind, effect.replacement, effect.record & 0xFFFFFFFFFF AS idx, log.origin
                    FROM effect JOIN log ON log.id = effect.record >> 40
                    WHERE target_origin = ? AND target_index = ? ORDER BY effect.record
                    """, arguments: [origin, Int64(clamping: index)]
            ).compactMap { row -> RecordOpinion? in
                guard let effect = RecordEffect(rawValue: row["kind"]) else { return nil }
                return RecordOpinion(
                    effect: effect, origin: row["origin"], index: row.size("idx"), replacement: row["replacement"])
            }
            return (RecordState(opinions.map(\.effect)), opinions)
        }
    }

    private struct Hit {
        let log: SHA256Digest
        let origin: String
        let index: UInt64
        let state: RecordState
    }

    private static func hits(_ db: Database, _ query: RecordQuery) throws -> [Hit] {
        var conditions: [String] = []
        var arguments: [(any DatabaseValueConvertible)?] = []
        func require(_ condition: String, _ values: (any DatabaseValueConvertible)?...) {
            conditions.append(condition)
            arguments += values
        }
        if let address = query.address {
            let keys = addressKeys(address)
            let marks = keys.map { _ in "?" }.joined(separator: ", ")
            conditions.append(
                """
                (record.address_key IN (\(marks))
                    OR record.id IN (SELECT record FROM mention WHERE address_key IN (\(marks))))
                """)
            arguments += keys + keys
        }
        if let transaction = query.transaction { require("record.tx_hash = ?", transaction.lowercased()) }
        if let actor = query.actor { require("record.actor = ?", actor) }
        if let incident = query.incident { require("record.incident = ?", incident) }
        if let type = query.type { require("record.type = ?", type) }
        if let community = query.community { require("log.community = ?", community) }
        if let text = query.text, let pattern = pattern(text) {
            require("record.id IN (SELECT rowid FROM words WHERE words MATCH ?)", pattern)
        }
        let filter = conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ")
        // Withdrawn records do not count towards the limit, so more than asked for is fetched.
        let limit = query.limit.multipliedReportingOverflow(by: 2)
        return try Row.fetchAll(
            db,
            sql: """
                SELECT record.id & 0xFFFFFFFFFF AS idx, log.log_id, log.origin,
                    (SELECT group_concat(kind) FROM effect
                        WHERE target_origin = log.origin AND target_index = record.id & 0xFFFFFFFFFF) AS effects
                FROM record JOIN log ON log.id = record.id >> 40
                \(filter)
                ORDER BY record.time DESC, record.id DESC LIMIT ?
                """, arguments: StatementArguments(arguments + [limit.overflow ? Int.max : limit.partialValue + 100])
        ).map { row in
            let effects = (row["effects"] as String? ?? "").split(separator: ",")
                .compactMap { RecordEffect(rawValue: String($0)) }
            return Hit(
                log: try row.digest("log_id"), origin: row["origin"], index: row.size("idx"),
                state: RecordState(effects))
        }
    }

    /// The keys under which an address without a chain may stand.
    static func addressKeys(_ address: String) -> [String] {
        let chains = AddressCheck.chains(plausibleFor: address)
        return Set(chains.map { AddressCheck.canonicalKey(address, on: $0.caip2) } + [address]).sorted()
    }

    /// Every word of the text, each as the beginning of a word.
    private static func pattern(_ text: String) -> String? {
        let words = text.split { !$0.isLetter && !$0.isNumber }
        guard !words.isEmpty else { return nil }
        return words.map { "\"\($0)\"*" }.joined(separator: " AND ")
    }
}

extension RecordState {
    /// A withdrawal weighs more than a dispute.
    init(_ effects: [RecordEffect]) {
        if effects.contains(.superseded) {
            self = .superseded
        } else if effects.contains(.withdrawn) {
            self = .withdrawn
        } else {
            self = effects.contains(.disputed) ? .disputed : .current
        }
    }
}
