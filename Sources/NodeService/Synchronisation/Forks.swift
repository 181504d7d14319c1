import Cryptography
import Glibc
import Home
public import LogStore
import Logging
import Reconciliation
public import TransparencyLog

// What a node does about a log whose owner signed two histories.
extension SyncContext {
    /// Frozen logs that a peer may see: it is told of them when it speaks of one.
    func frozenLogs(visibleTo peer: String) throws -> Set<LogID> {
        let federation = federation.value
        return Set(
            try store.surroundings(in: federation.communities(admitting: peer)).filter {
                $0.log.frozen != nil && federation.admits(peer, to: $0.log, membership: $0.membership)
            }.map(\.log.id))
    }

    /// The log, frozen or not, if the peer may see it.
    func log(_ id: LogID, readableBy peer: String) throws -> StoredLog? {
        let federation = federation.value
        guard let surroundings = try store.surroundings(in: federation.communities(admitting: peer), only: id).first,
            federation.admits(peer, to: surroundings.log, membership: surroundings.membership)
        else { return nil }
        return surroundings.log
    }

    /// The beginning of a log that a peer asks about, if it may see it and this node holds that tree.
    func prefix(_ request: PrefixRequest, for peer: String) throws -> [SHA256Digest]? {
        guard let log = try log(request.log, readableBy: peer),
            request.treeSize <= min(log.head?.size ?? 0, log.sizeOfOwner)
        else { return nil }
        return try ForkEvidence.makePrefix(
            size: request.size, treeSize: request.treeSize, from: StoredNodes(store: store, log: log.id),
            hasher: MerkleHasher())
    }

    /// The nodes below one that a peer asks about.
    func nodes(_ request: SubtreeRequest, for peer: String) throws -> [SHA256Digest]? {
        let node = NodeCoordinate(level: request.level, index: request.index)
        guard let log = try log(request.log, readableBy: peer), node.isInside(treeSize: log.sizeOfOwner)
        else { return nil }
        return try store.hashes(of: log.id, at: ForkSearch.nodes(below: node))
    }

    /// Writes down what a session has proved, and freezes the log.
    func freeze(_ id: LogID, _ proof: ForkProof) throws {
        guard let log = try store.log(id: id) else { return }
        let pending = log.pending.flatMap { $0.size == proof.base.size && $0.root == proof.base.root ? $0 : nil }
        guard let kept = try pending ?? store.checkpoint(of: id, size: proof.base.size), kept.root == proof.base.root
        else { throw StoreError.unknownLog(log.origin) }
        let notes = try [kept.note, proof.note].map { try SignedNote(parsing: $0) }
        let keys = try log.keys
        let isCommon = { (key: VerifierKey) in
            notes.allSatisfy { (try? Checkpoint(verifying: $0, logKey: key)) != nil }
        }
        guard let key = keys.keys.last(where: isCommon) else {
            return try freeze(log, notes[1], keys)
        }
        let difference = proof.difference.flatMap { found -> ForkEvidence.Difference? in
            let own = try? RangeProof.make(
                start: found.index, end: found.index + 1, size: proof.base.size,
                from: StoredNodes(store: store, log: id), hasher: MerkleHasher())
            return own.map {
                ForkEvidence.Difference(index: found.index, leaves: found.leaves, proofs: [$0, found.proofs[1]])
            }
        }
        let complete = try? ForkEvidence(key: key, notes[0], notes[1], prefix: proof.prefix, difference: difference)
        // Where what was found on the way is of no use, the fork is one all the same.
        let evidence =
            try complete ?? ForkEvidence(key: key, notes[0], notes[1], prefix: proof.prefix, difference: nil)
        try keep(evidence, of: log)
    }

    /// Checks evidence that came from elsewhere; freezes the log where it holds.
    func judge(_ bytes: [UInt8], against id: LogID) throws -> EvidenceJudgement {
        guard let log = try store.log(id: id), let evidence = try? ForkEvidence(parsing: bytes),
            let finding = try? evidence.verify(), finding.origin == log.origin
        else { return .provesNothing }
        let sizes = finding.sizes
        guard let reign = try log.keys.reigns.first(where: { $0.key == evidence.key }) else { return .otherKey }
        // What a key signed when it was none of the log's any more is not the owner's word.
        guard sizes.allSatisfy(reign.sizes.contains) else { return .provesNothing }
        try keep(evidence, of: log)
        return .holds
    }

    /// The key was replaced between the two checkpoints. What the older one signed contradicts the stepping stone too,
    /// which it has also signed.
    private func freeze(_ log: StoredLog, _ note: SignedNote, _ keys: LogKeyChain) throws {
        try freeze(log, note, keys, against: stones(of: log))
    }

    /// A checkpoint of the owner's part contradicts what is here beyond that: the key has signed two histories.
    func freeze(_ id: LogID, contradictedBy note: String) throws {
        guard let log = try store.log(id: id) else { return }
        try freeze(log, SignedNote(parsing: note), log.keys, against: store.checkpoints(of: id))
    }

    private func freeze(
        _ log: StoredLog, _ note: SignedNote, _ keys: LogKeyChain, against held: [SignedHead]
    ) throws {
        let offered = try keys.verify(note)
        for stone in held where stone.size >= offered.size {
            let kept = try SignedNote(parsing: stone.note)
            guard
                let key = keys.keys.first(where: { key in
                    [kept, note].allSatisfy { (try? Checkpoint(verifying: $0, logKey: key)) != nil }
                })
            else { continue }
            let prefix =
                stone.size == offered.size
                ? []
                : try ForkEvidence.makePrefix(
                    size: offered.size, treeSize: stone.size, from: StoredNodes(store: store, log: log.id),
                    hasher: MerkleHasher())
            return try keep(ForkEvidence(key: key, note, kept, prefix: prefix, difference: nil), of: log)
        }
        throw ForkError.differentLogs
    }

    private func keep(_ evidence: ForkEvidence, of log: StoredLog) throws {
        let finding = try evidence.verify()
        guard try store.freeze(log.id, evidence: evidence, reason: finding.text, time: now()) else { return }
        logger.critical("a log has forked", metadata: ["log": "\(log.origin)", "finding": "\(finding.text)"])
        sessions.notify(.frozen(log.id))
        // A crash here, or a full disk, leaves no file: `status` writes it from what is stored.
        guard let evidenceFolder else { return }
        try AtomicFile.write(
            Array(evidence.serialized.utf8), to: HomeFolder.evidenceFile(of: log.origin, in: evidenceFolder))
    }
}

/// A fork as this node knows it, for the operator.
public struct KnownFork: Sendable {
    public let finding: ForkEvidence.Finding
    /// The evidence as a file.
    public let file: String
}

extension Node {
    /// The fork of a log, if there is one, with its evidence as a file, which is written where it is missing.
    public func fork(of log: StoredLog) throws -> KnownFork? {
        guard log.frozen != nil, let stored = try store.fork(of: log.id) else { return nil }
        let finding = try ForkEvidence(parsing: stored.evidence).verify()
        let file = home.evidenceFile(of: log.origin)
        if access(file, F_OK) != 0 { try AtomicFile.write(stored.evidence, to: file) }
        return KnownFork(finding: finding, file: file)
    }
}

extension ForkEvidence.Finding {
    /// For people.
    public var text: String {
        let first = firstDifference.map { "; entry \($0) is the first that differs" } ?? ""
        return sizes[0] == sizes[1]
            ? "its owner signed two roots at size \(sizes[0])\(first)"
            : "its owner signed \(sizes[0]) and \(sizes[1]) entries of different histories\(first)"
    }
}
