import Cryptography
import Dispatch
import LogStore
import Reconciliation

/// A session that takes part in transfers, as they need to know it.
struct TransferParticipant: Sendable {
    let session: UInt64
    /// Hears what concerns its own requests.
    let feed: @Sendable (SessionEvent) -> Void
    /// Hears how the log stands once entries of it are committed; `count` of them were this session's.
    let committed: @Sendable (_ log: StoredLog, _ count: UInt64) -> Void
    /// Hears that another process has brought entries of this log meanwhile.
    let overtaken: @Sendable (_ log: LogID) -> Void
}

/// A range on its way through a transfer, with what to do when its bytes are no longer held.
struct TransferFrame: Sendable {
    let entries: EntryRange
    let owner: TransferParticipant
    let byteCount: Int
    let release: @Sendable () -> Void

    var range: Range<UInt64> { entries.range.start..<entries.range.end }
}

/// A range that is proved and waits to be committed.
struct TransferCommit: Sendable {
    let transfer: LogTransfer
    let verified: VerifiedRange
    let frame: TransferFrame
    let release: @Sendable () -> Void
}

/// One log on its way in, towards one pinned checkpoint, from one session or several. Ranges are checked in turn and
/// committed in turn, so that one is checked while the one before it is being written.
final class LogTransfer: Sendable {
    let target: Head
    private let state: Guarded<State>
    private let verifier: QueueConfined<RangeVerifier>
    private let verifying: DispatchQueue
    private let commits: Together<TransferCommit>
    /// Bytes that may wait for their turn.
    private let waitingBudget: Int

    private struct State: Sendable {
        var plan: TransferPlan
        var participants: [UInt64: TransferParticipant] = [:]
        var waiting: [UInt64: TransferFrame] = [:]
        var waitingBytes = 0
        var lastProgress = ContinuousClock.now
    }

    init(
        target: Head, held: UInt64, chunk: UInt64, verifier: RangeVerifier, verifying: DispatchQueue,
        commits: Together<TransferCommit>, waitingBudget: Int
    ) {
        self.target = target
        self.verifier = QueueConfined(verifier)
        self.verifying = verifying
        self.commits = commits
        self.waitingBudget = waitingBudget
        state = Guarded(State(plan: TransferPlan(target: target, held: held, chunk: chunk)))
    }

    var participants: [TransferParticipant] { Array(state.value.participants.values) }

    func join(_ participant: TransferParticipant) {
        state.update { state in
            state.plan.join(participant.session)
            state.participants[participant.session] = participant
        }
    }

    /// Takes a session out. Answers whether nobody is left.
    func leave(_ session: UInt64) -> Bool {
        let isEmpty = state.update { state in
            state.plan.leave(session)
            state.participants[session] = nil
            return state.participants.isEmpty
        }
        poke()
        return isEmpty
    }

    func assign(_ session: UInt64, ranges limit: Int) -> [Range<UInt64>] {
        state.update { $0.plan.assign(session, ranges: limit) }
    }

    func giveBack(_ range: Range<UInt64>, by session: UInt64) {
        state.update { state in state.plan.refuse(range, by: session) }
        poke(except: session)
    }

    /// Takes in entries that a session has brought.
    func arrived(_ frame: TransferFrame) {
        let dropped = state.update { state -> [TransferFrame] in
            switch state.plan.arrived(frame.range, from: frame.owner.session) {
            case .stale: return [frame]
            case .later:
                guard state.waitingBytes + frame.byteCount <= waitingBudget else {
                    state.plan.drop(waiting: frame.range.lowerBound)
                    return [frame]
                }
                state.waiting[frame.range.lowerBound] = frame
                state.waitingBytes += frame.byteCount
                // What waits is bounded here, and must not keep the session from bringing what is due.
                frame.release()
                return []
            case .now:
                state.lastProgress = .now
                check(frame, frame.release)
                while let start = state.plan.takeWaiting(), let next = state.waiting.removeValue(forKey: start) {
                    state.waitingBytes -= next.byteCount
                    check(next) {}
                }
                // Frames of two sessions may overlap; what began behind the frontier has no turn any more.
                for (start, frame) in state.waiting where start < state.plan.frontier {
                    state.waiting[start] = nil
                    state.waitingBytes -= frame.byteCount
                }
                return []
            }
        }
        dropped.forEach { $0.release() }
        // The frontier has moved, or a range is open again: others may have something to ask for.
        if participants.count > 1 || !dropped.isEmpty { poke() }
    }

    /// Called with the state locked, so that frames are handed on in turn.
    private func check(_ frame: TransferFrame, _ release: @escaping @Sendable () -> Void) {
        verifying.async { [self] in
            // A frame before this one was refused: this one's turn is open again, and nobody's fault.
            guard verifier.value.size == frame.range.lowerBound else {
                release()
                state.update { state in state.plan.reject(frame.range) }
                poke()
                return
            }
            do {
                let verified = try verifier.value.verify(ArrivingRange(frame.entries))
                commits.add(TransferCommit(transfer: self, verified: verified, frame: frame, release: release))
            } catch {
                release()
                state.update { state in state.plan.reject(frame.range) }
                frame.owner.feed(.rejected(target.log, reason: "\(error)"))
                poke(except: frame.owner.session)
            }
        }
    }

    /// Runs the closure once everything that was handed on before is done.
    func afterWork(_ storing: DispatchQueue, _ body: @escaping @Sendable () -> Void) {
        verifying.async { storing.async { body() } }
    }

    /// Lets others bring what a session was asked for that has brought nothing for long.
    func tick(patience: Duration) {
        let isStuck = state.update { state -> UInt64? in
            guard state.participants.count > 1, ContinuousClock.now - state.lastProgress > patience,
                let laggard = state.plan.laggard
            else { return nil }
            state.lastProgress = .now
            state.plan.takeOver(from: laggard)
            return laggard
        }
        if let isStuck { poke(except: isStuck) }
    }

    /// There may be something to ask for.
    private func poke(except session: UInt64? = nil) {
        for participant in participants where participant.session != session {
            participant.feed(.assignable(target.log))
        }
    }
}
