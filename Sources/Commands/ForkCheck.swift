import ArgumentParser
import Cryptography
import NodeService
import Records
import TransparencyLog

/// Evidence of a fork, checked by itself: two checkpoints under one key that no single history has.
struct ForkCheck {
    private let path: String
    private let evidence: ForkEvidence
    private let keys: [String]

    init(path: String, bytes: [UInt8], keys: [String]) throws {
        self.path = path
        self.keys = keys
        do {
            evidence = try ForkEvidence(parsing: bytes)
        } catch {
            throw CommandFailure(.badInput, "\(path): \(error)")
        }
    }

    /// Exit status 1 where it proves nothing, or not against the key that was given.
    func show(json: Bool) throws {
        do {
            let finding = try evidence.verify()
            guard keys.isEmpty || keys == [evidence.key.text] else {
                return try refuse("it is under the key \(evidence.key.text), not the one given", json)
            }
            if json {
                Output.json([
                    JSONMember("ok", .bool(true)), JSONMember("fork", .bool(true)),
                    JSONMember("origin", .string(finding.origin)), JSONMember("vkey", .string(evidence.key.text)),
                    JSONMember("sizes", .array(finding.sizes.map { .integer(Int64(clamping: $0)) })),
                    JSONMember("roots", .array(finding.roots.map { .string($0.base64) })),
                    JSONMember(
                        "first_difference", finding.firstDifference.map { .integer(Int64(clamping: $0)) } ?? .null),
                ])
            } else {
                Output.line(Style.red("\(finding.origin) forked: \(finding.text)"))
                for (size, root) in zip(finding.sizes, finding.roots) {
                    Output.line("  signed at \(grouped(size)) entries: \(root.base64)")
                }
                Output.line("  both under \(evidence.key.text)")
            }
        } catch let error as ExitCode {
            throw error
        } catch {
            try refuse("\(error)", json)
        }
    }

    private func refuse(_ reason: String, _ json: Bool) throws {
        if json { Output.json([JSONMember("ok", .bool(false)), JSONMember("problems", .array([.string(reason)]))]) }
        throw CommandFailure(.answerIsNo, "\(path) proves no fork: \(reason)")
    }
}
