import ArgumentParser
import Home
import LogStore
import NodeService
import Records

struct SubmitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "submit",
        abstract: "Append one record to this node's log, or several from a file.",
        discussion: """
            NAME is a field of the type, or a path such as confidence.level or from.0.address; chain, address and \
            tx_hash stand for those of the subject. A value may be @FILE or @- (standard input). Fields that node.yaml \
            seals (victim, case_number, method, note, a source that is no web address, unless it says otherwise) are \
            sealed to this node and to those named with --to, or else to the readers in node.yaml. --in-clear leaves \
            one open, but none that node.yaml lists as never_in_clear. A sealed field typed as an argument can be \
            seen by other users of this machine: give @FILE, or leave the value out and be asked.

            EXAMPLES
              entente submit attribution --field chain=ETH --field address=0x098b716b8aaf21512996dc57eb0615e2383e2f96 \\
                --field label='Ronin Bridge thief' --field actor=lazarus_group --field victim=@victim.txt --to kr.example
              entente submit --file records.jsonl --community krus
              entente submit attribution --field … --wait kr.example --timeout 30
              entente submit attribution --field … --dry-run
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: "The type: attribution, actor, incident, transfer, assessment, withdrawal …")
    var type: String?

    @Option(help: ArgumentHelp("A field; may repeat. Repeating a list field appends.", valueName: "name=value"))
    var field: [String] = []

    @Option(help: "Seal this field, too; may repeat.")
    var seal: [String] = []

    @Option(help: "Leave this field open although node.yaml seals it; may repeat.")
    var inClear: [String] = []

    @Option(
        help: ArgumentHelp(
            "A node that may open the sealed fields, in place of those in node.yaml; may repeat.", valueName: "node"))
    var to: [String] = []

    @Option(help: "How far it may be passed on: clear, green, amber, amber+strict, red.")
    var tlp: String?

    @Option(help: ArgumentHelp("The record that this one replaces; it is withdrawn as superseded.", valueName: "ref"))
    var replaces: String?

    @Option(help: "Why it is replaced.")
    var reason: String?

    @Option(
        help: ArgumentHelp("JSON records, one a line; - for standard input. All go in, or none.", valueName: "file"))
    var file: String?

    @Option(help: "The community whose log it goes to.")
    var community: String?

    @Option(help: ArgumentHelp("Return when this member has said that it holds it; may repeat.", valueName: "node"))
    var wait: [String] = []

    @Option(help: ArgumentHelp("How long to wait with --wait; the record stays either way.", valueName: "seconds"))
    var timeout: Double = 60

    @Flag(help: "Say who would hold it and who could open what, and append nothing.")
    var dryRun = false

    func validate() throws {
        guard (type == nil) != (file == nil) else {
            throw ValidationError("give a type with --field, or --file with JSON records")
        }
        guard file == nil || (field.isEmpty && replaces == nil) else {
            throw ValidationError("--field and --replaces go with a type, not with --file")
        }
        if let both = inClear.first(where: seal.contains) {
            throw ValidationError("\(both) cannot be both sealed and in clear")
        }
        guard timeout >= 0, timeout <= 86_400 else { throw ValidationError("--timeout is 0 to 86400 seconds") }
    }

    func run() async throws {
        let node = try global.open()
        let community = try node.community(community)
        try node.checkReaders(to, in: community)
        try DeliveryWait.check(wait, community: community.name, node: node)
        let submission = try Submission(node: node, community: community, author: Clock.user)
        let prepared: [RecordWriter.Prepared]
        if let file {
            try SealingPolicy.checkNames(wishes)
            prepared = try submission.prepare(
                lines: InputFile.read(file), name: file, tlp: tlpOrDefault(node), wishes: wishes)
        } else {
            prepared = try [submission.prepare(draft(node, submission.policy), wishes: wishes)]
        }
        let entries = prepared.map(\.entry)
        let replaced = try replaces.map { try node.target($0) }
        if dryRun {
            if let replaced, let entry = entries.first {
                _ = try submission.withdrawal(of: replaced, reason: reason, replacement: entry)
            }
            return show(prepared, community)
        }
        let appended =
            if let replaced, let entry = entries.first {
                try submission.replace(replaced, by: entry, reason: reason)
            } else {
                try submission.append(entries)
            }
        for outcome in appended { outcome.show(origin: node.origin(of: community.name), json: global.json) }
        try await waitForHolders(of: appended, node, community)
    }

    /// Waits until the nodes of `--wait` hold the last of these records, and so all of them.
    private func waitForHolders(
        of appended: [AppendOutcome], _ node: Node, _ community: CommunityConfiguration
    ) async throws {
        let last = appended.compactMap { if case .appended(let index, _) = $0 { index } else { nil } }.max()
        guard !wait.isEmpty, let last,
            let reference = Reference(node.origin(of: community.name) + "#\(last)")
        else { return }
        Interruption.exitsWith130()
        let line = ProgressLine()
        let missing = try await DeliveryWait(node: node, reference: reference)
            .wait(for: wait, seconds: timeout) { missing, elapsed in
                line.show("waiting for \(missing.joined(separator: ", "))  \(Int(elapsed)) s")
            }
        line.finish()
        guard missing.isEmpty else {
            let who = missing.map { "\($0.node) (\($0.reason))" }.joined(separator: ", ")
            throw CommandFailure(
                .unreachable,
                "not yet held by \(who) after \(Int(timeout)) s; \(reference.text) stays and is delivered when they "
                    + "can be reached")
        }
        let who = Set(wait).sorted().joined(separator: ", ")
        if Output.isErrorTerminal { Output.note("held by \(who)") }
    }

    private var wishes: SealingPolicy.Wishes {
        SealingPolicy.Wishes(sealed: seal, inClear: inClear, readers: to, offersSeal: true)
    }

    private func tlpOrDefault(_ node: Node) throws -> TLP {
        let word = tlp ?? node.configuration.sealing.trafficLight.rawValue
        guard let tlp = TLP(rawValue: word) else {
            throw CommandFailure(
                .usage, "--tlp \(word) is none of \(TLP.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return tlp
    }

    private func draft(_ node: Node, _ policy: SealingPolicy) throws -> RecordDraft {
        let type = type ?? ""
        guard
            var draft = RecordDraft(
                type: RecordType(rawValue: type), time: Clock.timestamp, author: Clock.user, tlp: try tlpOrDefault(node)
            )
        else {
            let types = RecordSchema.all.map(\.type.rawValue).joined(separator: ", ")
            throw CommandFailure(.usage, "\(type) is no type of record; there are \(types)")
        }
        guard !draft.schema.type.isWrittenByCommands else {
            throw CommandFailure(.usage, "\(type) records are written by the commands that they belong to")
        }
        for name in inClear where draft.schema.field(at: name) == nil {
            throw CommandFailure(.usage, "--in-clear \(name) is no field of \(draft.schema.type)")
        }
        var typed: [String] = []
        for assignment in field {
            let parts = assignment.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            let isSealed = policy.seals(draft.path(for: name), of: draft.schema.type, wishes: wishes)
            var text: String
            if parts.count == 2 {
                text = String(parts[1])
                if text.hasPrefix("@") {
                    text = try InputFile.text(String(text.dropFirst()))
                } else if isSealed {
                    Output.noteTypedSecret(name)
                } else {
                    typed.append(name)
                }
            } else {
                guard isSealed, let typed = HiddenPrompt.read("\(name): ") else {
                    throw CommandFailure(.usage, "--field \(name) has no value; write \(name)=VALUE or \(name)=@FILE")
                }
                text = typed
            }
            try draft.set(name, text: text)
        }
        // A victim may stand in a context that is JSON.
        for name in typed where policy.seals(draft.path(for: name), byNameIn: draft, wishes: wishes) {
            Output.noteTypedSecret(name)
        }
        return draft
    }

    // MARK: Results

    private func show(_ prepared: [RecordWriter.Prepared], _ community: CommunityConfiguration) {
        for each in prepared {
            let readers = each.sealedFields.map { field in
                JSONMember(field, .array(each.readers.map { .string($0) }))
            }
            if global.json {
                Output.json([
                    JSONMember("holders", .array(community.members.map { .string($0) })),
                    JSONMember("readers", .object(readers)),
                    JSONMember("bytes", .integer(Int64(each.entry.body.count))),
                ])
            } else {
                Output.line("would be held by \(community.members.joined(separator: ", "))")
                for field in each.sealedFields {
                    Output.line("  \(field) could be opened by \(each.readers.joined(separator: ", "))")
                }
                Output.line("  everything else is read by every holder; \(each.entry.body.count) bytes")
            }
        }
    }
}
