import Cryptography
import TransparencyLog

// What differs within a log: offers, requests, entries and their commits.
extension Session {
    mutating func receive(_ offer: Offer, _ actions: inout [SessionAction]) throws {
        if offer.isPushed {
            // Entries that are here and wait for their checkpoint may be news no more: another session was faster.
            if case .announced = pushes[offer.log] { throw ProtocolViolation("two pushes of one log at once") }
            pushes[offer.log] = nil
            guard pushes.count < Session.maximumFetches else {
                throw ProtocolViolation("more than \(Session.maximumFetches) pushes announced at once")
            }
        }
        guard let log = logs[offer.log], !leftOut.contains(offer.log) else {
            try expectPush(offer, size: nil, isWanted: false)
            hearClaim(of: offer)
            if frozenHere.contains(offer.log) { tellFork(offer.log, &actions) }
            actions.append(.send(.unknown([offer.log])))
            return
        }
        contradicted.remove(log.id)
        unknownThere.remove(log.id)
        unresumable.remove(log.id)
        stalledThere.remove(log.id)
        unled.remove(log.id)
        // What is held here beyond the head was proved against the pinned checkpoint, so that is what counts.
        let base = log.pinned ?? log.head
        let head: Head
        let note: String
        do {
            (head, note) = try checkpoint(of: offer, for: log)
        } catch {
            try expectPush(offer, size: nil, isWanted: false)
            if try convictByEnd(offer, of: log, base: base, &actions) { return }
            if try askForKnownKey(offer, of: log, &actions) { return }
            leaveOut(
                log, .badOffer(origin: log.origin, reason: "\(error)"), tell: "the offer does not verify", &actions)
            return
        }
        if let limit = log.limit, head.size > limit {
            try expectPush(offer, size: nil, isWanted: false)
            beyondOwner.insert(log.id)
            leaveOut(log, .beyondOwner(origin: log.origin, size: limit), tell: "its owner has given it up", &actions)
            return
        }
        // What is here already may be the answer to an earlier question.
        if head.size > askedKeys[log.id]?.size ?? 0 { askedKeys[log.id]?.isAwaited = false }
        guard head.size >= offer.fromSize else {
            throw ProtocolViolation("an offer of \(head.size) entries from size \(offer.fromSize)")
        }
        // A stepping stone is not all that the peer holds.
        if exchange.heard[log.id]?.size ?? 0 < head.size || askedKeys[log.id]?.size != log.head?.size ?? 0 {
            exchange.hear(offered: head, community: log.community)
        }
        if let kept = contradiction(of: head, in: log) {
            try expectPush(offer, size: head.size, isWanted: false)
            return try inquire(log, base: kept, offered: head, note: note, &actions)
        }
        guard offer.fromSize == base?.size ?? 0 else {
            try expectPush(offer, size: head.size, isWanted: false)
            // Another peer has brought more meanwhile: say so, and the peer offers anew, if that is not all it has.
            try countUseless(offer, of: log, held: base?.size ?? 0)
            announce(log, &actions)
            refresh(log.id, &actions)
            return
        }
        do {
            if let base {
                try ConsistencyProof(hashes: offer.proof).verify(
                    oldSize: base.size, oldRoot: base.root, newSize: head.size, newRoot: head.root,
                    hasher: MerkleHasher())
            }
        } catch {
            try expectPush(offer, size: head.size, isWanted: false)
            if let base { try inquire(log, base: base, offered: head, note: note, &actions) }
            return
        }
        try take(head, of: log, offer, note: note, &actions)
    }

    static let maximumUselessOffers = 64

    /// Where another peer is faster, offers come late: then more is held each time.
    private mutating func countUseless(_ offer: Offer, of log: LocalLog, held: UInt64) throws {
        let known = uselessOffers[log.id]
        let count = known?.held == held ? (known?.count ?? 0) + 1 : 1
        uselessOffers[log.id] = (count, held)
        guard count > Session.maximumUselessOffers else { return }
        throw ProtocolViolation(
            "\(log.origin) offered from size \(offer.fromSize) again and again, where this node holds \(held)")
    }

    /// An offer of a log that is not for this side says all the same what the peer holds of it: both remember that.
    private mutating func hearClaim(of offer: Offer) {
        guard let community = exchange.heard.communities[offer.log],
            let note = try? SignedNote(parsing: offer.checkpoint), let claim = try? Checkpoint(parsing: note.text)
        else { return }
        exchange.hear(
            offered: Head(log: offer.log, size: claim.size, root: claim.root), community: community)
    }

