import ArgumentParser
import Cryptography
import NodeService
import Records

struct KeyListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the keys of this node; nothing secret is shown.",
        discussion: """
            EXAMPLES
              entente key list
              entente key list --json
            """)

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let keys = try global.open().listKeys()
        guard !global.json else {
            for key in keys {
                Output.json([
                    JSONMember("role", .string(key.role.rawValue)), JSONMember("name", .string(key.name)),
                    JSONMember("state", .string(key.state.rawValue)), JSONMember("key_id", .string(key.keyID.hex)),
                    JSONMember("public_key", .string(key.publicKey)),
                ])
            }
            return
        }
        var table = Table("ROLE", "OF", "STATE", "KEY ID")
        for key in keys {
            let name = key.role == .sealing ? "epoch \(key.name)" : key.name
            table.add(key.role.rawValue, name, key.state.rawValue, String(key.keyID.hex.prefix(16)))
        }
        table.print()
    }
}
