import ArgumentParser
import Home
import NodeService
import Records

struct JournalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "journal",
        abstract: "Who opened which sealed fields of which records here, and when.",
        discussion: """
            The journal is a file of this node, one JSON object a line, and goes to no partner. It names records and \
            fields, never values.

            EXAMPLES
              entente journal
              entente journal --since 2026-03-01 --json
            """)

    @OptionGroup var global: GlobalOptions

    @Option(help: ArgumentHelp("Only what is not older, as 2026-03-01 or 2026-03-01T12:00:00Z.", valueName: "time"))
    var since: String?

    func run() throws {
        let node = try global.open()
        let first = try since.map { text in
            guard let time = Timestamp(text) ?? Timestamp(day: text) else {
                throw CommandFailure(.usage, "--since \(text) is no time; write 2026-03-01 or 2026-03-01T12:00:00Z")
            }
            return time
        }
        var unreadable = 0
        var table = Table("WHEN", "WHO", "WHAT", "RECORD", "FIELDS")
        try node.journal.read { line in
            guard let line, let time = line["time"]?.string.flatMap({ Timestamp($0) }) else {
                unreadable += 1
                return
            }
            if let first, (time.seconds, time.nanoseconds) < (first.seconds, first.nanoseconds) { return }
            if global.json { return Output.json(line.object ?? []) }
            let count = line["count"].map { "\(JSONWriter.text($0)) boxes" }
            table.add(
                time.text, printable(line["user"]?.string ?? ""), printable(line["deed"]?.string ?? ""),
                printable(line["ref"]?.string ?? count ?? ""),
                printable((line["fields"]?.array ?? []).compactMap(\.string).joined(separator: ", ")))
        }
        if !global.json {
            if table.isEmpty { Output.note("nothing was opened") } else { table.print() }
        }
        if unreadable > 0 {
            Output.note("entente: \(unreadable) lines of \(node.journal.path) cannot be read, and are left out")
        }
    }
}
