import ArgumentParser
import Home
import NodeService
import Records

struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Make a home: keys, certificate, logs.",
        discussion: """
            The keys are readable by this user alone (0600), without a passphrase. Compare the fingerprint that is \
            printed with partners by phone.

            EXAMPLES
              entente init --node us.example --community krus --endpoint node.us.example:7962
              entente --home /srv/entente init --node kr.example --community krus --community asia
            """)

    @OptionGroup var global: GlobalOptions

    @Option(help: "This node's name, like a DNS name.")
    var node: String

    @Option(help: "A community that this node is in; may repeat.")
    var community: [String]

    @Option(help: ArgumentHelp("Where to listen; port 7962 unless given, :0 takes a free one.", valueName: "host:port"))
    var listen = "0.0.0.0"

    @Option(help: ArgumentHelp("Where partners connect to, as the peer card says.", valueName: "host:port"))
    var endpoint: String?

    func run() throws {
        let (listen, reachable) = try InitCommand.addresses(listen: listen, endpoint: endpoint)
        let made = try Node.found(
            Node.Founding(
                node: node, communities: community, listen: listen, endpoint: reachable, author: Clock.user),
            at: try global.home ?? HomeFolder.defaultPath())
        let fingerprint = try made.card(communities: community).fingerprint
        if global.json {
            return Output.json([
                JSONMember("node", .string(made.name)), JSONMember("home", .string(made.home.path)),
                JSONMember("fingerprint", .string(fingerprint.description)),
                JSONMember("logs", .array(try community.map { .object(try made.logMembers($0)) })),
            ])
        }
        Output.line("made \(Style.bold(made.name)) in \(made.home.path)")
        for name in community { Output.line("  log \(made.origin(of: name))") }
        Output.line("  fingerprint \(fingerprint)")
        Output.note("keys/ holds private keys without a passphrase, readable by this user alone")
        Output.line(
            "next: `entente identity > \(made.name).yaml`, give that file to partners, `entente peer add` theirs")
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
