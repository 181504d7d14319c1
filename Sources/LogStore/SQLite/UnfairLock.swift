import Synchronization

/// A lock around short sections that never block.
final class UnfairLock: Sendable {
    private let mutex = Mutex<Void>(())

    func withLock<Value>(_ body: () throws -> Value) rethrows -> Value {
        try mutex.withLock { _ in try body() }
    }
}
