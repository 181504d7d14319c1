public import Cryptography
import GRDB
import TransparencyLog

/// How it went to ask a witness to cosign an own log. Times are Unix seconds.
public struct AskedWitness: Sendable, Hashable {
    /// What the witness did not do.
    public enum Failure: String, Sendable, Hashable, CaseIterable {
        /// It did not answer, or said that it cannot now. It is tried again.
        case unavailable
        /// It does not cosign this log as things are: somebody has to change something.
        case refused
        /// It has cosigned what this database does not have: the database is an older copy, or the log forked.
        case contradicts
    }

    /// A failure that no cosignature has followed yet.
    public struct Problem: Sendable, Hashable {
        public let failure: Failure
        /// For people.
        public let text: String
        /// When it was so first.
        public let since: UInt64

        public init(_ failure: Failure, _ text: String, since: UInt64) {
            self.failure = failure
            self.text = text
            self.since = since
        }
    }

    /// Since when it is asked.
    public let since: UInt64
    /// When it was asked last.
    public var asked: UInt64
    /// What it has cosigned last, by its own word; 0 for nothing.
    public var size: UInt64
    public var problem: Problem?

    public init(since: UInt64, asked: UInt64, size: UInt64 = 0, problem: Problem? = nil) {
        self.since = since
        self.asked = asked
        self.size = size
        self.problem = problem
    }
}

/// A witness' cosignature on a checkpoint of an own log. A witness does not hold what it cosigns, so these stand apart
/// from the cosignatures of members: they travel in proofs and tiles, never in sessions.
public struct WitnessCosignature: Sendable, Hashable {
    /// The key of the witness, as text.
    public let key: String
    public let size: UInt64
    /// Unix seconds.
    public let time: UInt64
    /// The signature line.
    public let line: String

    public init(key: String, size: UInt64, time: UInt64, line: String) {
        self.key = key
        self.size = size
        self.time = time
        self.line = line
    }
}

extension SQLiteLogStore {
    /// How it went with each witness of a log, by its key.
    public func askedWitnesses(of log: SHA256Digest) throws -> [String: AskedWitness] {
        try database.read { db in
            let rows = try Row.fetchAll(
                db,
                sql: "SELECT vkey, since, asked, size, error, error_kind, error_since FROM asked_witness WHERE log = ?",
                arguments: [Self.rowID(db, log)])
            return Dictionary(
                try rows.map { row in
                    let failure = (row["error_kind"] as String?).flatMap(AskedWitness.Failure.init(rawValue:))
                    return (
                        try row.text("vkey"),
                        AskedWitness(
                            since: row.size("since"), asked: row.size("asked"), size: row.size("size"),
                            problem: try failure.map {
                                AskedWitness.Problem($0, try row.text("error"), since: row.size("error_since"))
                            })
                    )
                }, uniquingKeysWith: { first, _ in first })
        }
    }

    /// Writes down how it went with a witness, with the cosignature that it gave, in one step.
    public func note(
        _ witness: AskedWitness, key: String, cosignature: WitnessCosignature? = nil, of log: SHA256Digest
    ) throws {
        try database.write { db in
            let row = try Self.rowID(db, log)
            try db.execute(
                sql: """
                    INSERT OR REPLACE INTO asked_witness (log, vkey, since, asked, size, error, error_kind, error_since)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    row, key, Int64(clamping: witness.since), Int64(clamping: witness.asked),
                    Int64(clamping: witness.size),
                    witness.problem.map { String($0.text.prefix(PeerContact.maximumError)) },
                    witness.problem?.failure.rawValue, witness.problem.map { Int64(clamping: $0.since) },
                ])
            guard let cosignature else { return }
            try db.execute(
                sql: """
                    INSERT INTO witness_cosignature (log, size, vkey, time, line) VALUES (?, ?, ?, ?, ?)
                    ON CONFLICT (log, size, vkey) DO UPDATE SET time = excluded.time, line = excluded.line
                    WHERE excluded.time > witness_cosignature.time
                    """,
                arguments: [
                    row, Int64(clamping: cosignature.size), cosignature.key, Int64(clamping: cosignature.time),
                    cosignature.line,
                ])
        }
    }

    /// The cosignatures of witnesses on checkpoints of an own log, the largest first, from at most this size on down.
    public func witnessCosignatures(
        of log: SHA256Digest, upTo size: UInt64 = .max, limit: Int = 1_024
    ) throws -> [WitnessCosignature] {
        try database.read { db in
            // A copy of an earlier release is read as it lies.
            guard try Self.isKept(db, table: "witness_cosignature") else { return [] }
            return try Row.fetchAll(
                db,
                sql: """
                    SELECT size, vkey, time, line FROM witness_cosignature WHERE log = ? AND size <= ?
                    ORDER BY size DESC, vkey LIMIT ?
                    """,
                arguments: [Self.rowID(db, log), Int64(clamping: size), limit]
            ).map {
                WitnessCosignature(
                    key: try $0.text("vkey"), size: $0.size("size"), time: $0.size("time"), line: try $0.text("line"))
            }
        }
    }

    /// Those on the checkpoint of one size, by key.
    public func witnessCosignatures(of log: SHA256Digest, at size: UInt64) throws -> [WitnessCosignature] {
        try witnessCosignatures(of: log, upTo: size, limit: SignedNote.maximumSignatures).filter { $0.size == size }
    }
}
