import Cryptography
import Reconciliation

/// The last checkpoint signed of each own log and the last cosigned of each replica: on a disk of their own, in no backup.
struct SimulatedMarks {
    struct Mark: Hashable {
        var size: UInt64
        var root: SHA256Digest
        var time: UInt64
    }

    var own: [LogID: Mark] = [:]
    private(set) var cosigned: [LogID: Mark] = [:]

    /// Refuses an own log that is behind its mark or contradicts it; raises a mark that is behind.
    mutating func check(_ log: SimulatedReplica) throws {
        if let mark = own[log.id] {
            guard mark.size <= log.tree.size else { throw SimulatedError("rolled back behind \(mark.size)") }
            guard try log.tree.root(at: mark.size) == mark.root else { throw SimulatedError("another history") }
        }
        raise(log)
    }

    mutating func raise(_ log: SimulatedReplica) {
        guard let head = log.head, head.size > own[log.id]?.size ?? 0 else { return }
        own[log.id] = Mark(size: head.size, root: head.root, time: 0)
    }

    /// Answers the time to sign.
    mutating func cosign(_ head: SimulatedHead, of log: LogID, time: UInt64) throws -> UInt64 {
        var time = time
        if let old = cosigned[log] {
            guard head.size > old.size || (head.size == old.size && head.root == old.root) else {
                throw SimulatedError("cosigned beyond")
            }
            time = max(time, old.time)
        }
        cosigned[log] = Mark(size: head.size, root: head.root, time: time)
        return time
    }
}