    /// A checkpoint that continues what is held.
    private mutating func take(
        _ head: Head, of log: LocalLog, _ offer: Offer, note: String, _ actions: inout [SessionAction]
    ) throws {
        let isLarger = head.size > (log.head?.size ?? 0)
        if isLarger, log.isOwn, !log.isRecovering {
            try expectPush(offer, size: head.size, isWanted: false)
            noticeLoss(of: log, size: head.size, &actions)
            return
        }
        // One checkpoint at a time: when it is complete this side says so, and the peer offers the newer one again.
        guard isLarger, fetches[log.id] == nil else {
            if isLarger { missedOffers.insert(log.id) }
            try expectPush(offer, size: head.size, isWanted: false)
            if !isLarger { try countUseless(offer, of: log, held: log.head?.size ?? 0) }
            refresh(log.id, &actions)
            return
        }
        guard fetches.count < Session.maximumFetches else {
            throw ProtocolViolation("more than \(Session.maximumFetches) offers at once")
        }
        try expectPush(offer, size: head.size, isWanted: true)
        fetches[log.id] = Fetch(target: head)
        unequal.insert(log.id)
        actions.append(.pin(head, note: note))
    }

    private mutating func expectPush(_ offer: Offer, size: UInt64?, isWanted: Bool) throws {
        guard offer.isPushed else { return }
        guard pushes.count < Session.maximumFetches else {
            throw ProtocolViolation("more than \(Session.maximumFetches) pushes at once")
        }
        let range = RangeRequest(
            log: offer.log, start: offer.fromSize, end: size ?? .max, treeSize: size ?? .max)
        pushes[offer.log] = .announced(range, isWanted: isWanted)
    }

    /// The owner's last checkpoint, by a key that has been replaced by then, says what is held here: a thief may have
    /// brought the other key into the log, and then it is a fork. Answers whether it is.
    private mutating func convictByEnd(
        _ offer: Offer, of log: LocalLog, base: Head?, _ actions: inout [SessionAction]
    ) throws -> Bool {
        guard let base, let keys = log.keys, let note = try? SignedNote(parsing: offer.checkpoint),
            let claim = keys.keys.lazy.compactMap({ try? Checkpoint(verifying: note, logKey: $0) }).first,
            claim.origin == log.origin, claim.size == log.limit, claim.root == log.rootAtLimit,
            offer.fromSize == base.size, base.size < claim.size
        else { return false }
        let proof = ConsistencyProof(hashes: offer.proof)
        let isConsistent: Void? = try? proof.verify(
            oldSize: base.size, oldRoot: base.root, newSize: claim.size, newRoot: claim.root, hasher: MerkleHasher())
        guard isConsistent == nil else { return false }
        let head = Head(log: log.id, size: claim.size, root: claim.root)
        exchange.hear(offered: head, community: log.community)
        try inquire(log, base: base, offered: head, note: offer.checkpoint, &actions)
        return true
    }

    /// The head of an offer, signed by the log's key, and its note without lines that nobody here can judge.
    private func checkpoint(of offer: Offer, for log: LocalLog) throws -> (Head, note: String) {
        let note = try SignedNote(parsing: offer.checkpoint)
        guard let keys = log.keys else { throw NoteError.notSignedByLog(origin: log.origin) }
        let (checkpoint, own) = try keys.open(note)
        guard checkpoint.origin == log.origin else { throw ProtocolViolation("the checkpoint is another log's") }
        return (
            Head(log: log.id, size: checkpoint.size, root: checkpoint.root), own.serialized
        )
    }

    mutating func receive(_ request: RangeRequest, _ actions: inout [SessionAction]) throws {
        guard let log = logs[request.log], !leftOut.contains(request.log), let head = log.head,
            request.treeSize <= head.size
        else {
            actions.append(.send(.unknown([request.log])))
            return
        }
        try beginServing()
        actions.append(.serve(request))
    }

    mutating func receive(_ entries: EntryRange, _ actions: inout [SessionAction]) throws {
        let range = entries.range
        if receiveRepair(entries, &actions) { return }
        if case .announced(let expected, let isWanted) = pushes[range.log], range.start == expected.start,
            range.end <= expected.end, range.end == range.treeSize
        {
            receivePush(entries, isWanted: isWanted, &actions)
            return
        }
        guard var requests = outstanding[range.log], let request = requests.first, range.start == request.start,
            range.end <= request.end, range.treeSize == request.treeSize
        else {
            if takeLate(range) { return }
            throw unasked(range)
        }
        requests[0] = RangeRequest(log: range.log, start: range.end, end: request.end, treeSize: request.treeSize)
        if range.end == request.end {
            requests.removeFirst()
            outstandingCount -= 1
        }
        outstanding[range.log] = requests.isEmpty ? nil : requests
        defer { feedStarved(&actions) }
        // What was asked for before a log was left out, or came from another peer meanwhile, may still arrive.
        guard let fetch = fetches[range.log], fetch.isPinned, fetch.target.size == range.treeSize else { return }
        actions.append(.commit(entries))
        requestMore(of: range.log, &actions)
    }

