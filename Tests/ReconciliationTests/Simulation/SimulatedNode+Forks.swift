import Cryptography
import Reconciliation
import TransparencyLog

// What a node does about a log whose owner signed two histories.
extension SimulatedNode {
    func frozenLogs(visibleTo peer: Int) -> Set<LogID> {
        Set(store.logs.values.filter { $0.frozen != nil && mayRead($0, peer) }.map(\.id))
    }

    /// The log, frozen or not, if the peer may see it.
    func log(_ id: LogID, readableBy peer: Int) -> SimulatedReplica? {
        store.logs[id].flatMap { mayRead($0, peer) ? $0 : nil }
    }

    func prefix(_ request: PrefixRequest, for peer: Int) throws -> [SHA256Digest]? {
        guard let log = log(request.log, readableBy: peer), request.treeSize <= log.head?.size ?? 0 else { return nil }
        return try ForkEvidence.makePrefix(
            size: request.size, treeSize: request.treeSize, from: log.tree, hasher: log.tree.hasher)
    }

    func nodes(_ request: SubtreeRequest, for peer: Int) throws -> [SHA256Digest]? {
        let node = NodeCoordinate(level: request.level, index: request.index)
        guard let log = log(request.log, readableBy: peer), node.end <= log.tree.size else { return nil }
        return try log.tree.hashes(at: ForkSearch.nodes(below: node))
    }

    /// The stepping stones of a log that a peer asks about.
    func stones(of id: LogID, for peer: Int) -> [String]? { log(id, readableBy: peer)?.stones.map(\.note) }

    /// Writes down what a session has proved, and freezes the log.
    func freeze(_ id: LogID, _ proof: ForkProof) throws {
        let log = try store.log(id)
        let pending = log.pending.flatMap { $0.size == proof.base.size && $0.root == proof.base.root ? $0 : nil }
        guard let kept = pending ?? log.checkpoints[proof.base.size], kept.root == proof.base.root else {
            throw SimulatedError("a checkpoint that is not held")
        }
        let notes = try [kept.note, proof.note].map { try SignedNote(parsing: $0) }
        let difference = proof.difference.flatMap { found -> ForkEvidence.Difference? in
            let own = try? RangeProof.make(
                start: found.index, end: found.index + 1, size: proof.base.size, from: log.tree,
                hasher: log.tree.hasher)
            return own.map {
                ForkEvidence.Difference(index: found.index, leaves: found.leaves, proofs: [$0, found.proofs[1]])
            }
        }
        let complete = try? ForkEvidence(key: log.key, notes[0], notes[1], prefix: proof.prefix, difference: difference)
        let evidence =
            try complete
            ?? ForkEvidence(key: log.key, notes[0], notes[1], prefix: proof.prefix, difference: nil)
        keep(evidence, of: id)
    }

    /// Checks evidence that came from elsewhere; freezes the log where it holds.
    func judge(_ bytes: [UInt8], against id: LogID) -> Bool {
        guard let log = store.logs[id], let evidence = try? ForkEvidence(parsing: bytes),
            log.keys.keys.contains(evidence.key),
            let finding = try? evidence.verify(), finding.origin == log.origin
        else { return false }
        keep(evidence, of: id)
        return true
    }

    private func keep(_ evidence: ForkEvidence, of id: LogID) {
        store.logs[id]?.frozen = Array(evidence.serialized.utf8)
        invariants.frozen(id, by: self)
        for session in inOrder { session.frozen(id) }
    }
}
