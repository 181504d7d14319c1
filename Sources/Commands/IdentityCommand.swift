import ArgumentParser
import Home
import NodeService
import Records

struct IdentityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "identity",
        abstract: "Print this node's peer card, for partners.",
        discussion: """
            The card holds nothing secret. It says which communities this node is in: name those that the partner may \
            know of.

            EXAMPLES
              entente identity > us.example.yaml
              entente identity --community krus --json
            """)

    @OptionGroup var global: GlobalOptions

    @Option(help: "A community to name in the card; may repeat. Needed when there are several.")
    var community: [String] = []

    func run() throws {
        let node = try global.open()
        let communities = try community.isEmpty ? [node.community(nil).name] : community
        for name in communities { _ = try node.community(name) }
        let card = try node.card(communities: communities)
        if global.json {
            Output.json([
                JSONMember("node", .string(card.node)),
                JSONMember("fingerprint", .string(card.fingerprint.description)),
                JSONMember("card", .string(card.text())),
            ])
        } else {
            Output.write(card.text(), to: 1)
        }
        // Whoever takes it would go by the keys of a log that is dead.
        for alarm in try node.laterLogAlarms() { Output.note("do not give this card out: \(alarm)") }
        if card.endpoint == nil {
            Output.note("the card has no endpoint: partners cannot connect to this node, only it to them")
        }
    }
}
