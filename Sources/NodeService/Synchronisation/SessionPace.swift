/// How patient a session is.
package struct SessionPace: Sendable {
    /// How often the state of the connection is looked at.
    package var tick = Duration.seconds(1)
    package var pingTicks = 20
    /// A connection on which nothing at all arrives for so many ticks is dead.
    package var idleTicks = 60
    /// A peer that brings less than ``stuckBytes`` in so long, while it owes something, is stuck; so is one that takes
    /// nothing of what it is sent.
    package var stuckTicks = 60
    package var stuckBytes = 1_024
    /// A peer that owes nothing that it was asked for, and of which a session that is to end waits for a word, may
    /// take so long over it.
    package var waitTicks = 600

    package init() {}
}

/// Judges from the counts of a connection, tick by tick, whether its peer is still of use.
struct ConnectionWatch {
    /// What the counters of a connection say at one moment.
    struct Sight {
        /// Bytes that came, and those of them that can be what is owed.
        var received: Int
        var useful: Int
        /// Bytes that the system has taken to send on.
        var taken: Int
        /// The peer was asked for something.
        var isOwed: Bool
        /// The peer has begun a frame and not ended it.
        var isInsideFrame = false
        /// This side has so much to work off that it reads nothing: what does not come is not the peer's fault.
        var isHeldUp = false
        /// This side has nothing left to do but to wait for the peer's word.
        var isWaiting = false
        /// There are bytes that it has not taken.
        var isTaking: Bool
    }

    private let pace: SessionPace
    private var seen = 0
    private var silent = 0
    private var usefulBefore = 0
    private var stuck = 0
    private var waited = 0
    private var usefulWhenWaiting = 0
    private var takenBefore = 0
    private var untaken = 0

    init(pace: SessionPace) {
        self.pace = pace
    }

    /// What is wrong, if that has lasted too long.
    mutating func look(_ sight: Sight) -> String? {
        silent = sight.received == seen && !sight.isHeldUp ? silent + 1 : 0
        seen = sight.received
        if silent >= pace.idleTicks { return "nothing heard for \(seconds(silent)) s" }
        untaken = sight.isTaking && sight.taken == takenBefore ? untaken + 1 : 0
        takenBefore = sight.taken
        if untaken >= pace.stuckTicks { return "it took nothing of what it was sent in \(seconds(untaken)) s" }
        waited = sight.isWaiting && sight.useful == usefulWhenWaiting ? waited + 1 : 0
        usefulWhenWaiting = sight.useful
        if waited >= pace.waitTicks {
            return "it has said for \(seconds(waited)) s neither that it is done nor what it still has"
        }
        guard sight.isOwed || sight.isInsideFrame, !sight.isHeldUp, sight.useful - usefulBefore < pace.stuckBytes else {
            stuck = 0
            usefulBefore = sight.useful
            return nil
        }
        stuck += 1
        guard stuck >= pace.stuckTicks else { return nil }
        return sight.isInsideFrame
            ? "it began a frame and did not end it in \(seconds(stuck)) s"
            : "what was asked for did not come in \(seconds(stuck)) s"
    }

    private func seconds(_ ticks: Int) -> Int {
        Int((Double(ticks) * (pace.tick / .seconds(1))).rounded(.up))
    }
}
