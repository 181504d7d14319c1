import Cryptography
import TransparencyLog

// Which logs differ, and what each side says about them afterwards.
extension Session {
    mutating func tell(_ parts: [HeadsPart], _ actions: inout [SessionAction]) {
        guard !parts.isEmpty else { return }
        roundTrips += 1
        actions += HeadsPart.messages(parts).map { .send($0) }
    }

    mutating func receive(
        _ heads: [Head], of community: String, isLast: Bool, _ actions: inout [SessionAction]
    ) throws {
        let wasComplete = exchange.isComplete
        let parts = try exchange.receive(heads, community: community, isLast: isLast)
        tell(parts, &actions)
        var unknown: [LogID] = []
        var returned: [LocalLog] = []
        for head in heads {
            if note(head), let log = logs[head.log] { returned.append(log) }
            if head.size > 0, logs[head.log] == nil { unknown.append(head.log) }
            // An owner that has lost all of a log asks what became of it.
            if head.size == 0, frozenHere.contains(head.log) { tellFork(head.log, &actions) }
            awaitedAnswers.remove(head.log)
        }
        if wasComplete, exchange.isComplete {
            if !unknown.isEmpty {
                sendUnknown(unknown, &actions)
                actions.append(.lacks(unknown))
            }
            // The peer may have offered such a log once more meanwhile, and heard that it is left out.
            for log in returned { announce(log, &actions) }
            for head in heads { refresh(head.log, &actions) }
        } else if exchange.isComplete {
            exchanged(&actions)
        }
    }

    mutating func receive(_ nodes: [RangeNode], _ actions: inout [SessionAction]) throws {
        var parts: [HeadsPart] = []
        for node in nodes {
            if case .heads(let heads, _) = node.content { heads.forEach { note($0) } }
            parts += try exchange.receive(node)
        }
        tell(parts, &actions)
        if exchange.isComplete { exchanged(&actions) }
    }

    /// What a head says beyond the views of both sides. Answers whether the log is left out no longer.
    @discardableResult
    private mutating func note(_ head: Head) -> Bool {
        peerPinned[head.log] = head.pinnedSize > 0 && logs[head.log] != nil ? head.pinnedSize : nil
        // Where it is still behind, it has not taken what was offered: it is offered again.
        offered[head.log] = nil
        openOffers.remove(head.log)
        contradicted.remove(head.log)
        unresumable.remove(head.log)
        // The peer has the log after all.
        unknownThere.remove(head.log)
        awaitedRefusals.remove(head.log)
        // It has learnt meanwhile where the log ends.
        if let limit = logs[head.log]?.limit, head.size <= limit, beyondOwner.contains(head.log),
            readmitted.insert(head.log).inserted
        {
            beyondOwner.remove(head.log)
            leftOut.remove(head.log)
            return true
        }
        return false
    }

    /// The successor of a log has come, which says where it ends: from now on it is its owner's part here. What was offered
    /// beyond that is refused by who knows it already. Answers whether it is so, and the peer is to hear it.
    private mutating func end(_ log: LocalLog) -> Bool {
        guard let limit = log.limit, exchange.told[log.id]?.size ?? 0 > limit else { return false }
        if leftOut.remove(log.id) == nil, offered[log.id] ?? 0 > limit { awaitedRefusals.insert(log.id) }
        offered[log.id] = nil
        openOffers.remove(log.id)
        return true
    }

    /// Both sides know what the other holds.
    mutating func exchanged(_ actions: inout [SessionAction]) {
        hasCompared = true
        let isKnown: (LogID) -> Bool = { [agreed, exchange] log in
            // Told last time already, and the peer remembers.
            agreed?.entries[log]?.heard == exchange.heard[log]?.settled && agreed?.entries[log]?.told == nil
        }
        let unknown = exchange.heard.heads.keys.filter { logs[$0] == nil }.sorted()
        sendUnknown(unknown.filter { !isKnown($0) }, &actions)
        if !unknown.isEmpty { actions.append(.lacks(unknown)) }
        for id in logs.keys.sorted() {
            refresh(id, &actions)
            // The peer may remember that this side had no such log.
            if let log = logs[id], log.head == nil, exchange.heard[id] != nil, agreed?.entries[id] != nil {
                announce(log, &actions)
            }
        }
    }

    private mutating func sendUnknown(_ logs: [LogID], _ actions: inout [SessionAction]) {
        for log in logs where frozenHere.contains(log) { tellFork(log, &actions) }
        var rest = logs[...]
        while !rest.isEmpty {
            actions.append(.send(.unknown(Array(rest.prefix(FrameLimits.maximumUnknown)))))
            rest = rest.dropFirst(FrameLimits.maximumUnknown)
        }
    }

