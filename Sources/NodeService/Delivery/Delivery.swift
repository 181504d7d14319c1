public import Cryptography
import Home
public import LogStore
import Records

/// Who holds what, since when, and what stands between the others and it: read from cosignatures, receipts and what
/// is known of each peer.
public struct Delivery {
    private let node: Node
    private let now: UInt64
    private let contacts: [String: PeerContact]
    private let keys: CosignerKeys

    /// - Parameter now: Unix seconds.
    public init(node: Node, now: UInt64 = Clock.now()) throws {
        self.node = node
        self.now = now
        contacts = try node.store.contacts()
        keys = CosignerKeys(node)
    }

    // MARK: One record

    /// A node that holds something, and since when (Unix seconds).
    public struct Holder: Sendable, Hashable {
        public let node: String
        public let time: UInt64
    }

    /// A node that is to hold something and has not said so.
    public struct Missing: Sendable, Hashable {
        public enum Part: String, Sendable {
            case record
            case sealed
            /// It may still hold a sealed part that its author has had erased.
            case erasure
        }

        public let node: String
        public let part: Part
        public let obstacle: Obstacle
        /// For people.
        public let reason: String
    }

    /// Where one record and its sealed part are.
    public struct OfRecord: Sendable {
        public let holders: [Holder]
        /// Of a sealed part that was erased: those who held it and have not confirmed.
        public let sealedHolders: [Holder]
        public let missing: [Missing]
        /// Nodes that grants have opened the sealed part to, each with the first one: of the owner's, if there is one.
        public let granted: [(node: String, by: Entry)]
        /// The same of grants that are to another record than this one, and open nothing.
        public let void: [(node: String, by: Entry)]
        public let erasure: OfErasure?
    }

    /// An entry that opens a sealed part to somebody, or has it erased.
    public struct Entry: Sendable, Hashable {
        public let reference: String
        /// Whether it is none of its log's owner.
        public let isBeyondOwner: Bool
    }

    /// How far the erasure of a sealed part has come.
    public struct OfErasure: Sendable {
        /// The entry that asks for it.
        public let by: Entry
        /// Who has cosigned a checkpoint that covers that entry: a node that follows the rules drops the sealed part in
        /// the step that stores the entry, before it can cosign it.
        public let confirmed: [Holder]
    }

    /// - Parameter blob: the sealed part that the record names.
    public func record(of log: StoredLog, at index: UInt64, blob: SHA256Digest?) throws -> OfRecord {
        // The owner holds its record since it wrote it; a partner since the first cosignature that covers it.
        let first = try node.store.firstCosignatures(of: log.id, covering: index, counting: keys.counts)
            .filter { $0.key != log.node }
        let published = try node.store.membership(of: log.id)
        var missing = members(of: log, published)
            .filter { $0 != log.node && $0 != node.name && first[$0] == nil }
            .map { self.missing($0, Missing.Part.record, log, published) }
        var sealedHolders: [Holder] = []
        var granted: [(node: String, by: Entry)] = []
        var void: [(node: String, by: Entry)] = []
        var erased: OfErasure?
        if let blob {
            let receipts = try node.store.receipts(of: log.id, entries: index..<(index + 1))
                .filter { $0.sha256 == blob && $0.holder != log.node }
            let counted = receipts.filter(keys.counts)
            sealedHolders = counted.map { Holder(node: $0.holder, time: $0.time) }.sorted { $0.node < $1.node }
            let readers = try node.store.blobReaders(of: log.id, at: index, sha256: blob)
            let wanted = readers?.all ?? []
            granted = try self.granted(log, at: index, readers)
            void = try (readers?.void ?? []).flatMap { grant in
                let by = try entry(grant.record)
                return grant.nodes.sorted().map { ($0, by) }
            }
            if let erasure = try node.store.erasure(of: log.id, at: index, sha256: blob) {
                let confirmed = try node.store
                    .firstCosignatures(
                        of: erasure.record.log, covering: erasure.record.index, counting: keys.counts
                    )
                    .filter { $0.key != log.node }
                erased = OfErasure(
                    by: try entry(erasure.record),
                    confirmed: confirmed.map { Holder(node: $0.key, time: $0.value) }.sorted { $0.node < $1.node })
                // Who has ever held it may hold it still.
                sealedHolders = receipts.map { Holder(node: $0.holder, time: $0.time) }.sorted { $0.node < $1.node }
                sealedHolders.removeAll { confirmed[$0.node] != nil || $0.node == node.name }
                missing += wanted.union(receipts.map(\.holder)).subtracting(confirmed.keys)
                    .subtracting([log.node, node.name]).sorted()
                    .map { self.missing($0, Missing.Part.erasure, log, published) }
            } else {
                missing += wanted.subtracting(counted.map(\.holder)).subtracting([log.node]).sorted()
                    .filter { $0 != node.name || !holds(blob, log, index) }
                    .map { self.missing($0, Missing.Part.sealed, log, published) }
            }
        }
        return OfRecord(
            holders: first.map { Holder(node: $0.key, time: $0.value) }.sorted { $0.node < $1.node },
            sealedHolders: sealedHolders, missing: missing, granted: granted, void: void,
            erasure: erased)
    }

