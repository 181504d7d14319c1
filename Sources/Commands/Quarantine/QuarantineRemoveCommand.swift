import ArgumentParser
import NodeService
import Records

struct QuarantineRemoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Remove refused rows for good.",
        discussion: """
            No log has these rows, and no partner: with this they are gone. Backups of the home may still have them. It is \
            asked first, and without a terminal --yes is needed. Opening nothing, it needs no passphrase.

            EXAMPLES
              entente quarantine remove 20260301T120000Z-4711#3
              entente quarantine remove bybit.csv --yes
              entente quarantine remove --all --yes
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: "Rows by their ids, or all of an import or a file.")
    var words: [String] = []

    @Flag(help: "All rows of all imports.")
    var all = false

    @Flag(help: "Do not ask.")
    var yes = false

    func validate() throws {
        guard all != !words.isEmpty else {
            throw ValidationError("name the rows, imports or files to remove, or take --all")
        }
    }

    func run() throws {
        let folder = QuarantineFolder(try global.open())
        var selection = QuarantineSelection(words)
        // What was there when it was asked, and no more: an import may add rows until the answer comes.
        var numbers: [String: Set<Int64>] = [:]
        for batch in try folder.batches() where all || selection.names(batch: batch) { numbers[batch] = [] }
        let whole = Set(numbers.keys)
        try selection.read(folder) { numbers[$0.batch, default: []].insert($0.number) }
        try selection.requireAll()
        let count = numbers.values.reduce(0) { $0 + $1.count }
        if !yes {
            try Confirmation.ask("\(groupedCount(count, "refused row goes", "refused rows go")) for good", "Remove?")
        }
        var removed = 0
        for (batch, numbers) in numbers.sorted(by: { $0.key < $1.key }) {
            removed += try folder.remove(numbers, from: batch, asWhole: whole.contains(batch))
        }
        if global.json { return Output.json([JSONMember("removed", .integer(Int64(removed)))]) }
        Output.line("removed \(groupedCount(removed, "row", "rows"))")
    }
}