    /// Names a log that the peer may see; of any other it says nothing, since the peer hears it.
    private func unasked(_ range: RangeRequest) -> ProtocolViolation {
        let name = logs[range.log].map { " of \($0.origin)" } ?? ""
        return ProtocolViolation("entries \(range.start)..<\(range.end)\(name) that were not asked for")
    }

    private mutating func receivePush(_ entries: EntryRange, isWanted: Bool, _ actions: inout [SessionAction]) {
        let id = entries.range.log
        guard isWanted, let fetch = fetches[id], fetch.target.size == entries.range.treeSize else {
            pushes[id] = nil
            return
        }
        if fetch.isPinned {
            pushes[id] = nil
            actions.append(.commit(entries))
        } else {
            pushes[id] = .arrived(entries)
        }
    }

    mutating func receiveRefusal(of refused: RangeRequest, _ actions: inout [SessionAction]) throws {
        if receiveRepairRefusal(refused, &actions) { return }
        guard var requests = outstanding[refused.log], let request = requests.first, refused.start == request.start,
            refused.end == request.end
        else {
            if takeLate(refused) { return }
            throw ProtocolViolation("a refusal of what was not asked for")
        }
        requests.removeFirst()
        outstandingCount -= 1
        outstanding[refused.log] = requests.isEmpty ? nil : requests
        defer { feedStarved(&actions) }
        guard let log = logs[refused.log], fetches[refused.log]?.isPinned == true else { return }
        for request in [request] + requests { actions.append(.giveBack(request)) }
        stall(log, &actions)
    }

    /// The peer does not know a log of which it was asked for entries. Whether it says so in answer to some of the
    /// requests, or has answered them before, is not to be seen: none is waited for, all may still be answered.
    mutating func expectLate(_ id: LogID, _ actions: inout [SessionAction]) {
        guard let requests = outstanding.removeValue(forKey: id) else { return }
        outstandingCount -= requests.count
        late = (late + requests).suffix(Session.maximumLate)
        feedStarved(&actions)
    }

    static let maximumLate = 256

    /// Whether this answers a request that was given up. What it brings has been asked for again.
    private mutating func takeLate(_ range: RangeRequest) -> Bool {
        guard
            let position = late.firstIndex(where: {
                $0.log == range.log && $0.treeSize == range.treeSize && $0.start == range.start && range.end <= $0.end
            })
        else { return false }
        let request = late[position]
        if range.end == request.end {
            late.remove(at: position)
        } else {
            late[position] = RangeRequest(
                log: range.log, start: range.end, end: request.end, treeSize: request.treeSize)
        }
        return true
    }

    /// Keeps a window of entries on their way.
    mutating func requestMore(of id: LogID, _ actions: inout [SessionAction]) {
        guard fetches[id]?.isPinned == true else { return }
        // A push that is still on its way may bring all there is.
        if case .announced(_, isWanted: true) = pushes[id] { return }
        let room = configuration.requestsOfOneLog - (outstanding[id]?.count ?? 0)
        guard room > 0, reserved[id] == nil else { return }
        let roomOfAll = configuration.requestsOfAll - requestsUnderWay
        guard roomOfAll > 0 else {
            starved.insert(id)
            return
        }
        reserved[id] = min(room, roomOfAll)
        actions.append(.assign(id, ranges: min(room, roomOfAll)))
    }

    /// Asks for more of the logs that had to wait.
    private mutating func feedStarved(_ actions: inout [SessionAction]) {
        guard !starved.isEmpty, requestsUnderWay < configuration.requestsOfAll else { return }
        let waiting = starved.sorted()
        starved = []
        for id in waiting { requestMore(of: id, &actions) }
    }

    private mutating func request(_ ranges: [Range<UInt64>], of id: LogID, _ actions: inout [SessionAction]) {
        reserved[id] = nil
        defer { feedStarved(&actions) }
        guard let fetch = fetches[id], !ranges.isEmpty else {
            for range in ranges {
                let unwanted = RangeRequest(
                    log: id, start: range.lowerBound, end: range.upperBound, treeSize: range.upperBound)
                actions.append(.giveBack(unwanted))
            }
            return
        }
        if outstanding.isEmpty { roundTrips += 1 }
        for range in ranges {
            let wanted = RangeRequest(
                log: id, start: range.lowerBound, end: range.upperBound, treeSize: fetch.target.size)
            outstanding[id, default: []].append(wanted)
            outstandingCount += 1
            actions.append(.send(.request(wanted)))
        }
    }

