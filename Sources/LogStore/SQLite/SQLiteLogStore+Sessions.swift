public import Cryptography
import GRDB

import struct FoundationEssentials.Data

// What sessions with partners read and keep: logs with all that lies beside them, and what was agreed on last.

/// A log with what a session needs to know of it.
public struct LogSurroundings: Sendable {
    public let log: StoredLog
    public let membership: Membership?
    /// The newest cosignature of each cosigner, by name.
    public let cosignatures: [StoredCosignature]
    public let wantedBlobs: [BlobReference]
    /// Entries whose bodies are damaged here, as ranges of whole bundles.
    public let damaged: [Range<UInt64>]
}

/// What this node and a partner said to each other when they last agreed, of one log. What they said is bytes to the
/// store.
public struct AgreedHead: Sendable, Hashable {
    public let log: SHA256Digest
    public let community: String
    public let told: [UInt8]?
    public let heard: [UInt8]?
    public let isUnknownThere: Bool

    public init(log: SHA256Digest, community: String, told: [UInt8]?, heard: [UInt8]?, isUnknownThere: Bool) {
        self.log = log
        self.community = community
        self.told = told
        self.heard = heard
        self.isUnknownThere = isUnknownThere
    }
}

extension SQLiteLogStore {
    /// The logs of these communities with their surroundings, or one log if it is among them, as of one moment.
    /// Nothing is read of any other: what a peer is told, and how long that takes, does not depend on what it may not
    /// see.
    public func surroundings(in communities: [String], only id: SHA256Digest? = nil) throws -> [LogSurroundings] {
        let (condition, arguments) = Self.condition(communities, id)
        return try database.read { db in
            try Self.surroundings(
                db, where: { "\($0) IN (SELECT id FROM log WHERE \(condition))" }, arguments)
        }
    }

    /// The ids of the logs of these communities that are not frozen.
    public func unfrozenLogs(in communities: [String]) throws -> Set<SHA256Digest> {
        let (condition, arguments) = Self.condition(communities, nil)
        return try database.read { db in
            Set(
                try Row.fetchAll(
                    db.cachedStatement(sql: "SELECT log_id FROM log WHERE frozen IS NULL AND \(condition)"),
                    arguments: arguments
                ).map { try $0.digest("log_id") })
        }
    }

    private static func condition(_ communities: [String], _ id: SHA256Digest?) -> (String, StatementArguments) {
        let names = communities.indices.map { "?\($0 + 1)" }.joined(separator: ", ")
        let condition = "community IN (\(names))"
        guard let id else { return (condition, StatementArguments(communities)) }
        return (
            "log_id = ?\(communities.count + 1) AND \(condition)",
            StatementArguments(communities) + [id.databaseBytes]
        )
    }

