import ArgumentParser
import Glibc
import Home
import Interchange
import NodeService
import Records

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Take in many records: TagPacks, ActorPacks, CSV, JSON lines.",
        discussion: """
            A bad row is quarantined with its reason and position, and the rest goes in: `entente quarantine` lists and \
            shows such rows, to be corrected and imported. Importing the same again adds \
            nothing twice; an import that was broken off is simply repeated. Fields are sealed as node.yaml says; \
            --in-clear leaves one open, but none that node.yaml lists as never_in_clear: a row that would have such a \
            field in the open is a bad row.

            EXAMPLES
              entente import packs/*.yaml
              entente import bybit.csv --dry-run
              entente import records.jsonl --to kr.example --strict
              entente import ofac.tagpack.yaml --dry-run --json
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: "Files; - for standard input, with --format.")
    var files: [String]

    @Option(help: "tagpack, actorpack, csv or jsonl; by name and content unless given.")
    var format: String?

    @Option(help: "The community whose log they go to.")
    var community: String?

    @Option(
        help: ArgumentHelp(
            "A node that may open sealed fields, in place of those in node.yaml; may repeat.", valueName: "node"))
    var to: [String] = []

    @Option(help: "Leave this field open although node.yaml seals it; may repeat.")
    var inClear: [String] = []

    @Option(help: "How far records without a mark of their own may be passed on.")
    var tlp: String?

    @Option(help: "The incident that they belong to.")
    var incident: String?

    @Flag(help: "Say what would happen, and import nothing.")
    var dryRun = false

    @Flag(help: "Import nothing if one row is bad (exit status 65).")
    var strict = false

    func run() throws {
        Interruption.exitsWith130()
        let node = try global.open()
        let community = try node.community(community)
        try node.checkReaders(to, in: community)
        try SealingPolicy.checkNames(wishes)
        if let refusal = try node.writer(community: community.name).policy.refusal(of: wishes) { throw refusal }
        let word = tlp ?? node.configuration.sealing.trafficLight.rawValue
        guard let tlp = TLP(rawValue: word) else {
            throw CommandFailure(
                .usage, "--tlp \(word) is none of \(TLP.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        let defaults = ImportDefaults(time: Clock.timestamp, author: Clock.user, tlp: tlp, incident: incident)
        if strict {
            let report = try run(node, community, defaults, isDryRun: true)
            guard report.rejects.isEmpty else {
                show(report, community, isDryRun: true)
                throw CommandFailure(.badInput, "\(report.rejects.count) bad rows; nothing was imported")
            }
            if dryRun { return show(report, community, isDryRun: true) }
        }
        show(try run(node, community, defaults, isDryRun: dryRun), community, isDryRun: dryRun)
    }

    private var wishes: SealingPolicy.Wishes { SealingPolicy.Wishes(inClear: inClear, readers: to) }

    private func run(
        _ node: Node, _ community: CommunityConfiguration, _ defaults: ImportDefaults, isDryRun: Bool
    ) throws -> ImportReport {
        let run = try ImportRun(
            node: node, community: community.name, wishes: wishes, isDryRun: isDryRun)
        do {
            for path in files { try add(path, to: run, defaults) }
        } catch {
            // What earlier files held of bad rows is kept, as their good rows are.
            try? run.finish()
            throw error
        }
        try run.finish()
        return run.report
    }

    private func add(_ path: String, to run: ImportRun, _ defaults: ImportDefaults) throws {
        let bytes = try InputFile.read(path, isPlain: true)
        let name = path.split(separator: "/").last.map(String.init) ?? path
        let format = try kind(of: path, bytes)
        let importer = Importer(format: format, defaults: defaults, files: FolderAccess(besides: path))
        let lines = UInt64(bytes.reduce(0) { $0 + ($1 == 0x0A ? 1 : 0) })
        let bar = ProgressBar(name, unit: "lines", isQuiet: global.json)
        defer { bar.finish() }
        try run.add(importer, file: (name, bytes)) { bar.update(UInt64($0), of: max(lines, UInt64($0))) }
    }

    private func kind(of path: String, _ bytes: [UInt8]) throws -> ImportFormat {
        if let format {
            guard let kind = ImportFormat(rawValue: format) else {
                throw CommandFailure(.usage, "--format \(format) is none of tagpack, actorpack, csv, jsonl")
            }
            return kind
        }
        guard let kind = ImportFormat.detect(fileName: path, head: Array(bytes.prefix(1 << 20))) else {
            throw CommandFailure(.usage, "\(path): the format cannot be told from the name; give it with --format")
        }
        return kind
    }

    private func show(_ report: ImportReport, _ community: CommunityConfiguration, isDryRun: Bool) {
        if global.json {
            return Output.json([
                JSONMember("read", .integer(Int64(report.read))),
                JSONMember("imported", .integer(Int64(report.imported))),
                JSONMember("duplicates", .integer(Int64(report.duplicates))),
                JSONMember("quarantined", .integer(Int64(report.quarantined))),
                JSONMember("not_kept", .integer(Int64(report.notKept))),
                JSONMember("sealed", .integer(Int64(report.sealed))), JSONMember("dry_run", .bool(isDryRun)),
                JSONMember("holders", .array(community.members.map { .string($0) })),
                JSONMember(
                    "readers",
                    .object(
                        report.readers.sorted { $0.key < $1.key }.map { field, nodes in
                            JSONMember(field, .array(nodes.sorted().map { .string($0) }))
                        })),
                JSONMember(
                    "rejects",
                    .array(
                        report.rejects.map {
                            .object([
                                JSONMember("file", .string($0.file)), JSONMember("position", .integer(Int64($0.line))),
                                JSONMember("reason", .string($0.reason)),
                            ])
                        })),
            ])
        }
        for reject in report.rejects.prefix(20) {
            Output.note("\(printable(reject.file)):\(reject.line): \(printable(reject.reason))")
        }
        if report.rejects.count > 20 { Output.note("… and \(report.rejects.count - 20) more; --json lists them all") }
        let verb = isDryRun ? "would import" : "imported"
        Output.line(
            "\(verb) \(grouped(report.imported)) of \(grouped(report.read)) records; "
                + "\(grouped(report.duplicates)) known already, \(grouped(report.quarantined)) "
                + (isDryRun ? "would be quarantined" : "quarantined"))
        if report.quarantined > report.notKept, !isDryRun {
            Output.note("see the quarantined rows with `entente quarantine list`, and correct them")
        }
        if report.notKept > 0 {
            Output.note("\(grouped(report.notKept)) of the quarantined rows were not kept: there were too many")
        }
        if report.sealed > 0 {
            let isForOthers = report.readers.values.contains { $0.count > 1 }
            Output.line(
                "  \(grouped(report.sealed)) with sealed fields"
                    + (isForOthers ? "" : ", for this node alone (name readers with --to, or in node.yaml)"))
        }
        let could = isDryRun ? "could be" : "can be"
        for (field, nodes) in report.readers.sorted(by: { $0.key < $1.key }) {
            Output.line("  \(field) \(could) opened by \(nodes.sorted().joined(separator: ", "))")
        }
        if isDryRun {
            Output.line("  would be held by \(community.members.joined(separator: ", "))")
            Output.line("  everything that is not sealed is read by every holder")
        }
    }
}

/// The folder of a file, for what a pack includes.
private struct FolderAccess: FileAccess {
    let folder: String

    init(besides path: String) {
        folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }

    func read(_ relativePath: String, limit: Int) throws -> [UInt8] {
        let path = "\(folder)/\(relativePath)"
        guard let real = realpath(path, nil), let base = realpath(folder, nil) else {
            throw CommandFailure(.noInput, "\(path) cannot be opened: \(String(cString: strerror(errno)))")
        }
        defer {
            free(real)
            free(base)
        }
        // A link may lead out of the folder although the name does not.
        guard String(cString: real).hasPrefix(String(cString: base) + "/") else {
            throw CommandFailure(.notPermitted, "\(path) leaves the folder of the pack")
        }
        return try InputFile.read(path, limit: limit, isPlain: true)
    }
}
