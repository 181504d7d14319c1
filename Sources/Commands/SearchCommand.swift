import ArgumentParser
import Cryptography
import Home
import LogStore
import NodeService
import Records

struct SearchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search",
        abstract: "Find records, newest first.",
        discussion: """
            Words match labels, names, slugs and concepts by their beginning. Every condition given must hold. \
            Withdrawn and superseded records are left out, and counted, unless --all is given.

            --sealed finds records by the whole value of a field that is sealed to this node, in any case and \
            punctuation; the name alone asks for the value without showing it, as on the command line others on this \
            machine can read it.

            EXAMPLES
              entente search lazarus
              entente search --address 0x098b716b8aaf21512996dc57eb0615e2383e2f96
              entente search --actor lazarus_group --limit 20 --json
              entente search --sealed case_number=2023-0417
              entente search --sealed victim=@name.txt
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: "Words to find.")
    var words: [String] = []

    @Option(help: "An address, of any chain, in any spelling its chain allows.")
    var address: String?

    @Option(help: "A transaction's hash.")
    var tx: String?

    @Option(help: "An actor's slug.")
    var actor: String?

    @Option(help: "An incident's slug.")
    var incident: String?

    @Option(help: ArgumentHelp("A sealed field and its whole value; may repeat.", valueName: "field=value"))
    var sealed: [String] = []

    @Option(help: "A record type, such as attribution.")
    var type: String?

    @Option(help: "Only this community's logs.")
    var community: String?

    @Option(help: "At most so many records.")
    var limit = 50

    @Flag(help: "Withdrawn and superseded records too.")
    var all = false

    func validate() throws {
        guard (1...100_000).contains(limit) else { throw ValidationError("--limit takes 1 to 100000") }
    }

    func run() throws {
        let node = try global.open()
        var query = RecordQuery()
        query.text = words.isEmpty ? nil : words.joined(separator: " ")
        query.address = address
        query.transaction = tx
        query.actor = actor
        query.incident = incident
        query.type = type
        query.community = community
        query.limit = limit
        query.includesWithdrawn = all
        let conditions = try sealed.map(condition)
        if !conditions.isEmpty {
            let bar = ProgressBar("opening", isQuiet: global.json)
            let index = try SealedIndex(node: node)
            query.among = Set(try index.positions(where: conditions) { bar.update($0, of: $1) })
            bar.finish()
            if let first = index.damaged.first {
                let which = try node.reference(of: first)
                Output.note(
                    "entente: \(groupedCount(index.damaged.count, "sealed part is", "sealed parts are")) damaged here, and "
                        + "found by no value: \(which)\(index.damaged.count > 1 ? " and others" : ""); run "
                        + "`entente scrub --repair`")
            }
            if let first = index.refusals.first {
                let which = try node.reference(of: first.record)
                Output.note(
                    "entente: \(groupedCount(index.refusals.count, "sealed part is", "sealed parts are")) not what the signed "
                        + "record promises, and found by no value: see `entente show \(which)`")
            }
        }
        let bar = ProgressBar("indexing", isQuiet: global.json)
        let index = try node.index()
        let (found, hidden, damaged) = try index.search(query) { bar.update($0, of: $1) }
        bar.finish()
        noteDamage(damaged, try index.unread())
        if !conditions.isEmpty {
            // That a record was found says what is sealed in it.
            let fields = Set(conditions.map(\.field)).sorted()
            try node.journal.note(found.map { Journal.Entry(.search, reference: $0.reference, fields: fields) })
        }
        if global.json {
            for record in found { Output.json(record.members) }
            return
        }
        var table = Table("REFERENCE", "WHEN", "TYPE", "SUBJECT", "WHAT", "STATE")
        for each in found {
            let record = EntryRecord.read(each.body).record
            table.add(
                each.reference, record?.time.map { String($0.text.prefix(10)) } ?? "",
                record?.type.rawValue ?? "unreadable", record?.subjectText ?? "", record?.summary ?? "",
                each.stateText)
        }
        if table.isEmpty { Output.note("nothing found") } else { table.print() }
        if let first = found.first(where: \.isBeyondOwner) {
            let count = found.count(where: \.isBeyondOwner)
            Output.note(
                "entente: \(groupedCount(count, "record", "records")) of these \(count == 1 ? "is" : "are") not of the node "
                    + "whose log it is, which had given that log up: see `entente show \(first.reference)`")
        }
        if hidden > 0 { Output.note("\(hidden) withdrawn or superseded left out; --all shows them") }
    }

    private func noteDamage(_ hits: [String], _ unread: [UnreadEntries]) {
        if !hits.isEmpty {
            let more = hits.count > 5 ? " and \(hits.count - 5) more" : ""
            Output.note(
                "entente: left out, since damaged here: \(hits.prefix(5).joined(separator: ", "))\(more); run "
                    + "`entente scrub --repair`")
        }
        unread.noteUnsearched()
    }
}

extension [UnreadEntries] {
    /// Says that an answer is without these.
    func noteUnsearched() {
        for each in self {
            let (first, last) = (each.entries.lowerBound, each.entries.upperBound - 1)
            let (what, are) = first == last ? ("#\(first)", "is") : ("#\(first) to #\(last)", "are")
            Output.note(
                "entente: \(each.origin)\(what) \(are) damaged here, and this answer is without what they say; run "
                    + "`entente scrub --repair`")
        }
    }
}

extension SearchCommand {
    /// A condition as it is written: with a value, with a file that holds it, or without, to be asked for it.
    private func condition(_ text: String) throws -> SealedCondition {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let name = parts[0]
        guard parts.count == 2 else {
            guard let typed = HiddenPrompt.read("\(name): ") else {
                throw CommandFailure(.usage, "--sealed \(name) has no value; write \(name)=VALUE or \(name)=@FILE")
            }
            return try SealedCondition(field: name, value: typed)
        }
        if parts[1].hasPrefix("@") {
            return try SealedCondition(field: name, value: InputFile.text(String(parts[1].dropFirst())))
        }
        let condition = try SealedCondition(field: name, value: parts[1])
        Output.noteTypedSecret(name)
        return condition
    }
}

extension FoundRecord {
    var reference: String { "\(origin)#\(index)" }

    /// What `--json` shows of a record.
    var members: [JSONMember] {
        let value: JSONValue = (try? JSONScanner.scan(body)) ?? .null
        return [
            JSONMember("ref", .string(reference)), JSONMember("hash", .string(leafHash.hex)),
            JSONMember("state", .string(state.rawValue)), JSONMember("beyond_owner", .bool(isBeyondOwner)),
            JSONMember("state_beyond_owner", .bool(isStateBeyondOwner)), JSONMember("record", value),
        ]
    }
}

extension EntryRecord {
    /// What the record is about, short enough for a table.
    var subjectText: String {
        guard let subject else { return target.map { $0.reference.text } ?? slug ?? "" }
        let text = subject.address ?? subject.transactionHash ?? ""
        return text.count <= 44 ? text : "\(text.prefix(20))…\(text.suffix(20))"
    }

    /// What it says of it.
    var summary: String {
        switch type {
        case .assessment: return [verdict, reason].compactMap { $0 }.joined(separator: ": ")
        case .withdrawal: return [action, reason].compactMap { $0 }.joined(separator: ": ")
        case .members: return members.map(\.text).joined(separator: ", ")
        default:
            let names = [label, actor].compactMap { $0 }
            let parts = (names.isEmpty ? concepts : names) + (sealed.map { ["[\($0.fields.count) sealed]"] } ?? [])
            return String(parts.joined(separator: " · ").prefix(60))
        }
    }
}
