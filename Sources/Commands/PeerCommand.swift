import ArgumentParser
import Home
import LogStore
import NodeService
import Records

struct PeerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "peer",
        abstract: "Partners: who they are, and what they may see.",
        subcommands: [Add.self, List.self, Show.self, Remove.self], defaultSubcommand: List.self)

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take in a partner's card and admit it to the communities that both are in.",
            discussion: """
                Compare the fingerprint with the partner by phone before you trust the card. On a terminal it is \
                asked for; --fingerprint gives it beforehand.

                EXAMPLES
                  entente peer add kr.example.yaml
                  entente peer add kr.example.yaml --fingerprint '1f3a 99c0 …' --community krus
                  entente peer add kr.example.yaml --endpoint 192.0.2.7:7962 --replace
                """)

        @OptionGroup var global: GlobalOptions
        @Argument(help: "The card, a file that the partner's `entente identity` printed.")
        var file: String
        @Option(help: ArgumentHelp("Where to connect to, instead of what the card says.", valueName: "host:port"))
        var endpoint: String?
        @Option(help: "Admit the partner to this community only; may repeat.")
        var community: [String] = []
        @Option(help: "The fingerprint that the partner told; the card is refused if it has another.")
        var fingerprint: String?
        @Flag(help: "Replace the card that is there.")
        var replace = false

        func run() throws {
            let node = try global.open()
            var card = try PeerDirectory.read(file)
            guard card.node != node.name else {
                throw CommandFailure(.usage, "\(file) is this node's own card")
            }
            if let endpoint {
                guard let address = HostAndPort(endpoint) else {
                    throw CommandFailure(.usage, "--endpoint \(endpoint) is no address; write HOST:PORT")
                }
                card = try card.with(endpoint: address)
            }
            try confirm(card)
            let shared = node.configuration.communities(sharedWith: card)
            for name in community where !shared.contains(name) {
                throw CommandFailure(.usage, "\(name) is not a community of both this node and \(card.node)")
            }
            let admitted = community.isEmpty ? shared : community
            // Whom it admits is published, for which a key is needed: nothing is changed without it.
            if !admitted.isEmpty { try node.checkKeys() }
            let directory = PeerDirectory(node.home)
            let isKnown = try directory.nodes().contains(card.node)
            if replace, isKnown { try directory.replace(card) } else { try directory.add(card) }
            try node.home.updateConfiguration { try $0.admit(card.node, to: admitted) }
            for name in admitted {
                try node.publishMembers(of: name, author: Clock.user, time: Clock.timestamp)
            }
            // Opening it again makes the replicas of the partner's logs.
            let changed = try global.open()
            try changed.store.forgetAgreements()
            NodeBell.ring(changed.home)
            PeerCommand.show(changed, card, json: global.json)
            if admitted.isEmpty { Output.note("\(card.node) shares no community with this node yet") }
            for origin in try changed.logsWithOtherKeys(card) {
                Output.note(
                    "the card names another key for \(origin) than its entries here are signed with: if they lead to no such "
                        + "key after a sync, nothing more of it is taken, and `verify` does not call it sound. A partner "
                        + "that has lost its keys goes on in a later log (docs/recovery.md): ask it for that card")
            }
        }

        /// On a terminal the partner's fingerprint is compared before the card is believed.
        private func confirm(_ card: PeerCard) throws {
            if let fingerprint {
                guard card.fingerprint.matches(fingerprint) else {
                    throw CommandFailure(
                        .notPermitted,
                        "the card of \(card.node) has the fingerprint \(card.fingerprint), not the one given; "
                            + "ask the partner for its card again")
                }
                return
            }
            guard Output.isErrorTerminal, Output.inputIsTerminal else {
                Output.note("fingerprint of \(card.node): \(card.fingerprint) (not compared)")
                return
            }
            Output.note("\(card.node) has the fingerprint\n  \(card.fingerprint)")
            Output.write("Does the partner read out the same? [y/N] ", to: 2)
            guard Confirmation.isYes(readLine()) else {
                throw CommandFailure(.notPermitted, "the fingerprint was not confirmed; nothing was changed")
            }
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the partners.",
            discussion: """
                EXAMPLE
                  entente peer list --json
                """)

        @OptionGroup var global: GlobalOptions

        func run() throws {
            let node = try global.open()
            if global.json {
                for card in node.cards { PeerCommand.show(node, card, json: true) }
                return
            }
            var table = Table("NODE", "ENDPOINT", "COMMUNITIES")
            for card in node.cards {
                table.add(
                    card.node, card.endpoint?.description ?? "-",
                    node.configuration.communities(admitting: card.node).joined(separator: ", "))
            }
            if table.isEmpty { Output.note("no partners; `entente peer add FILE` takes one in") } else { table.print() }
            for problem in node.cardProblems { Output.note(problem.description) }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a partner's card.",
            discussion: """
                EXAMPLE
                  entente peer show kr.example
                """)

        @OptionGroup var global: GlobalOptions
        @Argument(help: "The partner.")
        var name: String

        func run() throws {
            let node = try global.open()
            let card = try PeerDirectory(node.home).card(of: name)
            if global.json {
                PeerCommand.show(node, card, json: true)
            } else {
                Output.write(card.text(), to: 1)
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stop exchanging with a partner. What it has stays with it, what came from it stays here.",
            discussion: """
                EXAMPLE
                  entente peer remove kr.example
                """)

        @OptionGroup var global: GlobalOptions
        @Argument(help: "The partner.")
        var name: String

        func run() throws {
            let node = try global.open()
            let directory = PeerDirectory(node.home)
            let card = try directory.card(of: name)
            if !node.configuration.communities(admitting: name).isEmpty { try node.checkKeys() }
            var left: [String] = []
            let changed = try node.home.updateConfiguration { left = try $0.expel(name) }
            try directory.remove(name)
            try node.store.forgetAgreements()
            // What it says of this node's logs counts no more.
            try node.store.forgetLaterLogs(heldBy: name)
            for community in left {
                try node.publishMembers(of: community, author: Clock.user, time: Clock.timestamp)
            }
            NodeBell.ring(node.home)
            LostReaders.note(before: node.configuration.sealing, after: changed.sealing)
            if global.json {
                PeerCommand.show(card, communities: left)
            } else {
                Output.line("removed \(name)")
            }
        }
    }

    /// As JSON; a removed peer with the communities that it was in.
    private static func show(_ card: PeerCard, communities: [String]) {
        Output.json([
            JSONMember("node", .string(card.node)),
            JSONMember("endpoint", card.endpoint.map { .string($0.description) } ?? .null),
            JSONMember("fingerprint", .string(card.fingerprint.description)),
            JSONMember("communities", .array(communities.map { .string($0) })),
        ])
    }

    private static func show(_ node: Node, _ card: PeerCard, json: Bool) {
        let communities = node.configuration.communities(admitting: card.node)
        if json { return show(card, communities: communities) }
        Output.line(
            "\(Style.bold(card.node))  \(card.endpoint?.description ?? "without endpoint")  in "
                + (communities.isEmpty ? "no common community" : communities.joined(separator: ", ")))
    }
}
