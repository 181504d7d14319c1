import Cryptography
import LogStore
import TransparencyLog

// What an audit holds a log against that does not stand in its own database: keys from elsewhere, an earlier report.
extension LogAuditor {
    /// Whether a key that is known from elsewhere signs the log. Where one is known and does not, that is a problem:
    /// whoever can write the database can also put another key into it.
    func checkAnchor(_ log: StoredLog, _ walk: inout LogWalk, _ report: inout AuditReport) -> Bool {
        guard let known = logKeys[log.origin], !known.isEmpty else {
            report.unproved.append(
                "\(log.origin): that \(log.verifierKey) is its key: no card or --vkey says so, only the database itself"
            )
            return false
        }
        // Any key of the chain: each change of keys in it is signed by the key before and the one after.
        if let chain = try? log.keys, known.contains(where: chain.keys.contains) { return true }
        walk.problem(nil, "it is kept under the key \(log.verifierKey), which is not the one known of it")
        return true
    }

    /// A checkpoint that a transfer is bringing in was signed by the log's key before it was stored.
    func checkPending(_ log: StoredLog, _ walk: inout LogWalk) {
        guard let pending = log.pending, let keys = try? log.keys else { return }
        let note = try? SignedNote(parsing: pending.note)
        // The record by which a new key took over may be among those that are still to come.
        if let note, !keys.foreignKeyIDs(of: note).isEmpty { return }
        let checkpoint = note.flatMap { try? keys.verify($0) }
        if checkpoint?.size != pending.size || checkpoint?.root != pending.root {
            walk.problem(nil, "the checkpoint of size \(pending.size) that is being received is not signed by its key")
        }
    }

    /// Where to begin with a log; `nil` for its first entry. What an earlier audit has read is left out only if the
    /// tree that is kept now begins with the one it found.
    func beginning(
        of log: StoredLog, _ since: AuditRecord?, in store: SQLiteLogStore, _ report: inout AuditReport
    ) throws -> AuditStart? {
        guard let since else { return nil }
        guard let earlier = since.logs[log.origin] else {
            report.unproved.append("\(log.origin) is not in the report of \(since.time); all of it was read")
            return nil
        }
        guard earlier.isSound else {
            report.unproved.append("\(log.origin) was not sound in the report of \(since.time); all of it was read")
            return nil
        }
        guard let start = try AuditStart(earlier, of: log, in: store) else {
            let reason =
                log.size < earlier.size
                ? "\(counted(earlier.size, "entry", "entries")) then, \(log.size) now"
                : "what is kept does not have the root \(earlier.root.base64) at size \(earlier.size)"
            report.problems.append(
                AuditReport.Problem(
                    origin: log.origin, entry: nil,
                    text: "it does not go on from the report of \(since.time): \(reason)"))
            return nil
        }
        if start.edge.size > 0 {
            report.unproved.append(
                "\(log.origin): entries before #\(start.edge.size) were not read again; the report of \(since.time) "
                    + "says that they were sound, and that their root was the one they have now")
        }
        return start
    }

    /// A log that was audited before and is gone.
    func checkPresence(of known: Set<String>, _ since: AuditRecord?, _ report: inout AuditReport) {
        for log in (since?.logs.values.sorted { $0.origin < $1.origin } ?? []) where !known.contains(log.origin) {
            report.problems.append(
                AuditReport.Problem(
                    origin: log.origin, entry: nil,
                    text:
                        "\(counted(log.size, "entry stands", "entries stand")) in the report of \(since?.time ?? ""), and the log is not here"
                ))
        }
    }
}

extension AuditReport {
    /// A log whose rows the database cannot find any more: others may still be read.
    mutating func addUnreadable(_ log: StoredLog, _ reason: String) {
        problems.append(
            Problem(origin: log.origin, entry: nil, text: "the database cannot read it to its end: \(reason)"))
        logs.append(
            LogResult(
                origin: log.origin, size: log.size, root: log.head?.root.base64 ?? "", isSound: false, checkpoints: 0,
                cosignatures: 0, blobs: 0))
    }

    /// The state of a log that was read to its end.
    public struct End: Sendable {
        /// The first entry that was read.
        public let first: UInt64
        public let key: String
        /// The hashes of the perfect subtrees that the entries are made of, standard base64, from left to right.
        public let compactRange: [String]
        /// The newest checkpoint, as it was signed.
        public let checkpoint: String?

        init(_ log: StoredLog, _ walk: LogWalk) {
            first = walk.first
            key = (try? log.keys.current.text) ?? log.verifierKey
            compactRange = walk.compactRange.hashes.map(\.base64)
            checkpoint = log.head?.note
        }
    }
}
