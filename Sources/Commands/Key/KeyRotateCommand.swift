import ArgumentParser
import Cryptography
import NodeService
import Records

struct KeyRotateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate",
        abstract: "Replace a key. Partners learn the new one from the log.",
        subcommands: [
            KeyRotateSealingCommand.self, KeyRotateLogCommand.self, KeyRotateTLSCommand.self,
            KeyRotateMirrorCommand.self,
        ])
}

struct KeyRotateSealingCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sealing",
        abstract: "A new sealing key, of a new epoch. Older epochs stay, for what was sealed to them.",
        discussion: """
            Partners seal to the new key once they have the record that publishes it; nothing is to be done there. \
            Back up keys/ afterwards. After an interruption the same command completes what was begun.

            EXAMPLE
              entente key rotate sealing
            """)

    @OptionGroup var global: GlobalOptions

    func run() throws {
        try global.open().rotateSealingKey(author: Clock.user, time: Clock.timestamp).show(json: global.json)
    }
}

extension SealingKeyRotation {
    var members: [JSONMember] {
        [
            JSONMember("role", .string("sealing")), JSONMember("epoch", .integer(Int64(epoch))),
            JSONMember("key_id", .string(keyID.hex)), JSONMember("resumed", .bool(isResumed)),
            JSONMember("published", .array(published.map { .string($0) })),
            JSONMember("waiting", .array(waiting.map { .string($0) })),
        ]
    }

    func show(json: Bool) {
        if json {
            Output.json(members)
        } else {
            let verb = isResumed ? "completed the rotation to" : "new sealing key:"
            let place = published.isEmpty ? "" : ", published in \(published.joined(separator: ", "))"
            Output.line("\(verb) epoch \(epoch)\(place)")
        }
        if published.isEmpty {
            Output.note("no log tells partners of it: give them the new card (`entente identity`)")
        }
        noteWaiting(waiting, "sealing")
        Output.note("back up keys/ now: the new key is in no backup yet")
    }
}

/// Says which own logs do not have the records of a key yet.
func noteWaiting(_ origins: [String], _ role: String) {
    guard !origins.isEmpty else { return }
    Output.note(
        "\(origins.joined(separator: ", ")): no entries are taken now; run `entente key rotate \(role)` after `entente "
            + "recover`, which has them say it, too")
}
