import ArgumentParser
import Home
import LogStore
import NodeService
import Records

struct KeyStolenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stolen",
        abstract: "Do what this node can do when a key is in other hands, and say what is left to do.",
        discussion: """
            sealing: a new epoch. log: the log is given up for a successor with a key of its own, since whoever has the \
            key can write in it. mirror: a new key, and the old one signs nothing \
            more. tls: a new key; a running node brings it to the partners that were heard in the last two minutes, then, \
            after ten seconds at most, it is used and the old one retired. The new key is always one that was not there \
            before: what a rotation had begun or announced may be stolen, too, and is retired with the rest. None of \
            that is taken back. docs/keys.md says what else is to be done, and by whom. A log that no card of yours named yet \
            reaches nobody once it is given up: entries that no partner has are named beforehand.

            EXAMPLES
              entente key stolen sealing
              entente key stolen log --community krus --yes
              entente key stolen log --size 1042   # entries from #1042 on are the thief's
              entente key stolen tls
            """)

    enum Role: String, ExpressibleByArgument, CaseIterable {
        case sealing, log, tls, mirror
    }

    @OptionGroup var global: GlobalOptions
    @Argument(help: "The key: sealing, log, tls or mirror.")
    var role: Role
    @Option(help: "The community of a log key; needed where there are several.")
    var community: String?
    @Option(
        help: ArgumentHelp(
            "How many entries of the log are this node's: those behind them are a thief's, or given up with them.",
            valueName: "entries"))
    var size: UInt64?
    @Flag(help: "Do not ask before a log is given up.")
    var yes = false

    func validate() throws {
        guard size == nil || role == .log else { throw ValidationError("--size is for `key stolen log`") }
    }

    func run() throws {
        let node = try global.open()
        switch role {
        case .sealing:
            try node.rotateSealingKey(isStolen: true, author: Clock.user, time: Clock.timestamp)
                .show(json: global.json)
            Output.note(
                "all that was sealed to the epochs before is known to the thief: tell the partners who sealed it")
        case .log: try giveUpLog(of: node)
        case .mirror:
            let rotation = try node.rotateMirrorKey(isStolen: true, author: Clock.user, time: Clock.timestamp)
            rotation.show(json: global.json)
            Output.note(
                "next: tell the partners. What the thief signs with the old key and dates before now cannot be told from "
                    + "what this node has signed")
        case .tls:
            let rotation = try node.replaceStolenTLSKey(author: Clock.user, time: Clock.timestamp)
            rotation.show(json: global.json, isTheft: true)
            Output.note(KeyStolenCommand.rest(of: rotation))
        }
    }

    /// What is left to do after a new TLS key.
    private static func rest(of rotation: TLSKeyRotation) -> String {
        guard !rotation.published.isEmpty else {
            return
                "next: give every partner the new card (`entente identity` here, `entente peer add --replace` there), "
                + "connected or not: no own log takes entries now, so none tells them of the new key. Until then they "
                + "believe whoever has the old key, and not this node, `entente recover` included. Once a log takes "
                + "entries again, run `entente key rotate tls`, which says there what has become of the old key"
        }
        let missing = rotation.missing.joined(separator: ", ")
        let rest =
            "tell every partner by phone; those that have confirmed the new key believe the old one until they are connected "
            + "again"
        return missing.isEmpty
            ? "next: \(rest)"
            : "next: give \(missing) the new card (`entente identity` here, `entente peer add --replace` there), since "
                + "nothing shows that they know the new key: until then they believe whoever has the old one, and not this "
                + "node. Then \(rest)"
    }

    private func giveUpLog(of node: Node) throws {
        let name = try node.community(community).name
        let before = try node.logBeingGivenUp(in: name) ?? node.origin(of: name)
        let alone = try node.entriesNobodyElseHas(community: name)
        if let origin = LogOrigin(before) { try node.checkWritten(size, of: origin) }
        let part = size.map {
            ", with \(counted($0, "entry", "entries")): what stands behind them is none of this node's"
        }
        let consequence = "\(before) is given up for good\(part ?? ""): this node writes a successor from now on"
        let loss = node.lossOfGivingUp(before, alone)
        if yes {
            if let loss { Output.note(loss) }
        } else {
            try Confirmation.ask([loss, consequence].compactMap { $0 }.joined(separator: ". "), "Do that?")
        }
        let next = try node.openSuccessor(
            of: name, abandoning: true, stolen: true, written: size, author: Clock.user, time: Clock.timestamp)
        NodeBell.ring(node.home)
        let isEndUnknown = try next.store.logsWithOpenEnd().contains(before)
        let end = try isEndUnknown ? nil : next.store.log(before)?.givenUpAt
        if global.json {
            Output.json([
                JSONMember("role", .string("log")), JSONMember("given_up", .string(before)),
                JSONMember("ends_at", end.map { .integer(Int64(clamping: $0)) } ?? .null),
                JSONMember("origin", .string(next.origin(of: name))),
                JSONMember("held_by_nobody_else", .integer(Int64(clamping: alone.count))),
                JSONMember("vkey", .string(try next.logCardKey(community: name).text)),
            ])
        } else {
            let ending = end.map { " at \(counted($0, "entry", "entries"))" } ?? ""
            Output.line("\(before) is given up\(ending); \(next.origin(of: name)) goes on")
        }
        if isEndUnknown {
            Output.note(
                "nobody here knows how many entries this node had written in \(before), so \(next.origin(of: name)) does not "
                    + "say where that ends: partners, those with the new card too, go on taking for this node's what the "
                    + "thief signs there, withdrawals and erasures among it. Ask them what they hold, and tell them by phone "
                    + "from which entry on it is not yours")
        }
        Output.note(
            "next: give partners the new card (`entente identity`), and tell them by phone to believe nothing more of "
                + before)
    }

}

extension Node {
    /// What may never reach partners of a log that is given up; `nil` where nothing.
    func lossOfGivingUp(_ origin: String, _ alone: Range<UInt64>) -> String? {
        guard let last = alone.last else { return nil }
        let entries = alone.count == 1 ? "entry #\(last)" : "the entries #\(alone.lowerBound) to #\(last)"
        return
            "no partner has confirmed that it holds \(entries) of \(origin); whoever has no card that names that log never "
            + "gets them: give out the card (`entente identity`) and synchronise first, or enter them again in the successor"
    }
}
