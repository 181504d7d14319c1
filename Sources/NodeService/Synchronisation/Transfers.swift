import Cryptography
import Dispatch
import LogStore
import Reconciliation

/// The logs that are on their way in, each once, whoever brings it.
final class Transfers: Sendable {
    /// Where all sessions write: a database has one writer anyway.
    let storing = DispatchQueue(label: "entente.store")
    private let verifying = (0..<2).map { DispatchQueue(label: "entente.verify.\($0)") }
    private let active = Guarded<[LogID: LogTransfer]>([:])
    /// The sessions that may take part. One that is over may still have a pin on the storing queue.
    private let present = Guarded<Set<UInt64>>([])
    private let store: SQLiteLogStore

    /// Bytes of one log's entries that may wait for their turn.
    static let waitingBudget = 24 << 20
    /// How long a session may hold up a transfer that others take part in.
    static let patience = Duration.seconds(10)

    init(store: SQLiteLogStore) {
        self.store = store
    }

    enum Joining {
        /// The session takes part; how the log stands.
        case joined(StoredLog)
        /// Something else is under way, or nothing is left to bring.
        case deferred(StoredLog)
    }

    /// A session has begun; ``leaveAll(_:onReleased:)`` ends what this allows.
    func enter(_ session: UInt64) {
        present.update { present in _ = present.insert(session) }
    }

    /// Pins a checkpoint and begins its transfer, or joins the one under way. Runs on the storing queue, where
    /// `onComplete` is told when the log has reached the checkpoint.
    func join(
        _ head: Head, note: String, chunk: UInt64, _ participant: TransferParticipant,
        onComplete: @escaping @Sendable (StoredLog) -> Void
    ) throws -> Joining {
        guard let log = try store.log(id: head.log) else { throw StoreError.unknownLog(head.log.hex) }
        guard present.value.contains(participant.session) else { return .deferred(log) }
        if let transfer = active.value[head.log] {
            guard transfer.target.size == head.size, transfer.target.root == head.root else { return .deferred(log) }
            transfer.join(participant)
            return .joined(log)
        }
        if log.head?.size ?? 0 >= head.size || log.size > head.size { return .deferred(log) }
        do {
            try store.pin(SignedHead(size: head.size, root: head.root, note: note), of: head.log)
        } catch StoreError.notContiguous {
            // Another process has brought it between the look and the pin: nothing is wrong here.
            return .deferred(log)
        }
        guard let pinned = try store.log(id: head.log) else { throw StoreError.unknownLog(head.log.hex) }
        guard pinned.pending != nil else {
            // All of it was held already: pinning has completed it.
            onComplete(pinned)
            return .deferred(pinned)
        }
        let transfer = LogTransfer(
            target: head, held: pinned.size, chunk: chunk, verifier: try store.verifier(of: head.log), store: store,
            queues: (verifying[Int(head.log.bytes[31]) % verifying.count], storing),
            waitingBudget: Transfers.waitingBudget
        ) { [weak self] transfer, result in self?.ended(transfer, result, onComplete) }
        transfer.join(participant)
        active.update { $0[head.log] = transfer }
        return .joined(pinned)
    }

    func transfer(of log: LogID) -> LogTransfer? { active.value[log] }

    private func ended(
        _ transfer: LogTransfer, _ result: Result<StoredLog, any Error>, _ onComplete: @Sendable (StoredLog) -> Void
    ) {
        active.update { active in
            if active[transfer.target.log] === transfer { active[transfer.target.log] = nil }
        }
        switch result {
        case .success(let log):
            onComplete(log)
            for participant in transfer.participants { participant.committed(log, 0) }
        case .failure(StoreError.notContiguous):
            for participant in transfer.participants { participant.overtaken(transfer.target.log) }
        case .failure(let error):
            for participant in transfer.participants {
                participant.feed(.failed(transfer.target.log, reason: "\(error)"))
            }
        }
    }

    /// Takes a session out of all transfers. `onReleased` is told, once its work is done, which logs nobody brings in
    /// any more.
    ///
    /// Behind the checkpoints that the session still had to pin: joining a transfer after it has left, it would hold
    /// up the log for as long as the process lives.
    func leaveAll(_ session: UInt64, onReleased: @escaping @Sendable (Set<LogID>) -> Void) {
        // On the queue of the pins, so that none of this session's can come after it.
        storing.async { [self] in
            present.update { present in _ = present.remove(session) }
            for (log, transfer) in active.value where transfer.leave(session) {
                transfer.afterWork { [self] in
                    let isReleased = active.update { active in
                        guard active[log] === transfer, transfer.participants.isEmpty else { return false }
                        active[log] = nil
                        return true
                    }
                    if isReleased { onReleased([log]) }
                }
            }
        }
    }

    /// Waits until everything that was handed on before is done.
    func drained() async {
        await NodeService.drained(storing)
        for queue in verifying { await NodeService.drained(queue) }
        await NodeService.drained(storing)
    }

    func tick() {
        for transfer in active.value.values { transfer.tick(patience: Transfers.patience) }
    }
}
