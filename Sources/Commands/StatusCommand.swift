import ArgumentParser
import Cryptography
import Home
import LogStore
import MutualTLS
import NodeService
import Records
import TransparencyLog

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
        let node = try global.open()
        try global.usePassphrase(of: node)
        let logs = try node.store.logs()
        let now = Clock.now()
        let forks = try node.forks(of: logs)
        let witnessed = try node.witnessedLogs()
        let delivery = try Delivery(node: node, now: now)
        let freshness = try FreshnessBook(node: node, now: now)
        let keys = CosignerKeys(node)
        let witnesses = WitnessBook(node: node, now: now)
        let views = try logs.map { log in
            let newest = try node.store.newestCosignatures(of: log.id, by: keys)
            let head = log.head?.size ?? 0
            return LogView(
                log: log, fork: forks[log.id], members: try delivery.members(of: log),
                cosigners: newest.filter { $0.size == head && head > 0 && $0.cosigner != log.node }.map(\.cosigner),
                freshness: try freshness.freshness(of: log, cosignatures: newest),
                witnesses: try witnesses.witnesses(of: log))
        }
        var alarms = try alarms(of: node, logs, forks, now: now)
        alarms += views.compactMap { freshness.alarm(of: $0.log, $0.freshness) }
        alarms += views.flatMap { view in view.witnesses.map { witnesses.alarms(of: view.log, $0) } ?? [] }
        alarms += try node.witnessAlarms(witnessed, now: now)
        // Without a certificate there is an alarm.
        let announced = try? node.announcedTLSKey()
        let warnings = try node.openEndWarnings() + node.warningsOfRunningNode()
        let peers = delivery.peers(views.map { ($0.log, $0.members) })
        if global.json {
            Output.json([
                JSONMember("node", .string(node.name)), JSONMember("home", .string(node.home.path)),
                JSONMember("logs", .array(views.map { .object($0.jsonMembers(now: now)) })),
                JSONMember("peers", .array(peers.map { $0.value(now: now) })),
                JSONMember("alarms", .array(alarms.map { .string($0) })),
                JSONMember("warnings", .array(warnings.map { .string($0) })),
                JSONMember("announced_tls_key", announced?.value ?? .null),
                JSONMember("witness", try witness(of: node, witnessed)),
            ])
        } else {
            show(node, views, peers, witnessed, alarms, now: now)
            for warning in warnings { Output.line(Style.yellow("WARNING  \(printable(warning))")) }
            if let announced { Output.line(Style.yellow(announced.text)) }
        }
        if check, !alarms.isEmpty { throw ExitCode(ExitStatus.answerIsNo.rawValue) }
    }

    /// What this node is as a witness; null where it is none.
    private func witness(of node: Node, _ logs: [Node.Witnessed]) throws -> JSONValue {
        guard let witness = node.configuration.witness else { return .null }
        return .object([
            JSONMember("listen", .string(witness.listen.description)),
            JSONMember("vkey", try node.witnessKeyInPlace().map { .string($0.text) } ?? .null),
            JSONMember("logs", .array(logs.map { .object($0.members) })),
        ])
    }

    private func alarms(
        of node: Node, _ logs: [StoredLog], _ forks: [SHA256Digest: KnownFork], now: UInt64
    ) throws -> [String] {
        var alarms = try node.store.rollbacks().map(\.description)
        for community in node.configuration.communities {
            let origin = node.origin(of: community.name)
            if !logs.contains(where: { $0.origin == origin }) { alarms.append(node.lostLog(origin).description) }
        }
        alarms += try node.laterLogAlarms()
        alarms += node.cardProblems.map(\.description)
        let partners = Set(node.cards.map(\.node))
        alarms += logs.compactMap { log in
            guard let text = log.restoredText, !log.isOwn, log.frozen == nil, partners.contains(log.node) else {
                return nil
            }
            return "\(log.origin) \(text): run `entente sync`"
        }
        alarms += logs.compactMap(\.beyondOwnerText)
        alarms += try logs.compactMap { try $0.notOfOwnerAlarm(in: node.store) }
        alarms += logs.filter { $0.isOwn && $0.givenUpAt != nil && !$0.isSucceeded(among: logs) }.map {
            "\($0.origin) was given up, and its successor is not there yet: run `entente key stolen log` to complete that"
        }
        alarms += logs.compactMap { $0.forkAlarm(forks[$0.id], node) }
        for log in logs {
            if let alarm = try log.damageAlarm(node.store.damage(of: log.id)) { alarms.append(alarm) }
        }
        for log in logs where !log.isSucceeded(among: logs) {
            guard let membership = try node.store.membership(of: log.id),
                let configured = node.configuration.community(log.community)
            else { continue }
            let (published, own) = (membership.members, configured.members)
            if let alarm = try log.carryingAlarm(membership, configured, in: node.store) { alarms.append(alarm) }
            if Set(published) != Set(own) {
                let difference = Set(published).symmetricDifference(own).sorted().joined(separator: ", ")
                guard !log.isOwn else {
                    // While it is being recovered its newest record may not be there yet.
                    if log.recovering == nil, log.frozen == nil, try node.store.laterLog(after: log.origin) == nil {
                        alarms.append(
                            "node.yaml and the newest members record of \(log.origin) differ: \(difference); the next "
                                + "`entente peer add` or `peer remove` there publishes those of node.yaml")
                    }
                    continue
                }
                alarms.append("\(log.node) and this node list different members of \(log.community): \(difference)")
            }
        }
        alarms += node.indexAlarms()
        alarms += try node.keyAlarms(logs)
        if let identity = try? node.certificate(), identity.notAfter < Int64(clamping: now) {
            let day = Timestamp(seconds: identity.notAfter)?.text.prefix(10) ?? "an unreadable date"
            alarms.append("certificate of \(node.name), this node, expired on \(day): partners refuse it")
        }
        if let lag = try logs.compactMap({ try node.store.clockLag(of: $0.id, now: now) }).first { alarms.append(lag) }
        return alarms
    }

    /// What is said of one log.
    private struct LogView {
        let log: StoredLog
        let fork: KnownFork?
        let members: [Delivery.OfMember]
        let cosigners: [String]
        let freshness: Freshness
        let witnesses: WitnessBook.OfLog?

        func jsonMembers(now: UInt64) -> [JSONMember] {
            log.members(cosigners: cosigners) + log.members(of: fork) + freshness.members
                + [JSONMember("holders", .array(members.map { $0.value(now: now) }))]
                + (log.isOwn ? WitnessBook.OfLog.members(witnesses) : [])
        }
    }

    private func show(
        _ node: Node, _ logs: [LogView], _ peers: [Delivery.OfPeer], _ witnessed: [Node.Witnessed],
        _ alarms: [String], now: UInt64
    ) {
        Output.line("\(Style.bold(node.name))  \(node.home.path)")
        var table = Table("LOG", "ENTRIES", "STATE", "DATED", "HELD BY")
        for view in logs {
            table.add(
                view.log.origin, grouped(view.log.size), view.log.stateText, view.freshness.cell,
                view.members.map(\.cell).joined(separator: ", "))
        }
        table.print()
        for view in logs {
            guard let witnesses = view.witnesses else { continue }
            Output.line(
                witnesses.quorum.isMet
                    ? witnesses.line(of: view.log.origin)
                    : Style.yellow(witnesses.line(of: view.log.origin)))
            for each in witnesses.witnesses {
                guard let problem = each.asked?.problem else { continue }
                Output.line(Style.yellow("  \(each.configuration.key.name): \(printable(problem.text))"))
            }
        }
        var partners = Table("PARTNER", "ENDPOINT", "COMMUNITIES", "LAST HEARD", "LAG", "LAST ERROR")
        for peer in peers {
            partners.add(
                peer.node, peer.endpoint ?? "-", peer.communities.joined(separator: ", "), peer.heard(now: now),
                peer.lag, peer.contact?.currentError ?? "-")
        }
        if !partners.isEmpty { partners.print() }
        if !witnessed.isEmpty { witnessed.show() }
        for view in logs {
            for member in view.members where member.obstacle?.endsEveryPath == true {
                let reason = printable(member.obstacle?.text(now: now) ?? "")
                Output.line(Style.yellow("NO PATH  \(view.log.origin) to \(member.node): \(reason)"))
            }
        }
        for alarm in alarms { Output.line(Style.red("ALARM  \(printable(alarm))")) }
    }
}

