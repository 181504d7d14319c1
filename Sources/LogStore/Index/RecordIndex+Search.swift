public import Cryptography
import GRDB
import Records

import struct FoundationEssentials.Data

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
    /// Only these records, where it is given.
    public var among: Set<RecordPosition>?
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
    /// Whether it stands behind the end of a log that its owner has given up, so that the owner did not write it.
    public let isBeyondOwner: Bool
    /// Whether only entries that are none of their logs' owners have brought it into that state.
    public let isStateBeyondOwner: Bool
    public let body: [UInt8]

    public init(in log: StoredLog, at index: UInt64, standing: RecordStanding, body: [UInt8]) {
        self.log = log.id
        origin = log.origin
        self.index = index
        state = standing.state
        isBeyondOwner = log.isBeyondOwner(index)
        isStateBeyondOwner = standing.isBeyondOwner
        self.body = body
    }
}

/// Another record's word on a record.
public struct RecordOpinion: Sendable, Hashable {
    public let effect: RecordEffect
    public let origin: String
    public let index: UInt64
    public let replacement: String?
    /// Whether that record is none of its log's owner.
    public let isBeyondOwner: Bool
}

extension RecordIndex {
    /// Records, newest first, with how many withdrawn ones were left out, and those that would be found and are damaged,
    /// by reference. Fills the index first.
    public func search(
        _ query: RecordQuery, progress: ((_ done: UInt64, _ total: UInt64) -> Void)? = nil
    ) throws -> (found: [FoundRecord], hidden: Int, damaged: [String]) {
        try update(progress: progress)
        let (hits, hidden) = try database.read { db in try Self.hits(db, query) }
        var found: [FoundRecord] = []
        var damaged: [String] = []
        let logs = Dictionary(try store.logs().map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        let origins = Dictionary(logs.values.map { ($0.origin, $0) }, uniquingKeysWith: { first, _ in first })
        var reader = BodyReader(store)
        for hit in hits {
            do {
                guard let log = logs[hit.log], let body = try reader.soundBody(of: log, at: hit.index) else { continue }
                found.append(FoundRecord(in: log, at: hit.index, standing: hit.standing(in: origins), body: body))
            } catch StoreError.damagedEntry(let reference) {
                damaged.append(reference)
            }
        }
        return (found, hidden, damaged)
    }

    /// How one record stands, and what others say of it. Fills the index first.
    public func standing(
        of origin: String, at index: UInt64
    ) throws -> (standing: RecordStanding, opinions: [RecordOpinion]) {
        try update()
        let logs = Dictionary(try store.logs().map { ($0.origin, $0) }, uniquingKeysWith: { first, _ in first })
        return try database.read { db in
            let opinions = try Row.fetchAll(
                db,
                sql: """
                    SELECT effect.kind, effect.replacement, effect.record & 0xFFFFFFFFFF AS idx, log.origin
                    FROM effect JOIN log ON log.id = effect.record >> 40
                    WHERE target_origin = ? AND target_index = ? ORDER BY effect.record
                    """, arguments: [origin, Int64(clamping: index)]
            ).compactMap { row -> RecordOpinion? in
                guard let effect = RecordEffect(rawValue: try row.text("kind")) else { return nil }
                let (origin, index) = (try row.text("origin"), row.size("idx"))
                return RecordOpinion(
                    effect: effect, origin: origin, index: index,
                    replacement: String.fromDatabaseValue(row["replacement"]),
                    isBeyondOwner: logs[origin]?.isBeyondOwner(index) ?? false)
            }
            return (RecordStanding(opinions.map { ($0.effect, $0.isBeyondOwner) }), opinions)
        }
    }

    private struct Hit {
        let log: SHA256Digest
        let origin: String
        let index: UInt64
        /// What others do to it.
        let effects: [(effect: RecordEffect, origin: String, index: UInt64)]

        func standing(in logs: [String: StoredLog]) -> RecordStanding {
            RecordStanding(effects.map { ($0.effect, logs[$0.origin]?.isBeyondOwner($0.index) ?? false) })
        }
    }

    private static func hits(_ db: Database, _ query: RecordQuery) throws -> (hits: [Hit], hidden: Int) {
        let logs = try logs(db, community: query.community)
        var records = try candidates(db, query, among: logs)
        var hidden = 0
        if !query.includesWithdrawn {
            let withdrawn = try TermRun.records(of: TermKey.hidden.key(""), db)
            let count = records.count
            records = subtracting(withdrawn, from: records)
            hidden = count - records.count
        }
        let hits = try newest(db, records, limit: query.limit).compactMap { record -> Hit? in
            guard let log = logs[RecordNumber.log(record)] else { return nil }
            let index = RecordNumber.index(record)
            let effects = try Row.fetchAll(
                db.cachedStatement(
                    sql: """
                        SELECT effect.kind, effect.record & 0xFFFFFFFFFF AS idx, log.origin
                        FROM effect JOIN log ON log.id = effect.record >> 40
                        WHERE target_origin = ? AND target_index = ?
                        """), arguments: [log.origin, Int64(index)])
            return Hit(
                log: log.id, origin: log.origin, index: index,
                effects: try effects.compactMap { row in
                    try RecordEffect(rawValue: row.text("kind")).map { ($0, try row.text("origin"), row.size("idx")) }
                })
        }
        return (hits, hidden)
    }

    private typealias IndexedLog = (id: SHA256Digest, origin: String)

    private static func logs(_ db: Database, community: String?) throws -> [Int64: IndexedLog] {
        try Row.fetchAll(
            db.cachedStatement(sql: "SELECT id, log_id, origin FROM log WHERE ?1 IS NULL OR community = ?1"),
            arguments: [community]
        ).reduce(into: [:]) { logs, row in
            logs[Int64(row.size("id"))] = (try row.digest("log_id"), try row.text("origin"))
        }
    }

    /// The records for which all parts of the query hold, ascending.
    private static func candidates(
        _ db: Database, _ query: RecordQuery, among known: [Int64: IndexedLog]
    ) throws -> [Int64] {
        let logs = known.keys.sorted()
        var lists: [[Int64]] = []
        /// Looks nothing else up once a part of the query holds for no record.
        func require(_ records: () throws -> [Int64]) throws {
            if lists.last?.isEmpty != true { lists.append(try records()) }
        }
        if let among = query.among {
            let rows = Dictionary(known.map { ($0.value.id, $0.key) }, uniquingKeysWith: { first, _ in first })
            lists.append(
                RecordList.ascending(
                    among.compactMap { position in
                        rows[position.log].map { RecordNumber.make(log: $0, index: position.index) }
                    }))
        }
        if let address = query.address {
            try require {
                RecordList.ascending(
                    try addressKeys(address).flatMap { try TermRun.records(of: TermKey.address.key($0), db) })
            }
        }
        if let transaction = query.transaction {
            try require { try TermRun.records(of: TermKey.transaction.key(transaction.lowercased()), db) }
        }
        if let actor = query.actor { try require { try TermRun.records(of: TermKey.actor.key(actor), db) } }
        if let incident = query.incident {
            try require { try TermRun.records(of: TermKey.incident.key(incident), db) }
        }
        if let text = query.text {
            let words = Words.list(of: text)
            for word in words {
                try require { try TermRun.records(beginning: [TermKey.word.rawValue] + word, db) }
            }
            // What has no word in it is in no record; an empty text asks for nothing.
            if words.isEmpty, text.contains(where: { !$0.isWhitespace }) { lists.append([]) }
        }
        if let type = query.type { try require { try TermRun.records(of: TermKey.type.key(type), db) } }
        guard var result = lists.min(by: { $0.count < $1.count }) else { return try all(db, among: logs) }
        for list in lists where list.count > result.count || list != result { result = common(result, list) }
        if query.community != nil {
            let admitted = Set(logs)
            result.removeAll { !admitted.contains(RecordNumber.log($0)) }
        }
        return result
    }

    private static func all(_ db: Database, among logs: [Int64]) throws -> [Int64] {
        var records: [Int64] = []
        for log in logs {
            let size = try Int64.fetchOne(db, sql: "SELECT entries FROM log WHERE id = ?", arguments: [log]) ?? 0
            let first = RecordNumber.make(log: log, index: 0)
            if size > 0 { records += first..<(first + size) }
        }
        return records
    }

    /// The newest of these records, at most `limit`; those of one second from the last to the first.
    private static func newest(_ db: Database, _ records: [Int64], limit: Int) throws -> [Int64] {
        guard limit > 0, !records.isEmpty else { return [] }
        var best: [(time: Int64, record: Int64)] = []
        var floor = Int64.min
        func cut() {
            best.sort { ($0.time, $0.record) > ($1.time, $1.record) }
            guard best.count >= limit else { return }
            best.removeLast(best.count - limit)
            floor = best.last?.time ?? floor
        }
        let bound = limit.addingReportingOverflow(max(limit, 1_024)).partialValue
        var index = 0
        func take(_ span: Int64, _ times: Data) throws {
            try times.withUnsafeBytes { times in
                while index < records.count, RecordNumber.span(records[index]) <= span {
                    defer { index += 1 }
                    guard RecordNumber.span(records[index]) == span else { continue }
                    let offset = Int(records[index] & 255) * 8
                    guard offset + 8 <= times.count else {
                        throw StoreError.damaged(path: "the index", reason: "times are missing; delete it")
                    }
                    let time = times.loadUnaligned(fromByteOffset: offset, as: Int64.self)
                    if time >= floor { best.append((time, records[index])) }
                }
            }
            if bound > limit, best.count > bound { cut() }
        }
        let (first, last) = (RecordNumber.span(records[0]), RecordNumber.span(records[records.count - 1]))
        if Int64(records.count) > (last - first) / 8 {
            let rows = try Row.fetchCursor(
                db.cachedStatement(sql: "SELECT id, times FROM span WHERE id BETWEEN ? AND ? ORDER BY id"),
                arguments: [first, last])
            while let row = try rows.next() {
                let span: Int64 = row[0]
                try row.withUnsafeData(atIndex: 1) { try take(span, $0 ?? Data()) }
            }
        } else {
            let statement = try db.cachedStatement(sql: "SELECT times FROM span WHERE id = ?")
            while index < records.count {
                let span = RecordNumber.span(records[index])
                try take(span, Data.fetchOne(statement, arguments: [span]) ?? Data())
            }
        }
        cut()
        return best.map(\.record)
    }

    /// What two ascending lists have in common.
    private static func common(_ short: [Int64], _ long: [Int64]) -> [Int64] {
        var result: [Int64] = []
        var position = 0
        for record in short {
            while position < long.count, long[position] < record { position += 1 }
            if position < long.count, long[position] == record { result.append(record) }
        }
        return result
    }

    private static func subtracting(_ removed: [Int64], from records: [Int64]) -> [Int64] {
        guard !removed.isEmpty else { return records }
        var result: [Int64] = []
        var position = 0
        for record in records {
            while position < removed.count, removed[position] < record { position += 1 }
            if position == removed.count || removed[position] != record { result.append(record) }
        }
        return result
    }

    /// The keys under which an address without a chain may stand.
    package static func addressKeys(_ address: String) -> [String] {
        let chains = AddressCheck.chains(plausibleFor: address)
        return Set(chains.map { AddressCheck.canonicalKey(address, on: $0.caip2) } + [address]).sorted()
    }
}

/// How a record stands, and whose word that is.
public struct RecordStanding: Sendable, Hashable {
    public let state: RecordState
    /// Whether only entries that are none of their logs' owners say so.
    public let isBeyondOwner: Bool

    /// A withdrawal weighs more than a dispute.
    init(_ effects: [(effect: RecordEffect, isBeyondOwner: Bool)]) {
        let weights: [(effect: RecordEffect, state: RecordState)] = [
            (.superseded, .superseded), (.withdrawn, .withdrawn), (.disputed, .disputed),
        ]
        let heaviest = weights.first { weight in effects.contains { $0.effect == weight.effect } }
        state = heaviest?.state ?? .current
        isBeyondOwner =
            heaviest.map { heaviest in
                effects.allSatisfy { $0.effect != heaviest.effect || $0.isBeyondOwner }
            } ?? false
    }
}
