import ArgumentParser
import LogStore
import NodeService
import Records
import TransparencyLog

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read everything again and check it: hashes, tiles, checkpoints, cosignatures, sealed parts.",
        discussion: """
            Exit status 0: all of it is as it was signed. 1: something is not; the first bad entry is named.

            With FILE, a proof that `entente prove` wrote is checked instead, for the key that --vkey gives. The \
            record's body is that of --body, and no home is needed then; else it is the one in this home. Evidence of a \
            fork is checked by itself; its key is compared with --vkey, or with the log in this home.

            EXAMPLES
              entente verify
              entente verify --log us.example/krus --json
              entente show us.example/krus#1042 --raw > 1042.json
              entente prove us.example/krus#1042 > 1042.tlog-proof
              entente verify 1042.tlog-proof --body 1042.json --vkey us.example/krus+5b1a6c0d+AfR…
              entente verify evidence/us.example_krus.fork
              entente verify /srv/tiles --vkey us.example/krus+5b1a6c0d+AfR… --cosigner kr.example+0c2f11aa+BHk…
              entente verify https://node.us.example:7963/ --vkey us.example/krus+5b1a6c0d+AfR…
            """)

    @OptionGroup var global: GlobalOptions

    @Option(name: .customLong("log"), help: "Only this log, by its origin; may repeat.")
    var origins: [String] = []

    @Argument(help: ArgumentHelp("A tlog-proof or evidence file; - for standard input.", valueName: "file"))
    var path: String?

    @Option(
        help: ArgumentHelp(
            "The log's key, for a proof; further ones are of nodes that must have cosigned.", valueName: "key"))
    var vkey: [String] = []

    @Option(
        help: ArgumentHelp("The key of a node that must have cosigned a tile folder's checkpoint.", valueName: "key"))
    var cosigner: [String] = []

    @OptionGroup var web: WebOptions

    @Option(help: ArgumentHelp("The record's exact body, for a proof.", valueName: "file"))
    var body: String?

    func validate() throws {
        if path == nil {
            guard vkey.isEmpty, body == nil else { throw ValidationError("--vkey and --body go with a proof file") }
        } else {
            guard origins.isEmpty else { throw ValidationError("--log goes with a home, not with a proof file") }
        }
    }

    func run() throws {
        Interruption.exitsWith130()
        if let path {
            if WebAccess.isAddress(path) {
                let client = try web.access.client(path, home: global.home)
                return try TilesCheck(client: client, keys: vkey, cosigners: cosigner).show(json: global.json)
            }
            if TilesCheck.isFolder(path) {
                return try TilesCheck(folder: path, keys: vkey, cosigners: cosigner).show(json: global.json)
            }
            let bytes = try InputFile.read(path, limit: max(TLogProof.maximumByteCount, ForkEvidence.maximumByteCount))
            if ForkEvidence.isEvidence(bytes) {
                return try ForkCheck(path: path, bytes: bytes, keys: vkey, home: global.home).show(json: global.json)
            }
            guard !vkey.isEmpty else {
                throw CommandFailure(.usage, "a proof file needs the log's key; give it with --vkey")
            }
            let check = try ProofCheck(path: path, bytes: bytes, keys: vkey, body: body, home: global.home)
            return try check.show(json: global.json)
        }
        let node = try global.open()
        let all = try node.store.logs()
        let logs =
            try origins.isEmpty
            ? all
            : origins.map { origin in
                guard let log = all.first(where: { $0.origin == origin }) else {
                    throw CommandFailure(.noInput, "no log \(origin) here; `entente status` lists them")
                }
                return log
            }
        let bar = ProgressBar("verifying", isQuiet: global.json)
        let begin = ContinuousClock.now
        let report = try LogAuditor(store: node.store, mirrorKeys: node.mirrorKeys).audit(logs) {
            bar.update($0, of: $1)
        }
        bar.finish()
        let duration = Double((ContinuousClock.now - begin) / .milliseconds(1)) / 1_000
        if global.json { Output.json(report.members) } else { show(report, duration) }
        if !report.isSound { throw ExitCode(ExitStatus.answerIsNo.rawValue) }
    }

    private func show(_ report: AuditReport, _ duration: Double) {
        var table = Table("LOG", "ENTRIES", "CHECKPOINTS", "COSIGNATURES", "SEALED", "RESULT")
        for log in report.logs {
            table.add(
                log.origin, grouped(log.size), grouped(log.checkpoints), grouped(log.cosignatures),
                grouped(log.blobs), log.isSound ? "sound" : "NOT SOUND")
        }
        table.print()
        for log in report.logs where log.erased > 0 {
            Output.line("\(log.origin): \(grouped(log.erased)) sealed parts erased by their author; none is missing")
        }
        for problem in report.problems {
            let place = problem.entry.map { "#\($0)" } ?? ""
            Output.line(Style.red("\(problem.origin)\(place): \(problem.text)"))
        }
        for text in Set(report.unproved).sorted() { Output.line(Style.yellow("not proved: \(text)")) }
        Output.line(
            report.isSound
                ? Style.green("\(grouped(report.entries)) entries are what was signed") + " (\(seconds(duration)) s)"
                : Style.red("\(report.problems.count) problems"))
    }
}

extension AuditReport {
    var members: [JSONMember] {
        [
            JSONMember("ok", .bool(isSound)),
            JSONMember("entries", .integer(Int64(clamping: entries))),
            JSONMember(
                "logs",
                .array(
                    logs.map {
                        .object([
                            JSONMember("origin", .string($0.origin)),
                            JSONMember("size", .integer(Int64(clamping: $0.size))),
                            JSONMember("root", .string($0.root)), JSONMember("ok", .bool($0.isSound)),
                            JSONMember("checkpoints", .integer(Int64($0.checkpoints))),
                            JSONMember("cosignatures", .integer(Int64($0.cosignatures))),
                            JSONMember("sealed_parts", .integer(Int64($0.blobs))),
                            JSONMember("erased", .integer(Int64($0.erased))),
                        ])
                    })),
            JSONMember(
                "problems",
                .array(
                    problems.map { problem in
                        .object(
                            [
                                JSONMember("origin", .string(problem.origin)),
                                JSONMember("text", .string(problem.text)),
                            ] + (problem.entry.map { [JSONMember("entry", .integer(Int64(clamping: $0)))] } ?? []))
                    })),
            JSONMember("unproved", .array(Set(unproved).sorted().map { .string($0) })),
        ]
    }
}
