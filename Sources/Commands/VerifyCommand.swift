import ArgumentParser
import Home
import LogStore
import NodeService
import Records
import TransparencyLog

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read everything again and check it: hashes, tiles, checkpoints, cosignatures, sealed parts.",
        discussion: """
            Exit status 0: all of it is as it was signed. 1: something is not, and the first bad entry is named, or no \
            known key vouches for a log: of a restored home whose keys are newer, until `entente recover`. What could \
            not be proved is always listed.

            With the folder of a home, a copied node.sqlite or a backup, that is audited: nothing is written, not even \
            beside it, and no private key is needed. The logs' keys are those of the cards in the folder or backup and \
            of --vkey, and for a backup of this home's own node those of this home. Of a backup every file in it is held \
            against its manifest, too.

            The index of a home is derived: with --index what in it does not say what the logs say is named, and the \
            file can be deleted. Pages of node.sqlite that no audit has to read are looked at then, too.

            Whether what is sealed is what its record promises shows only who opens it: with --sealed, all that is sealed to \
            this node is opened, and noted in the journal, for which its keys are needed. What a search has opened before \
            and found in order is not opened again. What cannot be opened, since it has not come or its key is gone, is \
            listed as not proved.

            With --since, entries that the audit of that report has read are not read again, once it is proved that \
            the log goes on from them. Tiles are read anew, and have to go on from them.

            With FILE, a proof that `entente prove` wrote is checked instead, for the key that --vkey gives. The \
            record's body is that of --body, and no home is needed then; else it is the one in this home. Evidence of a \
            fork is checked by itself; its key is compared with --vkey, or with the log in this home. Where there is a home \
            that knows that the owner had given the log up before that record, the answer says so, with --vkey too.

            EXAMPLES
              entente verify
              entente verify --log us.example/krus --json > 2026-11.json
              entente verify --since 2026-11.json --json > 2026-12.json
              entente verify --sealed
              entente verify --policy agencies.policy
              entente verify /mnt/backup/us.example-2026-11-30.entente
              entente verify /mnt/seized/home --vkey us.example/krus+5b1a6c0d+AfR…
              entente show us.example/krus#1042 --raw > 1042.json
              entente prove us.example/krus#1042 > 1042.tlog-proof
              entente verify 1042.tlog-proof --body 1042.json --vkey us.example/krus+5b1a6c0d+AfR…
              entente verify 1042.evidence.html --vkey us.example/krus+5b1a6c0d+AfR…
              entente verify evidence/us.example_krus.fork
              entente verify /srv/tiles --vkey us.example/krus+5b1a6c0d+AfR… --cosigner kr.example+0c2f11aa+BHk…
              entente verify https://node.us.example:7963/ --vkey us.example/krus+5b1a6c0d+AfR…
            """)

    @OptionGroup var global: GlobalOptions

    @Option(name: .customLong("log"), help: "Only this log, by its origin; may repeat.")
    var origins: [String] = []

    @Argument(
        help: ArgumentHelp(
            "A home, a copied node.sqlite, a backup, a folder or address of tiles, a tlog-proof or an evidence file; - for "
                + "standard input.",
            valueName: "path"))
    var path: String?

    @Option(
        help: ArgumentHelp(
            "A log's key, for a copy or a proof, or that of a node that cosigns; may repeat. With a proof, these nodes "
                + "must have cosigned.", valueName: "key"))
    var vkey: [String] = []

    @Option(
        help: ArgumentHelp("The key of a node that must have cosigned, with tiles and proof files.", valueName: "key"))
    var cosigner: [String] = []

    @OptionGroup var web: WebOptions

    @Option(help: ArgumentHelp("The record's exact body, for a proof.", valueName: "file"))
    var body: String?

    @Option(help: ArgumentHelp("Begin where the audit ended that printed this with --json.", valueName: "report"))
    var since: String?

    @Flag(
        name: .customLong("index"),
        help: "Hold a home's index against its logs, and look at every page of its database; far longer.")
    var withIndex = false

    @Flag(
        name: .customLong("sealed"),
        help: "Open what is sealed to this node, too, and name what is not as its record promises.")
    var withSealed = false

    @Flag(help: "Read everything again, also with --since.")
    var full = false

    @Option(
        help: ArgumentHelp("Which logs are known, and which witnesses count: a C2SP tlog-policy.", valueName: "file"))
    var policy: String?

    func validate() throws {
        if path == nil {
            guard vkey.isEmpty, body == nil else { throw ValidationError("--vkey and --body go with a proof file") }
        } else if withSealed {
            throw ValidationError("--sealed goes with this node's own home, not with PATH")
        } else if withIndex, let path {
            guard AuditSource.databases(at: path).flatMap({ AuditSource.index(beside: $0.database, at: path) }) != nil
            else { throw ValidationError("--index goes with the folder of a home") }
        }
    }

    func run() throws {
        Interruption.exitsWith130()
        if let path, path != "-", StoredBackup.isBackup(path) {
            guard body == nil else { throw CommandFailure(.usage, "--body goes with a proof file, not with a backup") }
            let home = try? HomeFolder.open(global.home ?? HomeFolder.defaultPath())
            return try audit(
                LogAudit(
                    backup: BackupSource(
                        path: path, keys: LogAudit.keys(vkey) + policyFile().map(\.keys).joined(), home: home)))
        }
        if let path, let databases = path == "-" ? nil : AuditSource.databases(at: path) {
            guard body == nil else { throw CommandFailure(.usage, "--body goes with a proof file, not with a home") }
            let source = try AuditSource(
                path: path, databases: databases, keys: LogAudit.keys(vkey) + policyFile().map(\.keys).joined())
            return try audit(
                LogAudit(
                    name: databases.database, store: source.store, mirrorKeys: source.mirrorKeys,
                    logKeys: source.logKeys, home: source.home, source: source,
                    index: withIndex ? AuditSource.index(beside: databases.database, at: path) : nil))
        }
        if let path {
            guard origins.isEmpty else {
                throw CommandFailure(
                    .usage, "--log goes with a home or its database, not with a proof file or with tiles")
            }
            let policy = try policyFile().first
            if WebAccess.isAddress(path) || TilesCheck.isFolder(path) {
                let since = try since.map { try LogAudit.earlier($0) }
                guard body == nil else { throw CommandFailure(.usage, "--body goes with a proof file, not with tiles") }
                let check =
                    WebAccess.isAddress(path)
                    ? try TilesCheck(
                        client: web.access.client(path, home: global.home), keys: vkey, cosigners: cosigner,
                        policy: policy, since: since)
                    : try TilesCheck(folder: path, keys: vkey, cosigners: cosigner, policy: policy, since: since)
                return try check.show(json: global.json)
            }
            guard since == nil else {
                throw CommandFailure(.usage, "--since goes with whole logs, not with a proof or evidence file")
            }
            let bytes = try InputFile.read(
                path, limit: max(ForkEvidence.maximumByteCount, RecordEvidence.maximumByteCount))
            if RecordEvidence.isEvidence(bytes) {
                guard body == nil else { throw CommandFailure(.usage, "evidence has its record's body in it") }
                try refuseCosigner()
                return try EvidenceCheck(path: path, bytes: bytes, keys: vkey, policy: policy, home: global.home)
                    .show(json: global.json)
            }
            if ForkEvidence.isEvidence(bytes) {
                try refuseCosigner()
                guard policy == nil else { throw CommandFailure(.usage, "a policy says nothing of a fork") }
                return try ForkCheck(path: path, bytes: bytes, keys: vkey, home: global.home).show(json: global.json)
            }
            guard !vkey.isEmpty || policy?.logs.isEmpty == false else {
                throw CommandFailure(.usage, "a proof file needs the log's key; give it with --vkey")
            }
            let check = try ProofCheck(
                path: path, bytes: bytes, keys: vkey + cosigner, policy: policy, body: body, home: global.home)
            return try check.show(json: global.json)
        }
        let node = try global.open()
        let keys = Dictionary(
            try policyFile().flatMap(\.keys).filter { $0.algorithm == .cosignature }.map { ($0.name, MirrorKeys($0)) }
        ) { first, _ in first }
        let known = try node.auditKeys()
        try audit(
            LogAudit(
                name: node.home.path, store: node.store, mirrorKeys: node.mirrorKeys.merging(keys) { own, _ in own },
                logKeys: known.logKeys, home: node.home, unvouched: known.unvouched, unproved: known.unproved,
                index: withIndex ? node.home.indexDatabase : nil), opening: withSealed ? node : nil)
    }

    /// The policy, if there is one.
    private func policyFile() throws -> [WitnessPolicy] {
        try policy.map { [try WitnessPolicy(path: $0)] } ?? []
    }

    /// What is asked for and would not be looked at is refused.
    private func refuseCosigner() throws {
        guard cosigner.isEmpty else {
            throw CommandFailure(.usage, "--cosigner goes with tiles and proof files; here --vkey takes the key")
        }
    }

    private func audit(_ audit: LogAudit, opening node: Node? = nil) throws {
        try refuseCosigner()
        let earlier = try since.map { try LogAudit.earlier($0) }
        let bar = ProgressBar("verifying", isQuiet: global.json)
        let begin = ContinuousClock.now
        var report = try audit.run(origins: origins, since: full ? nil : earlier) { bar.update($0, of: $1) }
        bar.finish()
        let here = Set(try audit.store.logs().map(\.origin))
        for key in try LogAudit.keys(vkey) where key.algorithm == .ed25519 && !here.contains(key.name) {
            report.unproved.append("anything of \(key.name): its key was given, and no such log is in \(audit.name)")
        }
        if let node {
            let bar = ProgressBar("opening", isQuiet: global.json)
            try report.addSealed(of: node) { bar.update($0, of: $1) }
            bar.finish()
        }
        let duration = Double((ContinuousClock.now - begin) / .milliseconds(1)) / 1_000
        let judged = try policyFile().first.map { policy in
            let logs = Set(report.logs.map(\.origin))
            return try PolicyAudit(
                policy, logs: audit.store.logs().filter { logs.contains($0.origin) }, in: audit.store, now: Clock.now())
        }
        if let judged { report.add(judged) }
        let isProved = report.isSound && audit.isVouched(report)
        if global.json {
            Output.json(
                audit.header(of: report) + report.members(isProved: isProved) + (judged.map { [$0.member] } ?? []))
        } else {
            for log in judged?.logs ?? [] where log.isListed {
                judged?.policy.show(log.verdict, of: "\(log.origin), \(groupedCount(log.size, "entry", "entries"))")
            }
            show(report, duration, isProved: isProved)
        }
        if !isProved { throw ExitCode(ExitStatus.answerIsNo.rawValue) }
    }

    private func show(_ report: AuditReport, _ duration: Double, isProved: Bool) {
        var table = Table("LOG", "ENTRIES", "CHECKPOINTS", "COSIGNATURES", "SEALED", "RESULT")
        for log in report.logs {
            table.add(
                log.origin, grouped(log.size), grouped(log.checkpoints), grouped(log.cosignatures),
                grouped(log.blobs),
                !log.isSound ? "NOT SOUND" : !isProved && report.unanchored.contains(log.origin) ? "UNPROVED" : "sound")
        }
        table.print()
        for log in report.logs where log.erased > 0 {
            func parts(_ count: Int, _ who: String) -> [String] {
                count == 0 ? [] : ["\(groupedCount(count, "sealed part", "sealed parts")) erased by \(who)"]
            }
            let texts =
                parts(log.erased - log.erasedBeyondOwner, "their author")
                + parts(log.erasedBeyondOwner, "entries that are \(notOwners), as its owner had given the log up")
            Output.line("\(log.origin): \(texts.joined(separator: "; ")); none is missing")
        }
        if let sealed = report.sealed {
            let parts =
                sealed.opened == 0 ? "no sealed part" : groupedCount(sealed.opened, "sealed part", "sealed parts")
            let promise =
                sealed.opened == 1 ? ", which is what its record promises" : ", which are what their records promise"
            Output.line("opened \(parts) for this node\(sealed.opened == 0 ? "" : promise)")
        }
        for file in report.evidence where file.isSound {
            Output.line("\(printable(file.path)): \(printable(file.subject ?? "")) \(printable(file.text))")
        }
        for problem in report.problems {
            let place = problem.entry.map { "#\($0)" } ?? ""
            Output.line(Style.red(printable("\(problem.origin)\(place): \(problem.text)")))
        }
        for text in Set(report.unproved).sorted() { Output.line(Style.yellow(printable("not proved: \(text)"))) }
        if !report.isSound {
            Output.line(Style.red(groupedCount(report.problems.count, "problem", "problems")))
        } else if !isProved {
            Output.line(Style.yellow("no problem was found, but no known key vouches for all that was read"))
        } else {
            Output.line(Style.green(areSigned(report.entries)) + " (\(seconds(duration)) s)")
        }
    }
}

