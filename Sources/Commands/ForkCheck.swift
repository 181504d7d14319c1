import ArgumentParser
import Cryptography
import Home
import LogStore
import NodeService
import Records
import TransparencyLog

/// Evidence of a fork, checked by itself: two checkpoints under one key that no single history has.
struct ForkCheck {
    private let path: String
    private let evidence: ForkEvidence
    /// What is known of the log's key from elsewhere than the file; empty where nothing is.
    private let keys: [String]

    /// Throws where the file is malformed. Without keys, that of the log in the home counts, if there is one.
    init(path: String, bytes: [UInt8], keys: [String], home: String?) throws {
        self.path = path
        do {
            evidence = try ForkEvidence(parsing: bytes)
        } catch {
            throw CommandFailure(.badInput, "\(path): \(CommandFailure(error).description)")
        }
        // Keys of other logs and of cosigners say nothing of this one.
        let name = evidence.key.name
        self.keys =
            try keys.isEmpty
            ? ForkCheck.knownKeys(of: evidence.origin, key: evidence.key.text, home: home)
            : LogAudit.keys(keys).filter { KeyName.same($0.name, name) }.map(\.text)
    }

    private static func knownKeys(of origin: String, key: String, home: String?) throws -> [String] {
        do {
            let node = try Node.open(home)
            if let log = try node.store.log(origin) {
                // Of the keys that the log has had, any may have signed two histories.
                return try log.keys.keys.contains { $0.text == key } ? [key] : [log.keys.current.text]
            }
            let witnessed = node.configuration.witness?.log(origin)?.keys.map(\.text) ?? []
            return witnessed.contains(key) ? [key] : witnessed
        } catch {
            // Nobody needs a home to check a file, but one that was named has to be there.
            if home != nil { throw error }
            return []
        }
    }

    /// Exit status 1 where it proves nothing, or not under a key that is known to be the log's.
    func show(json: Bool) throws {
        let finding: ForkEvidence.Finding
        do {
            finding = try evidence.verify()
        } catch {
            return try refuse(CommandFailure(error).description, json)
        }
        guard keys.isEmpty || keys.contains(evidence.key.text) else {
            return try refuse("it is under the key \(evidence.key.text), which is not the log's", json)
        }
        let unproved = keys.isEmpty ? ["that the key in it is the log's: compare it with a peer card"] : []
        let isProved = unproved.isEmpty
        if json {
            Output.json(
                [
                    JSONMember("ok", .bool(isProved)), JSONMember("fork", .bool(true)),
                    JSONMember("origin", .string(finding.origin)), JSONMember("vkey", .string(evidence.key.text)),
                ] + finding.members + [
                    JSONMember(
                        "logs",
                        .array(
                            zip(finding.sizes, finding.roots).map { size, root in
                                .object([
                                    JSONMember("origin", .string(finding.origin)),
                                    JSONMember("size", .integer(Int64(clamping: size))),
                                    JSONMember("root", .string(root.base64)), JSONMember("ok", .bool(isProved)),
                                ])
                            })),
                    JSONMember("problems", .array([])),
                    JSONMember("unproved", .array(unproved.map { .string($0) })),
                ])
        } else {
            show(finding, unproved)
        }
        // Anybody can sign two histories with a key of their own.
        if !isProved { throw ExitCode(ExitStatus.answerIsNo.rawValue) }
    }

    private func show(_ finding: ForkEvidence.Finding, _ unproved: [String]) {
        let origin = printable(finding.origin)
        let first = finding.firstDifference.map { "; entry \($0) is the first that differs" } ?? ""
        Output.line(
            unproved.isEmpty
                ? Style.red("\(origin) forked: \(finding.text)")
                : Style.yellow("\(origin): two histories were signed, under a key that nobody here knows\(first)"))
        for (size, root) in zip(finding.sizes, finding.roots) {
            Output.line("  signed at \(groupedCount(size, "entry", "entries")): \(root.base64)")
        }
        Output.line("  both under \(printable(evidence.key.text))")
        for text in unproved { Output.line(Style.yellow("not proved: \(text)")) }
    }

    private func refuse(_ reason: String, _ json: Bool) throws {
        if json {
            Output.json([
                JSONMember("ok", .bool(false)), JSONMember("logs", .array([])),
                JSONMember(
                    "problems",
                    .array([
                        .object([
                            JSONMember("origin", .string(evidence.origin)), JSONMember("text", .string(reason)),
                        ])
                    ])),
                JSONMember("unproved", .array([])),
            ])
        }
        throw CommandFailure(.answerIsNo, "\(path) proves no fork: \(printable(reason))")
    }
}
