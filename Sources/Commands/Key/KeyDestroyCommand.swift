import ArgumentParser
import NodeService
import Records

struct KeyDestroyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "destroy",
        abstract: "Destroy an old sealing key, and with it all that only it opens.",
        discussion: """
            What was sealed to this node in that epoch can never be opened here again, the own records among it. The \
            number of those envelopes is told first, and which members may still seal to the key, since nothing shows that \
            they know a newer one. Backups of keys/ may still have the key. Of a key that is lost partners are told \
            that it is retired.

            EXAMPLES
              entente key destroy 1
              entente key destroy 1 --yes
            """)

    @OptionGroup var global: GlobalOptions
    @Argument(help: "The epoch, as `entente key list` shows it.")
    var epoch: UInt32
    @Flag(help: "Do not ask.")
    var yes = false

    func run() throws {
        let node = try global.open()
        let loss = try node.lossOfSealingKey(epoch: epoch)
        let missing = loss.missing.joined(separator: ", ")
        let warning = missing.isEmpty ? nil : "not seen to know a newer key, and may still seal to this one: \(missing)"
        let count = loss.envelopes == 1 ? "1 envelope becomes" : "\(grouped(UInt64(loss.envelopes))) envelopes become"
        if !yes {
            try Confirmation.ask(
                "\(count) unreadable for good with the sealing key of epoch \(epoch)"
                    + (warning.map { "; \($0)" } ?? ""), "Destroy it?")
        }
        let done = try node.destroySealingKey(loss, author: Clock.user, time: Clock.timestamp)
        if global.json {
            Output.json(
                done.members + [
                    JSONMember("unreadable", .integer(Int64(loss.envelopes))),
                    JSONMember("missing", .array(loss.missing.map { .string($0) })),
                ])
        } else {
            let deed = loss.isHere ? "destroyed the" : "retired the lost"
            Output.line("\(deed) sealing key of epoch \(epoch); \(count) unreadable")
        }
        // Whoever was asked has read it.
        if yes, let warning { Output.note(warning) }
    }
}
