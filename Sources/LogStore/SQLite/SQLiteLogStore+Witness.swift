public import Cryptography
import GRDB
public import TransparencyLog

import struct FoundationEssentials.Data

/// What this node has cosigned last, as a witness, of a log outside its communities.
public struct WitnessedHead: Sendable, Hashable {
    public let origin: String
    public let size: UInt64
    public let root: SHA256Digest
    /// Unix seconds of the newest cosignature.
    public let time: UInt64
    /// The checkpoint with the log's own signatures.
    public let note: String
    /// The proof that the log has signed two histories, where there is one.
    public let evidence: [UInt8]?
}

/// What became of a checkpoint that a log brought to this node as its witness.
public enum WitnessOutcome: Sendable, Hashable {
    /// It is written down as the last one, durably; it is to be cosigned as of this time.
    case cosigned(time: UInt64)
    case refused(AddCheckpointAnswer)
    /// The log has signed another root for the size cosigned last. Where it is news, the evidence was written down.
    case forked(AddCheckpointAnswer, isNews: Bool)
    /// The clock is more than five minutes behind the last cosignature.
    case clockBehind(last: UInt64)
    /// What was cosigned with this key is not known here: the marks are others than those it was made with.
    case unknownKey
}

extension SQLiteLogStore {
    /// Decides about a checkpoint, and where it is to be cosigned writes it down first, all in one transaction: of two
    /// that arrive at once the second is judged by what the first has left. Durable when it returns.
    ///
    /// - Parameters:
    ///   - key: the witness' key, which has to be noted: see ``noteWitnessKey(_:)``.
    ///   - evidence: the proof that this checkpoint of the log, and the one cosigned last, have two histories.
    public func witness(
        _ admitted: AdmittedCheckpoint, key: Ed25519.PublicKey, time: UInt64,
        evidence: (_ last: SignedNote) throws -> [UInt8]
    ) throws -> WitnessOutcome {
        let checkpoint = admitted.checkpoint
        return try marks.database.write { db in
            guard try Self.isNoted(db, key) else { return .unknownKey }
            let last = try Self.witnessed(db, checkpoint.origin)
            switch admitted.decide(after: last.map { AdmittedCheckpoint.Last(size: $0.size, root: $0.root) }) {
            case .refuse(let answer, let isFork):
                guard isFork, let last else { return .refused(answer) }
                guard last.evidence == nil else { return .forked(answer, isNews: false) }
                try db.execute(
                    sql: "UPDATE witnessed SET evidence = ? WHERE origin = ?",
                    arguments: [Data(try evidence(SignedNote(parsing: last.note))), last.origin])
                return .forked(answer, isNews: true)
            case .cosign:
                if last?.evidence != nil {
                    return .refused(.unproved(reason: "this log has signed two histories; it is not cosigned any more"))
                }
                if let last, time < last.time, last.time - time > 300 { return .clockBehind(last: last.time) }
                let time = max(time, last?.time ?? 0)
                try db.execute(
                    sql: """
                        INSERT INTO witnessed (origin, size, root, time, note) VALUES (?, ?, ?, ?, ?)
                        ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root,
                            time = excluded.time, note = excluded.note
                        """,
                    arguments: [
                        checkpoint.origin, Int64(clamping: checkpoint.size), checkpoint.root.databaseBytes,
                        Int64(clamping: time), admitted.note.serialized,
                    ])
                return .cosigned(time: time)
            }
        }
    }

    /// What was cosigned of logs outside the communities, in order of their origins.
    public func witnessed() throws -> [WitnessedHead] {
        try marks.database.read { db in
            try Row.fetchAll(db, sql: "SELECT * FROM witnessed ORDER BY origin").map(Self.witnessedHead)
        }
    }

    /// Notes a key that cosigns as a witness, before it is used at all. A key whose marks were lost is not noted in new
    /// ones, so that it never cosigns a second history: it has to be replaced.
    public func noteWitnessKey(_ key: Ed25519.PublicKey) throws {
        try marks.database.write { db in
            try db.execute(
                sql: "INSERT OR IGNORE INTO witness_key (public_key) VALUES (?)", arguments: [Data(key.bytes)])
        }
    }

    /// The marks are an older copy: no key that was noted in them cosigns with them again.
    public func forgetWitnessKeys() throws {
        try marks.database.write { db in try db.execute(sql: "DELETE FROM witness_key") }
    }

    public func isWitnessKeyNoted(_ key: Ed25519.PublicKey) throws -> Bool {
        try marks.database.read { db in try Self.isNoted(db, key) }
    }

    private static func isNoted(_ db: Database, _ key: Ed25519.PublicKey) throws -> Bool {
        try Bool.fetchOne(
            db, sql: "SELECT EXISTS (SELECT 1 FROM witness_key WHERE public_key = ?)",
            arguments: [Data(key.bytes)]) ?? false
    }

    private static func witnessed(_ db: Database, _ origin: String) throws -> WitnessedHead? {
        try Row.fetchOne(db, sql: "SELECT * FROM witnessed WHERE origin = ?", arguments: [origin])
            .map(witnessedHead)
    }

    private static func witnessedHead(_ row: Row) throws -> WitnessedHead {
        WitnessedHead(
            origin: try row.text("origin"), size: row.size("size"), root: try row.digest("root"),
            time: row.size("time"), note: try row.text("note"),
            evidence: (row["evidence"] as Data?).map { [UInt8]($0) })
    }
}