    private func granted(_ log: StoredLog, at index: UInt64, _ readers: BlobReaders?) throws -> [(
        node: String, by: Entry
    )] {
        guard let readers, !readers.granted.isEmpty else { return [] }
        let grants = try node.store.grants(of: log.id, to: index).filter { !readers.void.contains($0) }
        return try Set(readers.granted).sorted().compactMap { name in
            let entries = try grants.filter { $0.nodes.contains(name) }.map { try entry($0.record) }
            return (entries.first { !$0.isBeyondOwner } ?? entries.first).map { (name, $0) }
        }
    }

    private func entry(_ place: RecordPosition) throws -> Entry {
        Entry(
            reference: try node.reference(of: place),
            isBeyondOwner: try node.store.log(id: place.log)?.isBeyondOwner(place.index) ?? false)
    }

    private func holds(_ blob: SHA256Digest, _ log: StoredLog, _ index: UInt64) -> Bool {
        let reference = BlobReference(log: log.id, index: index, sha256: blob, size: 0)
        return (try? node.store.blob(reference)) ?? nil != nil
    }

    /// Those who are to hold a log: the newest list in it, and this node's own where it is longer.
    private func members(of log: StoredLog, _ published: Membership?) -> [String] {
        let own = node.configuration.community(log.community)?.members ?? []
        return Set(own + (published?.members ?? [])).sorted()
    }

    private func missing(
        _ name: String, _ part: Missing.Part, _ log: StoredLog, _ published: Membership?
    ) -> Missing {
        if name == node.name {
            return Missing(
                node: name, part: part, obstacle: .waiting(lastHeard: nil), reason: "it has not come here yet")
        }
        let obstacle = obstacle(to: name, log, published)
        return Missing(node: name, part: part, obstacle: obstacle, reason: obstacle.text(now: now))
    }

    private func obstacle(to name: String, _ log: StoredLog, _ published: Membership?) -> Obstacle {
        let card = node.cards.first { $0.node == name }
        return Obstacle(
            node: name, log: log, published: published,
            configured: node.configuration.community(log.community)?.members, card: card != nil,
            hasEndpoint: card?.endpoint != nil, contact: contacts[name])
    }

    // MARK: A log

    /// How far a member has said to hold a log.
    public struct OfMember: Sendable, Hashable {
        public let node: String
        /// Entries.
        public let size: UInt64
        /// Unix seconds of its newest cosignature; `nil` if it never gave one.
        public let time: UInt64?
        public let lagEntries: UInt64
        /// How long the first entry that it lacks has been there; 0 where it lacks none, `nil` if that is not known.
        public let lagSeconds: UInt64?
        /// What stands in the way of what it lacks; `nil` where it lacks none.
        public let obstacle: Obstacle?
    }

    /// Every member of a log but its owner, by name.
    public func members(of log: StoredLog) throws -> [OfMember] {
        let newest = Dictionary(
            try node.store.newestCosignatures(of: log.id, by: keys).map { ($0.cosigner, $0) },
            uniquingKeysWith: { first, _ in first })
        let published = try node.store.membership(of: log.id)
        let size = log.head?.size ?? 0
        return try members(of: log, published).filter { $0 != log.node }.map { name in
            let held = min(newest[name]?.size ?? 0, size)
            return OfMember(
                node: name, size: held, time: newest[name]?.time, lagEntries: size - held,
                lagSeconds: held == size ? 0 : try age(of: held, in: log),
                obstacle: held == size || name == node.name ? nil : obstacle(to: name, log, published))
        }
    }

    /// How long an entry has been in a log: since the time that its record states, as long as that does not
    /// contradict the cosignatures before and after it.
    private func age(of index: UInt64, in log: StoredLog) throws -> UInt64? {
        let bounds = try node.store.appended(index, to: log.id)
        // An entry that is damaged here states nothing.
        let stated = (try? node.store.soundBody(of: log, at: index)).flatMap { $0 }
            .flatMap { try? JSONScanner.scan($0) }?["time"]?.string.flatMap { Timestamp($0) }
            .flatMap { UInt64(exactly: $0.seconds) }
        guard var since = stated ?? bounds.notAfter ?? bounds.notBefore else { return nil }
        if let notAfter = bounds.notAfter { since = min(since, notAfter) }
        if let notBefore = bounds.notBefore { since = max(since, notBefore) }
        return now > since ? now - since : 0
    }

    // MARK: Peers

    /// What is known of a peer and of how far it is behind.
    public struct OfPeer: Sendable {
        public let node: String
        public let endpoint: String?
        public let communities: [String]
        public let contact: PeerContact?
        /// Entries of logs that it may hold and has not said to hold.
        public let lagEntries: UInt64
        /// The longest time that one of them has waited; `nil` if that is not known.
        public let lagSeconds: UInt64?
    }

    /// Every partner with a card, from what ``members(of:)`` says of each log.
    public func peers(_ logs: [(log: StoredLog, members: [OfMember])]) -> [OfPeer] {
        node.cards.map { card in
            let communities = node.configuration.communities(admitting: card.node)
            let lags = logs.filter { $0.log.frozen == nil && communities.contains($0.log.community) }
                .compactMap { $0.members.first { $0.node == card.node && $0.lagEntries > 0 } }
            return OfPeer(
                node: card.node, endpoint: card.endpoint?.description, communities: communities,
                contact: contacts[card.node], lagEntries: lags.reduce(0) { $0 + $1.lagEntries },
                lagSeconds: lags.isEmpty ? 0 : lags.compactMap(\.lagSeconds).max())
        }
    }
}
