import ArgumentParser
import Cryptography
import LogStore
import NodeService
import Records
import TransparencyLog

/// An evidence file, checked by itself and against the keys that the reader knows.
struct EvidenceCheck {
    private let path: String
    private let evidence: RecordEvidence
    private let isWhole: Bool
    private let known: [VerifierKey]
    /// Whether the keys were named one by one, and not taken from a policy or a home.
    private let isAskedFor: Bool
    private let policy: WitnessPolicy?
    /// The log as the home has it whose keys count, if it has it.
    private let log: StoredLog?
    /// Keys for which nobody vouches but the home's database.
    private let heldKeys: [VerifierKey]

    /// Throws where the file is malformed. Without keys those of the home count, if there is one. With keys none is needed,
    /// and one that is there may still know who wrote the entry.
    init(path: String, bytes: [UInt8], keys: [String], policy: WitnessPolicy?, home: String?) throws {
        self.path = path
        self.policy = policy
        do {
            evidence = try RecordEvidence(parsing: bytes)
        } catch {
            throw CommandFailure(.badInput, "\(printable(path)): \(CommandFailure(error).description)")
        }
        isWhole = [UInt8](evidence.serialized.utf8) == bytes
        let given = try LogAudit.keys(keys) + (policy?.keys ?? [])
        isAskedFor = policy == nil && !given.isEmpty
        let origin = evidence.reference.origin.text
        guard given.isEmpty else {
            known = given
            log = StoredLog.ifHere(origin, home: home)
            heldKeys = []
            return
        }
        let node = try EvidenceCheck.node(home)
        let held = try node?.store.log(origin)
        log = held
        let cards = node.map { $0.mirrorKeys.values.flatMap(\.all) + $0.knownLogKeys.values.joined() } ?? []
        // Cards name the newest log of a node alone; of those before it the home has the keys.
        heldKeys = try (held?.keys.keys ?? []).filter { !cards.contains($0) }
        known = cards + heldKeys
    }

    private static func node(_ home: String?) throws -> Node? {
        do {
            return try Node.open(home)
        } catch {
            // Nobody needs a home to check a file, but one that was named has to be there.
            if home != nil { throw error }
            return nil
        }
    }

    /// Whether the owner did not write the entry, as the file or the home says; `nil` where nobody knows.
    private var isBeyondOwner: Bool? {
        evidence.givenUpAt != nil ? true : log?.isBeyondOwner(evidence.reference.index)
    }

    private func isKnown(_ key: VerifierKey) -> Bool { evidence.isVouched(cosigner: key, by: known) }

