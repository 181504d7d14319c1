import ArgumentParser
import Cryptography
import Home
import NodeService
import Records

struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Make a home: keys, certificate, logs.",
        discussion: """
            The private keys are encrypted under a passphrase: from --passphrase-fd, the systemd credential \
            entente-passphrase, or asked for on the terminal. With --no-passphrase, or without any of these, they \
            are plain files that this user alone can read. Compare the fingerprint that is printed with partners by \
            phone.

            Where the keys of a node are lost, the new home under its name writes a later log, since partners keep the old \
            one and take nothing of the same origin by another key: krus/2 stands for us.example/krus/2 \
            (docs/recovery.md).

            EXAMPLES
              entente init --node us.example --community krus --endpoint node.us.example:7962
              entente --home /srv/entente init --node kr.example --community krus --community asia
              entente init --node us.example --community krus/2   # the keys of us.example/krus are lost
            """)

    @OptionGroup var global: GlobalOptions

    @Option(help: "This node's name, like a DNS name.")
    var node: String

    @Option(help: "A community that this node is in; may repeat. With /2 and so on: a log behind lost ones.")
    var community: [String]

    @Option(help: ArgumentHelp("Where to listen; port 7962 unless given, :0 takes a free one.", valueName: "host:port"))
    var listen = "0.0.0.0"

    @Option(help: ArgumentHelp("Where partners connect to, as the peer card says.", valueName: "host:port"))
    var endpoint: String?

    @Flag(help: "Keep the private keys as plain files that only this user can read.")
    var noPassphrase = false

    func run() throws {
        let (listen, reachable) = try InitCommand.addresses(listen: listen, endpoint: endpoint)
        let communities = try community.map { try CommunityArgument(parsing: $0) }
        let names = communities.map(\.name)
        let passphrase = try passphrase()
        let made = try Node.found(
            Node.Founding(
                node: node, communities: names,
                generations: Dictionary(communities.map { ($0.name, $0.generation) }) { first, _ in first },
                listen: listen, endpoint: reachable, author: Clock.user, passphrase: passphrase),
            at: try global.home ?? HomeFolder.defaultPath())
        let fingerprint = try made.card(communities: names).fingerprint
        if global.json {
            return Output.json([
                JSONMember("node", .string(made.name)), JSONMember("home", .string(made.home.path)),
                JSONMember("fingerprint", .string(fingerprint.description)),
                JSONMember("logs", .array(try names.map { .object(try made.logMembers($0)) })),
            ])
        }
        Output.line("made \(Style.bold(made.name)) in \(made.home.path)")
        for name in names { Output.line("  log \(made.origin(of: name))") }
        Output.line("  fingerprint \(fingerprint)")
        if passphrase == nil {
            Output.note(
                "keys/ holds private keys without a passphrase, readable by this user alone; "
                    + "`entente key passphrase` sets one")
        }
        Output.line(
            "next: `entente identity > \(made.name).yaml`, give that file to partners, `entente peer add` theirs")
    }

    /// The passphrase to be; `nil` for plain keys, by choice or because nobody is there to ask.
    private func passphrase() throws -> SecretBytes? {
        if noPassphrase {
            guard global.passphraseFd == nil else {
                throw CommandFailure(.usage, "--no-passphrase and --passphrase-fd exclude each other")
            }
            return nil
        }
        if let descriptor = global.passphraseFd { return try PassphraseDescriptor.read(descriptor) }
        return try Passphrase.credential() ?? NewPassphrase.ask()
    }

    /// Where to listen, and what the peer card says: nothing where the listening address says nothing to others.
    static func addresses(listen: String, endpoint: String?) throws -> (listen: HostAndPort, endpoint: HostAndPort?) {
        guard let parsed = HostAndPort(listen) else {
            throw CommandFailure(.usage, "--listen \(listen) is no address; write HOST:PORT")
        }
        guard let endpoint else { return (parsed, parsed.isWildcard || parsed.port == 0 ? nil : parsed) }
        guard let reachable = HostAndPort(endpoint) else {
            throw CommandFailure(.usage, "--endpoint \(endpoint) is no address; write HOST:PORT")
        }
        return (parsed, reachable)
    }
}

extension Node {
    /// What `--json` says of an own log.
    func logMembers(_ community: String) throws -> [JSONMember] {
        [
            JSONMember("origin", .string(origin(of: community))),
            JSONMember("vkey", .string(try logCardKey(community: community).text)),
        ]
    }
}
