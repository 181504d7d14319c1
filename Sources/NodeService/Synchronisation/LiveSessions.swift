import Reconciliation

/// The sessions under way, so that each hears of what changes in the node.
final class LiveSessions: Sendable {
    struct Session: Sendable {
        let peer: String
        var isInitiator = false
        /// Whether both sides mean to stay connected; known once they have met.
        var stays = false
        let notify: @Sendable (Change) -> Void
    }

    enum Change: Sendable {
        /// These logs have grown here, or may be brought in again.
        case logs(Set<LogID>)
        /// The owner of this log has signed two histories.
        case frozen(LogID)
        /// These receipts for blobs of this log are news here.
        case receipts(LogID, [ReceiptLine])
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

    /// Two nodes that both connect need one connection: the one that the node whose name sorts first has opened stays,
    /// and the other is closed by whoever opened it.
    func stays(_ id: UInt64, node: String) {
        let superfluous = sessions.update { sessions -> Session? in
            sessions[id]?.stays = true
            guard let peer = sessions[id]?.peer, node > peer else { return nil }
            let all = sessions.values.filter { $0.peer == peer && $0.stays }
            guard all.contains(where: { !$0.isInitiator }) else { return nil }
            return all.first(where: \.isInitiator)
        }
        superfluous?.notify(.disconnect(reason: LiveSessions.superfluous))
    }

    static let superfluous = "another connection with this partner is open"

    func remove(_ id: UInt64) {
        sessions.update { $0[id] = nil }
    }

    func notify(_ change: Change, except: UInt64? = nil, peers: Set<String>? = nil) {
        for (id, session) in sessions.value where id != except && peers?.contains(session.peer) ?? true {
            session.notify(change)
        }
    }

    /// The peers with which a session has begun: both sides have let each other in.
    var met: Set<String> {
        Set(sessions.value.values.filter { $0.stays && !$0.peer.isEmpty }.map(\.peer))
    }

    var peers: Set<String> {
        Set(sessions.value.values.map(\.peer))
    }
}
