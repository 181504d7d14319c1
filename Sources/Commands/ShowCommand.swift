import ArgumentParser
import Cryptography
import LogStore
import NodeService
import Records
import TransparencyLog

struct ShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one record: what it says, sealed fields that this node may open, and who holds it.",
        discussion: """
            EXAMPLES
              entente show us.example/krus#1042
              entente show us.example/krus/1042 --raw

            EXIT STATUS
              1  there is no such record here, or its sealed part is not what the signed record promises
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: "The record, as us.example/krus#1042 or us.example/krus/1042.")
    var reference: String

    @Flag(help: "The exact bytes of the body, and nothing else.")
    var raw = false

    @Flag(help: "The proof that the record is in its log, too.")
    var proof = false

    func run() throws {
        let node = try global.open()
        let viewer = RecordViewer(node: node)
        guard let reference = Reference(reference) else {
            throw CommandFailure(.usage, "\(reference) is no reference; write NODE/COMMUNITY#INDEX")
        }
        guard let view = try viewer.view(reference, opening: !raw) else {
            throw CommandFailure(.answerIsNo, "no record \(reference.text) here")
        }
        if raw {
            view.log.noteBeyondOwner(view.found.index)
            return Output.bytes(view.found.body)
        }
        // Those may say something of this one.
        try node.index().unread().noteUnsearched()
        // Its author may have had it erased since, and this node would not know.
        let restored = view.sealedPart == .opened ? try node.store.log(view.found.origin)?.restoredText : nil
        let proofText = proof ? try node.proof(of: reference).serialized : nil
        if global.json {
            Output.json(
                view.found.members + view.delivery.members + [
                    JSONMember(
                        "opened", .object(view.opened.map { JSONMember($0.path, $0.value) })),
                    JSONMember("sealed_part", .string(view.sealedPart.rawValue)),
                    JSONMember("sealed_problem", view.refusal.map { .string($0.check) } ?? .null),
                    JSONMember("may_be_erased", .bool(restored != nil)),
                    JSONMember(
                        "opinions",
                        .array(
                            view.opinions.map {
                                .object([
                                    JSONMember("ref", .string("\($0.origin)#\($0.index)")),
                                    JSONMember("effect", .string($0.effect.rawValue)),
                                    JSONMember("beyond_owner", .bool($0.isBeyondOwner)),
                                ])
                            })),
                ] + (proofText.map { [JSONMember("proof", .string($0))] } ?? []))
        } else {
            print(view, proofText)
            if let restored { Output.note("entente: \(view.found.origin) \(restored)") }
        }
        if let refusal = view.refusal {
            throw CommandFailure(
                .answerIsNo,
                "the sealed part of \(view.found.reference) is refused (\(refusal.check)): \(refusal.reason)")
        }
    }

    private func print(_ view: RecordView, _ proofText: String?) {
        Output.line("\(Style.bold(view.found.reference))  \(view.found.state.rawValue)")
        if let text = view.log.beyondOwnerText(view.found.index) { Output.line(Style.red("\(notOwners): \(text)")) }
        Output.line(Style.dim("leaf hash \(view.found.leafHash.hex)"))
        for line in lines(of: (try? JSONScanner.scan(view.found.body)) ?? .null, hiding: ["sealed"]) {
            Output.line("  " + line)
        }
        if let header = view.header {
            let readers = header.recipients.map(\.node.text).joined(separator: ", ")
            Output.line("  \(Style.cyan("sealed")) to \(readers): \(header.fields.joined(separator: ", "))")
            switch view.sealedPart {
            case .opened:
                for (path, value) in view.opened {
                    Output.line("    \(Style.green(path)): \(printable(JSONWriter.text(value)))")
                }
            case .notForThisNode: Output.line("    not sealed to this node")
            case .notHere: Output.line("    the sealed part has not come yet")
            case .damaged:
                Output.line(
                    "    the sealed part is damaged here; see `entente scrub`, and --repair takes a partner's copy")
            case .keyMissing: Output.line("    sealed to a key of this node that is not in keys/")
            case .keyDestroyed:
                let epochs = view.destroyedEpochs.map(String.init).joined(separator: ", ")
                Output.line(
                    "    sealed to this node's key of epoch \(epochs), and the key was destroyed: nothing opens it here "
                        + "any more")
            case .erased:
                let by = view.delivery.erasure.flatMap { $0.by.isBeyondOwner ? $0.by.text : nil }
                Output.line("    the sealed part was erased by \(by ?? "its author")")
            case .refused:
                Output.line(
                    "    not what the signed record promises (\(view.refusal?.check ?? "")): nothing of it is shown")
            case .none: break
            }
        }
        for opinion in view.opinions {
            Output.line(
                "  \(opinion.effect.rawValue) by \(opinion.origin)#\(opinion.index)"
                    + beyondOwnerMark(opinion.isBeyondOwner))
        }
        for line in view.delivery.lines { Output.line("  " + line) }
        if let proofText { Output.line("\n" + proofText) }
    }

    /// One line a value, with its path.
    private func lines(of value: JSONValue, path: String = "", hiding: Set<String> = []) -> [String] {
        switch value {
        case .object(let members):
            return members.filter { !hiding.contains($0.name) }.flatMap {
                lines(of: $0.value, path: path.isEmpty ? $0.name : "\(path).\($0.name)")
            }
        case .array(let items) where items.contains(where: { $0.object != nil || $0.array != nil }):
            return items.enumerated().flatMap { lines(of: $1, path: "\(path).\($0)") }
        case .array(let items):
            let words = items.map { $0.string ?? JSONWriter.text($0) }
            return ["\(Style.dim(path)): \(printable(words.joined(separator: ", ")))"]
        default:
            return ["\(Style.dim(path)): \(printable(value.string ?? JSONWriter.text(value)))"]
        }
    }
}
