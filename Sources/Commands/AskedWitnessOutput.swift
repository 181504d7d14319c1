import Cryptography
import Home
import LogStore
import NodeService
import Records
import TransparencyLog

// How views say what the witnesses of a log have done.

extension WitnessBook.OfWitness {
    var members: [JSONMember] {
        [
            JSONMember("name", .string(configuration.key.name)), JSONMember("url", .string(configuration.url)),
            JSONMember("vkey", .string(configuration.key.text)),
            JSONMember("pin", configuration.pin.map { .string($0.hex) } ?? .null),
            JSONMember("size", newest.map { .integer(Int64(clamping: $0.size)) } ?? .null),
            JSONMember("time", newest.map { .string(moment($0.time)) } ?? .null),
            JSONMember("asked", asked.map { .string(moment($0.asked)) } ?? .null),
            JSONMember("error", asked?.problem.map { .string($0.text) } ?? .null),
            JSONMember("error_kind", asked?.problem.map { .string($0.failure.rawValue) } ?? .null),
            JSONMember("error_since", asked?.problem.map { .string(moment($0.since)) } ?? .null),
        ]
    }

    func add(to table: inout Table, of origin: String) {
        table.add(
            origin, configuration.key.name, configuration.url,
            newest.map { "\(grouped($0.size)), \(moment($0.time))" } ?? "nothing yet", asked?.problem?.text ?? "-")
    }
}

extension WitnessBook.OfLog {
    /// What `status --json` says of a log's witnesses.
    static func members(_ found: WitnessBook.OfLog?) -> [JSONMember] {
        [
            JSONMember("witnesses", .array((found?.witnesses ?? []).map { .object($0.members) })),
            JSONMember(
                "quorum",
                found.map(\.quorum).map { quorum in
                    .object([
                        JSONMember("needed", .integer(Int64(quorum.needed))),
                        JSONMember("count", .integer(Int64(quorum.count))), JSONMember("met", .bool(quorum.isMet)),
                        JSONMember("met_size", quorum.met.map { .integer(Int64(clamping: $0.size)) } ?? .null),
                        JSONMember("met_time", quorum.met.map { .string(moment($0.time)) } ?? .null),
                    ])
                } ?? .null),
        ]
    }

    /// `us.example/krus: 2 of 3 witnesses, quorum 2 met at 228 entries`.
    func line(of origin: String) -> String {
        let state =
            quorum.isMet
            ? "met at \(groupedCount(quorum.size, "entry", "entries"))"
            : "NOT met at \(groupedCount(quorum.size, "entry", "entries"))"
                + (quorum.met.map { ", but at \(grouped($0.size)), \(moment($0.time))" } ?? "")
        return
            "\(origin): \(quorum.count) of \(witnesses.count) witnesses, quorum \(quorum.needed) \(state)"
    }
}
