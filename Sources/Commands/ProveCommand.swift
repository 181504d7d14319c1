import ArgumentParser
import LogStore
import NodeService
import Records
import TransparencyLog

struct ProveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prove",
        abstract: "Print the proof that a record is in its log: a C2SP tlog-proof.",
        discussion: """
            Together with the record's body (`entente show REF --raw`) and the log's key it can be checked by any \
            program that knows the format.

            EXAMPLE
              entente prove us.example/krus#1042 > 1042.tlog-proof
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: "The record.")
    var reference: String

    func run() throws {
        let node = try global.open()
        guard let reference = Reference(reference) else {
            throw CommandFailure(.usage, "\(reference) is no reference; write NODE/COMMUNITY#INDEX")
        }
        guard let log = try node.store.log(reference.origin.text), reference.index < log.head?.size ?? 0 else {
            throw CommandFailure(.answerIsNo, "no record \(reference.text) under a checkpoint here")
        }
        let proof = try node.proof(of: reference)
        if global.json {
            Output.json([
                JSONMember("ref", .string(reference.text)), JSONMember("proof", .string(proof.serialized)),
                JSONMember("vkey", .string(try log.keys.current.text)),
            ])
        } else {
            Output.write(proof.serialized, to: 1)
        }
    }
}
