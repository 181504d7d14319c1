package import Cryptography
import Dispatch
public import LogStore
public import Logging
package import Reconciliation
public import TransparencyLog

/// Who this node exchanges logs with, as node.yaml and the peer cards say at one moment.
public struct Federation: Sendable, Hashable {
    public let node: String
    /// Members of each of this node's communities.
    public let members: [String: [String]]
    /// The key that checks each node's cosignatures.
    public let mirrorKeys: [String: VerifierKey]

    public init(node: String, members: [String: [String]], mirrorKeys: [String: VerifierKey]) {
        self.node = node
        self.members = members
        self.mirrorKeys = mirrorKeys
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
    package let cosigner: Cosigner
    let sessions = LiveSessions()
    let transfers: Transfers
    /// Unix seconds now.
    let now: @Sendable () -> UInt64
    let logger: Logger
    /// Where evidence of forks is written as files.
    let evidenceFolder: String?

    public init(
        store: SQLiteLogStore, federation: Federation, cosigner: Cosigner, now: @escaping @Sendable () -> UInt64,
        evidenceFolder: String? = nil, logger: Logger = Node.quietLogger
    ) {
        self.logger = logger
        self.evidenceFolder = evidenceFolder
        self.store = store
        self.federation = Guarded(federation)
        self.cosigner = cosigner
        self.now = now
        transfers = Transfers(store: store)
    }

    /// A replica has reached a checkpoint: it is cosigned before anybody hears of it. On the storing queue.
    func completed(_ log: StoredLog) {
        do {
            if try cosign(log.id) == nil, let reason = try store.clockLag(of: log.id, now: now()) {
                logger.error("not cosigned", metadata: ["log": "\(log.origin)", "reason": "\(reason)"])
            }
        } catch {
            logger.warning("not cosigned", metadata: ["log": "\(log.origin)", "error": "\(error)"])
        }
        sessions.notify(.logs([log.id]))
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
            mirrorKeys: known.mirrorKeys.merging([mirrorKey.name: mirrorKey]) { _, new in new })
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
        return LocalLog(
            id: log.id, origin: log.origin, community: log.community, isOwn: log.isOwn,
            verifierKeys: [try VerifierKey(parsing: log.verifierKey)],
            head: log.head.map { Head(log: log.id, size: $0.size, root: $0.root) }, held: log.size,
            pinned: log.pending.map { Head(log: log.id, size: $0.size, root: $0.root) },
            cosignatures: surroundings.cosignatures.map {
                CosignatureLine(cosigner: $0.cosigner, size: $0.size, time: $0.time, line: $0.line)
            },
            receipts: try store.receiptDigest(of: log.id),
            wantedBlobs: surroundings.wantedBlobs.map {
                BlobKey(log: $0.log, index: $0.index, sha256: $0.sha256)
            },
            damaged: surroundings.damaged, isRecovering: log.recovering != nil)
    }

