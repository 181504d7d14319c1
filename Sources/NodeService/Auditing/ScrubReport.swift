public import LogStore

/// What a scrub found in the logs of a home.
public struct ScrubReport: Sendable {
    public struct Finding: Sendable, Hashable {
        public let origin: String
        public let place: Damage.Place
        public let reason: String
        /// The entries that the damaged row holds, or whose hashes it holds.
        public let entries: Range<UInt64>

        public init(_ damage: Damage, of log: StoredLog) {
            origin = log.origin
            place = damage.place
            reason = damage.reason
            entries = damage.place.entries(size: log.size)
        }

        /// `us.example/krus#65536-65791`, or `us.example/krus#42` where it is one entry.
        public var reference: String {
            let last = max(entries.lowerBound, entries.upperBound &- 1)
            return "\(origin)#\(entries.lowerBound)" + (last > entries.lowerBound ? "-\(last)" : "")
        }

        /// What it is, for people.
        public var kind: String {
            switch place {
            case .bundle: "entries"
            case .tile(let level, _): "tile of level \(level)"
            case .blob: "sealed part"
            }
        }
    }

    /// Entries that were read again.
    public var checked: UInt64 = 0
    /// Damage that remains.
    public var damaged: [Finding] = []
    /// What was damaged and is as it was signed again.
    public var repaired: [Finding] = []
    /// What could not be judged, and why.
    public var problems: [String] = []

    public var isSound: Bool { damaged.isEmpty && problems.isEmpty }

    public init() {}

    /// Looks again at what was damaged, after partners were asked for it.
    public mutating func update(from store: SQLiteLogStore) throws {
        var remaining: Set<Finding.Key> = []
        for log in try store.logs() {
            for each in try store.damage(of: log.id) { remaining.insert(.init(log.origin, each.place)) }
        }
        repaired += damaged.filter { !remaining.contains(.init($0.origin, $0.place)) }
        damaged.removeAll { !remaining.contains(.init($0.origin, $0.place)) }
    }
}

extension ScrubReport.Finding {
    fileprivate struct Key: Hashable {
        let origin: String
        let place: Damage.Place

        init(_ origin: String, _ place: Damage.Place) {
            self.origin = origin
            self.place = place
        }
    }
}
