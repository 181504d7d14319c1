import ArgumentParser
import Cryptography
import Home
import LogStore
import NodeService
import Records
import TransparencyLog

struct WitnessCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "witness",
        abstract: "Cosign logs outside the communities, as their witness.",
        discussion: """
            Such a log sends each new checkpoint to the running node, with the proof that it extends the last one, and \
            gets a dated signature on it: whoever sees that knows that this log has shown this node one history. See \
            docs/witnesses.md.
            """,
        subcommands: [Add.self, List.self, Remove.self, Key.self], defaultSubcommand: List.self)

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Witness a log: its key, and where it reaches this node.",
            discussion: """
                The first one makes this node's witness key, which is printed, for the log to know. A running node obeys \
                within two seconds. A log whose key is replaced is added again with the new one.

                EXAMPLES
                  entente witness add log.example/one+5d1a…+Ac4z… --listen 0.0.0.0:7964
                  entente witness add sum.golang.org+033de0ae+Ac4z… --origin "go.sum database tree"
                """)

        @OptionGroup var global: GlobalOptions
        @Argument(help: "The log's verifier key: name+hash+base64.")
        var vkey: String
        @Option(help: "The first line of its checkpoints, where that is not the key's name.")
        var origin: String?
        @Option(
            help: ArgumentHelp(
                "Where logs reach this node, as HTTPS. Stays as it is unless given; at first port 7964, on the host "
                    + "that the node listens on.", valueName: "host:port"))
        var listen: String?

        func run() throws {
            let node = try global.open()
            let log = WitnessConfiguration.Log(key: try WitnessCommand.logKey(vkey), origin: origin)
            let listen = try self.listen.map { text in
                guard let address = HostAndPort(text) else {
                    throw CommandFailure(.usage, "\(printable(text)) is no host:port")
                }
                return address
            }
            if try node.store.log(log.origin) != nil {
                throw CommandFailure(
                    .usage,
                    "\(printable(log.origin)) is a log of this node's communities: it is mirrored, and cosigned as such"
                )
            }
            let own = try node.witnessVerifierKey()
            let after = try node.home.updateConfiguration { configuration in
                var witness =
                    try configuration.witness
                    ?? WitnessConfiguration(listen: listen ?? WitnessCommand.defaultAddress(configuration))
                if let listen { witness.listen = listen }
                guard !witness.logs.contains(log) else {
                    throw CommandFailure(.exists, "this key of \(printable(log.origin)) is there already")
                }
                witness.logs.append(log)
                configuration.witness = witness
            }
            NodeBell.ring(node.home)
            let address = after.witness?.listen.description ?? ""
            if global.json {
                return Output.json([
                    JSONMember("origin", .string(log.origin)), JSONMember("vkey", .string(log.key.text)),
                    JSONMember("listen", .string(address)), JSONMember("witness", .string(own.text)),
                ])
            }
            Output.line("\(printable(log.origin)) is witnessed at https://\(address)/")
            Output.line("its operator needs to know this key: \(own.text)")
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the logs that are witnessed, and what was cosigned last.",
            discussion: """
                EXAMPLE
                  entente witness list --json
                """)

        @OptionGroup var global: GlobalOptions

        func run() throws {
            let node = try global.open()
            let logs = try node.witnessedLogs()
            if global.json {
                for log in logs { Output.json(log.members) }
                return
            }
            guard !logs.isEmpty else { return Output.note("no log is witnessed; see `entente witness add --help`") }
            logs.show()
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Witness a log no more, or take one of its keys away.",
            discussion: """
                What was cosigned last stays known: if the log is added again it has to go on from there. Without any \
                log the node stops listening for them.

                EXAMPLES
                  entente witness remove log.example/one
                  entente witness remove log.example/one+5d1a…+Ac4z…    # one key of it
                """)

        @OptionGroup var global: GlobalOptions
        @Argument(help: "The log's origin, or one of its verifier keys.")
        var log: String

        func run() throws {
            let node = try global.open()
            let key = try? VerifierKey(parsing: log)
            var removed: [WitnessConfiguration.Log] = []
            try node.home.updateConfiguration { configuration in
                guard var witness = configuration.witness else { return }
                removed = witness.logs.filter { $0.key == key || $0.origin.utf8.elementsEqual(log.utf8) }
                witness.logs.removeAll(where: removed.contains)
                configuration.witness = witness.logs.isEmpty ? nil : witness
            }
            guard !removed.isEmpty else {
                throw CommandFailure(.noInput, "\(printable(log)) is not witnessed; see `entente witness list`")
            }
            NodeBell.ring(node.home)
            for each in removed {
                if global.json {
                    Output.json([
                        JSONMember("origin", .string(each.origin)), JSONMember("vkey", .string(each.key.text)),
                    ])
                } else {
                    Output.line("not witnessed any more: \(printable(each.origin)), \(printable(each.key.text))")
                }
            }
        }
    }

    struct Key: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the key of this node as a witness, for logs and their readers.",
            discussion: """
                It is made when it is asked for first. It cosigns as a witness and does nothing else.

                EXAMPLES
                  entente witness key
                  entente witness key --replace    # it was stolen, or signed.sqlite was lost
                """)

        @OptionGroup var global: GlobalOptions
        @Flag(help: "Destroy the key and make another.")
        var replace = false

        func run() throws {
            let node = try global.open()
            let key = try replace ? node.replaceWitnessKey() : node.witnessVerifierKey()
            if replace { NodeBell.ring(node.home) }
            if global.json {
                Output.json([JSONMember("name", .string(key.name)), JSONMember("vkey", .string(key.text))])
            } else {
                Output.line(key.text)
            }
        }
    }

    private static func logKey(_ text: String) throws -> VerifierKey {
        do {
            let key = try VerifierKey(parsing: text)
            guard key.algorithm == .ed25519 else { throw NoteError.wrongKeyType }
            return key
        } catch let error as NoteError {
            throw CommandFailure(.usage, "\(printable(text)) is no key of a log: \(error)")
        }
    }

    private static func defaultAddress(_ configuration: NodeConfiguration) throws -> HostAndPort {
        guard let address = HostAndPort(host: configuration.listen.host, port: WitnessConfiguration.defaultPort) else {
            throw CommandFailure(.usage, "say where logs reach this node with --listen HOST:PORT")
        }
        return address
    }
}

extension Node.Witnessed {
    var members: [JSONMember] {
        [
            JSONMember("origin", .string(origin)),
            JSONMember("vkeys", .array(keys.map { .string($0.text) })),
            JSONMember("size", head.map { .integer(Int64(clamping: $0.size)) } ?? .null),
            JSONMember("root", head.map { .string($0.root.base64) } ?? .null),
            JSONMember("time", head.map { .string(moment($0.time)) } ?? .null),
            JSONMember("evidence", evidenceFile.map { .string($0) } ?? .null),
        ]
    }
}

extension [Node.Witnessed] {
    /// A table for people.
    func show() {
        var table = Table("WITNESSED LOG", "ENTRIES", "COSIGNED", "STATE")
        for log in self {
            table.add(
                log.origin, log.head.map { grouped($0.size) } ?? "-", log.head.map { moment($0.time) } ?? "never",
                log.evidenceFile == nil ? "witnessed" : "forked")
        }
        table.print()
    }
}
