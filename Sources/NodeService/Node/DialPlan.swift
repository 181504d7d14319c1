/// When to connect to one partner next.
package struct DialPlan: Sendable {
    package private(set) var isUnderWay = false
    package private(set) var notBefore: ContinuousClock.Instant?
    private var failures = 0
    private var lastError: String?

    package init() {}

    /// Answers whether to connect now, and takes it that somebody does.
    package mutating func begin(now: ContinuousClock.Instant) -> Bool {
        guard !isUnderWay, notBefore ?? now <= now else { return false }
        isUnderWay = true
        return true
    }

    /// There is reason to try at once.
    package mutating func hasten(now: ContinuousClock.Instant) {
        notBefore = now
    }

    /// Plans the next attempt: soon after the first failure, then ever later up to the interval (seconds), with jitter
    /// so that partners do not fall into step. Answers whether the error is another than last time.
    ///
    /// A session that the partner had opened says nothing of an attempt that is under way: that one goes on.
    package mutating func ended(
        _ report: SessionReport, dialled: Bool, interval: Double, now: ContinuousClock.Instant
    ) -> Bool {
        if dialled || !isUnderWay {
            isUnderWay = false
            failures = report.error == nil || report.received + report.sent > 0 ? 0 : failures + 1
            let pause = min(interval, 0.5 * Double(1 << min(failures, 10)))
            notBefore = now + .seconds(pause * Double.random(in: 0.5...1.5))
        }
        defer { lastError = report.error?.description }
        return lastError != report.error?.description
    }
}