    /// Compares one log with what the peer holds of it, and says or offers what follows.
    mutating func refresh(_ id: LogID, _ actions: inout [SessionAction]) {
        guard let log = logs[id], exchange.isComplete, hasMet else { return }
        hearAnswer(for: log, &actions)
        mend(log, &actions)
        // Enough has come meanwhile to continue the peer's transfer.
        if log.head?.size ?? 0 >= peerPinned[id] ?? 0 { unresumable.remove(id) }
        reconsiderUnled(log)
        guard !isLeftOut(id) else {
            unequal.remove(id)
            return
        }
        let own = log.head?.size ?? 0
        let theirs = exchange.heard[id]
        if own == theirs?.size ?? 0 {
            if own > 0, log.head?.root != theirs?.root { return contradict(log, &actions) }
            unequal.remove(id)
        } else if own < theirs?.size ?? 0, log.pinned?.size ?? 0 > theirs?.size ?? 0 {
            // The transfer that was interrupted here needs a peer that holds more.
            unequal.remove(id)
        } else {
            unequal.insert(id)
        }
        if own > theirs?.size ?? 0 {
            offer(log, &actions)
        } else if exchange.told[id] != log.announced.told || toldPinned[id] != log.pinned?.size {
            announce(log, &actions)
        }
        requestStones(of: log, &actions)
        sendNewStones(of: log, &actions)
        sendNewCosignatures(of: log, &actions)
        compareReceipts(of: log, &actions)
    }

    private mutating func offer(_ log: LocalLog, _ actions: inout [SessionAction]) {
        guard let head = log.head, offered[log.id] != head.size else { return }
        // What the peer has asked for does not wait, as long as it can take up so many.
        let limit = keysKnownThere(of: log.id) == nil ? configuration.openOffers : Session.maximumFetches
        guard openOffers.contains(log.id) || openOffers.count < limit else {
            if inLine.insert(log.id).inserted { waitingOffers.append(log.id) }
            return
        }
        let theirs = exchange.heard[log.id]?.size ?? 0
        let pinned = peerPinned[log.id] ?? 0
        if pinned > head.size {
            unresumable.insert(log.id)
            unequal.remove(log.id)
            actions.append(.report(.cannotResumeHere(origin: log.origin, pinnedSize: pinned)))
            return
        }
        // A peer that had everything of this log is sent the little that is new at once.
        let isPushed =
            pinned == 0 && theirs > 0 && exchange.told[log.id]?.size == theirs
            && head.size - theirs <= configuration.pushSize
        // An offer does not say the community: a peer that has no such log here would not know what it was told.
        if exchange.told[log.id] == nil { announce(log, &actions) }
        guard let target = checkpointToOffer(of: log, head: head) else {
            return refuseForeignKey(log, &actions)
        }
        offered[log.id] = head.size
        openOffers.insert(log.id)
        exchange.tell(offered: head, community: log.community)
        // By its size also where it is the head as this session knows it: the log may have a larger one by now, which the
        // peer could not judge.
        if keysKnownThere(of: log.id) != nil {
            actions.append(.offerStone(log.id, fromSize: max(pinned, theirs), size: target.size))
        } else {
            actions.append(.offer(log.id, fromSize: max(pinned, theirs), pushing: isPushed))
        }
    }

    /// Offers that waited for the peer to take up others.
    mutating func sendWaitingOffers(_ actions: inout [SessionAction]) {
        guard !waitingOffers.isEmpty, openOffers.count < configuration.openOffers else { return }
        var waiting = waitingOffers[...]
        waitingOffers = []
        while openOffers.count < configuration.openOffers, let id = waiting.popFirst() {
            inLine.remove(id)
            refresh(id, &actions)
        }
        waitingOffers = Array(waiting) + waitingOffers
    }

    /// The two hold different roots at one size, as the peer says: its checkpoint is not seen yet. Each shows its own.
    private mutating func contradict(_ log: LocalLog, _ actions: inout [SessionAction]) {
        guard let head = log.head, offered[log.id] != head.size else { return }
        unequal.insert(log.id)
        contradicted.insert(log.id)
        if exchange.told[log.id] == nil { announce(log, &actions) }
        offered[log.id] = head.size
        exchange.tell(offered: head, community: log.community)
        actions.append(.offer(log.id, fromSize: head.size, pushing: false))
    }

