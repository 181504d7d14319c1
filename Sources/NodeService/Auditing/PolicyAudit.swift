public import LogStore
public import TransparencyLog

/// Logs held against a policy: which of its witnesses have cosigned their checkpoints, and whether that is its quorum.
public struct PolicyAudit: Sendable {
    public struct OfLog: Sendable {
        public let origin: String
        /// Whether the policy lists the key that signs the log, or no logs at all.
        public let isListed: Bool
        /// Of the newest checkpoint.
        public let size: UInt64
        public let verdict: WitnessPolicy.Verdict
        /// The largest size whose checkpoint has the quorum; `nil` where none has.
        public let reachedSize: UInt64?
    }

    public let policy: WitnessPolicy
    public private(set) var logs: [OfLog] = []

    /// Judges these logs by the cosignatures that are kept of them; those dated ahead of `now` do not count.
    public init(_ policy: WitnessPolicy, logs: [StoredLog], in store: SQLiteLogStore, now: UInt64) throws {
        self.policy = policy
        self.logs = try logs.compactMap { try PolicyAudit.judge($0, policy, store, now) }
    }

    private static func judge(
        _ log: StoredLog, _ policy: WitnessPolicy, _ store: SQLiteLogStore, _ now: UInt64
    ) throws -> OfLog? {
        guard let head = log.head else { return nil }
        func judge(_ head: SignedHead) throws -> WitnessPolicy.Verdict {
            let members = try store.cosignatures(of: log.id, sizes: head.size...head.size).map(\.line)
            let witnesses = try store.witnessCosignatures(of: log.id, at: head.size).map(\.line)
            return policy.judge(
                try Checkpoint(origin: log.origin, size: head.size, root: head.root),
                cosignatures: (members + witnesses).compactMap { try? NoteSignature(parsing: $0) }, now: now)
        }
        let verdict = try judge(head)
        var reached = verdict.isReached ? head.size : nil
        var next = head.size
        while reached == nil, next > 0 {
            let heads = try store.checkpoints(of: log.id, upTo: next - 1, limit: 256)
            reached = try heads.first { try judge($0).isReached }?.size
            guard let last = heads.last else { break }
            next = last.size
        }
        let keys = policy.logs.map(\.key).filter { $0.name == log.origin }
        let isSigned = (try? Checkpoint(verifying: SignedNote(parsing: head.note), logKeys: keys)) != nil
        return OfLog(
            origin: log.origin, isListed: policy.logs.isEmpty || isSigned, size: head.size, verdict: verdict,
            reachedSize: reached)
    }
}

extension AuditReport {
    /// Takes in what a policy says: a listed log without its quorum is a problem, one that is not listed is unproved.
    public mutating func add(_ audit: PolicyAudit) {
        for log in audit.logs {
            guard log.isListed else {
                unproved.append("\(log.origin): the policy does not list its key; nobody says which witnesses count")
                continue
            }
            let names = log.verdict.forged.map { audit.policy.witnesses[$0].name }
            if !names.isEmpty {
                problems.append(
                    Problem(
                        origin: log.origin, entry: nil,
                        text: "a cosignature of \(names.joined(separator: ", ")) on size \(log.size) does not verify"))
            }
            guard !log.verdict.isReached else { continue }
            let earlier =
                log.reachedSize.map { "the largest that is has \(counted($0, "entry", "entries"))" } ?? "and none is"
            problems.append(
                Problem(
                    origin: log.origin, entry: log.reachedSize,
                    text:
                        "its newest checkpoint (\(counted(log.size, "entry", "entries"))) is not cosigned by the policy's quorum; \(earlier)"
                ))
        }
    }
}
