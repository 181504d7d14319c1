import Cryptography
import Dispatch
public import LogStore
public import Logging
import Reconciliation
import Records
public import TransparencyLog

/// Who this node exchanges logs with, as node.yaml and the peer cards say at one moment.
public struct Federation: Sendable, Hashable {
    public let node: String
    /// Members of each of this node's communities.
    public let members: [String: [String]]
    /// The keys that check each node's cosignatures.
    public let mirrorKeys: [String: MirrorKeys]

    public init(node: String, members: [String: [String]], keys: [String: MirrorKeys]) {
        self.node = node
        self.members = members
        mirrorKeys = keys
    }

    /// The same for nodes that have had one key each.
    public init(node: String, members: [String: [String]], mirrorKeys: [String: VerifierKey]) {
        self.init(node: node, members: members, keys: mirrorKeys.mapValues { MirrorKeys($0) })
    }

    /// The communities in which this node admits a peer, sorted.
    public func communities(admitting peer: String) -> [String] {
        members.filter { $0.value.contains(peer) && $0.value.contains(node) }.keys.sorted()
    }

    /// Whether a peer may see a log: its community admits the peer, and so does the newest `members` record in it.
    /// The owner sees its own log, and what holds no record yet says nothing.
    func admits(_ peer: String, to log: StoredLog, membership: Membership?) -> Bool {
        guard communities(admitting: peer).contains(log.community) else { return false }
        guard log.node != peer, let membership else { return true }
        return membership.members.contains(peer)
    }
}

/// What the sessions of a node share: its store, its federation, its cosigning key, and the claims by which only
/// one session at a time brings in a log.
public final class SyncContext: Sendable {
    public let store: SQLiteLogStore
    let federation: Guarded<Federation>
    private let signing: Guarded<Signing>
    /// Signs what this node holds, with the mirror key in use.
    package var cosigner: Cosigner { signing.value.cosigner }
    /// Why nothing is signed with it; `nil` where it is.
    var refusal: String? { signing.value.refusal }

    private struct Signing: Sendable {
        let cosigner: Cosigner
        let refusal: String?
    }

    /// Cosignatures by keys that were not known yet: they are judged again when more has come of the logs.
    let parked = Guarded<[(line: CosignatureLine, log: LogID)]>([])
    let sessions = LiveSessions()
    let transfers: Transfers
    /// Cosignatures that are to be judged and stored.
    let arrivingLines: Together<ArrivingLines>
    /// Unix seconds now.
    let now: @Sendable () -> UInt64
    let logger: Logger
    /// Where evidence of forks is written as files.
    let evidenceFolder: String?

    public init(
        store: SQLiteLogStore, federation: Federation, cosigner: Cosigner, refusal: String? = nil,
        now: @escaping @Sendable () -> UInt64,
        evidenceFolder: String? = nil, logger: Logger = Node.quietLogger
    ) {
        self.logger = logger
        self.evidenceFolder = evidenceFolder
        self.store = store
        self.federation = Guarded(federation)
        signing = Guarded(Signing(cosigner: cosigner, refusal: refusal))
        self.now = now
        transfers = Transfers(store: store)
        arrivingLines = Together(on: transfers.storing) { ArrivingLines.store($0) }
        transfers.listen(
            Transfers.Listener(
                cosign: { [weak self] in self?.completed($0) },
                announce: { [weak self] logs in if !logs.isEmpty { self?.sessions.notify(.logs(logs)) } }))
    }

    /// Tells the sessions that logs have grown by other hands than theirs.
    public func announceChanges() {
        guard let logs = try? store.logs() else { return }
        sessions.notify(.logs(Set(logs.map(\.id))))
    }

    /// Calls the closure whenever logs have grown or what lies beside them, for as long as the context lives.
    public func onChange(_ body: @escaping @Sendable () -> Void) {
        _ = sessions.add(.init(peer: "") { _ in body() })
    }

    /// Damage of a log was mended: other sessions need not ask for it, and a log that is whole again is cosigned.
    func mended(_ id: LogID, except session: UInt64) throws {
        guard let log = try store.log(id: id) else { return }
        if try !log.isOwn && !store.isDamaged(id) && cosignature(of: log) == nil { _ = try cosign(id) }
        sessions.notify(.logs([id]), except: session)
    }

    private func cosignature(of log: StoredLog) throws -> StoredCosignature? {
        try log.head.flatMap { try store.cosignature(of: log.id, by: cosigner.verifierKey.name, size: $0.size) }
    }

    /// The communities in which this node admits a peer, as configured now.
    package func communities(admitting peer: String) -> [String] {
        federation.value.communities(admitting: peer)
    }

    /// Takes in the key that checks a node's cosignatures.
    package func know(_ mirrorKey: VerifierKey) {
        let known = federation.value
        federation.value = Federation(
            node: known.node, members: known.members,
            keys: known.mirrorKeys.merging([mirrorKey.name: MirrorKeys(mirrorKey)]) { _, new in new })
    }

    /// The logs that a peer may see, for its session.
    func logs(visibleTo peer: String) throws -> [LocalLog] {
        let federation = federation.value
        try store.lookForReceipts()
        return try store.surroundings(in: federation.communities(admitting: peer))
            .compactMap { try localLog($0, visibleTo: peer, federation) }
    }

