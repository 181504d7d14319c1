import ArgumentParser
import Cryptography
import NodeService
import Records
import TransparencyLog

struct KeyRotateMirrorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mirror",
        abstract: "A new key for what this node cosigns and gives receipts for.",
        discussion: """
            Partners learn it from the log; what the old key has signed stays good. Cards that are given out from now on \
            have the new key. Back up keys/ afterwards. After an interruption the same command completes what was begun.

            EXAMPLE
              entente key rotate mirror
            """)

    @OptionGroup var global: GlobalOptions

    func run() throws {
        try global.open().rotateMirrorKey(author: Clock.user, time: Clock.timestamp).show(json: global.json)
    }
}

extension MirrorKeyRotation {
    func show(json: Bool) {
        if json {
            Output.json([
                JSONMember("role", .string("mirror")), JSONMember("vkey", .string(key.text)),
                JSONMember("previous_vkey", previous.map { .string($0.text) } ?? .null),
                JSONMember("key_id", .string(SHA256.hash(key.publicKey.bytes).hex)),
                JSONMember("resumed", .bool(isResumed)),
                JSONMember("published", .array(published.map { .string($0) })),
                JSONMember("waiting", .array(waiting.map { .string($0) })),
                JSONMember("needs_card", .bool(needsCard)),
            ])
        } else {
            Output.line("\(isResumed ? "completed the rotation to" : "new mirror key:") \(key.text)")
        }
        noteWaiting(waiting, "mirror")
        if needsCard {
            Output.note(
                published.isEmpty
                    ? "next: give partners the new card (`entente identity`), then run `entente recover`, and this command "
                        + "again, which has the log tell of the key"
                    : "nobody here knows which key was before it, so no record leads partners to it: give them the new card "
                        + "(`entente identity`)")
        }
        Output.note("back up keys/ now: the old key is gone, and the new one is in no backup yet")
    }
}
