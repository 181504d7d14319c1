import Cryptography
import LogStore
import Records
public import TransparencyLog

/// A published log that was read: what was found, and what it says of the keys of its node.
public struct PublishedAudit: Sendable {
    public internal(set) var report: PublishedReport
    private let logKeys: [VerifierKey]
    private let cosigners: [VerifierKey]
    private let now: UInt64
    private var note: SignedNote?
    /// What the log says of its node's mirror keys; empty where not all of it is proved.
    private var mirrorKeys: [PublishedKey] = []

    init(origin: String, logKeys: [VerifierKey], cosigners: [VerifierKey], now: UInt64) {
        report = PublishedReport(origin: origin)
        self.logKeys = logKeys
        self.cosigners = cosigners
        self.now = now
    }

    /// Takes in a log that was walked to its end, or as far as it could be followed.
    mutating func add(_ walk: PublishedWalk, _ note: SignedNote, _ keys: [PublishedKey], isKnown: Bool) {
        let changes = keys.compactMap(\.change).filter { KeyName.same($0.new.name, report.origin) }
        var reason: (any Error)?
        let isSigned = logKeys.contains { key in
            do {
                return try LogKeyChain(anchor: key, changes: changes).verify(note) == walk.checkpoint
            } catch {
                reason = error
                return false
            }
        }
        guard isKnown || isSigned && walk.findingCount == 0 else {
            return report.found(
                .checkpoint,
                "not signed by the key of \(report.origin) that was given, and no record in the log leads on from that "
                    + "to the one that has signed it")
        }
        self.note = note
        report.size = walk.checkpoint.size
        report.signedRoot = walk.checkpoint.root
        report.keyChanges = changes.map { $0.size - 1 }
        // Where entries cannot be read, one of them may be such a record.
        if !isSigned, walk.findingCount == 0 {
            report.found(.checkpoint, reason.map { "\($0)" } ?? "it says something else than was signed")
        }
        report.add(walk)
        if let breach = walk.breach { report.found(.checkpoint, breach) }
        if report.isSound { mirrorKeys = keys.filter { $0.role == .mirror } }
    }

    /// What was found, with who has cosigned the log. The keys that were given of cosigners are led on by what logs of
    /// the same nodes say, as far as those are proved.
    public func report(ledBy audits: [PublishedAudit], policy: WitnessPolicy? = nil) -> PublishedReport {
        var report = report
        guard let note, let root = report.signedRoot,
            let checkpoint = try? Checkpoint(origin: report.origin, size: report.size, root: root)
        else { return report }
        let said = Dictionary(grouping: audits, by: { $0.report.origin.prefix { $0 != "/" } }).mapValues { audits in
            audits.flatMap { audit in audit.mirrorKeys.map { (audit.report.origin, $0) } }
        }
        var known = logKeys
        for (name, given) in Dictionary(grouping: cosigners, by: \.name).sorted(by: { $0.key < $1.key }) {
            let terms = given.map { MirrorKeys($0).led(by: said[Substring(name)] ?? []) }
            known += terms.flatMap(\.all)
            report.judge(note, checkpoint, name, terms, now: now)
        }
        if let policy {
            report.judge(note, checkpoint, policy, now: now)
            known += policy.witnesses.map(\.key)
        }
        let others = note.signatures.filter { line in
            !known.contains {
                $0.isNamed(by: line) || KeyName.same($0.name, report.origin) && KeyName.same(line.name, report.origin)
            }
        }.map(\.name)
        if !others.isEmpty {
            report.unproved.append(
                "no key was given for the signatures of \(Set(others).sorted().joined(separator: ", "))")
        }
        if report.cosignatures.isEmpty, report.verdict?.times.contains(where: { $0 != nil }) != true {
            report.unproved.append(
                "that others were shown the same log: give keys of nodes that cosigned it with --cosigner")
        }
        report.unproved.append("earlier checkpoints, and sealed parts: they are not among tiles")
        return report
    }
}

extension PublishedReport {
    /// Whether the checkpoint has the quorum of a policy. Where that lists logs, one of them has to have signed it.
    fileprivate mutating func judge(
        _ note: SignedNote, _ checkpoint: Checkpoint, _ policy: WitnessPolicy, now: UInt64
    ) {
        let keys = policy.logs.map(\.key).filter { KeyName.same($0.name, origin) }
        guard policy.logs.isEmpty || (try? Checkpoint(verifying: note, logKeys: keys)) != nil else {
            return unproved.append("the policy does not list its key; nobody says which witnesses count")
        }
        let verdict = policy.judge(checkpoint, cosignatures: note.signatures, now: now)
        for position in verdict.forged {
            found(.checkpoint, "a cosignature of \(policy.witnesses[position].name) does not verify")
        }
        if !verdict.isReached { found(.checkpoint, "it is not cosigned by the policy's quorum") }
        self.verdict = verdict
    }

    /// Whether a node has cosigned the checkpoint, by one of the keys that it has had, each in its time.
    fileprivate mutating func judge(
        _ note: SignedNote, _ checkpoint: Checkpoint, _ name: String, _ terms: [MirrorKeys], now: UInt64
    ) {
        let keys = terms.flatMap(\.all)
        let lines = note.signatures.filter { line in keys.contains { $0.isNamed(by: line) } }
        if lines.isEmpty {
            let isAnother = note.signatures.contains { KeyName.same($0.name, name) }
            found(
                .checkpoint,
                isAnother
                    ? "\(name) has cosigned it with another key than was given: give its newest one, or with --vkey the key "
                        + "of its own log, whose records may lead on"
                    : "\(name) has not cosigned it")
        }
        for line in lines {
            do {
                let cosignature = try Cosignature(line)
                guard let key = terms.lazy.compactMap({ $0.key(for: cosignature) }).first else {
                    found(.checkpoint, "the cosignature of \(name) is by a key that was replaced before its date")
                    continue
                }
                try cosignature.verify(checkpoint, by: key)
                guard cosignature.time <= now + SyncContext.clockTolerance else {
                    found(.checkpoint, "the cosignature of \(name) is dated in the future")
                    continue
                }
                cosignatures.append(.init(name: name, time: cosignature.time))
            } catch {
                found(.checkpoint, "the cosignature of \(name): \(error)")
            }
        }
    }
}
