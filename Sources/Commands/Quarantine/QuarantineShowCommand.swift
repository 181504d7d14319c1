import ArgumentParser
import Cryptography
import Interchange
import NodeService
import Records
import Sealing

struct QuarantineShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Write refused rows as they were, to be corrected and imported.",
        discussion: """
            The rows go to standard output, below what stood above them in their file, so that they are a file of its \
            format. That file has in clear what may have to be sealed: put it where nobody else reads it, and delete it \
            afterwards. Rows of files with different headings are written one file at a time. Opening is noted in the \
            journal; where keys are under a passphrase, the running node opens, or the passphrase is asked for.

            EXAMPLES
              entente quarantine show bybit.csv > /dev/shm/bybit-again.csv
              entente quarantine show 20260301T120000Z-4711#3
              entente quarantine show 20260301T120000Z-4711 --json
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: "Rows by their ids, or all of an import or a file.")
    var words: [String]

    /// The rows below one heading.
    private struct Source: Hashable {
        let batch: String
        let heading: Int64?
        let format: ImportFormat?
    }

    func run() throws {
        let folder = QuarantineFolder(try global.open())
        var selection = QuarantineSelection(words)
        var sources: [Source] = []
        var count = 0
        try selection.read(folder) { row in
            count += 1
            let source = Source(batch: row.batch, heading: row.heading, format: row.format)
            if !sources.contains(source) { sources.append(source) }
        }
        selection.noteDamage(folder)
        try selection.requireAll()
        let headings = try headings(of: sources, folder)
        if !global.json, let heading = headings.first?.value {
            write(heading)
        }
        var pending: [QuarantinedRow] = []
        var failure: (row: QuarantinedRow, reason: String)?
        var failures = 0
        func flush() throws {
            for (row, outcome) in zip(pending, try folder.open(pending)) {
                let source = Source(batch: row.batch, heading: row.heading, format: row.format)
                do {
                    write(row, try outcome.get(), below: headings[source])
                } catch let error as SealingError {
                    failures += 1
                    let reason = error.reason
                    failure = failure ?? (row, reason)
                    if global.json { Output.json(row.members + [JSONMember("error", .string(reason))]) }
                }
            }
            pending = []
        }
        var again = QuarantineSelection(words)
        try again.read(folder) { row in
            pending.append(row)
            if pending.count == QuarantineFolder.openedTogether { try flush() }
        }
        try flush()
        guard let failure else { return }
        throw CommandFailure(
            .answerIsNo,
            "\(failures) of \(groupedCount(count, "row", "rows")) cannot be opened, \(failure.row.id) among them: "
                + failure.reason)
    }

    // MARK: Headings

    /// What stands above the rows of each source. Throws where the rows together would be no file.
    private func headings(of sources: [Source], _ folder: QuarantineFolder) throws -> [Source: SecretBytes] {
        guard global.json || Set(sources.map(\.format)).count < 2 else { throw severalFiles }
        var headings: [Source: SecretBytes] = [:]
        for source in sources {
            guard let number = source.heading else { continue }
            let found: (text: SecretBytes, isCut: Bool)?
            do {
                found = try folder.heading(number, of: source.batch)
            } catch let error as SealingError {
                // Then no row opens either, which is said of them.
                if case .keyMissing = error { continue }
                throw CommandFailure(.badInput, "the heading of \(source.batch): \(error.reason)")
            }
            guard let found else { throw damagedHeading(source) }
            if found.isCut { Output.note("entente: only the beginning of the heading of \(source.batch) is kept") }
            headings[source] = found.text
        }
        guard let first = headings.values.first, !global.json else { return headings }
        guard headings.values.allSatisfy({ $0.equals(first) }) else { throw severalFiles }
        return headings
    }

    private var severalFiles: CommandFailure {
        CommandFailure(
            .usage,
            "these rows are of files with different headings; show those of one file or import at a time, or take --json"
        )
    }

    private func damagedHeading(_ source: Source) -> CommandFailure {
        CommandFailure(
            .badInput, "the heading of rows in \(source.batch) cannot be read; --json shows the rows without it")
    }

    // MARK: Writing

    private func write(_ row: QuarantinedRow, _ text: SecretBytes, below heading: SecretBytes?) {
        if let count = row.byteCount {
            Output.note(
                "entente: of \(row.id) only the first \(grouped(text.count)) of \(grouped(count)) bytes are kept")
        }
        guard global.json else { return write(text) }
        var members = row.members
        if let heading { members.append(JSONMember("heading", heading.json)) }
        members.append(JSONMember("row", text.json))
        Output.json(members)
    }

    /// The text, on lines of its own. On a terminal without what could drive it.
    private func write(_ text: SecretBytes) {
        text.withUnsafeBytes { bytes in
            if Output.isTerminal {
                for line in String(decoding: bytes, as: UTF8.self).split(
                    separator: "\n", omittingEmptySubsequences: false)
                where !line.isEmpty { Output.line(printable(String(line))) }
            } else {
                Output.bytes(bytes)
                if bytes.last != 0x0A { Output.line("") }
            }
        }
    }
}

extension SecretBytes {
    /// As a text, or in base64 where it is none.
    fileprivate var json: JSONValue {
        withUnsafeBytes { bytes in
            if let text = String(validating: bytes, as: UTF8.self) { return .string(text) }
            return .object([JSONMember("base64", .string(Base64.encode(Array(bytes))))])
        }
    }
}

extension SealingError {
    /// In terms of rows.
    fileprivate var reason: String {
        if case .keyMissing = self { return "sealed to a key that was destroyed, or is not in keys/" }
        return description
    }
}
