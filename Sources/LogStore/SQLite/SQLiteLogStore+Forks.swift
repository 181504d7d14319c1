public import Cryptography
import GRDB

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
    /// Freezes a log and keeps the evidence, in one transaction. A log that is frozen stays so; later evidence replaces
    /// the earlier. The caller has verified it.
    public func freeze(_ log: SHA256Digest, evidence: [UInt8], reason: String, time: UInt64) throws {
        try database.write { db in
            let row = try Self.rowID(db, log)
            try db.execute(sql: "UPDATE log SET frozen = ? WHERE id = ?", arguments: [reason, row])
            try db.execute(
                sql: """
                    INSERT INTO fork (log, evidence, found) VALUES (?, ?, ?)
                    ON CONFLICT (log) DO UPDATE SET evidence = excluded.evidence
                    """,
                arguments: [row, Data(evidence), Int64(clamping: time)])
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