    // MARK: Answers to actions

    mutating func answer(_ event: SessionEvent, _ actions: inout [SessionAction]) throws {
        switch event {
        case .start, .received, .tick: break
        case .changed(let changed): change(changed, &actions)
        case .hidden(let id): hide(id, &actions)
        case .pinned(let log): pinned(log, &actions)
        case .pinDeferred(let log):
            fetches[log.id] = nil
            if case .arrived = pushes[log.id] { pushes[log.id] = nil }
            if case .announced(let range, _) = pushes[log.id] { pushes[log.id] = .announced(range, isWanted: false) }
            deferred.insert(log.id)
            logs[log.id] = log
        case .assigned(let id, let ranges): request(ranges, of: id, &actions)
        case .assignable(let id): requestMore(of: id, &actions)
        case .committed(let log): committed(log, &actions)
        case .rejected(let id, let reason):
            fetches[id] = nil
            // What a thief had begun to bring when its owner gave the log up may be what does not fit.
            if let log = logs[id], log.limit != nil, log.held > log.head?.size ?? 0 {
                let text = "what was on its way here when its owner gave it up may be somebody else's: \(reason)"
                leaveOut(log, .failedHere(origin: log.origin, reason: text), tell: "cannot be stored now", &actions)
                return
            }
            throw ProtocolViolation("\(logs[id]?.origin ?? "a log"): \(reason)")
        case .failed(let id, let reason):
            guard let log = logs[id] else { return }
            leaveOut(log, .failedHere(origin: log.origin, reason: reason), tell: "cannot be stored now", &actions)
        case .served: serving = max(0, serving - 1)
        case .nodes(let id, let hashes): try read(hashes, of: id, &actions)
        case .frozen(let id): frozen(id, &actions)
        case .evidenceJudged(let id, let judgement): try judged(judgement, ofEvidenceAgainst: id, &actions)
        case .cosignaturesStored(let log): judged(log, &actions)
        case .repaired(let id, let log):
            if let log { repaired(log, &actions) } else { repairFailed(id, &actions) }
        case .repairRejected(let id, let reason):
            throw ProtocolViolation("\(logs[id]?.origin ?? "a log"): \(reason)")
        case .repairFailed(let id): repairFailed(id, &actions)
        case .newReceipts(let id, let lines): receipts.add(lines, of: id)
        case .receiptsStored(let id, let log): judgedReceipts(of: id, log, &actions)
        case .receiptsSent(let id, let messages):
            receipts.sent(id)
            // With nothing sent, nothing is answered.
            if messages == 0 { awaitedAnswers.remove(id) }
        case .blobStored(let key):
            requestedBlobs.remove(key)
            arrivedBlobs.remove(key)
            // It may be damaged here one day, and is asked for again then.
            knownBlobs.remove(key)
            requestBlobs(&actions)
        case .blobRejected(let key, let reason):
            requestedBlobs.remove(key)
            arrivedBlobs.remove(key)
            throw ProtocolViolation("the sealed part of entry \(key.index): \(reason)")
        }
    }

    private mutating func pinned(_ log: LocalLog, _ actions: inout [SessionAction]) {
        logs[log.id] = log
        guard var fetch = fetches[log.id] else { return }
        fetch.isPinned = true
        fetches[log.id] = fetch
        if case .arrived(let entries) = pushes[log.id] {
            pushes[log.id] = nil
            actions.append(.commit(entries))
        }
        requestMore(of: log.id, &actions)
    }

    private mutating func committed(_ log: LocalLog, _ actions: inout [SessionAction]) {
        logs[log.id] = log
        enqueue(log.wantedBlobs)
        defer { if fetches[log.id] == nil { awaitWhatLiesBeside(log, &actions) } }
        if let fetch = fetches[log.id], let head = log.head, head.size >= fetch.target.size {
            fetches[log.id] = nil
            // The peer may have heard of the head before this session did, and have offered more in vain: it offers
            // again.
            if missedOffers.remove(log.id) != nil { announce(log, &actions) }
            recovered.formUnion(log.isRecovering ? [log.id] : [])
            requestBlobs(&actions)
        } else if fetches[log.id] != nil {
            requestMore(of: log.id, &actions)
        }
        if fetches[log.id] == nil { refresh(log.id, &actions) }
    }
}
