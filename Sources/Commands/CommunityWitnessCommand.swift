import ArgumentParser
import Cryptography
import Home
import LogStore
import NodeService
import Records
import TransparencyLog
import WebService

/// Who is asked to cosign this node's log of a community.
struct CommunityWitnessCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "witness",
        abstract: "Witnesses that this node asks to cosign its log of a community.",
        discussion: """
            A witness cosigns that a log has only grown since it saw it last; it does not hold its entries. None is asked \
            unless it is added here. `entente run` asks them whenever the log has changed, and once an hour.
            """,
        subcommands: [Add.self, List.self, Remove.self], defaultSubcommand: List.self)

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ask one more witness.",
            discussion: """
                The witness, and whoever it tells, learns that this node has a log of this community, by its name, and \
                how it grows: how many records there are, and when they were added; never what they say. On a terminal \
                you are asked whether that may be; otherwise --yes says so. Give the operator of the witness the log's \
                vkey (`entente log show ORIGIN`).

                EXAMPLES
                  entente community witness add krus https://witness.example/ --vkey witness.example+5f1c…
                  entente community witness add krus https://192.0.2.7:7964 --vkey kr.example+… --pin sha256:… --yes
                """)

        @OptionGroup var global: GlobalOptions
        @Argument(help: "The community.")
        var community: String
        @Argument(help: ArgumentHelp("Where the witness answers: https://HOST[:PORT][/PATH].", valueName: "url"))
        var url: String
        @Option(help: ArgumentHelp("The key by which it cosigns.", valueName: "key"))
        var vkey: String
        @Option(
            help: ArgumentHelp(
                "SHA-256 of its server's key; without, the system's authorities decide.", valueName: "hex"))
        var pin: String?
        @Option(help: ArgumentHelp("How many of the community's witnesses must have cosigned.", valueName: "n"))
        var quorum: Int?
        @Flag(help: "It may learn the log's name and how it grows.")
        var yes = false

        func run() throws {
            let node = try global.open()
            let found = try node.community(community)
            guard let address = WebAddress(url) else {
                throw CommandFailure(.usage, "\(printable(url)) is no address https://HOST[:PORT][/PATH]")
            }
            guard address.isName || pin != nil else {
                throw CommandFailure(
                    .usage,
                    "\(address.host) is no name that an authority vouches for: give the server's key with --pin "
                        + "sha256:…")
            }
            let witness = CommunityWitness(url: address.description, key: try key(), pin: try serverPin())
            guard !found.witnesses.contains(where: { $0.url == witness.url || $0.key == witness.key }) else {
                throw CommandFailure(.exists, "\(witness.key.name) is asked already; remove it first to change it")
            }
            let isMirrorKey = node.mirrorKeys.values.contains { $0.all.contains(witness.key) }
            guard !isMirrorKey else {
                throw CommandFailure(
                    .usage,
                    "that is the mirror key of \(witness.key.name): it says who holds a log, and no key has two "
                        + "roles; ask for the key of its witness")
            }
            try confirm(witness, node.origin(of: community))
            try CommunityWitnessCommand.change(node, community) {
                $0.witnesses.append(witness)
                if let quorum { $0.quorum = quorum }
            }
            try CommunityWitnessCommand.show(try global.open(), [community], json: global.json)
        }

        private func key() throws -> VerifierKey {
            do {
                return try CommunityWitness.key(parsing: vkey)
            } catch {
                throw CommandFailure(.usage, "--vkey: \(CommandFailure(error).description)")
            }
        }

        private func serverPin() throws -> SHA256Digest? {
            guard let pin else { return nil }
            guard let digest = CommunityWitness.pin(parsing: pin) else {
                throw CommandFailure(.usage, "--pin takes 64 hexadecimal digits, as `tls_pins` of a peer card")
            }
            return digest
        }

        private func confirm(_ witness: CommunityWitness, _ origin: String) throws {
            Output.note(
                "warning: \(witness.key.name) at \(witness.url), and whoever it tells, will learn that \(origin) exists, "
                    + "how many records it has and when they are added")
            if yes { return }
            guard Output.isErrorTerminal, Output.inputIsTerminal else {
                throw CommandFailure(.usage, "nothing was changed; --yes says that it may learn that")
            }
            Output.write("May it? [y/N] ", to: 2)
            guard Confirmation.isYes(readLine()) else {
                throw CommandFailure(.notPermitted, "nothing was changed")
            }
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the witnesses that are asked, and what they have cosigned.",
            discussion: """
                EXAMPLE
                  entente community witness list krus --json
                """)

        @OptionGroup var global: GlobalOptions
        @Argument(help: "The community; all of them unless given.")
        var community: String?

        func run() throws {
            let node = try global.open()
            let names =
                try community.map { [try node.community($0).name] } ?? node.configuration.communities.map(\.name)
            try CommunityWitnessCommand.show(node, names, json: global.json)
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ask a witness no more. What it has cosigned stays.",
            discussion: """
                EXAMPLE
                  entente community witness remove krus https://witness.example/
                """)

        @OptionGroup var global: GlobalOptions
        @Argument(help: "The community.")
        var community: String
        @Argument(help: "Its address, its key, or the name of its key.")
        var witness: String

        func run() throws {
            let node = try global.open()
            let found = try node.community(community)
            let address = WebAddress(witness)?.description ?? witness
            let matching = found.witnesses.filter {
                $0.url == address || $0.key.text == witness || $0.key.name == witness
            }
            guard let chosen = matching.first else {
                throw CommandFailure(.noInput, "no such witness is asked; see `entente community witness list`")
            }
            guard matching.count == 1 else {
                throw CommandFailure(.usage, "several witnesses have keys of that name; give the address")
            }
            try CommunityWitnessCommand.change(node, community) { community in
                community.witnesses.removeAll { $0 == chosen }
                // A quorum that cannot be met any more would stand for nothing.
                if let quorum = community.quorum, quorum > community.witnesses.count {
                    community.quorum = nil
                    if !community.witnesses.isEmpty {
                        Output.note("the quorum was \(quorum); now all that are left must cosign")
                    }
                }
            }
            try CommunityWitnessCommand.show(try global.open(), [community], json: global.json)
        }
    }

    private static func change(
        _ node: Node, _ name: String, _ body: (inout CommunityConfiguration) throws -> Void
    ) throws {
        try node.home.updateConfiguration { configuration in
            for index in configuration.communities.indices where configuration.communities[index].name == name {
                try body(&configuration.communities[index])
            }
        }
        NodeBell.ring(node.home)
    }

    private static func show(_ node: Node, _ names: [String], json: Bool) throws {
        let book = WitnessBook(node: node)
        var table = Table("LOG", "WITNESS", "ADDRESS", "COSIGNED", "ERROR")
        for name in names {
            guard let log = try node.store.log(node.origin(of: name)), let found = try book.witnesses(of: log) else {
                continue
            }
            for each in found.witnesses {
                if json {
                    Output.json([JSONMember("community", .string(name))] + each.members)
                } else {
                    each.add(to: &table, of: log.origin)
                }
            }
        }
        if json { return }
        if table.isEmpty { Output.note("no witness is asked") } else { table.print() }
    }
}
