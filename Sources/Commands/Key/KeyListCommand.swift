import ArgumentParser
import Cryptography
import NodeService
import Records

struct KeyListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the keys of this node; nothing secret is shown.",
        discussion: """
            A key in use that is not in keys/, by what the own logs say, is `missing`; the older one that lies in its place \
            is `replaced`.

            Says on standard error, too, where some key files are under the passphrase and others are not. With the \
            passphrase, or beside a running node, it is seen which files that does not open.

            EXAMPLES
              entente key list
              entente key list --json
              entente key list --passphrase-fd 3 3< passphrase.txt
            """)

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let node = try global.open()
        try global.usePassphrase(of: node)
        let keys = try node.listKeys()
        let alarms = try node.protectionAlarms() + node.lostKeyAlarms()
        defer { for alarm in alarms { Output.note("ALARM  \(printable(alarm))") } }
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
