import Cryptography
import Reconciliation
import TransparencyLog

// Cosignatures of a node and of others, by mirror keys that are replaced now and then.
extension SimulatedNode {
    // MARK: Mirror keys

    /// Replaces the mirror key: the new one signs from now on, and each own log says so.
    func rotateMirrorKey() {
        mirrorChanges.append(clock.seconds)
        publishMirrorKeys()
    }

    /// Writes into the own logs what they do not say yet of the mirror key: they may have been behind when it changed.
    func publishMirrorKeys() {
        guard !mirrorChanges.isEmpty else { return }
        for community in members.keys.sorted() {
            guard let log = store.logs[SHA256.hash("\(name)/\(community)")] else { continue }
            let bodies = mirrorChanges.enumerated().filter { log.mirrorChanges[$0.offset + 1] == nil }.map {
                SimulatedBody.mirror($0.offset + 1, until: $0.element).bytes(number: UInt64($0.offset))
            }
            if !bodies.isEmpty { append(bodies, to: community) }
        }
    }

    /// The key that checks a cosignature of another node: the one that it names, if the card or the logs of that node
    /// lead to it, and it was in use then.
    private func mirrorKey(of other: Int, for cosignature: Cosignature) -> VerifierKey? {
        guard other == index || cards.contains(other) else { return nil }
        var changes: [Int: UInt64] = [:]
        for log in store.logs.values where log.owner == other {
            changes.merge(log.mirrorChanges) { first, _ in first }
        }
        let anchor = other == index ? mirrorChanges.count : cardMirrors[other] ?? 0
        var first = anchor
        while changes[first] != nil { first -= 1 }
        var last = anchor
        while changes[last + 1] != nil { last += 1 }
        for generation in first...last {
            guard let key = try? SimulatedKeys.cosigner(other, generation).verifierKey, key.keyID == cosignature.keyID
            else { continue }
            return cosignature.time <= changes[generation + 1] ?? .max ? key : nil
        }
        return nil
    }

    // MARK: This node's own

    func cosign(_ id: LogID) {
        guard let log = store.logs[id], let head = log.head, log.recovering == nil,
            let cosigner = try? SimulatedKeys.cosigner(index, mirrorChanges.count),
            let time = try? marks.cosign(head, of: id, time: clock.seconds),
            let checkpoint = try? Checkpoint(origin: log.origin, size: head.size, root: head.root),
            let line = try? cosigner.cosign(checkpoint, time: time).line
        else { return }
        invariants.cosigned(head, of: id, by: self)
        store.keep(CosignatureLine(cosigner: name, size: head.size, time: time, line: line), of: id)
    }

    // MARK: Those of others

    private enum Verdict {
        case verifies
        /// No key that is known here has signed it. One that the cosigner's logs lead to may have.
        case unknownKey
        case refused
    }

    private func verdict(on line: CosignatureLine, of log: SimulatedReplica) -> Verdict {
        guard let other = SimulatedKeys.node(line.cosigner), let head = log.checkpoints[line.size],
            line.time <= clock.seconds + 300, let cosignature = try? Cosignature(parsing: line.line),
            cosignature.time == line.time
        else { return .refused }
        guard let key = mirrorKey(of: other, for: cosignature) else { return .unknownKey }
        guard let checkpoint = try? Checkpoint(origin: log.origin, size: head.size, root: head.root),
            (try? cosignature.verify(checkpoint, by: key)) != nil
        else { return .refused }
        return .verifies
    }

    /// Judges each line alone. Answers how many were stored.
    func judge(_ lines: [CosignatureLine], of id: LogID) -> Int {
        guard let log = store.logs[id] else { return 0 }
        var stored = 0
        for line in lines where line.isNewer(than: store.logs[id]?.cosignatures[line.cosigner]) {
            switch verdict(on: line, of: log) {
            case .verifies:
                store.keep(line, of: id)
                stored += 1
            case .unknownKey: parked.append((line, id))
            case .refused: break
            }
        }
        return stored
    }

    /// Judges again what was signed by keys that were not known then.
    func judgeParked() {
        let lines = parked
        parked = []
        for (line, log) in lines where judge([line], of: log) > 0 { notify([log]) }
    }

    /// Whether this node lacks a line that it can judge, as far as it can have got it: a stepping stone, and with it
    /// the checkpoint that a line is on, may have come later than the line.
    func lacks(_ line: CosignatureLine, of id: LogID) -> Bool {
        guard let log = store.logs[id], !lostLines.contains(id), log.checkpoints[line.size] != nil,
            !log.changes.contains(where: { $0.size == line.size }),
            line.isNewer(than: log.cosignatures[line.cosigner])
        else { return false }
        if case .verifies = verdict(on: line, of: log) { return true }
        return false
    }
}

extension CosignatureLine {
    fileprivate func isNewer(than other: CosignatureLine?) -> Bool {
        guard let other else { return true }
        return (size, time) > (other.size, other.time)
    }
}
