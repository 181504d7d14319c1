public import Cryptography
import GRDB
import TransparencyLog

import struct FoundationEssentials.Data

// An own log that holds less than this node has signed, because the disk was lost or an older copy was restored. Until
// every member has said what it holds, nobody knows which sizes were signed, so nothing is appended and nothing
// cosigned: a second root for a size would be a fork that no one can take back.
//
// The column `recovering` is 0, or one more than the largest size that this node is known to have signed.

/// What a member has said that it holds of an own log.
public struct RecoveryAnswer: Sendable, Hashable {
    public let member: String
    /// The size of the largest checkpoint with the own signature that it has.
    public let size: UInt64
    /// Unix seconds.
    public let time: UInt64
}

/// How far the recovery of an own log is.
public struct RecoveryState: Sendable, Hashable {
    public let log: StoredLog
    /// The largest size that this node is known to have signed: by its mark, and by what members have shown.
    public let signed: UInt64
    /// By member.
    public let answers: [RecoveryAnswer]

    /// The members of these that have not answered yet, sorted.
    public func missing(of members: some Sequence<String>) -> [String] {
        Set(members).subtracting(answers.map(\.member)).sorted()
    }

    /// Whether everything that is known to have been signed is held again.
    public var isWhole: Bool {
        log.pending == nil && log.size == (log.head?.size ?? 0) && log.size >= signed
    }
}

/// What became of a member's answer.
public enum RecoveryNote: Sendable, Hashable {
    case noted
    /// The member holds more than has come yet, so nothing is proved.
    case notYet
    /// What the member holds is no part of what is held here.
    case contradicts
    /// The log is not being recovered.
    case notRecovering
}

extension SQLiteLogStore {
    /// From now on this own log takes entries from partners and none from this node. Durable when it returns.
    ///
    /// - Parameters:
    ///   - size: the largest size that this node is known to have signed.
    ///   - again: forgets what members have answered before.
    public func beginRecovery(of id: SHA256Digest, signed size: UInt64, again: Bool = false) throws {
        try database.write { db in
            let (row, log) = try Self.fetch(db, id)
            guard log.isOwn else { throw StoreError.notOwn(origin: log.origin) }
            if let reason = log.frozen { throw StoreError.frozen(origin: log.origin, reason: reason) }
            if again { try db.execute(sql: "DELETE FROM recovery WHERE log = ?", arguments: [row]) }
            try Self.expect(size, row: row, db)
        }
    }

    /// Makes an own log that is lost here, to be recovered: from its first instant it takes no entries of this node's.
    /// Where the log is there it is left as it is.
    @discardableResult
    public func createLostLog(
        origin: String, node: String, community: String, verifierKey: String
    ) throws -> StoredLog {
        let id = SHA256.hash(origin)
        let signed = try marks.mark(.own, log: id)?.size ?? 0
        let log = try database.write { db in
            try db.execute(
                sql: """
                    INSERT OR IGNORE INTO log (log_id, origin, node, community, own, verifier_key, recovering)
                    VALUES (?, ?, ?, ?, 1, ?, ?)
                    """,
                arguments: [id.databaseBytes, origin, node, community, verifierKey, Int64(clamping: signed) + 1])
            let log = try Self.fetch(db, id).log
            guard log.verifierKey == verifierKey, log.isOwn else {
                throw StoreError.contradictsSigned(origin: origin, size: log.size)
            }
            return log
        }
        try eraseAgain(of: id)
        return log
    }

    private static func expect(_ size: UInt64, row: Int64, _ db: Database) throws {
        try db.execute(
            sql: "UPDATE log SET recovering = max(recovering, ?) WHERE id = ?",
            arguments: [Int64(clamping: size) + 1, row])
    }

    /// Notes what a member holds of an own log that is being recovered, or of its own log where that came back here with
    /// a backup.
    ///
    /// - Parameters:
    ///   - size: the size of its head, and `root` the root there: an answer only once the entries up to there are here
    ///     and give that root.
    ///   - pinned: the size of a larger checkpoint that it has without all of its entries; 0 for none.
    public func noteAnswer(
        of member: String, size: UInt64, root: SHA256Digest, pinned: UInt64, log id: SHA256Digest, time: UInt64
    ) throws -> RecoveryNote {
        try database.write { db in
            let (row, log) = try Self.fetch(db, id)
            guard log.isOwn else {
                guard log.restored != nil else { return .notRecovering }
                // A replica that came back with a backup: only its owner knows all that was erased.
                let head = try Self.headOfOwner(log, db)
                guard member == log.node, size > 0, size == head?.size, head?.root == root else { return .notYet }
                try Self.confirm(row: row, db)
                return .noted
            }
            guard log.recovering != nil else { return .notRecovering }
            guard size <= log.size else { return .notYet }
            if size > 0, try Self.root(db, row: row, log: log, size: size) != root { return .contradicts }
            try db.execute(
                sql: """
                    INSERT INTO recovery (log, member, size, time) VALUES (?, ?, ?, ?)
                    ON CONFLICT (log, member)
                    DO UPDATE SET size = max(size, excluded.size), time = max(time, excluded.time)
                    """,
                arguments: [row, member, Int64(clamping: max(size, pinned)), Int64(clamping: time)])
            return .noted
        }
    }

