import ArgumentParser
import Cryptography
import Glibc
import NodeService
import Records
import TransparencyLog
import WebService

/// `verify DIR`: logs that are published as tiles, held against the keys given. No home is needed.
struct TilesCheck {
    /// Where logs are published: the folder of one log, or one with several below it as `export` lays them out.
    private let place: String
    /// Reads what lies below the place under a prefix, empty or ending with a slash.
    private let source: (_ prefix: String) -> any PublishedSource
    private let logs: [(origin: String, keys: [VerifierKey])]
    private let cosigners: [VerifierKey]
    private let policy: WitnessPolicy?
    /// The report of an earlier audit, which the logs have to go on from.
    private let since: AuditRecord?
    /// The folder, where it is one and not a server.
    private let folder: String?

    /// Whether the path is a folder, and no home.
    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
            && access("\(path)/node.sqlite", F_OK) != 0
    }

    /// The logs of a folder.
    init(folder: String, keys: [String], cosigners: [String], policy: WitnessPolicy?, since: AuditRecord?) throws {
        let base = folder.count > 1 && folder.hasSuffix("/") ? String(folder.dropLast()) : folder
        try self.init(
            place: folder, folder: base, keys: keys, cosigners: cosigners, policy: policy, since: since
        ) {
            FolderSource(path: $0.isEmpty ? base : "\(base)/\($0.dropLast())")
        }
    }

    /// The logs of a server.
    init(
        client: WebClient, keys: [String], cosigners: [String], policy: WitnessPolicy?, since: AuditRecord?
    ) throws {
        try self.init(
            place: client.address.description, folder: nil, keys: keys, cosigners: cosigners, policy: policy,
            since: since
        ) {
            WebSource(client, prefix: $0)
        }
    }

    private init(
        place: String, folder: String?, keys: [String], cosigners: [String], policy: WitnessPolicy?,
        since: AuditRecord?, source: @escaping (_ prefix: String) -> any PublishedSource
    ) throws {
        self.place = place
        self.folder = folder
        self.policy = policy
        self.since = since
        self.source = source
        var keys = try keys.map { try TilesCheck.key($0, "--vkey") }
        // Where logs are named one by one, others that a policy lists need not be here.
        let named = Set(keys.filter { $0.algorithm == .ed25519 }.map(\.name))
        keys += (policy?.logs.map(\.key) ?? []).filter { named.isEmpty || named.contains($0.name) }
        self.cosigners =
            keys.filter { $0.algorithm == .cosignature } + (try cosigners.map { try TilesCheck.key($0, "--cosigner") })
        guard self.cosigners.allSatisfy({ $0.algorithm == .cosignature }) else {
            throw CommandFailure(.usage, "--cosigner takes keys of cosigners; the log's own goes with --vkey")
        }
        var logs: [(origin: String, keys: [VerifierKey])] = []
        for key in keys where key.algorithm == .ed25519 {
            if let known = logs.firstIndex(where: { $0.origin.utf8.elementsEqual(key.name.utf8) }) {
                logs[known].keys.append(key)
            } else {
                logs.append((key.name, [key]))
            }
        }
        guard !logs.isEmpty else { throw CommandFailure(.usage, "tiles need the log's key; give it with --vkey") }
        self.logs = logs
    }

    private static func key(_ text: String, _ option: String) throws -> VerifierKey {
        do {
            return try VerifierKey(parsing: text)
        } catch {
            throw CommandFailure(.usage, "\(option) is no verifier key: \(CommandFailure(error).description)")
        }
    }

    /// Checks the logs and prints the answer; ends with 1 where it is no.
    func show(json: Bool) throws {
        let begin = ContinuousClock.now
        var audits: [PublishedAudit] = []
        for log in logs {
            let source = try self.source(find(log.origin))
            let bar = ProgressBar("verifying \(printable(log.origin))", isQuiet: json)
            defer { bar.finish() }
            let auditor = PublishedAuditor(
                source: source, logKeys: log.keys, cosigners: cosigners, earlier: earlier(log.origin))
            audits.append(try auditor.read { bar.update($0, of: $1) })
        }
        let reports = audits.map { $0.report(ledBy: audits, policy: policy) }
        let others = logs.compactMap { withoutEarlier($0.origin) } + unreadLogs()
        let isSound = reports.allSatisfy(\.isSound)
        if json {
            Output.json(members(reports, others, isSound: isSound))
        } else {
            print(reports, others, Double((ContinuousClock.now - begin) / .milliseconds(1)) / 1_000)
        }
        if !isSound { throw ExitCode(ExitStatus.answerIsNo.rawValue) }
    }

    /// Where a log stands: at the place itself, or where `export` and a running node have it. The checkpoint there says
    /// whose it is; one that says nothing is taken for damaged.
    private func find(_ origin: String) throws -> String {
        var tried: [String] = []
        for prefix in ["", "\(origin.drop { $0 != "/" }.dropFirst())/", "mirror/\(SHA256.hash(origin).hex)/"]
        where prefix != "/" {
            switch try source(prefix).read(.checkpoint) {
            case .missing: tried.append("\(prefix)checkpoint")
            case .unusable: return prefix
            case .bytes(let bytes):
                let other = (try? Checkpoint(parsing: SignedNote(parsing: bytes).text))?.origin ?? origin
                if other.utf8.elementsEqual(origin.utf8) || prefix.isEmpty && logs.count == 1 { return prefix }
                tried.append("\(prefix)checkpoint (which is that of \(printable(other)))")
            }
        }
        throw CommandFailure(
            .noInput, "no checkpoint of \(printable(origin)) in \(place); looked for \(tried.joined(separator: ", "))")
    }

    /// What the earlier report says of a log that was sound then.
    private func earlier(_ origin: String) -> PublishedWalk.Earlier? {
        guard let since, let log = since.logs[origin], log.isSound else { return nil }
        return PublishedWalk.Earlier(size: log.size, root: log.root, name: "the report of \(since.time)")
    }

    private func withoutEarlier(_ origin: String) -> String? {
        guard let since, earlier(origin) == nil else { return nil }
        return "\(origin): that it goes on from the report of \(since.time), "
            + (since.logs[origin] == nil ? "which does not have it" : "in which it was not sound")
    }

    /// Logs that lie in the folder and whose keys were not given: nothing of them was read.
    private func unreadLogs() -> [String] {
        guard let folder else { return [] }
        let asked = Set(logs.map(\.origin))
        var found: [String] = []
        var prefixes = TilesCheck.folders(in: folder)
        prefixes += prefixes.flatMap { below in
            TilesCheck.folders(in: "\(folder)/\(below)").map { "\(below)/\($0)" }
        }
        for prefix in prefixes {
            guard case .bytes(let bytes)? = try? source("\(prefix)/").read(.checkpoint),
                let origin = (try? Checkpoint(parsing: SignedNote(parsing: bytes).text))?.origin,
                !asked.contains(origin)
            else { continue }
            found.append("\(origin) in \(prefix)/: its key was not given, and nothing of it was read")
        }
        return found
    }

    /// The folders in a folder in which a log may lie, sorted; the first thousands of them.
    private static func folders(in path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while names.count < 4_096, let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if entry.pointee.d_type == UInt8(DT_DIR), !name.hasPrefix("."), name != "tile" { names.append(name) }
        }
        return names.sorted()
    }

    // MARK: The answer

    private func print(_ reports: [PublishedReport], _ others: [String], _ duration: Double) {
        for report in reports {
            guard let verdict = report.verdict else { continue }
            policy?.show(verdict, of: "\(report.origin), \(groupedCount(report.size, "entry", "entries"))")
        }
        var table = Table("LOG", "ENTRIES", "BUNDLES", "TILES", "COSIGNATURES", "RESULT")
        for report in reports {
            table.add(
                report.origin, grouped(report.size), grouped(report.bundles), grouped(report.tiles),
                grouped(report.cosignatures.count), report.isSound ? "sound" : "NOT SOUND")
        }
        table.print()
        for report in reports {
            for problem in report.problems {
                let entry = problem.entry.map { "#\($0)" } ?? ""
                Output.line(
                    Style.red("\(printable(report.origin))\(entry): \(problem.file): \(printable(problem.text))"))
            }
            if report.problemCount > report.problems.count {
                Output.line(Style.red("and \(grouped(report.problemCount - report.problems.count)) more"))
            }
            for entry in report.keyChanges {
                Output.line("\(printable(report.origin)): its key was replaced by entry \(entry), signed by both keys")
            }
            for cosignature in report.cosignatures {
                let time = Timestamp(seconds: Int64(clamping: cosignature.time))?.text ?? "\(cosignature.time)"
                Output.line("\(printable(report.origin)): cosigned by \(printable(cosignature.name)) as of \(time)")
            }
            for text in report.unproved {
                Output.line(Style.yellow("not checked: \(printable(report.origin)): \(printable(text))"))
            }
        }
        for text in others { Output.line(Style.yellow("not checked: \(printable(text))")) }
        let count = reports.reduce(0) { $0 + $1.problemCount }
        Output.line(
            count == 0
                ? Style.green(areSigned(reports.reduce(0) { $0 + $1.size })) + " (\(seconds(duration)) s)"
                : Style.red(groupedCount(count, "problem", "problems")))
    }

    private func members(_ reports: [PublishedReport], _ others: [String], isSound: Bool) -> [JSONMember] {
        func integer(_ value: some BinaryInteger) -> JSONValue { .integer(Int64(clamping: value)) }
        return [
            JSONMember("format", .string(AuditRecord.format)), JSONMember("time", .string(Clock.timestamp.text)),
            JSONMember("program", .string("entente \(EntenteCommand.configuration.version)")),
            JSONMember("ok", .bool(isSound)), JSONMember("source", .string(place)),
            JSONMember("entries", integer(reports.reduce(0) { $0 + $1.size })),
            JSONMember(
                "logs",
                .array(
                    reports.map { report in
                        .object([
                            JSONMember("origin", .string(report.origin)), JSONMember("size", integer(report.size)),
                            JSONMember("root", .string(report.signedRoot?.base64 ?? "")),
                            JSONMember("ok", .bool(report.isSound)), JSONMember("bundles", integer(report.bundles)),
                            JSONMember("tiles", integer(report.tiles)),
                            JSONMember("key_changes", .array(report.keyChanges.map { integer($0) })),
                            JSONMember(
                                "cosigned_by",
                                .array(
                                    report.cosignatures.map {
                                        .object([
                                            JSONMember("node", .string($0.name)), JSONMember("time", integer($0.time)),
                                        ])
                                    })),
                        ])
                    })),
            JSONMember(
                "problems",
                .array(
                    reports.flatMap { report in
                        report.problems.map { problem in
                            .object(
                                [
                                    JSONMember("origin", .string(report.origin)),
                                    JSONMember("file", .string(problem.file)),
                                    JSONMember("text", .string(problem.text)),
                                ] + (problem.entry.map { [JSONMember("entry", integer($0))] } ?? []))
                        }
                    })),
            JSONMember("problem_count", integer(reports.reduce(0) { $0 + $1.problemCount })),
            JSONMember(
                "unproved",
                .array(
                    reports.flatMap { report in report.unproved.map { .string("\(report.origin): \($0)") } }
                        + others.map { .string($0) })),
        ] + judged(reports)
    }

    /// What the policy says of each log, if there is one.
    private func judged(_ reports: [PublishedReport]) -> [JSONMember] {
        guard let policy else { return [] }
        let logs = reports.compactMap { report in
            report.verdict.map { verdict in
                JSONValue.object(
                    [
                        JSONMember("origin", .string(report.origin)),
                        JSONMember("size", .integer(Int64(clamping: report.size))),
                    ] + policy.members(of: verdict))
            }
        }
        return [JSONMember("policy", .object([JSONMember("logs", .array(logs))]))]
    }
}