extension AnnouncedTLSKey {
    fileprivate var value: JSONValue {
        .object([
            JSONMember("key_id", .string(pin.hex)), JSONMember("missing", .array(missing.map { .string($0) })),
        ])
    }

    fileprivate var text: String {
        missing.isEmpty
            ? "NEW TLS KEY  every partner has confirmed it; `entente key rotate tls` uses it"
            : "NEW TLS KEY  announced, not confirmed yet by \(missing.joined(separator: ", "))"
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

    /// What `status` says where node.yaml and the newest record of an own log name other carriers of sealed parts.
    func carryingAlarm(
        _ published: Membership, _ configured: CommunityConfiguration, in store: SQLiteLogStore
    ) throws -> String? {
        let said: CommunityConfiguration.CarrySealed = published.membersCarrySealed ? .members : .recipients
        guard isOwn, recovering == nil, frozen == nil, said != configured.carrySealed,
            try store.laterLog(after: origin) == nil
        else { return nil }
        return
            "node.yaml says `carry_sealed: \(configured.carrySealed.rawValue)` and the newest members record of \(origin) "
            + "`\(said.rawValue)`, which partners go by; the next `entente peer add` (also of a card that is here, with "
            + "`--replace`) or `peer remove` there publishes what node.yaml says"
    }

    /// What `status` says where the owner of a log that was given up says that it had written something else.
    func notOfOwnerAlarm(in store: SQLiteLogStore) throws -> String? {
        // Which of the two is the owner's is known of a fork already.
        guard givenUpAt != nil, frozen == nil, let said = try store.givenUp(id)?.root,
            let held = try store.rootOfOwner(id), held != said
        else { return nil }
        return
            "\(origin): what is here is not what \(node) says it had written when it gave the log up, but what somebody else "
            + "has signed with its key; do not rely on it, and tell \(node)"
    }

    /// `own`, `replica`, `receiving`, `recovering`, `given up` or `frozen`.
    var stateText: String {
        if frozen != nil { return "frozen" }
        if recovering != nil { return "recovering" }
        if let pending { return "receiving, \(grouped(size)) of \(grouped(pending.size))" }
        return givenUpAt != nil ? "given up" : isOwn ? "own" : "replica"
    }

    private var stateWord: String {
        if frozen != nil { return "frozen" }
        if recovering != nil { return "recovering" }
        return pending != nil ? "receiving" : givenUpAt != nil ? "given_up" : isOwn ? "own" : "replica"
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
