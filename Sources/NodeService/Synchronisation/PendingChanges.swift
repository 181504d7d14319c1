package import Reconciliation

/// Logs that have changed here and that one session has not dealt with yet. While its task waits for a peer that reads
/// slowly, what changes adds up to one event, each log once.
package final class PendingChanges: Sendable {
    private struct State: Sendable {
        var waiting: Set<LogID> = []
        var isUnderWay = false
    }

    private let state = Guarded(State())

    package init() {}

    /// Answers whether they are to be handed on now, or wait until the session has dealt with those before.
    package func add(_ logs: Set<LogID>) -> Bool {
        state.update { state in
            state.waiting.formUnion(logs)
            defer { state.isUnderWay = true }
            return !state.isUnderWay
        }
    }

    /// What to hand on.
    package func take() -> Set<LogID> {
        state.update { state in
            defer { state.waiting = [] }
            return state.waiting
        }
    }

    /// The session has dealt with what was handed on. Answers whether there is more.
    package func dealtWith() -> Bool {
        state.update { state in
            state.isUnderWay = !state.waiting.isEmpty
            return state.isUnderWay
        }
    }
}
