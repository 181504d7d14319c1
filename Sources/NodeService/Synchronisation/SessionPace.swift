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
        /// The peer has begun a frame, or was asked for something.
        var isOwed: Bool
        /// There are bytes that it has not taken.
        var isTaking: Bool
    }

    private let pace: SessionPace
    private var seen = 0
    private var silent = 0
    private var usefulBefore = 0
    private var stuck = 0
    private var takenBefore = 0
    private var untaken = 0

    init(pace: SessionPace) {
        self.pace = pace
    }

    /// What is wrong, if that has lasted too long.
    mutating func look(_ sight: Sight) -> String? {
        silent = sight.received == seen ? silent + 1 : 0
        seen = sight.received
        if silent >= pace.idleTicks { return "nothing heard for \(seconds(silent)) s" }
        untaken = sight.isTaking && sight.taken == takenBefore ? untaken + 1 : 0
        takenBefore = sight.taken
        if untaken >= pace.stuckTicks { return "it took nothing of what it was sent in \(seconds(untaken)) s" }
        guard sight.isOwed, sight.useful - usefulBefore < pace.stuckBytes else {
            stuck = 0
            usefulBefore = sight.useful
            return nil
        }
        stuck += 1
        return stuck >= pace.stuckTicks ? "what was asked for did not come in \(seconds(stuck)) s" : nil
    }

    private func seconds(_ ticks: Int) -> Int {
        Int((Double(ticks) * (pace.tick / .seconds(1))).rounded(.up))
    }
}