    private static func surroundings(
        _ db: Database, where condition: (String) -> String, _ arguments: StatementArguments
    ) throws -> [LogSurroundings] {
        var memberships: [Int64: Membership] = [:]
        for row in try Row.fetchAll(
            db.cachedStatement(
                sql: "SELECT log, members, members_carry FROM membership WHERE \(condition("log"))"),
            arguments: arguments)
        {
            memberships[row["log"]] = try Self.membership(from: row)
        }
        var cosignatures: [Int64: [StoredCosignature]] = [:]
        for row in try Row.fetchAll(
            db.cachedStatement(
                sql: "SELECT * FROM latest_cosignature WHERE \(condition("log")) ORDER BY log, cosigner"),
            arguments: arguments)
        {
            cosignatures[row["log"], default: []].append(
                StoredCosignature(
                    cosigner: try row.text("cosigner"), size: row.size("size"), time: row.size("time"),
                    line: try row.text("line")))
        }
        let logs = try Row.fetchAll(
            db.cachedStatement(sql: "\(Self.selectLogs) WHERE \(condition("log.id")) ORDER BY origin"),
            arguments: arguments)
        var wanted: [Int64: [BlobReference]] = [:]
        let ids = Dictionary(
            try logs.map { ($0["id"] as Int64, try $0.digest("log_id")) }, uniquingKeysWith: { first, _ in first })
        for row in try Row.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT log, entry, sha256, size FROM blob
                    WHERE data IS NULL AND \(condition("log"))
                    UNION
                    SELECT blob.log, entry, sha256, size FROM blob
                    JOIN damage ON damage.log = blob.log AND kind = 'blob' AND level = 0 AND number = entry
                    WHERE \(condition("blob.log"))
                    ORDER BY 1, 2
                    """), arguments: arguments)
        {
            guard let log = ids[row["log"]] else { continue }
            wanted[row["log"], default: []].append(
                BlobReference(
                    log: log, index: row.size("entry"), sha256: try row.digest("sha256"),
                    size: Int(row.size("size"))))
        }
        let damaged = Set(
            try Int64.fetchAll(
                db.cachedStatement(
                    sql: """
                        SELECT DISTINCT log FROM damage
                        WHERE kind = 'bundle' AND \(condition("log"))
                        """),
                arguments: arguments))
        return try logs.map { row in
            let id: Int64 = row["id"]
            let log = try Self.log(from: row)
            return LogSurroundings(
                log: log, membership: memberships[id], cosignatures: cosignatures[id] ?? [],
                wantedBlobs: wanted[id] ?? [],
                damaged: damaged.contains(id) ? try Self.damagedRanges(db, row: id, log: log) : [])
        }
    }

    /// What was agreed on with a partner last, and the digest that both have of it.
    public func agreement(with peer: String) throws -> (digest: SHA256Digest, heads: [AgreedHead])? {
        try database.read { db in
            guard
                let digest = try Row.fetchOne(
                    db, sql: "SELECT digest FROM agreement WHERE peer = ?", arguments: [peer])
            else { return nil }
            let heads = try Row.fetchAll(
                db, sql: "SELECT * FROM agreed_head WHERE peer = ?", arguments: [peer]
            ).map { row in
                AgreedHead(
                    log: try row.digest("log_id"), community: try row.text("community"),
                    told: (row["told"] as Data?).map { [UInt8]($0) },
                    heard: (row["heard"] as Data?).map { [UInt8]($0) },
                    isUnknownThere: row.size("unknown_there") != 0)
            }
            return (try digest.digest("digest"), heads)
        }
    }

    /// Keeps what was agreed on, under the digest of all of it. Where what is kept is what the partners agreed on
    /// before (`since`), only logs that changed are written. Where nothing is kept any more, it was forgotten for a
    /// reason, and stays so. Otherwise all is replaced.
    public func agree(
        with peer: String, digest: SHA256Digest, since: SHA256Digest?, changed: [AgreedHead],
        forgotten: [SHA256Digest], all: () -> [AgreedHead]
    ) throws {
        try database.write { db in
            let kept = try Row.fetchOne(db, sql: "SELECT digest FROM agreement WHERE peer = ?", arguments: [peer])
                .map { try $0.digest("digest") }
            guard kept != nil || since == nil else { return }
            let isContinued = kept != nil && kept == since
            if !isContinued {
                try db.execute(sql: "DELETE FROM agreed_head WHERE peer = ?", arguments: [peer])
            }
            let put = try db.cachedStatement(
                sql: """
                    INSERT OR REPLACE INTO agreed_head (peer, log_id, community, told, heard, unknown_there)
                    VALUES (?, ?, ?, ?, ?, ?)
                    """)
            for head in isContinued ? changed : all() {
                try put.execute(arguments: [
                    peer, head.log.databaseBytes, head.community, head.told.map { Data($0) },
                    head.heard.map { Data($0) }, head.isUnknownThere,
                ])
            }
            for log in isContinued ? forgotten : [] {
                try db.execute(
                    sql: "DELETE FROM agreed_head WHERE peer = ? AND log_id = ?", arguments: [peer, log.databaseBytes])
            }
            try db.execute(
                sql: "INSERT OR REPLACE INTO agreement (peer, digest) VALUES (?, ?)",
                arguments: [peer, digest.databaseBytes])
        }
    }

    /// Forgets what was agreed on with partners, so that the next sessions compare everything: what could not be
    /// checked when they agreed can be checked now.
    public func forgetAgreements() throws {
        try database.write { db in
            try db.execute(sql: "DELETE FROM agreement")
            try db.execute(sql: "DELETE FROM agreed_head")
        }
    }
}
