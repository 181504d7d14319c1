import Cryptography
import Reconciliation

/// Which session brings in which log: at most one each.
final class TransferClaims: Sendable {
    private let holders = Guarded<[LogID: UInt64]>([:])

    /// Whether the session has the claim now, newly or already.
    func claim(_ log: LogID, by session: UInt64) -> Bool {
        holders.update { holders in
            if let holder = holders[log] { return holder == session }
            holders[log] = session
            return true
        }
    }

    /// Gives a claim back. Answers whether the session had it.
    func release(_ log: LogID, by session: UInt64) -> Bool {
        holders.update { holders in
            guard holders[log] == session else { return false }
            holders[log] = nil
            return true
        }
    }

    func releaseAll(by session: UInt64) -> [LogID] {
        holders.update { holders in
            let released = holders.filter { $0.value == session }.map(\.key)
            for log in released { holders[log] = nil }
            return released
        }
    }
}

/// The sessions under way, so that each hears of what changes in the node.
final class LiveSessions: Sendable {
    struct Session: Sendable {
        let peer: String
        let notify: @Sendable (Change) -> Void
    }

    enum Change: Sendable {
        /// These logs have grown here, or may be brought in again.
        case logs(Set<LogID>)
        /// The peer is no longer admitted as it was.
        case disconnect(reason: String)
    }

    private let sessions = Guarded<[UInt64: Session]>([:])
    private let next = Guarded<UInt64>(1)

    func add(_ session: Session) -> UInt64 {
        let id = next.update { next in
            defer { next += 1 }
            return next
        }
        sessions.update { $0[id] = session }
        return id
    }

    func remove(_ id: UInt64) {
        sessions.update { $0[id] = nil }
    }

    func notify(_ change: Change, except: UInt64? = nil, peers: Set<String>? = nil) {
        for (id, session) in sessions.value where id != except && peers?.contains(session.peer) ?? true {
            session.notify(change)
        }
    }

    var peers: Set<String> {
        Set(sessions.value.values.map(\.peer))
    }
}
