import ArgumentParser
import Cryptography
import NodeService
import Records

struct KeyRotateTLSCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tls",
        abstract: "A new TLS key and certificate: announced first, used once partners know it.",
        discussion: """
            The first call makes the key and publishes it; partners accept both keys from the record on. Once every \
            partner has confirmed that it holds the record, a running node uses the new key by itself; without one, the \
            same command does. The old key is retired and gone then. --finish does not wait: whoever has not got the \
            record needs the new card (`entente identity`). After an interruption the same command completes what was \
            begun.

            EXAMPLES
              entente key rotate tls
              entente key rotate tls --finish
            """)

    @OptionGroup var global: GlobalOptions
    @Flag(help: "Use the new key now, whoever has not confirmed it.")
    var finish = false

    func run() throws {
        let rotation = try global.open().rotateTLSKey(finish: finish, author: Clock.user, time: Clock.timestamp)
        rotation.show(json: global.json)
    }
}

extension TLSKeyRotation {
    /// - Parameter isTheft: who has called this says what is left to do.
    func show(json: Bool, isTheft: Bool = false) {
        let names = missing.joined(separator: ", ")
        if json {
            Output.json([
                JSONMember("role", .string("tls")), JSONMember("step", .string(step.rawValue)),
                JSONMember("key_id", .string(pin.hex)), JSONMember("previous_key_id", .string(previous.hex)),
                JSONMember("missing", .array(missing.map { .string($0) })),
                JSONMember("published", .array(published.map { .string($0) })),
                JSONMember("waiting", .array(waiting.map { .string($0) })),
            ])
        } else {
            switch step {
            case .announced: Output.line("announced the TLS key \(pin.hex)")
            case .switched:
                let rest = published.isEmpty ? "no log tells partners of it" : "the one before is retired"
                Output.line("the TLS key \(pin.hex) is in use; \(rest)")
            }
        }
        if !published.isEmpty { noteWaiting(waiting, "tls") }
        switch step {
        case .announced:
            Output.note(
                "not confirmed yet by \(names); it is used when all have, or with `entente key rotate tls --finish`")
        case .switched:
            if !missing.isEmpty, !isTheft {
                Output.note(
                    "not confirmed by \(names): give them the new card (`entente identity`) if they cannot connect")
            }
            Output.note("back up keys/ now: the old key is gone, and the new one is in no backup yet")
        }
    }
}
