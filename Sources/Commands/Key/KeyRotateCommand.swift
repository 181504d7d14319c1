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
            After an interruption the same command completes what was begun.

            EXAMPLE
              entente key rotate sealing
            """)

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let rotation = try global.open().rotateSealingKey(author: Clock.user, time: Clock.timestamp)
        if global.json {
            Output.json(rotation.members)
        } else {
            let verb = rotation.isResumed ? "completed the rotation to" : "new sealing key:"
            Output.line("\(verb) epoch \(rotation.epoch), published in \(rotation.published.joined(separator: ", "))")
            rotation.noteWaiting()
        }
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

    func noteWaiting() {
        guard !waiting.isEmpty else { return }
        Output.note("\(waiting.joined(separator: ", ")): being recovered; run this again when that is done")
    }
}
