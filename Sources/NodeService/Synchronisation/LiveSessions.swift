import Reconciliation

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
