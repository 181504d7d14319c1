import Cryptography
public import LogStore
import Reconciliation
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
    let claims = TransferClaims()
    let sessions = LiveSessions()
    /// Unix seconds now.
    let now: @Sendable () -> UInt64

    public init(
        store: SQLiteLogStore, federation: Federation, cosigner: Cosigner, now: @escaping @Sendable () -> UInt64
    ) {
        self.store = store
        self.federation = Guarded(federation)
        self.cosigner = cosigner
        self.now = now
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
        try store.logs().compactMap { try localLog($0, visibleTo: peer) }
    }

    func localLog(_ log: StoredLog, visibleTo peer: String) throws -> LocalLog? {
        guard log.frozen == nil,
            federation.value.admits(peer, to: log, membership: try store.membership(of: log.id))
        else { return nil }
        return LocalLog(
            id: log.id, origin: log.origin, community: log.community, isOwn: log.isOwn,
            verifierKeys: [try VerifierKey(parsing: log.verifierKey)],
            head: log.head.map { Head(log: log.id, size: $0.size, root: $0.root) }, held: log.size,
            pinned: log.pending.map { Head(log: log.id, size: $0.size, root: $0.root) },
            cosignatures: try newestCosignatures(of: log),
            wantedBlobs: try store.wantedBlobs(of: log.id).map {
                BlobKey(log: $0.log, index: $0.index, sha256: $0.sha256)
            })
    }

    private func newestCosignatures(of log: StoredLog) throws -> [CosignatureLine] {
        var newest: [String: CosignatureLine] = [:]
        for each in try store.cosignatures(of: log.id) where newest[each.cosigner]?.size ?? 0 <= each.size {
            newest[each.cosigner] = CosignatureLine(
                cosigner: each.cosigner, size: each.size, time: each.time, line: each.line)
        }
        return newest.values.sorted { $0.cosigner < $1.cosigner }
    }

    // MARK: Cosignatures

    /// Cosigns the head of a log that is held completely, after recording that it will.
    func cosign(_ id: SHA256Digest) throws -> CosignatureLine? {
        guard let log = try store.logs().first(where: { $0.id == id }), let head = log.head, log.size >= head.size
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

    /// Judges each line alone, and stores those that verify. Answers how many did.
    @discardableResult
    func storeVerified(_ lines: [CosignatureLine], of id: SHA256Digest) throws -> Int {
        guard let log = try store.logs().first(where: { $0.id == id }) else { return 0 }
        let known = try store.cosignatures(of: id)
        let heads = Dictionary(
            try store.checkpoints(of: id).map { ($0.size, $0) }, uniquingKeysWith: { first, _ in first })
        var stored = 0
        for line in lines {
            guard let key = federation.value.mirrorKeys[line.cosigner], let head = heads[line.size],
                line.time <= now() + SyncContext.clockTolerance,
                !known.contains(where: { $0.cosigner == line.cosigner && $0.size == line.size && $0.time >= line.time }
                ),
                let cosignature = try? Cosignature(parsing: line.line), cosignature.time == line.time,
                let checkpoint = try? Checkpoint(origin: log.origin, size: head.size, root: head.root),
                (try? cosignature.verify(checkpoint, by: key)) != nil
            else { continue }
            try keep(line, of: id)
            stored += 1
        }
        return stored
    }

    private func keep(_ line: CosignatureLine, of id: SHA256Digest) throws {
        try store.store(
            StoredCosignature(cosigner: line.cosigner, size: line.size, time: line.time, line: line.line), of: id)
    }

    /// How far two honest clocks may be apart, in seconds.
    static let clockTolerance: UInt64 = 300
}
