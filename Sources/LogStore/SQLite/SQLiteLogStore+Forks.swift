public import Cryptography
import GRDB
public import TransparencyLog

import struct FoundationEssentials.Data

// Logs whose owner has signed two histories: frozen for good, with the evidence.

/// Evidence of a fork as it is kept.
public struct StoredFork: Sendable, Hashable {
    public let origin: String
    /// The document.
    public let evidence: [UInt8]
    /// Unix seconds.
    public let found: UInt64
}

extension SQLiteLogStore {
    /// Freezes a log and keeps the evidence, in one transaction. A log that is frozen stays so; evidence is replaced by
    /// such as says where the histories part, where it did not say so itself. Answers whether anything was changed.
    ///
    /// Throws what is wrong with the evidence: nothing freezes a log but a fork that its own key has signed.
    @discardableResult
    public func freeze(_ log: SHA256Digest, evidence: ForkEvidence, reason: String, time: UInt64) throws -> Bool {
        let finding = try evidence.verify()
        return try database.write { db in
            let (row, stored) = try Self.fetch(db, log)
            let isOfItsKeys = try evidence.key.text == stored.verifierKey || stored.keys.keys.contains(evidence.key)
            guard isOfItsKeys, finding.origin == stored.origin else {
                throw ForkError.differentLogs
            }
            if stored.frozen != nil, let kept = try Self.evidence(db, row: row),
                finding.firstDifference == nil || kept.difference != nil
            {
                return false
            }
            try db.execute(sql: "UPDATE log SET frozen = ? WHERE id = ?", arguments: [reason, row])
            try db.execute(
                sql: """
                    INSERT INTO fork (log, evidence, found) VALUES (?, ?, ?)
                    ON CONFLICT (log) DO UPDATE SET evidence = excluded.evidence
                    """,
                arguments: [row, Data(evidence.serialized.utf8), Int64(clamping: time)])
            return true
        }
    }

    /// The evidence in a row; `nil` where there is none that can be read.
    private static func evidence(_ db: Database, row: Int64) throws -> ForkEvidence? {
        try Data.fetchOne(db, sql: "SELECT evidence FROM fork WHERE log = ?", arguments: [row]).flatMap {
            try? ForkEvidence(parsing: [UInt8]($0))
        }
    }

    /// The evidence against a log, if it forked.
    public func fork(of log: SHA256Digest) throws -> StoredFork? {
        try forks().first { SHA256.hash($0.origin) == log }
    }

    /// All forks that this node has evidence of, by origin.
    public func forks() throws -> [StoredFork] {
        try database.read { db in
            try Row.fetchAll(
                db, sql: "SELECT origin, evidence, found FROM fork JOIN log ON log.id = fork.log ORDER BY origin"
            ).map {
                StoredFork(
                    origin: try $0.text("origin"), evidence: $0.bytes("evidence"), found: $0.size("found"))
            }
        }
    }
}
