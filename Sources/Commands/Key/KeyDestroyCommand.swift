import ArgumentParser
import NodeService
import Records

struct KeyDestroyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "destroy",
        abstract: "Destroy an old sealing key, and with it all that only it opens.",
        discussion: """
            What was sealed to this node in that epoch can never be opened here again, the own records among it. The \
            number of those envelopes is told first. Backups of keys/ may still have the key.

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
        let count = loss.envelopes == 1 ? "1 envelope becomes" : "\(grouped(UInt64(loss.envelopes))) envelopes become"
        if !yes {
            guard Output.inputIsTerminal else {
                throw CommandFailure(
                    .usage, "\(count) unreadable for good with epoch \(epoch); confirm that with --yes")
            }
            Output.note("\(count) unreadable for good with the sealing key of epoch \(epoch).")
            Output.write("Destroy it? [y/N] ", to: 2)
            guard readLine()?.lowercased().hasPrefix("y") == true else {
                throw CommandFailure(.notPermitted, "not confirmed; nothing was changed")
            }
        }
        let done = try node.destroySealingKey(loss, author: Clock.user, time: Clock.timestamp)
        if global.json {
            Output.json(done.members + [JSONMember("unreadable", .integer(Int64(loss.envelopes)))])
        } else {
            Output.line("destroyed the sealing key of epoch \(epoch); \(count) unreadable")
            done.noteWaiting()
        }
    }
}
