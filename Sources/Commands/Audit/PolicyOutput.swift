import NodeService
import Records
import TransparencyLog

extension WitnessPolicy {
    /// The policy in a file.
    init(path: String) throws {
        do {
            try self.init(parsing: InputFile.read(path, limit: WitnessPolicy.maximumByteCount))
        } catch let error as PolicyError {
            throw CommandFailure(.badInput, "\(printable(path)): \(error)")
        }
    }

    /// The keys that whoever gives this policy knows.
    var keys: [VerifierKey] { logs.map(\.key) + witnesses.map(\.key) }

    /// A verdict as JSON has it.
    func members(of verdict: Verdict) -> [JSONMember] {
        [
            JSONMember("reached", .bool(verdict.isReached)),
            JSONMember(
                "witnesses",
                .array(
                    zip(witnesses, verdict.times).map { witness, time in
                        .object([
                            JSONMember("name", .string(printable(witness.name))),
                            JSONMember("vkey", .string(witness.key.text)),
                            JSONMember("counts", .bool(time != nil)),
                            JSONMember("time", time.map { .string(moment($0)) } ?? .null),
                        ])
                    })),
            JSONMember("words", .array(explanation(of: verdict).map { .string(printable($0)) })),
        ]
    }

    /// A verdict for people.
    func show(_ verdict: Verdict, of log: String) {
        let state = verdict.isReached ? Style.green("quorum reached") : Style.red("quorum not reached")
        Output.line("\(printable(log)): \(state)")
        for line in explanation(of: verdict) { Output.line("  " + printable(line)) }
        let counted = zip(witnesses, verdict.times).compactMap { witness, time in
            time.map { "\(witness.name) at \(moment($0))" }
        }
        Output.line("  counted: " + (counted.isEmpty ? "nobody" : printable(counted.joined(separator: ", "))))
    }
}

extension PolicyAudit {
    var member: JSONMember {
        JSONMember(
            "policy",
            .object([
                JSONMember(
                    "logs",
                    .array(
                        logs.map { log in
                            .object(
                                [
                                    JSONMember("origin", .string(log.origin)),
                                    JSONMember("listed", .bool(log.isListed)),
                                    JSONMember("size", .integer(Int64(clamping: log.size))),
                                    JSONMember(
                                        "reached_size",
                                        log.reachedSize.map { .integer(Int64(clamping: $0)) } ?? .null),
                                ] + policy.members(of: log.verdict))
                        }))
            ]))
    }
}
