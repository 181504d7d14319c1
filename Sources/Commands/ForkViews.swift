import Cryptography
import LogStore
import NodeService
import Records
import TransparencyLog

// Forks as `status` shows them.

extension Node {
    /// The forks of these logs, by log.
    func forks(of logs: [StoredLog]) throws -> [SHA256Digest: KnownFork] {
        var forks: [SHA256Digest: KnownFork] = [:]
        for log in logs where log.frozen != nil { forks[log.id] = try fork(of: log) }
        return forks
    }
}

extension StoredLog {
    /// What is said of a frozen log for as long as it is there; `nil` of any other.
    func forkAlarm(_ fork: KnownFork?, _ node: Node) -> String? {
        guard let frozen else { return nil }
        let isWritten = origin == node.origin(of: community)
        return "\(origin) is frozen: \(frozen)" + (fork.map { "; evidence in \($0.file)" } ?? "")
            + (isWritten ? "; go on with `entente community successor \(community)`" : "")
    }

    func members(of fork: KnownFork?) -> [JSONMember] {
        guard let fork else { return [] }
        return [JSONMember("fork", .object(fork.finding.members + [JSONMember("evidence", .string(fork.file))]))]
    }
}

extension ForkEvidence.Finding {
    var members: [JSONMember] {
        [
            JSONMember("sizes", .array(sizes.map { .integer(Int64(clamping: $0)) })),
            JSONMember("roots", .array(roots.map { .string($0.base64) })),
            JSONMember("first_difference", firstDifference.map { .integer(Int64(clamping: $0)) } ?? .null),
        ]
    }
}
