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
    /// All logs, or one, with their surroundings, as of one moment.
    public func surroundings(of id: SHA256Digest? = nil) throws -> [LogSurroundings] {
        try database.read { db in
            let only = try id.map { try Self.rowID(db, $0) }
            let condition = only == nil ? "" : "WHERE log = ?"
            let arguments: StatementArguments = only.map { [$0] } ?? []
            var memberships: [Int64: Membership] = [:]
            for row in try Row.fetchAll(
                db.cachedStatement(sql: "SELECT log, members, members_carry FROM membership \(condition)"),
                arguments: arguments)
            {
                memberships[row["log"]] = try Self.membership(from: row)
            }
            var cosignatures: [Int64: [StoredCosignature]] = [:]
            for row in try Row.fetchAll(
                db.cachedStatement(sql: "SELECT * FROM latest_cosignature \(condition) ORDER BY log, cosigner"),
                arguments: arguments)
            {
                cosignatures[row["log"], default: []].append(
                    StoredCosignature(
                        cosigner: try row.text("cosigner"), size: row.size("size"), time: row.size("time"),
                        line: try row.text("line")))
            }
            let logs = try Row.fetchAll(
                db.cachedStatement(sql: "\(Self.selectLogs) \(only == nil ? "" : "WHERE log.id = ?") ORDER BY origin"),
                arguments: arguments)
            var wanted: [Int64: [BlobReference]] = [:]
            let ids = Dictionary(
                try logs.map { ($0["id"] as Int64, try $0.digest("log_id")) }, uniquingKeysWith: { first, _ in first })
            for row in try Row.fetchAll(
                db.cachedStatement(
                    sql: """
                        SELECT log, entry, sha256, size FROM blob
                        WHERE data IS NULL \(only == nil ? "" : "AND log = ?1")
                        UNION
                        SELECT blob.log, entry, sha256, size FROM blob
                        JOIN damage ON damage.log = blob.log AND kind = 'blob' AND level = 0 AND number = entry
                        \(only == nil ? "" : "WHERE blob.log = ?1")
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
                            WHERE kind = 'bundle' \(only == nil ? "" : "AND log = ?")
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

    /// Keeps what was agreed on: the logs that changed, those to forget, and the digest of all.
    public func agree(
        with peer: String, digest: SHA256Digest, changed: [AgreedHead], forgotten: [SHA256Digest]
    ) throws {
        try database.write { db in
            let put = try db.cachedStatement(
                sql: """
                    INSERT OR REPLACE INTO agreed_head (peer, log_id, community, told, heard, unknown_there)
                    VALUES (?, ?, ?, ?, ?, ?)
                    """)
            for head in changed {
                try put.execute(arguments: [
                    peer, head.log.databaseBytes, head.community, head.told.map { Data($0) },
                    head.heard.map { Data($0) }, head.isUnknownThere,
                ])
            }
            for log in forgotten {
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
