import ArgumentParser
import Interchange
import NodeService
import Records

struct QuarantineCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quarantine",
        abstract: "Rows that imports refused: list, show to correct them, remove.",
        discussion: """
            `import` takes what is right and keeps the rest here, sealed to this node alone. Have a look at what was \
            refused and why, write the rows out as they were, correct and import them, and remove what was kept.

            EXAMPLES
              entente quarantine list
              entente quarantine show bybit.csv > bybit-again.csv
              entente import bybit-again.csv
              entente quarantine remove bybit.csv
            """,
        subcommands: [QuarantineListCommand.self, QuarantineShowCommand.self, QuarantineRemoveCommand.self],
        defaultSubcommand: QuarantineListCommand.self)
}

/// The rows that a command names: by their ids, by the import that refused them, or by the file that they came in.
struct QuarantineSelection {
    private let words: [String]
    private var unmatched: Set<String>
    private(set) var damaged: [String: Int] = [:]

    /// All rows where no word is given.
    init(_ words: [String]) {
        self.words = words
        unmatched = Set(words)
    }

    /// Whether a word names the import as a whole.
    mutating func names(batch: String) -> Bool {
        guard words.contains(batch) else { return false }
        unmatched.remove(batch)
        return true
    }

    mutating func names(_ row: QuarantinedRow) -> Bool {
        guard !words.isEmpty else { return true }
        let found = words.filter { $0 == row.batch || $0 == row.file || row.hasID($0) }
        unmatched.subtract(found)
        return !found.isEmpty
    }

    /// Hands out the rows that are named, the oldest first, and counts what is damaged.
    mutating func read(_ folder: QuarantineFolder, _ body: (QuarantinedRow) throws -> Void) throws {
        for batch in try folder.batches() {
            let isWhole = words.isEmpty || names(batch: batch)
            try folder.read(batch) { line in
                switch line {
                case .row(let row): if names(row) || isWhole { try body(row) }
                case .damaged: damaged[batch, default: 0] += 1
                case .heading: break
                }
            }
        }
    }

    /// Throws where a word names nothing.
    func requireAll() throws {
        guard let word = words.first(where: unmatched.contains) else { return }
        throw CommandFailure(
            .noInput, "\(printable(word)) is no quarantined row, import or file; see `entente quarantine list`")
    }

    /// One line for each file that was damaged, or is none.
    func noteDamage(_ folder: QuarantineFolder) {
        for path in (try? folder.strays()) ?? [] {
            Output.note("entente: \(printable(path)) is no plain file, and is left out")
        }
        for (batch, count) in damaged.sorted(by: { $0.key < $1.key }) {
            let lines = groupedCount(count, "line that cannot be read, and is", "lines that cannot be read, and are")
            Output.note("entente: \(folder.path(of: batch)) has \(lines) left out")
        }
    }
}

extension QuarantinedRow {
    /// As it is shown, or with a slash as references may have it.
    func hasID(_ text: String) -> Bool {
        text == id || text == "\(batch)/\(number)"
    }

    /// What is in clear.
    var members: [JSONMember] {
        [
            JSONMember("id", .string(id)), JSONMember("import", .string(batch)), JSONMember("file", .string(file)),
            JSONMember("position", .integer(line)), JSONMember("item", item.map { .integer($0) } ?? .null),
            JSONMember("format", format.map { .string($0.rawValue) } ?? .null),
            JSONMember("reason", .string(reason)),
            JSONMember("bytes", byteCount.map { .integer($0) } ?? .null),
        ]
    }
}