    mutating func leaveOut(
        _ log: LocalLog, _ finding: SessionFinding, tell reason: String?, _ actions: inout [SessionAction]
    ) {
        guard leftOut.insert(log.id).inserted else { return }
        forget(log.id, &actions)
        actions.append(.report(finding))
        if let reason { actions.append(.send(.logRefusal(log.id, reason: reason))) }
    }

    /// Nothing more is expected of this log.
    private mutating func forget(_ id: LogID, _ actions: inout [SessionAction]) {
        fetches[id] = nil
        missedOffers.remove(id)
        // Others may bring it.
        for request in outstanding[id] ?? [] { actions.append(.giveBack(request)) }
        // Of a log that is frozen or hidden meanwhile nobody says that its lines were judged.
        judging[id] = nil
        openOffers.remove(id)
        contradicted.remove(id)
        repairs[id]?.isWanted = false
        unequal.remove(id)
        awaitedAnswers.remove(id)
        unled.remove(id)
        askedKeys[id]?.isAwaited = false
        askedStones[id]?.isAwaited = false
        receipts.forget(id)
        if case .arrived = pushes[id] { pushes[id] = nil }
    }

    func isLeftOut(_ log: LogID) -> Bool {
        leftOut.contains(log) || unresumable.contains(log) || unknownThere.contains(log) || stalledHere.contains(log)
            || stalledThere.contains(log) || unled.contains(log)
    }

    mutating func receiveUnknown(_ ids: [LogID], _ actions: inout [SessionAction]) {
        for id in ids {
            guard let log = logs[id] else { continue }
            abandonInquiry(log, &actions)
            forget(id, &actions)
            expectLate(id, &actions)
            guard unknownThere.insert(id).inserted else { continue }
            actions.append(.report(.unknownToPeer(origin: log.origin)))
        }
    }

    mutating func receiveRefusal(_ id: LogID, _ reason: String, _ actions: inout [SessionAction]) {
        guard let log = logs[id] else { return }
        if awaitedRefusals.remove(id) != nil { return }
        abandonInquiry(log, &actions)
        if stallHere(log, &actions) || hearRefusal(ofKnownKey: log, reason, &actions) { return }
        leaveOut(log, .refusedByPeer(origin: log.origin, reason: reason), tell: nil, &actions)
    }

    /// Takes in what has changed on this side, and tells the peer.
    mutating func change(_ changed: [LocalLog], _ actions: inout [SessionAction]) {
        for log in changed where !hasMet { hiddenEarly.remove(log.id) }
        for log in changed where !hasMet || exchange.common.contains(log.community) {
            // The peer offers again once it hears where this side stands.
            let isReleased = deferred.remove(log.id) != nil
            let isEnded = end(log)
            let isNew = logs.updateValue(log, forKey: log.id) == nil
            enqueue(log.wantedBlobs)
            if isReleased || isNew || isEnded, hasMet, exchange.isComplete { announce(log, &actions) }
            refresh(log.id, &actions)
        }
        requestBlobs(&actions)
    }

    /// The log is none for the peer from now on: nothing more is said of it, and nothing is waited for.
    mutating func hide(_ id: LogID, _ actions: inout [SessionAction]) {
        guard hasMet else {
            // The hello has told of it already.
            hiddenEarly.insert(id)
            return
        }
        guard !frozenHere.contains(id), let log = logs.removeValue(forKey: id) else { return }
        forget(id, &actions)
        judging[id] = nil
        deferred.remove(id)
        uselessOffers[id] = nil
        if inLine.remove(id) != nil { waitingOffers.removeAll { $0 == id } }
        // The peer forgets what it heard, and waits for no answers.
        if exchange.told[id] != nil {
            let nothing = Head(log: id, size: 0, root: .zero)
            exchange.tell(nothing, community: log.community)
            actions.append(.send(.heads(community: log.community, [nothing], complete: false, settled: false)))
        }
        actions.append(.send(.unknown([id])))
        requestBlobs(&actions)
    }

    /// Says what this side holds of a log now.
    mutating func announce(_ log: LocalLog, _ actions: inout [SessionAction]) {
        toldPinned[log.id] = log.pinned?.size
        exchange.tell(log.announced, community: log.community)
        actions.append(
            .send(.heads(community: log.community, [log.announced], complete: false, settled: false)))
    }
}

extension Head {
    /// As a view keeps it: `nil` where there is nothing to keep.
    fileprivate var told: Head? { size == 0 ? nil : self }
}
