public import Home
public import LogStore
import TransparencyLog

/// What is known of the witnesses of the own logs.
public struct WitnessBook {
    public struct OfLog: Sendable {
        public let witnesses: [OfWitness]
        public let quorum: WitnessQuorum
    }

    public struct OfWitness: Sendable {
        public let configuration: CommunityWitness
        /// `nil` where it was never asked.
        public let asked: AskedWitness?
        /// The newest that it gave, verified anew.
        public let newest: WitnessCosignature?
    }

    private let node: Node
    private let now: UInt64
    /// How many cosignatures are looked at: some of each of the most witnesses that are asked.
    private static let depth = 16 * CommunityConfiguration.maximumWitnessCount

    /// - Parameter now: Unix seconds.
    public init(node: Node, now: UInt64 = Clock.now()) {
        self.node = node
        self.now = now
    }

    /// `nil` for a log that no witness is asked to cosign.
    public func witnesses(of log: StoredLog) throws -> OfLog? {
        guard let (community, head) = node.witnessed(log) else { return nil }
        let asked = try node.store.askedWitnesses(of: log.id)
        let keys = Set(community.witnesses.map(\.key.text))
        var heads: [UInt64: SignedHead] = [head.size: head]
        let valid = try node.store.witnessCosignatures(of: log.id, limit: WitnessBook.depth).filter { each in
            guard keys.contains(each.key) else { return false }
            if heads[each.size] == nil { heads[each.size] = try node.store.checkpoint(of: log.id, size: each.size) }
            return WitnessSignature.verifies(each, of: log, on: heads[each.size])
        }
        return OfLog(
            witnesses: community.witnesses.map { each in
                OfWitness(
                    configuration: each, asked: asked[each.key.text],
                    newest: valid.first { $0.key == each.key.text })
            },
            quorum: WitnessQuorum(
                needed: community.neededWitnesses, keys: keys, size: head.size, cosignatures: valid,
                since: asked.filter { keys.contains($0.key) }.values.map(\.since).min(), limit: community.staleAfter,
                now: now))
    }

    /// What to tell the operator.
    public func alarms(of log: StoredLog, _ found: OfLog) -> [String] {
        let limit = node.staleAfter(log)
        var alarms = found.witnesses.compactMap { each -> String? in
            guard let problem = each.asked?.problem else { return nil }
            let isLong = now > problem.since && now - problem.since > limit
            // What is only not there at the moment may be there in the next.
            guard problem.failure != .unavailable || isLong else { return nil }
            return "the witness \(each.configuration.key.name) at \(each.configuration.url) does not cosign "
                + "\(log.origin) since \(Clock.moment(problem.since)): \(problem.text)"
        }
        if found.quorum.isLate {
            let met = found.quorum.met.map {
                "last at \(counted($0.size, "entry", "entries")), \(Clock.moment($0.time))"
            }
            alarms.append(
                "\(log.origin): \(found.quorum.count) of \(found.witnesses.count) witnesses have cosigned its "
                    + "\(counted(found.quorum.size, "entry", "entries")), quorum \(found.quorum.needed) was met "
                    + "\(met ?? "never"); "
                    + "stale_after is \(Duration.words(limit)); is `entente run` at work?")
        }
        return alarms
    }
}

extension Node {
    /// The community of an own log that witnesses are asked to cosign, and the checkpoint to bring; `nil` for others.
    func witnessed(_ log: StoredLog) -> (community: CommunityConfiguration, head: SignedHead)? {
        guard log.isOwn, log.frozen == nil, log.recovering == nil, follows(log),
            let community = configuration.community(log.community), !community.witnesses.isEmpty,
            let head = log.head, head.size > 0
        else { return nil }
        return (community, head)
    }
}