    /// One log, if the peer may see it.
    func localLog(_ id: LogID, visibleTo peer: String) throws -> LocalLog? {
        let federation = federation.value
        return try store.surroundings(in: federation.communities(admitting: peer), only: id).first
            .flatMap { try localLog($0, visibleTo: peer, federation) }
    }

    private func localLog(
        _ surroundings: LogSurroundings, visibleTo peer: String, _ federation: Federation
    ) throws -> LocalLog? {
        let log = surroundings.log
        guard log.frozen == nil else { return nil }
        guard federation.admits(peer, to: log, membership: surroundings.membership) else {
            return try lostLog(log, heardFrom: peer, federation)
        }
        let isRestored = log.restored != nil && !log.isOwn && peer == log.node
        // What may be a thief's is passed on to nobody, and not spoken of: such a log is the owner's part of it.
        let head = try store.headOfOwner(log)
        let size = log.reachesBeyondOwner ? head?.size ?? 0 : log.size
        let lacksHead = log.isOwn && log.reachesBeyondOwner && size < log.sizeOfOwner
        return LocalLog(
            id: log.id, origin: log.origin, community: log.community, isOwn: log.isOwn,
            keys: try log.keys, stones: try localStones(of: log).filter { $0.head.size <= log.sizeOfOwner },
            head: head.map { Head(log: log.id, size: $0.size, root: $0.root) }, held: size,
            pinned: log.pending.map { Head(log: log.id, size: $0.size, root: $0.root) },
            cosignatures: surroundings.cosignatures.filter { $0.size <= log.sizeOfOwner }.map {
                CosignatureLine(cosigner: $0.cosigner, size: $0.size, time: $0.time, line: $0.line)
            },
            receipts: try store.receiptDigest(of: log.id),
            wantedBlobs: surroundings.wantedBlobs.filter { $0.index < log.sizeOfOwner }.map {
                BlobKey(log: $0.log, index: $0.index, sha256: $0.sha256)
            },
            damaged: surroundings.damaged.map { $0.clamped(to: 0..<max(size, $0.lowerBound)) }.filter { !$0.isEmpty },
            // What its owner says of a log that came back with a backup is to be heard, too. An own log of which a
            // checkpoint is missing takes that as one does that is being recovered.
            isRecovering: log.recovering != nil || isRestored || lacksHead,
            // Its owner may have had sealed parts of it erased in a successor.
            successors: isRestored
                ? LogOrigin(log.origin)?.nextSuccessors.map { SHA256.hash($0.text) } ?? [] : [], limit: log.givenUpAt,
            rootAtLimit: log.givenUpAt == nil ? nil : try store.givenUp(log.id)?.root)
    }

    /// An own log that is being recovered, to a peer that its newest record here does not admit: it may have been
    /// admitted by one that is lost, and hold more. It can say so, and is told nothing.
    private func lostLog(_ log: StoredLog, heardFrom peer: String, _ federation: Federation) throws -> LocalLog? {
        guard log.isOwn, log.recovering != nil, federation.communities(admitting: peer).contains(log.community) else {
            return nil
        }
        return LocalLog(
            id: log.id, origin: log.origin, community: log.community, isOwn: true,
            keys: try log.keys, head: nil, held: 0, pinned: nil,
            cosignatures: [], wantedBlobs: [], isRecovering: true)
    }

    // MARK: Changes of the federation

    /// Goes by another configuration and other cards from now on. Answers the peers whose sessions are to end: those
    /// that are admitted to other communities, and all of them where other keys check cosignatures. What a session has
    /// passed over because it could not be checked is compared anew by the next one.
    package func obey(_ now: Federation) -> Set<String> {
        let before = federation.update { federation in
            defer { federation = now }
            return federation
        }
        let peers = Set(before.members.values.flatMap { $0 }).union(now.members.values.flatMap { $0 })
        // Keys that records have added are known without that.
        guard before.mirrorKeys.keys == now.mirrorKeys.keys,
            before.mirrorKeys.allSatisfy({ now.mirrorKeys[$0.key]?.contains($0.value) == true })
        else { return peers.subtracting([now.node]) }
        return peers.subtracting([now.node])
            .filter { before.communities(admitting: $0) != now.communities(admitting: $0) }
    }

    /// Signs with another mirror key from now on, or signs nothing.
    func sign(with cosigner: Cosigner, refusal: String?) {
        signing.value = Signing(cosigner: cosigner, refusal: refusal)
    }

    /// Forgets what was agreed on, behind all that sessions have handed on to be kept; those under way keep nothing
    /// more once the federation has changed.
    package func forgetAgreements() throws {
        try transfers.storing.sync { try store.forgetAgreements() }
    }

    /// Ends the sessions with these peers.
    package func disconnect(_ peers: Set<String>) {
        guard !peers.isEmpty else { return }
        sessions.notify(.disconnect(reason: SyncContext.membershipChanged), peers: peers)
    }

    static let membershipChanged = "the communities or the partner's card have changed"

    /// How far two honest clocks may be apart, in seconds.
    static let clockTolerance: UInt64 = 300
}
