import Cryptography
import TransparencyLog

// What differs within a log: offers, requests, entries and their commits.
extension Session {
    mutating func receive(_ offer: Offer, _ actions: inout [SessionAction]) throws {
        guard let log = logs[offer.log], !leftOut.contains(offer.log) else {
            actions.append(.send(.unknown([offer.log])))
            return
        }
        // What is held here beyond the head was proved against the pinned checkpoint, so that is what counts.
        let base = log.pinned ?? log.head
        guard offer.fromSize == base?.size ?? 0 else {
            // Another peer has brought more meanwhile: say so, and the peer offers anew.
            repeatedOffers[log.id, default: 0] += 1
            if repeatedOffers[log.id, default: 0] > Session.maximumRepeatedOffers {
                throw ProtocolViolation("offers from size \(offer.fromSize), which this node does not hold")
            }
            announce(log, &actions)
            return
        }
        let head: Head
        do {
            head = try verify(offer, for: log, from: base)
        } catch {
            leaveOut(
                log, .badOffer(origin: log.origin, reason: "\(error)"), tell: "the offer does not verify", &actions)
            return
        }
        peerHeads[log.id] = head
        guard head.size > (log.head?.size ?? 0) else {
            compare(log, &actions)
            return
        }
        if log.isOwn {
            leaveOut(
                log, .ownLogBehind(origin: log.origin, size: head.size), tell: "this log is being recovered", &actions)
            return
        }
        // One checkpoint at a time: when it is complete this side says so, and the peer offers the newer one again.
        if fetches[log.id] != nil { return }
        fetches[log.id] = Fetch(target: head, next: log.held, expected: log.held)
        actions.append(.pin(head, note: offer.checkpoint))
    }

    /// The head of an offer: signed by the log's key, and consistent with what is held or pinned.
    private func verify(_ offer: Offer, for log: LocalLog, from base: Head?) throws -> Head {
        let note = try SignedNote(parsing: offer.checkpoint)
        let checkpoint = try Checkpoint(verifying: note, logKeys: log.verifierKeys)
        guard checkpoint.origin == log.origin else { throw ProtocolViolation("the checkpoint is another log's") }
        if let base {
            try ConsistencyProof(hashes: offer.proof).verify(
                oldSize: base.size, oldRoot: base.root, newSize: checkpoint.size, newRoot: checkpoint.root,
                hasher: MerkleHasher())
        }
        return Head(log: log.id, size: checkpoint.size, root: checkpoint.root)
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
        // What was asked for before a log was left out may still arrive.
        if leftOut.contains(range.log) { return }
        guard var fetch = fetches[range.log], fetch.isPinned, let request = fetch.requests.first,
            range.start == fetch.expected, range.end <= request.end, range.treeSize == request.treeSize
        else { throw ProtocolViolation("entries that were not asked for") }
        fetch.expected = range.end
        if range.end == request.end { fetch.requests.removeFirst() }
        fetch.committing += 1
        fetches[range.log] = fetch
        actions.append(.commit(entries))
        requestMore(of: range.log, &actions)
    }

    /// Keeps a window of entries on their way.
    mutating func requestMore(of id: LogID, _ actions: inout [SessionAction]) {
        guard var fetch = fetches[id], fetch.isPinned else { return }
        while fetch.next < fetch.target.size, fetch.next - fetch.expected < configuration.window {
            let boundary = (fetch.next / configuration.requestSize + 1) * configuration.requestSize
            let end = min(fetch.target.size, boundary)
            let wanted = RangeRequest(log: id, start: fetch.next, end: end, treeSize: fetch.target.size)
            fetch.requests.append(wanted)
            fetch.next = end
            actions.append(.send(.request(wanted)))
        }
        fetches[id] = fetch
    }

    // MARK: Answers to actions

    mutating func answer(_ event: SessionEvent, _ actions: inout [SessionAction]) throws {
        switch event {
        case .start, .received: break
        case .changed(let changed): change(changed, &actions)
        case .pinned(let log):
            logs[log.id] = log
            fetches[log.id]?.isPinned = true
            fetches[log.id]?.next = log.held
            fetches[log.id]?.expected = log.held
            if let target = fetches[log.id]?.target, log.held >= target.size { fetches[log.id] = nil }
            requestMore(of: log.id, &actions)
        case .pinDeferred(let log):
            fetches[log.id] = nil
            deferred.insert(log.id)
            logs[log.id] = log
        case .committed(let log): committed(log, &actions)
        case .rejected(let id, let reason):
            fetches[id] = nil
            throw ProtocolViolation("\(logs[id]?.origin ?? "a log"): \(reason)")
        case .failed(let id, let reason):
            guard let log = logs[id] else { return }
            leaveOut(log, .badOffer(origin: log.origin, reason: reason), tell: "cannot be stored now", &actions)
        case .served: serving = max(0, serving - 1)
        case .cosigned(let id, let line):
            cosigning.remove(id)
            if let line { actions.append(.send(.cosignatures(id, [line]))) }
            if let log = logs[id] { announce(log, &actions) }
        case .blobStored(let key):
            requestedBlobs.remove(key)
            requestBlobs(&actions)
        case .blobRejected(let key, let reason):
            requestedBlobs.remove(key)
            throw ProtocolViolation("the sealed part of entry \(key.index): \(reason)")
        }
    }

    private mutating func committed(_ log: LocalLog, _ actions: inout [SessionAction]) {
        logs[log.id] = log
        enqueue(log.wantedBlobs)
        guard var fetch = fetches[log.id] else { return }
        fetch.committing -= 1
        fetches[log.id] = fetch
        guard let head = log.head, head.size >= fetch.target.size, fetch.committing == 0 else { return }
        fetches[log.id] = nil
        requestBlobs(&actions)
        cosigning.insert(log.id)
        actions.append(.cosign(log.id))
    }
}
