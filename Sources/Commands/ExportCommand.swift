import ArgumentParser
import Home
import LogStore
import NodeService
import Records

/// What records can be exported as.
enum ExportFormat: String, CaseIterable, ExpressibleByArgument {
    case tiles
}

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write logs as files that others can read without this program.",
        discussion: """
            --format tiles writes whole logs as C2SP tlog-tiles, for any web server or object store: this node's log of \
            the community in COMMUNITY/, the replicas of partners' logs in mirror/LOG-ID/. Only what is new is written, \
            and the checkpoint after all that it covers, so it may be run at any time and killed at any moment. A log \
            cannot leave out records: those of every TLP are in it. Sealed parts are not.

            EXAMPLES
              entente export --format tiles /srv/tiles
              entente export --format tiles --community krus --community asia /srv/tiles --json
              entente verify /srv/tiles --vkey us.example/krus+5b1a6c0d+AfR…
            """)

    @OptionGroup var global: GlobalOptions

    @Option(help: ArgumentHelp("tiles.", valueName: "format"))
    var format: ExportFormat

    @Option(help: ArgumentHelp("A community whose logs are written; may repeat.", valueName: "community"))
    var community: [String] = []

    @Argument(help: ArgumentHelp("The folder to write to; made where there is none.", valueName: "dir"))
    var target: String

    func validate() throws {
        if format == .tiles, target == "-" { throw ValidationError("tiles are many files; name a folder for them") }
    }

    func run() throws {
        Interruption.exitsWith130()
        let node = try Node.open(global.home)
        let communities =
            try community.isEmpty
            ? [node.community(nil).name] : community.map { try node.community($0).name }
        switch format {
        case .tiles: try TilesOutput(node: node, target: target, isJSON: global.json).export(communities)
        }
    }
}

/// `export --format tiles`: one log after the other, each told about; one that fails does not stop the others.
private struct TilesOutput {
    let node: Node
    let target: String
    let isJSON: Bool

    func export(_ communities: [String]) throws {
        let export = TileExport(store: node.store, folder: target)
        var table = Table("LOG", "ENTRIES", "NEW", "FILES", "BYTES", "FOLDER")
        var failure: CommandFailure?
        for log in try node.store.logs() where communities.contains(log.community) {
            let bar = ProgressBar("exporting \(log.origin)", isQuiet: isJSON)
            do {
                let result = try export.export(log) { bar.update($0, of: $1) }
                bar.finish()
                guard let result else {
                    tell(log, ok: true, "nothing of it is here yet")
                    continue
                }
                if isJSON { Output.json(members(result)) }
                table.add(
                    result.origin, grouped(result.size), grouped(result.size - result.previous), grouped(result.files),
                    grouped(result.bytes), result.path)
            } catch {
                bar.finish()
                let reason = CommandFailure(error)
                // The first one is what the command ends with.
                if failure == nil, !isJSON { failure = reason } else { tell(log, ok: false, reason.description) }
                failure = failure ?? reason
            }
        }
        if !isJSON, !table.isEmpty { table.print() }
        if let failure { throw failure }
    }

    private func tell(_ log: StoredLog, ok: Bool, _ reason: String) {
        guard isJSON else { return Output.note("\(printable(log.origin)) is left as it is: \(printable(reason))") }
        Output.json([
            JSONMember("origin", .string(log.origin)), JSONMember("ok", .bool(ok)),
            JSONMember("reason", .string(reason)),
        ])
    }

    private func members(_ result: TileExport.Result) -> [JSONMember] {
        [
            JSONMember("origin", .string(result.origin)), JSONMember("ok", .bool(true)),
            JSONMember("path", .string(result.path)), JSONMember("size", .integer(Int64(clamping: result.size))),
            JSONMember("previous", .integer(Int64(clamping: result.previous))),
            JSONMember("files", .integer(Int64(result.files))), JSONMember("bytes", .integer(Int64(result.bytes))),
            JSONMember("removed", .integer(Int64(result.removed))),
        ]
    }
}
