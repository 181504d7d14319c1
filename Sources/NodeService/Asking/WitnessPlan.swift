/// When one witness is asked next. Times are Unix seconds.
package struct WitnessPlan: Sendable, Hashable {
    /// What it has cosigned last that was checked here, and when it was asked for that. By the clock of this node: one
    /// whose own runs ahead, or that answers with an old date, is not asked all the time for it.
    package private(set) var cosigned: UInt64
    package private(set) var time: UInt64
    /// How often in a row it has failed, and when last.
    package private(set) var failures = 0
    package private(set) var asked: UInt64 = 0

    /// After this time an unchanged log is cosigned anew, as nodes date their own.
    package static let interval = SyncContext.datingInterval
    /// A log that grows all the time is not brought more often than this.
    package static let pause: UInt64 = 5
    private static let longestPause: UInt64 = 3_600

    package init(cosigned: UInt64 = 0, time: UInt64 = 0) {
        self.cosigned = cosigned
        self.time = time
    }

    /// Whether a log that has so many entries now is to be brought to it.
    package func isDue(size: UInt64, now: UInt64) -> Bool {
        // A clock that was put back does not keep it waiting.
        guard now < asked || now - asked >= wait else { return false }
        return size != cosigned || now < time || now - time >= WitnessPlan.interval
    }

    private var wait: UInt64 {
        guard failures > 0 else { return WitnessPlan.pause }
        return min(WitnessPlan.longestPause, 15 << min(UInt64(failures), 16))
    }

    package mutating func begin(now: UInt64) { asked = now }

    package mutating func succeeded(size: UInt64) {
        cosigned = size
        time = asked
        failures = 0
    }

    package mutating func failed() { failures += 1 }
}
