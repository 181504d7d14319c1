import Dispatch

/// Runs blocking work on a queue of its own and waits for it without blocking a thread of the task pool.
func onQueue<Value: Sendable>(
    _ queue: DispatchQueue, _ work: @escaping @Sendable () throws -> Value
) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        queue.async { continuation.resume(with: Result { try work() }) }
    }
}

/// As above, for work that does not fail.
func onQueue(_ queue: DispatchQueue, _ work: @escaping @Sendable () -> Void) async {
    await withCheckedContinuation { continuation in
        queue.async {
            work()
            continuation.resume()
        }
    }
}

/// Waits until everything that was handed to the queue before is done.
func drained(_ queue: DispatchQueue) async {
    await withCheckedContinuation { continuation in
        queue.async { continuation.resume() }
    }
}

/// Bytes that may be under way at once. Taking waits until what is under way is less than the budget.
final class Credit: Sendable {
    private struct State {
        var used = 0
        var isAbolished = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let budget: Int
    private let state = Guarded(State())

    init(bytes: Int) {
        budget = bytes
    }

    /// Whether somebody waits for it.
    var isExhausted: Bool { state.update { !$0.waiters.isEmpty } }

    /// From now on everything passes.
    func abolish() {
        let released = state.update { state -> [CheckedContinuation<Void, Never>] in
            state.isAbolished = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in released { waiter.resume() }
    }

    func take(_ bytes: Int) async {
        await withCheckedContinuation { continuation in
            let mayGoOn = state.update { state in
                // One frame may exceed the budget, or a frame larger than it could never pass.
                state.used += bytes
                guard state.used - bytes >= budget, !state.isAbolished else { return true }
                state.waiters.append(continuation)
                return false
            }
            if mayGoOn { continuation.resume() }
        }
    }

    func give(_ bytes: Int) {
        let released = state.update { state -> [CheckedContinuation<Void, Never>] in
            state.used -= bytes
            guard state.used < budget else { return [] }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in released { waiter.resume() }
    }
}

/// A value that only the blocks of one serial queue touch.
///
/// Unchecked because the compiler does not know of the queue.
final class QueueConfined<Value>: @unchecked Sendable {
    var value: Value

    init(_ value: Value) {
        self.value = value
    }
}

/// Runs blocking work on a thread outside the task pool.
func onThread(_ work: @escaping @Sendable () -> Void) async {
    await withCheckedContinuation { continuation in
        DispatchQueue.global().async {
            work()
            continuation.resume()
        }
    }
}
