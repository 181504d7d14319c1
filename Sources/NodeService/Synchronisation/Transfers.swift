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
    private let joins: Together<JoinRequest>
    private let commits: Together<TransferCommit>
    private let listener = Guarded<Listener?>(nil)

    /// Bytes of one log's entries that may wait for their turn.
    static let waitingBudget = 24 << 20
    /// How long a session may hold up a transfer that others take part in.
    static let patience = Duration.seconds(10)

    /// Bytes of entries that are committed together.
    static let commitBudget = 2 << 20

    init(store: SQLiteLogStore) {
        self.store = store
        let this = Guarded<Weakly?>(nil)
        joins = Together(on: storing) { this.value?.transfers?.join($0) }
        // A log of one entry is more than its bytes.
        commits = Together(on: storing, budget: Transfers.commitBudget, weight: { $0.frame.byteCount + 16_384 }) {
            this.value?.transfers?.commit($0)
        }
        this.value = Weakly(transfers: self)
    }

    private struct Weakly: Sendable {
        weak let transfers: Transfers?
    }

    /// Hears, on the storing queue, which logs have reached their checkpoints.
    struct Listener: Sendable {
        /// Before anybody else hears of it.
        let cosign: @Sendable ([StoredLog]) -> Void
        /// Behind the answers to the sessions that have brought them.
        let announce: @Sendable (Set<LogID>) -> Void
    }

    func listen(_ new: Listener) {
        listener.value = new
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

    /// What a session asks for that has been offered a checkpoint.
    struct JoinRequest: Sendable {
        let head: Head
        let note: String
        let chunk: UInt64
        let participant: TransferParticipant
        /// Hears, on the storing queue, what became of it.
        let answer: @Sendable (Result<Joining, any Error>) -> Void
    }

    /// Pins a checkpoint and begins its transfer, or joins the one under way.
    func join(_ request: JoinRequest) {
        joins.add(request)
    }

    private func join(_ requests: [JoinRequest]) {
        var pinning: [JoinRequest] = []
        for request in requests {
            // The second session of two finds what the first has begun.
            if pinning.contains(where: { $0.head.log == request.head.log }) {
                pin(pinning)
                pinning = []
            }
            do {
                if let joining = try joined(request) {
                    request.answer(.success(joining))
                } else {
                    pinning.append(request)
                }
            } catch {
                request.answer(.failure(error))
            }
        }
        pin(pinning)
    }

    /// What becomes of a request without pinning anything; `nil` where its checkpoint is to be pinned.
    private func joined(_ request: JoinRequest) throws -> Joining? {
        let head = request.head
        guard let log = try store.log(id: head.log) else { throw StoreError.unknownLog(head.log.hex) }
        guard present.value.contains(request.participant.session) else { return .deferred(log) }
        if let transfer = active.value[head.log] {
            guard transfer.target.size == head.size, transfer.target.root == head.root else { return .deferred(log) }
            transfer.join(request.participant)
            return .joined(log)
        }
        // Of the owner's part the store knows which checkpoint is news.
        guard !log.reachesBeyondOwner else { return nil }
        return log.head?.size ?? 0 >= head.size || log.size > head.size ? .deferred(log) : nil
    }

    private func pin(_ requests: [JoinRequest]) {
        guard !requests.isEmpty else { return }
        let results = store.pin(
            requests.map { (SignedHead(size: $0.head.size, root: $0.head.root, note: $0.note), $0.head.log) })
        // All of it was held already where pinning has completed it.
        let completed = results.compactMap { try? $0.get() }.filter { $0.pending == nil }
        listener.value?.cosign(completed)
        for (request, result) in zip(requests, results) {
            request.answer(Result { try begin(request, result) })
        }
        listener.value?.announce(Set(completed.map(\.id)))
    }

    private func begin(_ request: JoinRequest, _ pinning: Result<StoredLog, any Error>) throws -> Joining {
        let head = request.head
        let pinned: StoredLog
        do {
            pinned = try pinning.get()
        } catch StoreError.notContiguous {
            // Another process has brought it between the look and the pin: nothing is wrong here.
            guard let log = try store.log(id: head.log) else { throw StoreError.unknownLog(head.log.hex) }
            return .deferred(log)
        }
        guard pinned.pending != nil else { return .deferred(pinned) }
        let transfer = LogTransfer(
            target: head, held: pinned.size, chunk: request.chunk, verifier: try store.verifier(of: head.log),
            verifying: verifying[Int(head.log.bytes[31]) % verifying.count], commits: commits,
            waitingBudget: Transfers.waitingBudget)
        transfer.join(request.participant)
        active.update { $0[head.log] = transfer }
        return .joined(pinned)
    }

    /// Commits ranges together. Logs that this completes are cosigned together, before anybody hears of any.
    private func commit(_ all: [TransferCommit]) {
        let results = store.commit(all.map(\.verified))
        let completed = results.compactMap { try? $0.get() }.filter { $0.pending == nil }
        listener.value?.cosign(completed)
        // A successor may open sealed parts of the logs before it. Before its sessions hear that it is complete: they may
        // end with that.
        listener.value?.announce(Set(completed.flatMap { (try? store.predecessors(of: $0)) ?? [] }))
        for (each, result) in zip(all, results) {
            switch result {
            case .success(let log):
                if log.pending == nil { ended(each.transfer, result) }
                each.frame.owner.committed(log, each.verified.end - each.verified.start)
            case .failure: ended(each.transfer, result)
            }
            each.release()
        }
        listener.value?.announce(Set(completed.map(\.id)))
    }

    func transfer(of log: LogID) -> LogTransfer? { active.value[log] }

    private func ended(_ transfer: LogTransfer, _ result: Result<StoredLog, any Error>) {
        active.update { active in
            if active[transfer.target.log] === transfer { active[transfer.target.log] = nil }
        }
        switch result {
        case .success(let log):
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
                transfer.afterWork(storing) { [self] in
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
