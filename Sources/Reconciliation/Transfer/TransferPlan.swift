/// Who brings which entries of one log towards one pinned checkpoint, so that several peers can share the work and
/// none does it twice.
///
/// Entries are checked in order. What arrives ahead of its turn waits, as long as there is room for it; what has no
/// room is given up and asked for again when its turn is nearer. A pure value: no clock, no bytes.
public struct TransferPlan: Sendable {
    public typealias SessionID = UInt64

    /// The checkpoint that all ranges are proved against.
    public let target: Head
    /// Up to here every entry has arrived.
    public private(set) var frontier: UInt64
    /// From here on nothing was ever asked for.
    private var next: UInt64
    /// Ranges that somebody gave back, by start; all of them before `next`.
    private var returned: [Range<UInt64>] = []
    /// Ranges under way, by session, each in the order they were asked for.
    private var assigned: [SessionID: [Range<UInt64>]] = [:]
    /// Ranges that wait for their turn, by start.
    private var waiting: [UInt64: Range<UInt64>] = [:]
    /// Whether there was no room for something ahead of its turn: until the frontier has moved, only what is due is
    /// asked for, or the same ranges would come over and over.
    private var hasNoRoom = false
    public private(set) var participants: Set<SessionID> = []
    private let chunk: UInt64

    /// How far ahead of the frontier entries are asked for where several sessions take part.
    static let lookahead: UInt64 = 262_144

    public init(target: Head, held: UInt64, chunk: UInt64) {
        self.target = target
        frontier = held
        next = held
        self.chunk = chunk
    }

    public var isComplete: Bool { frontier >= target.size }

    public mutating func join(_ session: SessionID) {
        participants.insert(session)
    }

    /// Takes a session out; what it was to bring can be asked of others.
    public mutating func leave(_ session: SessionID) {
        participants.remove(session)
        for range in assigned.removeValue(forKey: session) ?? [] { giveBack(range) }
    }

    /// The next ranges for a session, at most so many; none where there is nothing to ask for now.
    public mutating func assign(_ session: SessionID, ranges limit: Int) -> [Range<UInt64>] {
        guard participants.contains(session) else { return [] }
        var ranges: [Range<UInt64>] = []
        while ranges.count < limit, let range = nextRange() {
            ranges.append(range)
            assigned[session, default: []].append(range)
        }
        return ranges
    }

    private mutating func nextRange() -> Range<UInt64>? {
        if hasNoRoom, (returned.first?.lowerBound ?? next) > frontier { return nil }
        if !returned.isEmpty { return returned.removeFirst() }
        guard next < target.size, participants.count < 2 || next < frontier + TransferPlan.lookahead else { return nil }
        // Up to the next multiple, so that all but the first and last ranges hold whole bundles.
        let end = min(target.size, (next / chunk + 1) * chunk)
        defer { next = end }
        return next..<end
    }

    /// What to do with entries that have arrived.
    public enum Placement: Sendable, Hashable {
        /// It is their turn.
        case now
        /// They have to wait for others.
        case later
        /// They are here already.
        case stale
    }

    /// Takes note of entries that a session has brought: the beginning of the first range it was asked for, or entries
    /// that it sent unasked.
    public mutating func arrived(_ range: Range<UInt64>, from session: SessionID) -> Placement {
        if var ranges = assigned[session],
            let position = ranges.firstIndex(where: { $0.lowerBound == range.lowerBound })
        {
            let rest = range.upperBound..<max(range.upperBound, ranges[position].upperBound)
            if rest.isEmpty { ranges.remove(at: position) } else { ranges[position] = rest }
            assigned[session] = ranges
        }
        // Frames of two sessions may be cut in different places: what reaches beyond the known one is open again.
        if range.lowerBound < frontier {
            giveBack(frontier..<max(frontier, range.upperBound))
            return .stale
        }
        if let known = waiting[range.lowerBound] {
            giveBack(known.upperBound..<max(known.upperBound, range.upperBound))
            return .stale
        }
        guard range.lowerBound == frontier else {
            waiting[range.lowerBound] = range
            return .later
        }
        advance(to: range.upperBound)
        return .now
    }

    /// The start of the waiting range whose turn it has become, which from then on has arrived.
    public mutating func takeWaiting() -> UInt64? {
        guard let range = waiting.removeValue(forKey: frontier) else { return nil }
        advance(to: range.upperBound)
        return range.lowerBound
    }

    /// There is no room for waiting entries: they will be asked for again when the frontier has moved.
    public mutating func drop(waiting start: UInt64) {
        guard let range = waiting.removeValue(forKey: start) else { return }
        hasNoRoom = true
        giveBack(range)
    }

    /// Entries that had their turn were refused, or came behind some that were: the turn is open again.
    public mutating func reject(_ range: Range<UInt64>) {
        frontier = min(frontier, range.lowerBound)
        giveBack(range)
    }

    /// A session cannot bring this range.
    public mutating func refuse(_ range: Range<UInt64>, by session: SessionID) {
        guard var ranges = assigned[session],
            let position = ranges.firstIndex(where: { $0.lowerBound == range.lowerBound })
        else { return }
        let whole = ranges.remove(at: position)
        assigned[session] = ranges
        giveBack(whole)
    }

    /// Who holds up the turn; `nil` where nobody was asked for the entries at the frontier.
    public var laggard: SessionID? {
        assigned.filter { $0.value.contains { $0.contains(frontier) } }.keys.min()
    }

    /// Lets others bring what a slow session was asked for. What it still sends may come first or too late.
    public mutating func takeOver(from session: SessionID) {
        for range in assigned.removeValue(forKey: session) ?? [] { giveBack(range) }
    }

    private mutating func advance(to end: UInt64) {
        frontier = max(frontier, end)
        hasNoRoom = false
        next = max(next, frontier)
        returned = returned.compactMap {
            $0.upperBound <= frontier ? nil : max($0.lowerBound, frontier)..<$0.upperBound
        }
        // What began behind the frontier has no turn any more.
        for (start, range) in waiting where start < frontier {
            waiting[start] = nil
            giveBack(range)
        }
    }

    private mutating func giveBack(_ range: Range<UInt64>) {
        let rest = max(range.lowerBound, frontier)..<max(range.upperBound, frontier)
        guard !rest.isEmpty else { return }
        returned.append(rest)
        returned.sort { $0.lowerBound < $1.lowerBound }
    }
}
