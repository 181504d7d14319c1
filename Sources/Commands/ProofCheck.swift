import ArgumentParser
import Cryptography
import LogStore
import NodeService
import Records
import TransparencyLog

/// One tlog-proof file held against a log's key and a record's body.
struct ProofCheck {
    private let name: String
    private let proof: TLogProof
    private let logKey: VerifierKey
    private let cosigners: [VerifierKey]
    private let body: [UInt8]
    private let policy: WitnessPolicy?
    /// The log as the home has it, if there is a home that has it: it may know that the entry is not the owner's.
    private let log: StoredLog?

    /// Reads what is to be checked. Throws where the file or a key is malformed, and where there is no body.
    init(
        path: String, bytes: [UInt8], keys: [String], policy: WitnessPolicy? = nil, body bodyPath: String?,
        home: String?
    ) throws {
        name = path
        self.policy = policy
        do {
            proof = try TLogProof(parsing: bytes)
        } catch let error where !(error is CommandFailure) {
            throw CommandFailure(.badInput, "\(path) is no tlog-proof: \(CommandFailure(error).description)")
        }
        let parsed = try LogAudit.keys(keys)
        var logKeys = parsed.filter { $0.algorithm == .ed25519 }
        if logKeys.isEmpty, let policy, let checkpoint = try? Checkpoint(parsing: proof.note.text) {
            logKeys = policy.logs.map(\.key).filter { $0.name == checkpoint.origin }
            guard !logKeys.isEmpty else {
                throw CommandFailure(
                    .usage, "the policy lists no key of \(printable(checkpoint.origin)); give it with --vkey")
            }
        }
        guard let logKey = logKeys.first, logKeys.count == 1 else {
            throw CommandFailure(.usage, "give the key of one log with --vkey, and beside it only those of cosigners")
        }
        self.logKey = logKey
        cosigners = parsed.filter { $0.algorithm == .cosignature }
        if let bodyPath {
            body = try InputFile.read(bodyPath, limit: EntryRecord.maximumBodyByteCount)
            log = StoredLog.ifHere(logKey.name, home: home)
        } else {
            let held = try ProofCheck.body(at: proof.index, of: logKey.name, home: home)
            body = held.body
            log = held.log
        }
    }

    /// Whether a line stands under the log's name that is not by the key given.
    private var isSignedByAnother: Bool {
        !proof.note.signatures.contains { logKey.isNamed(by: $0) }
            && proof.note.signatures.contains { KeyName.same($0.name, logKey.name) }
    }

    private static func body(at index: UInt64, of origin: String, home: String?) throws -> (
        body: [UInt8], log: StoredLog
    ) {
        let node: Node
        do {
            node = try Node.open(home)
        } catch {
            let failure = CommandFailure(error)
            throw CommandFailure(failure.status, "\(failure.description); or give the record's body with --body")
        }
        guard let log = try node.store.log(origin), let body = try node.store.soundBody(of: log, at: index) else {
            throw CommandFailure(.noInput, "no record \(printable(origin))#\(index) here; give its body with --body")
        }
        return (body, log)
    }

    /// Who of those asked for has cosigned, and when. Throws where a date is ahead of this machine's clock.
    private func datedCosignatures() throws -> [(name: String, time: UInt64)] {
        let latest = Clock.now() + WitnessPolicy.clockTolerance
        return try cosigners.flatMap { key in
            try proof.note.signatures.filter { key.isNamed(by: $0) }.map { line in
                let time = try Cosignature(line).time
                guard time <= latest else {
                    throw CommandFailure(
                        .badInput, "the cosignature of \(printable(key.name)) is dated \(moment(time)), in the future")
                }
                return (key.name, time)
            }
        }
    }

    /// Prints the answer; ends with 1 where it is no.
    func show(json: Bool) throws {
        var report = AuditReport()
        var checkpoint: Checkpoint?
        var dated: [(name: String, time: UInt64)] = []
        var verdict: WitnessPolicy.Verdict?
        do {
            let verified = try proof.verify(
                body: body, logKey: logKey, cosigners: cosigners, requiredCosignatures: cosigners.count,
                hasher: MerkleHasher())
            checkpoint = verified
            dated = try datedCosignatures()
            report.entries = 1
            report.logs = [
                AuditReport.LogResult(
                    origin: verified.origin, size: verified.size, root: verified.root.base64, isSound: true,
                    checkpoints: 1, cosignatures: cosigners.count, blobs: 0)
            ]
            verdict = policy?.judge(verified, cosignatures: proof.note.signatures, now: Clock.now())
            if verdict?.isReached == false {
                report.problems = [
                    AuditReport.Problem(
                        origin: logKey.name, entry: proof.index, text: "not cosigned by the policy's quorum")
                ]
                report.logs[0].isSound = false
            }
        } catch {
            report.problems = [
                AuditReport.Problem(
                    origin: logKey.name, entry: proof.index,
                    text: CommandFailure(error).description
                        + (isSignedByAnother
                            ? ", but under its name by another: if the log's key was replaced, give the one that signs, "
                                + "or check an evidence file (`entente export --format evidence`), which leads on"
                            : ""))
            ]
        }
        let known = cosigners + (policy?.witnesses.map(\.key) ?? []) + [logKey]
        let unchecked = proof.note.signatures.count { line in !known.contains { $0.isNamed(by: line) } }
        if unchecked > 0 {
            report.unproved = [
                "\(counted(unchecked, "further signature", "further signatures")) in \(name): no key was given for "
                    + (unchecked == 1 ? "it" : "them")
            ]
        }
        if let text = log?.unprovedOwnerText(proof.index) { report.unproved.append(text) }
        if json {
            let judged = verdict.flatMap { verdict in
                policy.map { [JSONMember("policy", .object($0.members(of: verdict)))] }
            }
            let cosignedBy = dated.map { cosignature in
                JSONValue.object([
                    JSONMember("node", .string(cosignature.name)),
                    JSONMember("time", .string(moment(cosignature.time))),
                ])
            }
            Output.json(
                report.members + [
                    JSONMember("beyond_owner", log.map { .bool($0.isBeyondOwner(proof.index)) } ?? .null),
                    JSONMember("cosigned_by", .array(cosignedBy)),
                ] + (judged ?? []))
        } else {
            if let verdict { policy?.show(verdict, of: logKey.name) }
            for problem in report.problems {
                Output.line(Style.red("\(printable(problem.origin))#\(proof.index): \(printable(problem.text))"))
            }
            if let checkpoint, report.isSound {
                Output.line(
                    Style.green("\(checkpoint.origin)#\(proof.index) is what was signed")
                        + ", under \(groupedCount(checkpoint.size, "entry", "entries"))")
                for cosignature in dated {
                    Output.line("cosigned by \(printable(cosignature.name)), \(moment(cosignature.time))")
                }
            }
            for text in report.unproved { Output.line(Style.yellow("not proved: \(printable(text))")) }
        }
        if !report.isSound { throw ExitCode(ExitStatus.answerIsNo.rawValue) }
    }
}
