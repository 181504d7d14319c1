import Cryptography
import Reconciliation
import TransparencyLog

/// One log on its way into a node, from one session or several. Ranges are checked in turn and committed in turn.
final class SimulatedTransfer {
    let target: SimulatedHead
    let log: LogID
    private unowned let node: SimulatedNode
    private var plan: TransferPlan
    private(set) var participants: [UInt64: SimulatedSession] = [:]
    private var waiting: [UInt64: (entries: EntryRange, owner: SimulatedSession)] = [:]
    /// The tree as far as it was checked.
    private var checked: SimulatedLog
    private var lastProgress: UInt64
    private let room: Int

    init(_ node: SimulatedNode, log: SimulatedReplica, target: SimulatedHead, chunk: UInt64) {
        self.node = node
        self.log = log.id
        self.target = target
        checked = log.tree
        room = node.settings.waitingFrames
        lastProgress = node.clock.now
        plan = TransferPlan(target: target.head(of: log.id), held: log.tree.size, chunk: chunk)
    }

    private var verifying: WorkQueue { node.verifying[Int(log.bytes[31]) % node.verifying.count] }
    private var inOrder: [SimulatedSession] { participants.sorted { $0.key < $1.key }.map(\.value) }

    func join(_ session: SimulatedSession) {
        plan.join(session.id)
        participants[session.id] = session
    }

    /// Takes a session out. Answers whether nobody is left.
    func leave(_ session: UInt64) -> Bool {
        plan.leave(session)
        participants[session] = nil
        poke()
        return participants.isEmpty
    }

    func assign(_ session: UInt64, ranges limit: Int) -> [Range<UInt64>] {
        plan.assign(session, ranges: limit)
    }

    func giveBack(_ range: Range<UInt64>, by session: UInt64) {
        plan.refuse(range, by: session)
        poke(except: session)
    }

    func arrived(_ entries: EntryRange, from owner: SimulatedSession) {
        let range = entries.range.start..<entries.range.end
        var isDropped = false
        switch plan.arrived(range, from: owner.id) {
        case .stale: isDropped = true
        case .later:
            if waiting.count < room {
                waiting[range.lowerBound] = (entries, owner)
            } else {
                plan.drop(waiting: range.lowerBound)
                isDropped = true
            }
        case .now:
            lastProgress = node.clock.now
            check(entries, owner)
            while let start = plan.takeWaiting(), let next = waiting.removeValue(forKey: start) {
                check(next.entries, next.owner)
            }
            waiting = waiting.filter { $0.key >= plan.frontier }
        }
        if participants.count > 1 || isDropped { poke() }
    }

    private func check(_ entries: EntryRange, _ owner: SimulatedSession) {
        let range = entries.range.start..<entries.range.end
        verifying.add { [self] in
            guard checked.size == range.lowerBound else {
                plan.reject(range)
                return poke()
            }
            do {
                let verified = try verify(entries)
                node.storing.add { [self] in commit(verified, owner) }
            } catch {
                plan.reject(range)
                owner.feed(.rejected(log, reason: "\(error)"))
                poke(except: owner.id)
            }
        }
    }

    /// The entries must continue what was checked, and with the hashes of the proof make the target's root.
    private func verify(_ entries: EntryRange) throws -> SimulatedStore.Verified {
        let range = entries.range
        var tree = checked
        for bundle in entries.bundles {
            for place in try EntryBundle.bodies(in: bundle.data) { tree.append(Array(bundle.data[place])) }
        }
        guard tree.size == range.end, range.treeSize == target.size else { throw SimulatedError("entries are missing") }
        let proof = RangeProof(hashes: entries.proof)
        let before = try CompactRange(begin: 0, end: range.start, from: checked)
        guard entries.proof.count == (try RangeProof.length(start: range.start, end: range.end, size: target.size)),
            proof.hashes.starts(with: before.hashes)
        else { throw SimulatedError("not proved") }
        try CompactRange(begin: 0, end: range.end, from: tree).verify(
            after: proof.hashesAfter(start: range.start), size: target.size, root: target.root, hasher: tree.hasher)
        checked = tree
        return SimulatedStore.Verified(log: log, start: range.start, tree: tree, target: target)
    }

    private func commit(_ verified: SimulatedStore.Verified, _ owner: SimulatedSession) {
        do {
            let stored = try node.store.commit(verified)
            node.changed(log)
            if stored.pending == nil { node.ended(self, nil) }
            owner.committed(log)
        } catch {
            node.ended(self, "\(error)")
        }
    }

    func afterWork(_ body: @escaping () -> Void) {
        verifying.add { [node] in node.storing.add(body) }
    }

    /// Lets others bring what a session was asked for that has brought nothing for long.
    func tick() {
        guard participants.count > 1, node.clock.now > lastProgress + 10_000_000, let laggard = plan.laggard else {
            return
        }
        lastProgress = node.clock.now
        plan.takeOver(from: laggard)
        poke(except: laggard)
    }

    private func poke(except session: UInt64? = nil) {
        for participant in inOrder where participant.id != session { participant.feed(.assignable(log)) }
    }

    func end(_ failure: String?) {
        for participant in inOrder {
            if let failure {
                participant.feed(.failed(log, reason: failure))
            } else {
                participant.committed(log)
            }
        }
    }
}
