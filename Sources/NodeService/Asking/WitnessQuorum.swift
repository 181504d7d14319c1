public import LogStore

/// How many of a log's witnesses have cosigned its checkpoints, and whether these are enough.
public struct WitnessQuorum: Sendable, Hashable {
    /// How many must have.
    public let needed: Int
    /// How many have cosigned the newest checkpoint.
    public let count: Int
    /// Of the newest checkpoint.
    public let size: UInt64
    /// The largest size that enough of them have cosigned, and the time by which they had, Unix seconds.
    public let met: Met?
    /// Whether it is long ago, or since the first was asked.
    public let isLate: Bool

    public struct Met: Sendable, Hashable {
        public let size: UInt64
        public let time: UInt64

        package init(size: UInt64, time: UInt64) {
            self.size = size
            self.time = time
        }
    }

    /// Whether the newest checkpoint has the quorum.
    public var isMet: Bool { count >= needed }

    /// - Parameters:
    ///   - keys: of the witnesses that count.
    ///   - size: of the newest checkpoint.
    ///   - cosignatures: which are known to verify.
    ///   - since: when the witnesses were asked first, in Unix seconds.
    ///   - limit: seconds after which a quorum is late.
    public init(
        needed: Int, keys: Set<String>, size: UInt64, cosignatures: [WitnessCosignature], since: UInt64?,
        limit: UInt64, now: UInt64
    ) {
        self.needed = needed
        self.size = size
        var times: [UInt64: [String: UInt64]] = [:]
        for each in cosignatures where keys.contains(each.key) && each.size <= size {
            times[each.size, default: [:]][each.key] = each.time
        }
        count = times[size]?.count ?? 0
        let reached = times.filter { $0.value.count >= max(1, needed) }.keys.max()
        met = reached.flatMap { reached in
            // The time of the last one that it took.
            times[reached]?.values.sorted(by: >).prefix(max(1, needed)).last.map { Met(size: reached, time: $0) }
        }
        isLate = (met?.time ?? since).map { now > $0 && now - $0 > limit } ?? false
    }
}
