public import Home
public import LogStore
import Records
import TransparencyLog

extension AuditReport {
    /// Checks the evidence again that a node keeps of forks and of records, in its database and as files: signatures,
    /// proofs, and that it is against a key of the log. What proves nothing is a problem.
    ///
    /// - Parameters:
    ///   - home: where the files lie; `nil` leaves them out.
    ///   - origins: only what is about these logs; all if there are none.
    public mutating func checkEvidence(in home: HomeFolder?, _ store: SQLiteLogStore, origins: [String] = []) throws {
        let logs = try store.logs()
        for fork in try store.forks() where origins.isEmpty || origins.contains(fork.origin) {
            if let reason = AuditReport.judge(fork.evidence, logs).reason {
                problems.append(
                    Problem(origin: fork.origin, entry: nil, text: "the evidence of its fork that is kept: \(reason)"))
            }
        }
        guard let home else { return }
        for path in try home.evidenceFiles() {
            let judged: Judged
            do {
                judged = AuditReport.judge(
                    try home.evidence(
                        at: path, limit: max(ForkEvidence.maximumByteCount, RecordEvidence.maximumByteCount)), logs)
            } catch {
                judged = Judged(origin: nil, subject: nil, text: nil, reason: "\(error)")
            }
            if let origin = judged.origin, !origins.isEmpty, !origins.contains(origin) { continue }
            evidence.append(
                EvidenceFile(
                    path: path, subject: judged.subject, isSound: judged.reason == nil,
                    text: judged.reason ?? judged.text ?? ""))
            if let reason = judged.reason { problems.append(Problem(origin: path, entry: nil, text: reason)) }
            if let unproved = judged.unproved { self.unproved.append("\(path): \(unproved)") }
        }
    }

    private struct Judged {
        var origin: String?
        var subject: String?
        var text: String?
        /// Why it proves nothing.
        var reason: String?
        var unproved: String?
    }

    private static func judge(_ bytes: [UInt8], _ logs: [StoredLog]) -> Judged {
        do {
            if RecordEvidence.isEvidence(bytes) { return try judge(RecordEvidence(parsing: bytes), bytes, logs) }
            guard ForkEvidence.isEvidence(bytes) else { return Judged(reason: "it is no evidence") }
            return try judge(ForkEvidence(parsing: bytes), logs)
        } catch {
            return Judged(reason: "it proves nothing: \(error)")
        }
    }

    private static func judge(_ evidence: ForkEvidence, _ logs: [StoredLog]) throws -> Judged {
        let finding = try evidence.verify()
        var judged = Judged(origin: finding.origin, subject: finding.origin, text: finding.text)
        if let log = logs.first(where: { $0.origin == finding.origin }) {
            // Of the keys that a log has had, any may have signed two histories.
            if try !log.keys.keys.contains(evidence.key) {
                judged.reason = "it is under the key \(evidence.key.text), which is not the log's"
            } else if log.frozen == nil {
                judged.unproved = "it proves that \(finding.origin) forked, and that log is not frozen here"
            }
        } else {
            judged.unproved = "that the key in it is one of \(finding.origin), which is not here"
        }
        return judged
    }

    private static func judge(_ evidence: RecordEvidence, _ bytes: [UInt8], _ logs: [StoredLog]) throws -> Judged {
        let finding = try evidence.verify(logKey: evidence.logKey)
        var judged = Judged(
            origin: finding.checkpoint.origin, subject: evidence.reference.text,
            text: "is what was signed, under \(counted(finding.checkpoint.size, "entry", "entries"))")
        if [UInt8](evidence.serialized.utf8) != bytes {
            judged.reason = "the page is not what its data say: somebody has changed one of them"
        } else if let log = logs.first(where: { $0.origin == finding.checkpoint.origin }) {
            if try !log.keys.keys.contains(evidence.logKey) {
                judged.reason = "it is under the key \(evidence.logKey.text), which is not the log's"
            } else if evidence.givenUpAt != nil || log.isBeyondOwner(evidence.reference.index) {
                judged.unproved = "that \(log.node) wrote it: it had given the log up by then"
            }
        } else {
            judged.unproved = "that the key in it is one of \(finding.checkpoint.origin), which is not here"
        }
        return judged
    }
}
