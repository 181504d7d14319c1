import Dispatch

/// Collects what waits for its turn on a queue, so that it is worked off together: what many logs write at the same
/// time becomes durable with one wait for the disk.
final class Together<Item: Sendable>: Sendable {
    private let queue: DispatchQueue
    private let waiting = Guarded<[Item]>([])
    private let budget: Int
    private let weight: @Sendable (Item) -> Int
    private let work: @Sendable ([Item]) -> Void

    /// - Parameters:
    ///   - budget: how much weight is worked off together; one item may exceed it.
    ///   - work: runs on the queue, with the items in the order in which they came.
    init(
        on queue: DispatchQueue, budget: Int = 64, weight: @escaping @Sendable (Item) -> Int = { _ in 1 },
        work: @escaping @Sendable ([Item]) -> Void
    ) {
        self.queue = queue
        self.budget = budget
        self.weight = weight
        self.work = work
    }

    /// The item is worked off no later than if it had been handed to the queue by itself.
    func add(_ item: Item) {
        let isFirst = waiting.update { waiting in
            waiting.append(item)
            return waiting.count == 1
        }
        if isFirst { queue.async { self.workOff() } }
    }

    private func workOff() {
        let items = waiting.update { waiting -> [Item] in
            defer { waiting = [] }
            return waiting
        }
        var part: [Item] = []
        var sum = 0
        for item in items {
            part.append(item)
            sum += weight(item)
            guard sum >= budget else { continue }
            work(part)
            part = []
            sum = 0
        }
        if !part.isEmpty { work(part) }
    }
}
