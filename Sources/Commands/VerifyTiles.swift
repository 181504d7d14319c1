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

    /// Whether the path is a folder, and no home.
    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
            && access("\(path)/node.sqlite", F_OK) != 0
    }

    /// The logs of a folder.
    init(folder: String, keys: [String], cosigners: [String]) throws {
        let base = folder.count > 1 && folder.hasSuffix("/") ? String(folder.dropLast()) : folder
        try self.init(place: folder, keys: keys, cosigners: cosigners) {
            FolderSource(path: $0.isEmpty ? base : "\(base)/\($0.dropLast())")
        }
    }

    /// The logs of a server.
    init(client: WebClient, keys: [String], cosigners: [String]) throws {
        try self.init(place: client.address.description, keys: keys, cosigners: cosigners) {
            WebSource(client, prefix: $0)
        }
    }

    private init(
        place: String, keys: [String], cosigners: [String],
        source: @escaping (_ prefix: String) -> any PublishedSource
    ) throws {
        self.place = place
        self.source = source
        let keys = try keys.map { try TilesCheck.key($0, "--vkey") }
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
            let auditor = PublishedAuditor(source: source, logKeys: log.keys, cosigners: cosigners)
            audits.append(try auditor.read { bar.update($0, of: $1) })
        }
        let reports = audits.map { $0.report(ledBy: audits) }
        let isSound = reports.allSatisfy(\.isSound)
        if json {
            Output.json(members(reports, isSound: isSound))
        } else {
            print(reports, Double((ContinuousClock.now - begin) / .milliseconds(1)) / 1_000)
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

    // MARK: The answer

    private func print(_ reports: [PublishedReport], _ duration: Double) {
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
                Output.line("\(printable(report.origin)): \(cosignerText(cosignature.name)) as of \(time)")
            }
            for text in report.unproved {
                Output.line(Style.yellow("not checked: \(printable(report.origin)): \(printable(text))"))
            }
        }
        let count = reports.reduce(0) { $0 + $1.problemCount }
        Output.line(
            count == 0
                ? Style.green("\(grouped(reports.reduce(0) { $0 + $1.size })) entries are what was signed")
                    + " (\(seconds(duration)) s)" : Style.red(count == 1 ? "1 problem" : "\(grouped(count)) problems"))
    }

    private func members(_ reports: [PublishedReport], isSound: Bool) -> [JSONMember] {
        func integer(_ value: some BinaryInteger) -> JSONValue { .integer(Int64(clamping: value)) }
        return [
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
                .array(reports.flatMap { report in report.unproved.map { .string("\(report.origin): \($0)") } })),
        ]
    }
}