    /// How far the recovery of an own log is; `nil` where it is not being recovered.
    public func recovery(of id: SHA256Digest) throws -> RecoveryState? {
        let mark = try marks.mark(.own, log: id)?.size ?? 0
        return try database.read { db in
            let (row, log) = try Self.fetch(db, id)
            return try Self.recovery(db, row: row, log: log, mark: mark)
        }
    }

    private static func recovery(_ db: Database, row: Int64, log: StoredLog, mark: UInt64) throws -> RecoveryState? {
        guard let expected = log.recovering else { return nil }
        let answers = try Row.fetchAll(
            db, sql: "SELECT member, size, time FROM recovery WHERE log = ? ORDER BY member", arguments: [row]
        ).map {
            RecoveryAnswer(member: try $0.text("member"), size: $0.size("size"), time: $0.size("time"))
        }
        return RecoveryState(
            log: log, signed: max(mark, expected, answers.map(\.size).max() ?? 0), answers: answers)
    }

    /// How many entries this node itself has written in an own log, and their root: by the mark, whatever is here now.
    /// `nil` where nobody knows, because the log or the mark is lost or made anew.
    package func writtenHere(_ origin: String) throws -> (size: UInt64, root: SHA256Digest)? {
        guard let log = try log(origin), log.isOwn, try marks.remade() == nil,
            let mark = try marks.mark(.own, log: log.id), mark.size > 0
        else { return nil }
        return (mark.size, mark.root)
    }

    /// The same of a log that is whole here and did not fork.
    public func sizeWrittenHere(_ origin: String) throws -> UInt64? {
        guard let log = try log(origin), log.frozen == nil, let written = try writtenHere(origin),
            written.size <= log.size
        else { return nil }
        return try database.read { db in
            let (row, log) = try Self.fetch(db, log.id)
            return try Self.root(db, row: row, log: log, size: written.size) == written.root ? written.size : nil
        }
    }

    /// The root of this node's entries in an own log that was given up, where they are here or the mark knows it.
    package func rootWrittenHere(_ origin: String) throws -> SHA256Digest? {
        guard let log = try log(origin), let size = log.givenUpAt else { return nil }
        if let written = try writtenHere(origin), written.size == size { return written.root }
        return try rootOfOwner(log.id)
    }

    /// From where on a recovery has brought entries of an own log that this node's marks knew nothing of, and when that
    /// was, in Unix seconds; `nil` where none did. Somebody else who has the key may have written them.
    public func recoveredFrom(_ origin: String) throws -> (size: UInt64, time: UInt64)? {
        try marks.recovered(SHA256.hash(origin))
    }

    /// Ends the recovery of an own log, which then takes this node's entries again: where all of these members have
    /// answered and all that is known to have been signed is held. Answers whether it did.
    ///
    /// Throws ``StoreError/contradictsSigned(origin:size:)`` where what came back is not what the mark says was signed.
    public func finishRecovery(of id: SHA256Digest, members: some Sequence<String>, time: UInt64) throws -> Bool {
        let mark = try marks.mark(.own, log: id)?.size ?? 0
        return try database.write { db in
            let (row, log) = try Self.fetch(db, id)
            guard log.frozen == nil, let state = try Self.recovery(db, row: row, log: log, mark: mark), state.isWhole,
                state.missing(of: members).isEmpty
            else { return false }
            if log.size > mark { try marks.note(recovered: id, from: mark, time: time) }
            // Raises the mark to the head. A crash behind it leaves the log recovering: the next attempt ends it.
            try checkMark(of: log, in: db, isRecovered: true)
            try db.execute(sql: "UPDATE log SET recovering = 0 WHERE id = ?", arguments: [row])
            try db.execute(sql: "DELETE FROM recovery WHERE log = ?", arguments: [row])
            try Self.confirm(row: row, db)
            return true
        }
    }
}