    /// Prints the answer; ends with 1 where it is no.
    func show(json: Bool) throws {
        var report = AuditReport()
        var verdict: WitnessPolicy.Verdict?
        var finding: RecordEvidence.Finding?
        let logKeys = known.filter { $0.algorithm == .ed25519 && $0.name == evidence.reference.origin.text }
        func problem(_ text: String) {
            report.problems.append(
                AuditReport.Problem(
                    origin: evidence.reference.origin.text, entry: evidence.reference.index, text: text))
        }
        if !isWhole { problem("the page is not what its data say: somebody has changed one of them") }
        do {
            var found = try evidence.verify(
                logKey: logKeys.contains(where: evidence.isVouched(for:))
                    ? evidence.logKey : logKeys.first ?? evidence.logKey)
            // A key that the reader knows and the file does not have, such as that of a witness.
            for key in known where key.algorithm == .cosignature && !evidence.cosignerKeys.contains(key) {
                for line in evidence.proof.note.signatures where key.isNamed(by: line) {
                    found.unknownLines -= 1
                    guard let cosignature = try? Cosignature(line),
                        (try? cosignature.verify(found.checkpoint, by: key)) != nil
                    else {
                        problem("the cosignature of \(key.name) does not verify")
                        continue
                    }
                    found.cosignatures.append(RecordEvidence.DatedKey(key: key, time: cosignature.time))
                }
            }
            let latest = Clock.now() + WitnessPolicy.clockTolerance
            for cosignature in found.cosignatures where cosignature.time > latest {
                report.unproved.append(
                    "what \(cosignature.key.name) says: its cosignature is dated \(moment(cosignature.time)), in the future"
                )
            }
            found.cosignatures.removeAll { $0.time > latest }
            finding = found
            report.entries = 1
            verdict = policy?.judge(found.checkpoint, cosignatures: evidence.proof.note.signatures, now: Clock.now())
            if verdict?.isReached == false { problem("not cosigned by the policy's quorum") }
            for cosignature in found.cosignatures where !isKnown(cosignature.key) {
                report.unproved.append("that \(cosignature.key.text) is a key of \(cosignature.key.name)")
            }
            if found.unknownLines > 0 {
                report.unproved.append(
                    "\(counted(found.unknownLines, "further signature", "further signatures")): the file has no key for "
                        + (found.unknownLines == 1 ? "it" : "them"))
            }
            // What was asked for and is not there is not passed over.
            for key in known where isAskedFor && key.algorithm == .cosignature {
                guard !found.cosignatures.contains(where: { $0.key.name == key.name }) else { continue }
                report.unproved.append("that \(key.name) has cosigned: the file has no cosignature by it")
            }
        } catch {
            problem(CommandFailure(error).description)
        }
        if let end = evidence.givenUpAt {
            let owner = evidence.reference.origin.node.text
            report.unproved.append(
                "that \(owner) wrote this: \(evidence.exporter) says in the file that \(owner) had given the log up at "
                    + "\(counted(end, "entry", "entries")) by then, as when its key is stolen")
        } else if let text = log?.unprovedOwnerText(evidence.reference.index) {
            report.unproved.append(text)
        }
        if logKeys.isEmpty {
            report.unproved.append(
                "that \(evidence.logKey.text) is the log's key: compare it with a peer card, and give it with --vkey")
        }
        let vouching = logKeys.filter(evidence.isVouched(for:))
        if !vouching.isEmpty, vouching.allSatisfy(heldKeys.contains) {
            report.unproved.append(
                "that \(evidence.logKey.text) is the log's key: no card says so, only the database of this home")
        }
        let isProved = report.isSound && !logKeys.isEmpty
        if let finding {
            report.logs = [
                AuditReport.LogResult(
                    origin: finding.checkpoint.origin, size: finding.checkpoint.size,
                    root: finding.checkpoint.root.base64, isSound: isProved, checkpoints: 1,
                    cosignatures: finding.cosignatures.count, blobs: 0)
            ]
        }
        if json {
            Output.json(
                [JSONMember("ref", .string(evidence.reference.text))] + report.members(isProved: isProved)
                    + [
                        JSONMember("beyond_owner", isBeyondOwner.map { .bool($0) } ?? .null),
                        JSONMember(
                            "cosigned_by",
                            .array(
                                (finding?.cosignatures ?? []).map {
                                    .object([
                                        JSONMember("node", .string($0.key.name)),
                                        JSONMember("time", .string(moment($0.time))),
                                        JSONMember("known", .bool(isKnown($0.key))),
                                    ])
                                })),
                    ]
                    + (verdict.flatMap { verdict in
                        policy.map { [JSONMember("policy", .object($0.members(of: verdict)))] }
                    } ?? []))
        } else {
            show(report, finding, verdict, isProved: isProved)
        }
        if !isProved { throw ExitCode(ExitStatus.answerIsNo.rawValue) }
    }

    private func show(
        _ report: AuditReport, _ finding: RecordEvidence.Finding?, _ verdict: WitnessPolicy.Verdict?, isProved: Bool
    ) {
        let reference = evidence.reference.text
        for problem in report.problems { Output.line(Style.red("\(reference): \(printable(problem.text))")) }
        if let verdict { policy?.show(verdict, of: reference) }
        if let finding, isProved {
            Output.line(
                Style.green("\(reference) is what was signed")
                    + ", under \(groupedCount(finding.checkpoint.size, "entry", "entries"))")
        }
        for cosignature in finding?.cosignatures ?? [] where isKnown(cosignature.key) {
            // Keys in the file are those of nodes that hold the log; another may be a witness', whatever it is called.
            let holds = evidence.cosignerKeys.contains(cosignature.key)
            Output.line(
                "\(holds ? "held" : "cosigned") by \(printable(cosignature.key.name)), \(moment(cosignature.time))")
        }
        for text in report.unproved { Output.line(Style.yellow("not proved: \(printable(text))")) }
    }
}
