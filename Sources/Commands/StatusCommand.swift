import ArgumentParser
import Cryptography
import Home
import LogStore
import NodeService
import Records

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "This node, its logs, partners and alarms.",
        discussion: """
            EXAMPLES
              entente status
              entente status --check     # exit status 1 if there is an alarm
            """)

    @OptionGroup var global: GlobalOptions

    @Flag(help: "Exit with 1 if there is an alarm.")
    var check = false

    func run() throws {
        let node = try Node.open(global.home)
        let logs = try node.store.logs()
        var alarms = try node.store.rollbacks().map(\.description)
        for community in node.configuration.communities {
            let origin = node.origin(of: community.name)
            if !logs.contains(where: { $0.origin == origin }) { alarms.append(node.lostLog(origin).description) }
        }
        alarms += node.cardProblems.map(\.description)
        let forks = Set(try node.store.forks().map(\.origin))
        alarms += logs.compactMap { log in
            log.frozen.map { reason in
                "\(log.origin) is frozen: \(reason)"
                    + (forks.contains(log.origin) ? "; evidence in \(node.home.evidenceFile(of: log.origin))" : "")
                    + (log.origin == node.origin(of: log.community)
                        ? "; go on with `entente community successor \(log.community)`" : "")
            }
        }
        for log in logs {
            if let alarm = try log.damageAlarm(node.store.damage(of: log.id)) { alarms.append(alarm) }
        }
        for log in logs {
            guard let published = try node.store.membership(of: log.id)?.members,
                let own = node.configuration.community(log.community)?.members
            else { continue }
            if Set(published) != Set(own) {
                let difference = Set(published).symmetricDifference(own).sorted().joined(separator: ", ")
                guard !log.isOwn else {
                    // While it is being recovered its newest record may not be there yet.
                    if log.recovering == nil, log.frozen == nil {
                        alarms.append(
                            "node.yaml and the newest members record of \(log.origin) differ: \(difference); the next "
                                + "`entente peer add` or `peer remove` there publishes those of node.yaml")
                    }
                    continue
                }
                alarms.append("\(log.node) and this node list different members of \(log.community): \(difference)")
            }
        }
        let cosigners = try logs.map { log in
            let head = log.head?.size ?? 0
            return Set(try node.store.cosignatures(of: log.id).filter { $0.size == head && head > 0 }.map(\.cosigner))
                .subtracting([log.node]).sorted()
        }
        if global.json {
            Output.json([
                JSONMember("node", .string(node.name)), JSONMember("home", .string(node.home.path)),
                JSONMember("logs", .array(zip(logs, cosigners).map { .object($0.members(cosigners: $1)) })),
                JSONMember(
                    "peers",
                    .array(
                        node.cards.map { card in
                            .object([
                                JSONMember("node", .string(card.node)),
                                JSONMember("endpoint", card.endpoint.map { .string($0.description) } ?? .null),
                                JSONMember(
                                    "communities",
                                    .array(
                                        node.configuration.communities(admitting: card.node).map { .string($0) })),
                            ])
                        })),
                JSONMember("alarms", .array(alarms.map { .string($0) })),
            ])
        } else {
            show(node, logs, cosigners, alarms)
        }
        if check, !alarms.isEmpty { throw ExitCode(ExitStatus.answerIsNo.rawValue) }
    }

    private func show(_ node: Node, _ logs: [StoredLog], _ cosigners: [[String]], _ alarms: [String]) {
        Output.line("\(Style.bold(node.name))  \(node.home.path)")
        var table = Table("LOG", "ENTRIES", "STATE", "HELD BY")
        for (log, cosigners) in zip(logs, cosigners) {
            table.add(log.origin, grouped(log.size), log.stateText, cosigners.joined(separator: ", "))
        }
        table.print()
        var peers = Table("PARTNER", "ENDPOINT", "COMMUNITIES")
        for card in node.cards {
            peers.add(
                card.node, card.endpoint?.description ?? "-",
                node.configuration.communities(admitting: card.node).joined(separator: ", "))
        }
        if !peers.isEmpty { peers.print() }
        for alarm in alarms { Output.line(Style.red("ALARM  \(printable(alarm))")) }
    }
}

extension StoredLog {
    /// What `status` says of damage that is known; `nil` if there is none.
    func damageAlarm(_ damage: [Damage]) -> String? {
        guard !damage.isEmpty else { return nil }
        var seen: Set<String> = []
        let references = damage.map { ScrubReport.Finding($0, of: self).reference }.filter { seen.insert($0).inserted }
        let shown = references.prefix(3)
        let more = references.count > shown.count ? " and \(references.count - shown.count) more places" : ""
        return "\(origin) is damaged here: \(shown.joined(separator: ", "))\(more); run `entente scrub --repair`"
    }

    /// `own`, `replica`, `receiving`, `recovering` or `frozen`.
    var stateText: String {
        if frozen != nil { return "frozen" }
        if recovering != nil { return "recovering" }
        if let pending { return "receiving, \(grouped(size)) of \(grouped(pending.size))" }
        return isOwn ? "own" : "replica"
    }

    private var stateWord: String {
        if frozen != nil { return "frozen" }
        if recovering != nil { return "recovering" }
        return pending != nil ? "receiving" : isOwn ? "own" : "replica"
    }

    func members(cosigners: [String]) -> [JSONMember] {
        [
            JSONMember("origin", .string(origin)), JSONMember("size", .integer(Int64(clamping: size))),
            JSONMember("root", head.map { .string($0.root.base64) } ?? .null),
            JSONMember(
                "state", .string(stateWord)),
            JSONMember("cosigned_by", .array(cosigners.map { .string($0) })),
        ]
    }
}
