import ArgumentParser
import NodeService
import Records

struct QuarantineListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "What was refused: from which file and line, and why.",
        discussion: """
            Nothing is opened for it, and no passphrase is needed. A row is named IMPORT#NUMBER; IMPORT has the time, in \
            UTC, at which the import began.

            EXAMPLES
              entente quarantine list
              entente quarantine list bybit.csv
              entente quarantine list --json
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: "Rows, imports or files; all unless given.")
    var words: [String] = []

    func run() throws {
        let folder = QuarantineFolder(try global.open())
        var selection = QuarantineSelection(words)
        var rows = 0
        var imports: Set<String> = []
        try selection.read(folder) { row in
            rows += 1
            imports.insert(row.batch)
            let canOpen = try folder.canOpen(row)
            if global.json {
                return Output.json(row.members + [JSONMember("can_open", canOpen.map { .bool($0) } ?? .null)])
            }
            let lost = canOpen == false ? " (its key was destroyed, or is not in keys/)" : ""
            Output.line("\(row.id)  \(printable(row.file)):\(row.line): \(printable(row.reason))\(lost)")
        }
        selection.noteDamage(folder)
        try selection.requireAll()
        guard !global.json else { return }
        Output.note(
            rows == 0
                ? "nothing is quarantined"
                : "\(groupedCount(rows, "row", "rows")) of \(groupedCount(imports.count, "import", "imports")); "
                    + "`entente quarantine show ID` writes them out")
    }
}