    /// An own log that is being recovered, to a peer that its newest record here does not admit: it may have been
    /// admitted by one that is lost, and hold more. It can say so, and is told nothing.
    private func lostLog(_ log: StoredLog, heardFrom peer: String, _ federation: Federation) throws -> LocalLog? {
        guard log.isOwn, log.recovering != nil, federation.communities(admitting: peer).contains(log.community) else {
            return nil
        }
        return LocalLog(
            id: log.id, origin: log.origin, community: log.community, isOwn: true,
            verifierKeys: [try VerifierKey(parsing: log.verifierKey)], head: nil, held: 0, pinned: nil,
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
        guard before.mirrorKeys == now.mirrorKeys else { return peers.subtracting([now.node]) }
        return peers.subtracting([now.node])
            .filter { before.communities(admitting: $0) != now.communities(admitting: $0) }
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

    // MARK: Cosignatures

    /// Cosigns the head of a log that is held completely, after recording that it will.
    func cosign(_ id: SHA256Digest) throws -> CosignatureLine? {
        guard let log = try store.log(id: id), let head = log.head, log.size >= head.size, log.recovering == nil,
            log.frozen == nil,
            try !store.isDamaged(id)
        else { return nil }
        let time = max(now(), try store.lastCosigned(id))
        // A clock that is far behind the last cosignature is wrong: say nothing rather than something undated.
        guard time <= now() + SyncContext.clockTolerance else { return nil }
        // Another process may have cosigned later meanwhile: times never go back.
        let marked = try store.markCosigned(head, of: id, time: time)
        let checkpoint = try Checkpoint(origin: log.origin, size: head.size, root: head.root)
        let line = CosignatureLine(
            cosigner: cosigner.verifierKey.name, size: head.size, time: marked,
            line: try cosigner.cosign(checkpoint, time: marked).line)
        try keep(line, of: id)
        return line
    }

    /// What came of the cosignatures in one message.
    package struct CosignatureJudgement: Sendable {
        package var stored = 0
        /// The first that no honest peer would have sent.
        package var lie: SessionFinding?
    }

    /// Judges each line alone, and stores those that verify.
    package func storeVerified(_ lines: [CosignatureLine], of id: SHA256Digest) throws -> CosignatureJudgement {
        guard let log = try store.log(id: id) else { return CosignatureJudgement() }
        let membership = try store.membership(of: id)
        var judgement = CosignatureJudgement()
        var refusals: [String] = []
        for line in lines
        where try store.cosignature(of: id, by: line.cosigner, size: line.size)?.time ?? 0 < line.time {
            if let reason = try refusal(of: line, log, membership) {
                refusals.append("\(line.cosigner) on \(log.origin) at \(line.size): \(reason.text)")
                if reason.isLie, judgement.lie == nil {
                    judgement.lie = .refusedCosignature(
                        origin: log.origin, cosigner: line.cosigner, reason: reason.text)
                }
            } else {
                try keep(line, of: id)
                judgement.stored += 1
            }
        }
        if let first = refusals.first {
            logger.notice("cosignatures refused", metadata: ["count": "\(refusals.count)", "reason": "\(first)"])
        }
        return judgement
    }

    /// Why a cosignature is not believed.
    private struct CosignatureRefusal {
        let text: String
        /// No honest node passes it on; otherwise cards and lists of members may differ.
        var isLie = false
    }

    private func refusal(
        of line: CosignatureLine, _ log: StoredLog, _ membership: Membership?
    ) throws -> CosignatureRefusal? {
        let federation = federation.value
        guard let key = federation.mirrorKeys[line.cosigner] else {
            return CosignatureRefusal(text: "there is no peer card of it")
        }
        // Whoever may not hold a log has nothing to say of it.
        guard federation.admits(line.cosigner, to: log, membership: membership) else {
            return CosignatureRefusal(text: "it is no member of \(log.community)")
        }
        guard line.time <= now() + SyncContext.clockTolerance else {
            return CosignatureRefusal(text: "it is dated in the future", isLie: true)
        }
        guard let head = try store.checkpoint(of: log.id, size: line.size) else {
            return CosignatureRefusal(text: "no checkpoint of that size is kept here")
        }
        guard let cosignature = try? Cosignature(parsing: line.line), cosignature.time == line.time,
            let checkpoint = try? Checkpoint(origin: log.origin, size: head.size, root: head.root),
            (try? cosignature.verify(checkpoint, by: key)) != nil
        else { return CosignatureRefusal(text: "its mirror key has not signed that", isLie: true) }
        return nil
    }

    private func keep(_ line: CosignatureLine, of id: SHA256Digest) throws {
        try store.store(
            StoredCosignature(cosigner: line.cosigner, size: line.size, time: line.time, line: line.line), of: id)
    }

    /// How far two honest clocks may be apart, in seconds.
    static let clockTolerance: UInt64 = 300
}
