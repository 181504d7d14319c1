import ArgumentParser
import Home
import NodeService

/// What records can be exported as.
enum ExportFormat: String, CaseIterable, ExpressibleByArgument {
    case tiles
    case evidence
}

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write logs or records as files that others can read without this program.",
        discussion: """
            --format tiles writes whole logs as C2SP tlog-tiles, for any web server or object store: this node's log of \
            the community in COMMUNITY/, the replicas of partners' logs in mirror/LOG-ID/. Only what is new is written, \
            and the checkpoint after all that it covers, so it may be run at any time and killed at any moment. A log \
            cannot leave out records: those of every TLP are in it. Sealed parts are not.

            --format evidence writes one record as one file, to hand over or to file away: its body, the proof that it is \
            in its log, who has cosigned it and when, the keys, and a page for people that shows all this. Sealed fields \
            are not in it.

            Every export is noted in the journal.

            EXAMPLES
              entente export --format tiles /srv/tiles
              entente export --format tiles --community krus --community asia /srv/tiles --json
              entente verify /srv/tiles --vkey us.example/krus+5b1a6c0d+AfR…
              entente export --format evidence us.example/krus#1042 1042.evidence.html
              entente verify 1042.evidence.html --vkey us.example/krus+5b1a6c0d+AfR…
            """)

    @OptionGroup var global: GlobalOptions

    @Option(help: ArgumentHelp("tiles or evidence.", valueName: "format"))
    var format: ExportFormat

    @Option(help: ArgumentHelp("A community whose logs are written as tiles; may repeat.", valueName: "community"))
    var community: [String] = []

    @Argument(
        help:
            "With tiles, the folder to write to, made where there is none; with evidence, the record and the file, or -."
    )
    var targets: [String]

    func validate() throws {
        switch format {
        case .tiles:
            guard targets.count == 1 else { throw ValidationError("tiles go into one folder; name it") }
            guard targets[0] != "-" else { throw ValidationError("tiles are many files; name a folder for them") }
        case .evidence:
            guard targets.count == 2 else {
                throw ValidationError("evidence is of one record in one file; write REFERENCE FILE")
            }
            guard community.isEmpty else { throw ValidationError("--community goes with tiles") }
        }
    }

    func run() throws {
        Interruption.exitsWith130()
        let node = try global.open()
        switch format {
        case .tiles:
            let communities =
                try community.isEmpty
                ? [node.community(nil).name] : community.map { try node.community($0).name }
            try ExportTiles(node: node, target: targets[0], isJSON: global.json).export(communities)
        case .evidence:
            try ExportEvidence(node: node, isJSON: global.json).export(targets[0], to: targets[1])
        }
    }
}