extension SealedCensus {
    fileprivate var value: JSONValue {
        .object([
            JSONMember("opened", .integer(Int64(opened))),
            JSONMember(
                "not_opened",
                .array(
                    unopened.map { group in
                        .object([
                            JSONMember("origin", .string(group.origin)),
                            JSONMember("reason", .string(group.reason.rawValue)),
                            JSONMember("count", .integer(Int64(group.entries.count))),
                            JSONMember("entries", .array(group.entries.map { .integer(Int64(clamping: $0)) })),
                        ])
                    })),
        ])
    }
}

extension AuditReport {
    var members: [JSONMember] { members(isProved: isSound) }

    /// `isProved`: whether all of it is what was signed, by keys that are known.
    func members(isProved: Bool) -> [JSONMember] {
        [
            JSONMember("ok", .bool(isProved)),
            JSONMember("entries", .integer(Int64(clamping: entries))),
            JSONMember("indexed", indexed.map { .integer(Int64(clamping: $0)) } ?? .null),
            JSONMember(
                "logs",
                .array(
                    logs.map {
                        .object(
                            [
                                JSONMember("origin", .string($0.origin)),
                                JSONMember("size", .integer(Int64(clamping: $0.size))),
                                JSONMember("root", .string($0.root)),
                                JSONMember(
                                    "ok", .bool($0.isSound && (isProved || !unanchored.contains($0.origin)))),
                                JSONMember("checkpoints", .integer(Int64($0.checkpoints))),
                                JSONMember("cosignatures", .integer(Int64($0.cosignatures))),
                                JSONMember("sealed_parts", .integer(Int64($0.blobs))),
                                JSONMember("erased", .integer(Int64($0.erased))),
                                JSONMember("erased_beyond_owner", .integer(Int64($0.erasedBeyondOwner))),
                            ] + ($0.end?.members ?? []))
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
            JSONMember("sealed", sealed?.value ?? .null),
            JSONMember("unproved", .array(Set(unproved).sorted().map { .string($0) })),
            JSONMember(
                "evidence",
                .array(
                    evidence.map { file in
                        .object([
                            JSONMember("file", .string(file.path)), JSONMember("ok", .bool(file.isSound)),
                            JSONMember("subject", file.subject.map { .string($0) } ?? .null),
                            JSONMember("text", .string(file.text)),
                        ])
                    })),
        ]
    }
}
