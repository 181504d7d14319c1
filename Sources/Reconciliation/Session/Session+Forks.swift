public import Cryptography
public import TransparencyLog

// Two signed histories of one log: how a session proves them, and finds where they part.

/// What a session has found against a log, for the evidence that the node keeps.
public struct ForkProof: Sendable, Hashable {
    /// What this node holds: the head or the pinned checkpoint of this size.
    public let base: Head
    /// The checkpoint of the peer's that contradicts it.
    public let note: String
    /// As in `ForkEvidence`.
    public let prefix: [SHA256Digest]
    /// The first entry that differs, with the proofs, once it is known.
    public let difference: ForkEvidence.Difference?
}

/// Questions to a peer about a log whose signed checkpoint does not continue what is held here.
struct Inquiry {
    let base: Head
    let offered: Head
    let note: String
    /// The peer's answer to the first question, once it has come and holds.
    var prefix: [SHA256Digest]?
    var search: ForkSearch?
    /// This side's hashes of the nodes below the one asked about, and the peer's.
    var own: [SHA256Digest]?
    var other: [SHA256Digest]?
}

extension Session {
    /// Contradictions that one peer is asked about at once; each keeps a checkpoint.
    static let maximumInquiries = 64

    /// What is kept here of this size with another root: the two need no further proof.
    func contradiction(of head: Head, in log: LocalLog) -> Head? {
        [log.head, log.pinned].compactMap(\.self).first { $0.size == head.size && $0.root != head.root }
    }

    /// A signed checkpoint does not continue what is held. Only an answer that verifies under it convicts the log;
    /// anything else convicts the peer.
    mutating func inquire(
        _ log: LocalLog, base: Head, offered: Head, note: String, _ actions: inout [SessionAction]
    ) throws {
        guard inquiries[log.id] == nil else { return }
        guard base.size != offered.size || base.root != offered.root else {
            throw ProtocolViolation("a proof for a checkpoint that is held already")
        }
        guard inquiries.count < Session.maximumInquiries else {
            leaveOut(
                log, .badOffer(origin: log.origin, reason: "it contradicts what is held, as too many logs do at once"),
                tell: "too many contradictions at once", &actions)
            return
        }
        inquiries[log.id] = Inquiry(base: base, offered: offered, note: note)
        if base.size == offered.size { convict(log.id, &actions) }
        roundTrips += 1
        let smaller = min(base.size, offered.size)
        actions.append(
            .send(.prefixRequest(PrefixRequest(log: log.id, size: smaller, treeSize: offered.size))))
    }

    /// The two checkpoints contradict each other: the log is frozen before anything else is asked.
    private mutating func convict(_ id: LogID, _ actions: inout [SessionAction]) {
        guard let inquiry = inquiries[id] else { return }
        actions.append(
            .freeze(
                id,
                ForkProof(
                    base: inquiry.base, note: inquiry.note,
                    prefix: inquiry.base.size == inquiry.offered.size ? [] : inquiry.prefix ?? [], difference: nil)))
        if let log = logs[id] {
            leaveOut(log, .conflict(origin: log.origin, size: inquiry.base.size), tell: nil, &actions)
        }
    }

    mutating func receive(_ request: PrefixRequest, _ hashes: [SHA256Digest], _ actions: inout [SessionAction]) throws {
        if lateAnswers.remove(request.log) != nil { return }
        guard var inquiry = inquiries[request.log], inquiry.prefix == nil, request.size == inquiry.base.size,
            request.treeSize == inquiry.offered.size
        else { throw ProtocolViolation("the beginning of a log that was not asked for") }
        let root: SHA256Digest
        do {
            root = try ForkEvidence.prefixRoot(
                hashes, size: request.size, treeSize: request.treeSize, treeRoot: inquiry.offered.root,
                hasher: MerkleHasher())
        } catch {
            inquiries[request.log] = nil
            throw ProtocolViolation("the beginning of a log that is not under its checkpoint: \(error)")
        }
        guard root != inquiry.base.root else {
            inquiries[request.log] = nil
            throw ProtocolViolation("a proof that fails for a log that only grew")
        }
        inquiry.prefix = hashes
        inquiries[request.log] = inquiry
        if inquiry.base.size != inquiry.offered.size { convict(request.log, &actions) }
        actions.append(.readNodes(request.log, CompactRange.coordinates(begin: 0, end: request.size)))
    }

    mutating func receive(_ request: SubtreeRequest, _ hashes: [SHA256Digest], _ actions: inout [SessionAction]) throws
    {
        if lateAnswers.remove(request.log) != nil { return }
        let node = NodeCoordinate(level: request.level, index: request.index)
        guard inquiries[request.log]?.search?.question == node, inquiries[request.log]?.other == nil else {
            throw ProtocolViolation("nodes of a log that were not asked for")
        }
        inquiries[request.log]?.other = hashes
        try goOn(request.log, &actions)
    }

