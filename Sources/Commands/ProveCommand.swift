import ArgumentParser
import Home
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

            With --as-of, the proof is under the largest checkpoint that this node had cosigned by then, with that \
            cosignature and all others of the time: it shows that the node held the record. Exit status 1: no \
            cosignature that is kept shows it.

            A proof says that the record is in the log, and not who wrote it: of a record behind the end of a log that \
            its owner gave up, as when its key is stolen, that is said on standard error (`beyond_owner` in JSON).

            EXAMPLES
              entente prove us.example/krus#1042 > 1042.tlog-proof
              entente prove us.example/krus#1042 --as-of 2026-11-24T12:00:00Z > 1042.tlog-proof
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: "The record.")
    var reference: String

    @Option(help: ArgumentHelp("A moment as 2026-11-24T12:00:00Z, or a day for its beginning, UTC.", valueName: "time"))
    var asOf: String?

    func run() throws {
        let node = try global.open()
        guard let reference = Reference(reference) else {
            throw CommandFailure(.usage, "\(reference) is no reference; write NODE/COMMUNITY#INDEX")
        }
        guard let log = try node.store.log(reference.origin.text), reference.index < log.head?.size ?? 0 else {
            throw CommandFailure(.answerIsNo, "no record \(reference.text) under a checkpoint here")
        }
        if let asOf { return try prove(reference, asOf: asOf, of: log, node) }
        let proof = try node.proof(of: reference)
        log.noteBeyondOwner(reference.index)
        if global.json {
            Output.json([
                JSONMember("ref", .string(reference.text)), JSONMember("proof", .string(proof.serialized)),
                JSONMember("vkey", .string(try log.keys.current.text)),
                JSONMember("beyond_owner", .bool(log.isBeyondOwner(reference.index))),
            ])
        } else {
            Output.write(proof.serialized, to: 1)
        }
    }

    private func prove(_ reference: Reference, asOf text: String, of log: StoredLog, _ node: Node) throws {
        guard let time = Timestamp(text) ?? Timestamp(day: text), time.seconds >= 0 else {
            throw CommandFailure(.usage, "--as-of is no moment; write 2026-11-24T12:00:00Z or 2026-11-24")
        }
        let dated: DatedProof
        do {
            dated = try node.proof(of: reference, asOf: UInt64(time.seconds))
        } catch let error as HomeError where error.category == .noInput {
            throw CommandFailure(.answerIsNo, error.description)
        }
        if UInt64(time.seconds) > Clock.now() {
            Output.note("\(time.text) is still to come: this is what is held now")
        }
        log.noteBeyondOwner(reference.index)
        guard global.json else { return Output.write(dated.proof.serialized, to: 1) }
        let keys = try log.keys
        Output.json([
            JSONMember("ref", .string(reference.text)), JSONMember("proof", .string(dated.proof.serialized)),
            JSONMember("vkey", .string((keys.keys(at: dated.size).last ?? keys.current).text)),
            JSONMember("beyond_owner", .bool(log.isBeyondOwner(reference.index))),
            JSONMember("as_of", .string(time.text)),
            JSONMember("size", .integer(Int64(clamping: dated.size))),
            JSONMember("held_at", .string(moment(dated.heldAt))),
            JSONMember(
                "cosigned_by",
                .array(
                    dated.cosigners.map {
                        .object([
                            JSONMember("node", .string($0.node)), JSONMember("time", .string(moment($0.time))),
                        ])
                    })),
        ])
    }
}
