import Reconciliation

/// What must hold once nothing happens any more.
struct Resting {
    let nodes: [SimulatedNode]
    let invariants: Invariants

    /// Whether both nodes show each other the log, and nothing was done to it that they cannot mend by themselves.
    private func isShared(_ log: LogID, _ first: SimulatedNode, _ second: SimulatedNode) -> Bool {
        guard let one = first.store.logs[log], let other = second.store.logs[log] else { return false }
        guard first.shows(one, to: second.index), second.shows(other, to: first.index) else { return false }
        return !invariants.isForked(log)
    }

    func checkConverged(_ first: SimulatedNode, _ second: SimulatedNode) {
        for (id, log) in first.store.logs.sorted(by: { $0.key < $1.key }) where isShared(id, first, second) {
            guard let other = second.store.logs[id] else { continue }
            if log.head?.root == other.head?.root { continue }
            // Whoever has pinned more than anybody around it holds has to wait.
            if isWaiting(id, first) || isWaiting(id, second) { continue }
            invariants.fail(
                "\(first.name) has \(log.head?.size ?? 0) of \(log.origin), \(second.name) \(other.head?.size ?? 0)")
        }
    }

    /// What one node has of cosignatures, by whichever of their mirror keys, the other has as well, if it can judge them.
    /// With a liar, or before a disk was lost, a node may have agreed that there is nothing more to be said.
    func checkCosigned(_ first: SimulatedNode, _ second: SimulatedNode) {
        guard ![first, second].contains(where: { $0.hasLied || invariants.wasRestored($0.index) }) else { return }
        for (id, log) in first.store.logs.sorted(by: { $0.key < $1.key }) where isShared(id, first, second) {
            for line in log.cosignatures.values.sorted(by: { $0.cosigner < $1.cosigner })
            where second.lacks(line, of: id) {
                invariants.fail(
                    "\(second.name) lacks the cosignature of \(line.cosigner) on \(line.size) of \(log.origin)")
            }
        }
    }

    /// Two histories that meet are noticed: on one side at least the log is frozen, or still comes back to its owner.
    func checkNoticed(_ first: SimulatedNode, _ second: SimulatedNode) {
        for (id, log) in first.store.logs.sorted(by: { $0.key < $1.key }) where first.shows(log, to: second.index) {
            guard let other = second.store.logs[id], second.shows(other, to: first.index),
                let one = log.head, let two = other.head, one.size == two.size, one.root != two.root
            else { continue }
            invariants.fail("\(first.name) and \(second.name) hold two roots of \(log.origin) at size \(one.size)")
        }
    }

    private func isWaiting(_ id: LogID, _ node: SimulatedNode) -> Bool {
        guard let log = node.store.logs[id], let pending = log.pending else { return false }
        return !nodes.contains { other in
            guard other.index != node.index, let theirs = other.store.logs[id] else { return false }
            return theirs.head?.size ?? 0 >= pending.size && isShared(id, node, other)
        }
    }

    /// A live connection is quiet, owes nothing, and has not said much more than there was to say.
    func checkResting(_ connection: SimulatedConnection, logs: Int) {
        for session in connection.ends {
            if session.isOver {
                invariants.fail(
                    "\(session.node.name) has closed on \(session.peer.name): \(session.end.map { "\($0)" } ?? "lost")")
            } else if session.session?.isOwed ?? true {
                invariants.fail("\(session.node.name) still waits for \(session.peer.name)")
            }
        }
        if let first = connection.ends.first?.node, let second = connection.ends.last?.node {
            let one = first.store.agreements[second.name]?.digest
            if one == nil || one != second.store.agreements[first.name]?.digest {
                invariants.fail("\(first.name) and \(second.name) do not remember the same")
            }
            if first.store.agreements[second.name]?.isSound(isFirst: first.name < second.name) == false {
                invariants.fail("\(first.name) remembers of \(second.name) what has another digest")
            }
        }
        let budget = 120 + 40 * logs
        if connection.frames > budget {
            invariants.fail("\(connection.frames) messages on a connection, with \(logs) logs on all nodes")
        }
    }

    func checkOnce(_ connection: SimulatedConnection, isSecond: Bool) {
        guard let first = connection.ends.first, let second = connection.ends.last else { return }
        guard first.end == .done else {
            return invariants.fail(
                "\(first.node.name) and \(second.node.name) are not done: \(first.end.map { "\($0)" } ?? "lost")")
        }
        // Of a log that is being recovered the partners are to say again what they hold.
        let isRecovering = [first.node, second.node].contains { node in
            node.store.logs.values.contains { $0.recovering != nil }
        }
        guard isSecond, !isRecovering else { return }
        // What nobody else has either is asked for each time.
        let refused = invariants.refusedBlobs(on: connection)
        // A fork is shown again, and answered.
        let forked = first.node.store.logs.values.count { $0.frozen != nil || invariants.isForked($0.id) }
        if let trips = first.session?.roundTrips, trips > 1 + refused + forked {
            invariants.fail("a second session of \(first.node.name) and \(second.node.name) took \(trips) round trips")
        }
        if connection.frames > 6 + 6 * refused + 4 * forked {
            invariants.fail(
                "a second session of \(first.node.name) and \(second.node.name) took \(connection.frames) messages")
        }
    }
}
