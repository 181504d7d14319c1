/// Virtual time, in microseconds, and what is to happen at which moment. Moments of equal time keep their order.
final class VirtualClock {
    private(set) var now: UInt64 = 1_000_000_000_000
    private var moments: [Moment] = []
    var random: SplitMix64

    private struct Moment {
        let time: UInt64
        let body: () -> Void
    }

    init(random: SplitMix64) {
        self.random = random
    }

    var isQuiet: Bool { moments.isEmpty }
    /// Unix seconds.
    var seconds: UInt64 { now / 1_000_000 }

    func delay(_ range: ClosedRange<UInt64>) -> UInt64 { UInt64.random(in: range, using: &random) }

    func at(_ time: UInt64, _ body: @escaping () -> Void) {
        // The latest first, so that the next one stands at the end.
        var low = 0
        var high = moments.count
        while low < high {
            let middle = (low + high) / 2
            if moments[middle].time > time { low = middle + 1 } else { high = middle }
        }
        while low < moments.count, moments[low].time > time { low += 1 }
        moments.insert(Moment(time: max(time, now), body: body), at: low)
    }

    func after(_ range: ClosedRange<UInt64>, _ body: @escaping () -> Void) {
        at(now + delay(range), body)
    }

    /// Lets the next moment happen, unless it is later than this. Answers whether one did.
    func step(until limit: UInt64 = .max) -> Bool {
        guard let next = moments.last, next.time <= limit else { return false }
        moments.removeLast()
        now = max(now, next.time)
        next.body()
        return true
    }

    func advance(to time: UInt64) {
        now = max(now, time)
    }
}

/// Work that is done one piece after the other, each after a while, as on a serial queue.
final class WorkQueue {
    private let clock: VirtualClock
    private let delay: ClosedRange<UInt64>
    private var items: [() -> Void] = []
    private var isRunning = false
    private var isDead = false

    init(_ clock: VirtualClock, delay: ClosedRange<UInt64>) {
        self.clock = clock
        self.delay = delay
    }

    func add(_ item: @escaping () -> Void) {
        guard !isDead else { return }
        items.append(item)
        run()
    }

    /// Goes on with what is being done before anything else.
    func addFirst(_ item: @escaping () -> Void) {
        guard !isDead else { return }
        items.insert(item, at: 0)
        run()
    }

    /// A crash: what was to be done never is.
    func kill() {
        isDead = true
        items = []
    }

    private func run() {
        guard !isRunning, !items.isEmpty else { return }
        isRunning = true
        clock.after(delay) { [self] in
            isRunning = false
            guard !items.isEmpty else { return }
            items.removeFirst()()
            run()
        }
    }
}
