import ArgumentParser
import Cryptography
import Home
import LogStore
import NodeService
import Records

struct AssessCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "assess",
        abstract: "Corroborate or dispute a record, of this node or a partner's.",
        discussion: """
            EXAMPLES
              entente assess us.example/krus#1042 corroborate --confidence 80
              entente assess us.example/krus#1042 dispute --reason 'exchange hot wallet'
            """)

    @OptionGroup var global: GlobalOptions
    @Argument(help: "The record.")
    var reference: String
    @Argument(help: "corroborate or dispute")
    var verdict: String
    @Option(help: "How sure, as a TagPack level or a number from 0 to 100.")
    var confidence: String?
    @Option(help: "Why.")
    var reason: String?

    func run() throws {
        let verdicts = ["corroborate": "corroborates", "dispute": "disputes"]
        guard let verdict = verdicts[verdict] else {
            throw CommandFailure(.usage, "\(verdict) is neither corroborate nor dispute")
        }
        let node = try global.open()
        let target = try node.target(reference)
        let community = try node.community(target.reference.origin.community.text)
        let submission = try Submission(node: node, community: community, author: Clock.user)
        guard var draft = RecordDraft(type: .assessment, time: Clock.timestamp, author: Clock.user, tlp: .green) else {
            return
        }
        try draft.set("target", to: target.value)
        try draft.set("verdict", to: .string(verdict))
        if let confidence {
            try draft.set(Int(confidence) == nil ? "confidence.level" : "confidence.value", text: confidence)
        }
        if let reason { try draft.set("reason", to: .string(reason)) }
        let outcome = try submission.append([submission.prepare(draft).entry]).first
        outcome?.show(origin: node.origin(of: community.name), json: global.json)
    }
}

struct WithdrawCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "withdraw",
        abstract: "Take back a record of this node's own log; views then hide it, and say so.",
        discussion: """
            EXAMPLES
              entente withdraw us.example/krus#1042 --reason 'wrong address'
              entente withdraw us.example/krus#1042 --replacement us.example/krus#1050
            """)

    @OptionGroup var global: GlobalOptions
    @Argument(help: "The record.")
    var reference: String
    @Option(help: ArgumentHelp("The record that takes its place.", valueName: "ref"))
    var replacement: String?
    @Option(help: "Why.")
    var reason: String?

    func run() throws {
        let node = try global.open()
        let target = try node.target(reference)
        let community = try node.community(target.reference.origin.community.text)
        let submission = try Submission(node: node, community: community, author: Clock.user)
        let other = try replacement.map { try node.target($0) }
        let withdrawal = try submission.withdrawal(
            of: target, reason: reason, replacement: other.map { ($0.reference.text, $0.hash) })
        let outcome = try submission.append([withdrawal]).first
        outcome?.show(origin: node.origin(of: community.name), json: global.json)
    }
}

extension AppendOutcome {
    func show(origin: String, json: Bool) {
        guard case .appended(let index, let hash) = self else { return }
        if json {
            Output.json([JSONMember("ref", .string("\(origin)#\(index)")), JSONMember("hash", .string(hash.hex))])
        } else {
            Output.line("\(origin)#\(index)  \(Style.dim(hash.hex))")
        }
    }
}