    /// This side's own nodes, or none where they cannot be read.
    mutating func read(_ hashes: [SHA256Digest], of id: LogID, _ actions: inout [SessionAction]) throws {
        guard var inquiry = inquiries[id] else { return }
        guard !hashes.isEmpty, let prefix = inquiry.prefix else { return finishInquiry(id, &actions) }
        if inquiry.search == nil {
            inquiry.search = try? ForkSearch(
                size: inquiry.base.size, own: hashes, treeSize: inquiry.offered.size, prefix: prefix)
            guard inquiry.search != nil else { return finishInquiry(id, &actions) }
            inquiries[id] = inquiry
            try ask(id, &actions)
        } else {
            inquiries[id]?.own = hashes
            try goOn(id, &actions)
        }
    }

    private mutating func goOn(_ id: LogID, _ actions: inout [SessionAction]) throws {
        guard var inquiry = inquiries[id], let own = inquiry.own, let other = inquiry.other else { return }
        inquiry.own = nil
        inquiry.other = nil
        do {
            try inquiry.search?.answer(own: own, other: other)
        } catch ForkError.noContradiction {
            // The peer's nodes add up and are those that are here: it is this side's that do not.
            return finishInquiry(id, &actions)
        } catch {
            inquiries[id] = nil
            throw ProtocolViolation("nodes of a log that do not add up: \(error)")
        }
        inquiries[id] = inquiry
        try ask(id, &actions)
    }

    /// Asks about the next node, or writes down what was found.
    private mutating func ask(_ id: LogID, _ actions: inout [SessionAction]) throws {
        guard let inquiry = inquiries[id], let search = inquiry.search else { return }
        if let node = search.question {
            roundTrips += 1
            actions.append(.readNodes(id, ForkSearch.nodes(below: node)))
            actions.append(.send(.nodesRequest(SubtreeRequest(log: id, level: node.level, index: node.index))))
            return
        }
        defer { finishInquiry(id, &actions) }
        guard let found = search.result, let proof = try? search.otherProof() else { return }
        actions.append(
            .freeze(
                id,
                ForkProof(
                    base: inquiry.base, note: inquiry.note,
                    prefix: inquiry.base.size == inquiry.offered.size ? [] : inquiry.prefix ?? [],
                    difference: ForkEvidence.Difference(
                        index: found.index, leaves: [found.own, found.other],
                        // This side's own proof is added by whoever has the tree.
                        proofs: [RangeProof(hashes: []), proof]))))
    }

    /// The peer hears of it with everything that was found.
    private mutating func finishInquiry(_ id: LogID, _ actions: inout [SessionAction]) {
        inquiries[id] = nil
        tellFork(id, &actions)
    }

    /// The peer does not answer what it was asked. What is proved stays proved; without an answer nothing is.
    mutating func abandonInquiry(_ log: LocalLog, _ actions: inout [SessionAction]) {
        guard let inquiry = inquiries[log.id] else { return }
        // The refusal may be about something else, and the answer still come.
        if inquiry.prefix == nil || inquiry.search?.question != nil && inquiry.other == nil {
            lateAnswers.insert(log.id)
        }
        inquiries[log.id] = nil
        guard inquiry.prefix == nil, inquiry.base.size != inquiry.offered.size else {
            return tellFork(log.id, &actions)
        }
        leaveOut(
            log, .badOffer(origin: log.origin, reason: "its proof fails, and the partner does not say why"), tell: nil,
            &actions)
    }

    // MARK: What others have found

    /// A log that this side knows to be forked: the peer gets the evidence, once.
    mutating func tellFork(_ id: LogID, _ actions: inout [SessionAction]) {
        guard toldForks.insert(id).inserted else { return }
        actions.append(.sendEvidence(id))
    }

    mutating func frozen(_ id: LogID, _ actions: inout [SessionAction]) {
        // Of logs that the peer may not see it hears nothing, whatever it asks.
        guard let log = logs[id] else { return }
        frozenHere.insert(id)
        guard hasMet else { return }
        leaveOut(log, .conflict(origin: log.origin, size: log.head?.size ?? 0), tell: nil, &actions)
        // A peer that holds nothing of it may wait for what it was told of.
        let isSpokenOf = exchange.heard[id] != nil || exchange.told[id] != nil
        if isSpokenOf, inquiries[id] == nil { tellFork(id, &actions) }
    }

    mutating func receiveEvidence(_ id: LogID, _ evidence: [UInt8], _ actions: inout [SessionAction]) {
        guard logs[id] != nil, heardForks.insert(id).inserted else { return }
        toldForks.insert(id)
        judgingEvidence.insert(id)
        actions.append(.judgeEvidence(id, evidence))
    }

    mutating func judged(
        _ judgement: EvidenceJudgement, ofEvidenceAgainst id: LogID, _ actions: inout [SessionAction]
    ) throws {
        judgingEvidence.remove(id)
        guard let log = logs[id] else { return }
        switch judgement {
        case .holds: leaveOut(log, .conflict(origin: log.origin, size: log.head?.size ?? 0), tell: nil, &actions)
        case .provesNothing: throw ProtocolViolation("\(log.origin): evidence of a fork that proves none")
        case .otherKey:
            leaveOut(
                log, .badOffer(origin: log.origin, reason: "the partner knows it under another key"), tell: nil,
                &actions)
        case .failed(let reason):
            leaveOut(log, .failedHere(origin: log.origin, reason: reason), tell: nil, &actions)
        }
    }
}
