import ArgumentParser
import NodeService
import Records

struct KeyDestroyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "destroy",
        abstract: "Destroy an old sealing key, and with it all that only it opens.",
        discussion: """
            What was sealed to this node in that epoch can never be opened here again, the own records among it and \
            the rows that imports refused (`entente quarantine list`). The number of those envelopes and rows is told \
            first, and which members may still seal to the key, since nothing shows that \
            they know a newer one. Backups of keys/ may still have the key. Of a key that is lost partners are told \
            that it is retired. Own records among those envelopes are no longer known as doubles: importing their source \
            again writes them again.

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
        let count = loss.countText
        if !yes {
            try Confirmation.ask(
                "\(count) unreadable for good with the sealing key of epoch \(epoch)\(loss.unnamedText)"
                    + (warning.map { "; \($0)" } ?? ""), "Destroy it?")
        }
        let done = try node.destroySealingKey(loss, author: Clock.user, time: Clock.timestamp)
        if global.json {
            Output.json(
                done.members + [
                    JSONMember("unreadable", .integer(Int64(loss.envelopes + loss.quarantined))),
                    JSONMember("quarantined", .integer(Int64(loss.quarantined))),
                    JSONMember("quarantined_unnamed", .integer(Int64(loss.unnamed))),
                    JSONMember("missing", .array(loss.missing.map { .string($0) })),
                ])
        } else {
            let deed = loss.isHere ? "destroyed the" : "retired the lost"
            Output.line("\(deed) sealing key of epoch \(epoch); \(count) unreadable\(loss.unnamedText)")
        }
        // Whoever was asked has read it.
        if yes, let warning { Output.note(warning) }
    }
}

extension SealingKeyLoss {
    /// `1 envelope and 2 quarantined rows become`.
    fileprivate var countText: String {
        let parts =
            [groupedCount(envelopes, "envelope", "envelopes")]
            + (quarantined > 0 ? [groupedCount(quarantined, "quarantined row", "quarantined rows")] : [])
        return parts.joined(separator: " and ")
            + (envelopes + quarantined == 1 && parts.count == 1 ? " becomes" : " become")
    }

    fileprivate var unnamedText: String {
        guard unnamed > 0 else { return "" }
        let which = unnamed == 1 ? "that does not say its key" : "that do not say their key"
        return ", and perhaps \(groupedCount(unnamed, "older quarantined row", "older quarantined rows")) \(which)"
    }
}
