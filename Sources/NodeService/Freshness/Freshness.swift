public import LogStore

/// How much the newest state of a log that is known here can be relied on to be its newest state.
///
/// A log's owner dates its newest checkpoint once an hour, whether anything is new or not. So a log of which nothing new
/// comes is told from one whose owner is gone, and that from one of which what is new is kept from this node.
public struct Freshness: Sendable, Hashable {
    public enum State: String, Sendable, CaseIterable {
        /// Dated no longer ago than the limit.
        case fresh
        /// The same, and there has been nothing new for longer than the limit.
        case quiet
        /// Dated longer ago, and its owner has been heard again for a shorter time than the limit.
        case catchingUp = "catching_up"
        /// Dated longer ago, and its owner was not heard of by any path since: nothing newer can be known.
        case silent
        /// Dated longer ago, although its owner, or somebody who hears of it, has been heard for longer than the limit.
        case stalled
        /// An own log that this node itself has not dated for longer than the limit.
        case undated
        /// Two histories of it were signed: nothing more is taken.
        case frozen
        /// An own log that is being recovered from partners.
        case recovering
        /// Nobody is expected to date it any more.
        case ended
    }

    public let state: State
    /// When its owner dated it last, Unix seconds.
    public let dated: UInt64?
    /// Seconds since then.
    public let age: UInt64?
    /// Since when it is so, where that is known: of a silent log, when its owner was heard last.
    public let since: UInt64?
    public let isAlarm: Bool

    /// What is known of a log. Times are Unix seconds.
    public struct Facts: Sendable {
        public var isOwn = false
        public var isFrozen = false
        public var isRecovering = false
        /// Whether its owner is expected to date it: a log that a card names, in a community that admits its node.
        public var isFollowed = true
        /// Whether a larger checkpoint has been taken whose entries are not all here.
        public var isReceiving = false
        /// When its owner dated it last.
        public var dated: UInt64?
        /// When it is known to have had all that it has now.
        public var complete: UInt64?
        public var contact: LogContact?
        /// The age in seconds up to which it is fresh.
        public var limit: UInt64
        public var now: UInt64

        public init(limit: UInt64, now: UInt64) {
            self.limit = limit
            self.now = now
        }

        /// Whether a moment is longer ago than the limit.
        func isLate(_ time: UInt64) -> Bool { now > time && now - time > limit }
    }

    public init(_ facts: Facts) {
        dated = facts.dated
        age = facts.dated.map { facts.now > $0 ? facts.now - $0 : 0 }
        (state, since, isAlarm) = Freshness.judge(facts)
    }

    private static func judge(_ facts: Facts) -> (State, since: UInt64?, isAlarm: Bool) {
        // These have alarms of their own.
        if facts.isFrozen { return (.frozen, nil, false) }
        if facts.isRecovering { return (.recovering, nil, false) }
        if !facts.isFollowed { return (.ended, nil, false) }
        if let dated = facts.dated, !facts.isLate(dated) {
            if let complete = facts.complete, facts.isLate(complete) { return (.quiet, complete, false) }
            return (.fresh, facts.complete, false)
        }
        if facts.isOwn {
            // One that was made a moment ago is not late yet.
            return (.undated, facts.dated, (facts.dated ?? facts.contact?.known).map(facts.isLate) ?? false)
        }
        let heard = [facts.contact?.until, facts.dated].compactMap(\.self).max()
        guard let heard, !facts.isLate(heard), let contact = facts.contact, let until = contact.until else {
            return (.silent, heard, (heard ?? facts.contact?.known).map(facts.isLate) ?? false)
        }
        // Time that this node was away, or busy with a transfer that goes on, is nobody's silence.
        let begin = [contact.since, facts.dated, facts.isReceiving ? contact.grown : nil].compactMap(\.self).max()
        guard let begin, until > begin, until - begin > facts.limit else { return (.catchingUp, contact.since, false) }
        return (.stalled, begin, true)
    }
}
