import ArgumentParser
import Cryptography
import Home
import NodeService
import Records
import TransparencyLog

struct KeyRotateLogCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log",
        abstract: "A new key for this node's log in a community; the old one is gone then.",
        discussion: """
            The record that says so is signed by the old and the new key, and so is the checkpoint behind it. Partners \
            follow by themselves, whenever they come. Cards that are given out from now on have the new key. Back up \
            keys/ afterwards. After an interruption the same command completes what was begun.

            EXAMPLES
              entente key rotate log
              entente key rotate log --community krus
            """)

    @OptionGroup var global: GlobalOptions
    @Option(help: "The community; needed where there are several.")
    var community: String?

    func run() throws {
        let node = try global.open()
        let rotation = try node.rotateLogKey(
            community: node.community(community).name, author: Clock.user, time: Clock.timestamp)
        if global.json {
            return Output.json([
                JSONMember("role", .string("log")), JSONMember("origin", .string(rotation.origin)),
                JSONMember("vkey", .string(rotation.new.text)),
                JSONMember("previous_vkey", .string(rotation.old.text)),
                JSONMember("key_id", .string(SHA256.hash(rotation.new.publicKey.bytes).hex)),
                JSONMember("size", .integer(Int64(clamping: rotation.size))),
                JSONMember("resumed", .bool(rotation.isCompleted)),
            ])
        }
        Output.line(
            rotation.isCompleted
                ? "completed the rotation of \(rotation.origin) to \(rotation.new.text)"
                : "\(rotation.origin) is signed by \(rotation.new.text) from entry \(rotation.size) on")
        Output.note("back up keys/ now: the old key is gone, and the new one is in no backup yet")
    }
}
