import Cryptography
import TransparencyLog

// Keys of logs that were replaced: how whoever was away meanwhile is led from the key it knows to the one that signs now.

extension Session {
    /// What the peer has said to know of a log's keys.
    struct KnownKeys {
        let ids: Set<UInt32>
        /// The entries that it held then.
        let size: UInt64
    }

    /// What this side has said to know of a log's keys.
    struct AskedKeys {
        /// The size of the head here, which the peer has been told: with another one more keys may be known, and it is
        /// to hear which. What is pinned does not count, since which keys follow is known once it is here.
        let size: UInt64
        /// What the peer repeats once it has answered.
        let echo: UInt64
        /// Offers that no known key has signed, while this side held the same: some may have been on their way.
        var count = 1
        var isAwaited = true
        /// Whether the peer has repeated it: what it sends from then on, it sends knowing what was said.
        var isEchoed = false
    }

    /// The stepping stones of a log that the peer was asked for.
    struct AskedStones {
        /// How many changes of key were known then.
        let changes: Int
        var isAwaited = true
        /// How many the last answer brought.
        var count = 0
    }

    static let maximumForeignOffers = 16

    /// An offer that none of the known keys has signed. It may be that the key was replaced: the peer is told which are
    /// known, once, and offers a checkpoint that one of them has signed. Answers whether that is awaited now.
    mutating func askForKnownKey(
        _ offer: Offer, of log: LocalLog, _ actions: inout [SessionAction]
    ) throws -> Bool {
        guard let keys = log.keys, let note = try? SignedNote(parsing: offer.checkpoint),
            let claim = try? Checkpoint(parsing: note.text), claim.origin == log.origin
        else { return false }
        let foreign = keys.foreignKeyIDs(of: note)
        if !foreign.isEmpty { actions.append(.noteForeignKeys(log.id, foreign, size: claim.size)) }
        // A key that is known, and signs what it may not, is no reason to ask.
        guard !foreign.isEmpty,
            !note.signatures.contains(where: { line in keys.keys.contains { $0.isNamed(by: line) } })
        else {
            if foreign.isEmpty { noteRetired(note, keys, claim.size, log, &actions) }
            return false
        }
        let size = log.head?.size ?? 0
        if var asked = askedKeys[log.id], asked.size == size {
            asked.count += 1
            askedKeys[log.id] = asked
            // While the stepping stone is brought in, newer offers may be on their way still.
            return asked.count <= Session.maximumForeignOffers && (!asked.isEchoed || fetches[log.id] != nil)
        }
        let echo = nextEcho
        nextEcho += 1
        echoes.insert(echo)
        askedKeys[log.id] = AskedKeys(size: size, echo: echo)
        // Another session may have brought it only now.
        if exchange.told[log.id]?.size ?? 0 != size { announce(log, &actions) }
        exchange.hear(
            offered: Head(log: log.id, size: claim.size, root: claim.root), community: log.community)
        unequal.insert(log.id)
        roundTrips += 1
        actions.append(.send(.knownKeys(log.id, keys.keys.suffix(FrameLimits.maximumKeys).map(\.keyID))))
        actions.append(.send(.ping(nonce: echo, isReply: false)))
        return true
    }

    /// The peer has dealt with all that it was sent before: what it was to offer has come, or does not.
    mutating func hearEcho(_ nonce: UInt64, _ actions: inout [SessionAction]) {
        echoes.remove(nonce)
        for (id, asked) in askedKeys where asked.echo == nonce {
            askedKeys[id]?.isEchoed = true
            askedKeys[id]?.isAwaited = false
            guard asked.isAwaited, let log = logs[id] else { continue }
            let error = NoteError.notSignedByLog(origin: log.origin)
            leaveOut(
                log, .badOffer(origin: log.origin, reason: "\(error)"), tell: "the offer does not verify", &actions)
        }
    }

    private func noteRetired(
        _ note: SignedNote, _ keys: LogKeyChain, _ size: UInt64, _ log: LocalLog, _ actions: inout [SessionAction]
    ) {
        let retired = (try? note.verifiedKeys(among: keys.keys)) ?? []
        guard !retired.isEmpty, !retired.contains(where: keys.keys(at: size).contains) else { return }
        actions.append(.noteForeignKeys(log.id, retired.map(\.keyID), size: size))
    }

    /// The peer cannot judge what it was offered.
    mutating func receive(_ ids: [UInt32], knownOf id: LogID, _ actions: inout [SessionAction]) throws {
        guard let log = logs[id], !leftOut.contains(id) else { return actions.append(.send(.unknown([id]))) }
        let theirs = exchange.heard[id]?.size ?? 0
        if let known = knownThere[id], known.size == theirs {
            throw ProtocolViolation("which keys of \(log.origin) are known is said twice")
        }
        knownThere[id] = KnownKeys(ids: Set(ids), size: theirs)
        offered[id] = nil
        openOffers.remove(id)
        unled.remove(id)
        refresh(id, &actions)
        guard offered[id] == nil, !unled.contains(id), !leftOut.contains(id) else { return }
        // Nothing is offered now for another reason, and perhaps later: the peer is not to take that for a forgery.
        actions.append(.send(.logRefusal(id, reason: "it is not offered now")))
    }

    /// What the peer has said to know of a log's keys, if it holds the same of it still.
    func keysKnownThere(of id: LogID) -> Set<UInt32>? {
        guard let known = knownThere[id], known.size == exchange.heard[id]?.size ?? 0 else { return nil }
        return known.ids
    }

    /// The checkpoint to offer: the head, unless the peer has said that it knows other keys than those that have signed
    /// it. `nil` where none is kept here that it could judge.
    func checkpointToOffer(of log: LocalLog, head: Head) -> Head? {
        guard log.keys != nil, let known = keysKnownThere(of: log.id) else { return head }
        func isKnown(_ head: Head) -> Bool { !known.isDisjoint(with: log.signers(at: head.size)) }
        if isKnown(head) { return head }
        let size = max(peerPinned[log.id] ?? 0, (exchange.heard[log.id]?.size ?? 0) + 1)
        return log.stones.last { $0.head.size >= size && isKnown($0.head) }?.head
    }

    /// What a node says of a log that it cannot lead the peer on in.
    package static let cannotLead = "no checkpoint here is signed by a key of this log that you know"

    /// Nothing that is kept here leads the peer on: somebody else has to, or brings the stepping stone.
    mutating func refuseForeignKey(_ log: LocalLog, _ actions: inout [SessionAction]) {
        waitForStone(log, .noSteppingStone(origin: log.origin), &actions)
        actions.append(.send(.logRefusal(log.id, reason: Session.cannotLead)))
    }

    /// The peer has no checkpoint that this side could judge, or cannot offer it now. Answers whether that is what was
    /// awaited.
    mutating func hearRefusal(ofKnownKey log: LocalLog, _ reason: String, _ actions: inout [SessionAction]) -> Bool {
        guard askedKeys[log.id]?.isEchoed == false || unled.contains(log.id) else { return false }
        askedKeys[log.id]?.isAwaited = false
        waitForStone(log, .refusedByPeer(origin: log.origin, reason: reason), &actions)
        // More of the log may have come from elsewhere since the question.
        refresh(log.id, &actions)
        return true
    }

    /// A log is left out until one side has got what leads on in it.
    private mutating func waitForStone(
        _ log: LocalLog, _ finding: SessionFinding, _ actions: inout [SessionAction]
    ) {
        unled.insert(log.id)
        unequal.remove(log.id)
        if toldUnled.insert(log.id).inserted { actions.append(.report(finding)) }
    }

    /// Takes a log up again that one side could not be led on in, once a stepping stone has come, or more of the log.
    /// Each time that takes a change on this side, or another head of the peer's: no message alone brings it about.
    mutating func reconsiderUnled(_ log: LocalLog) {
        guard unled.contains(log.id) else { return }
        let own = log.head?.size ?? 0
        let theirs = exchange.heard[log.id]?.size ?? 0
        let isStuck =
            own > theirs
            ? log.head.flatMap { checkpointToOffer(of: log, head: $0) } == nil : askedKeys[log.id]?.size == own
        if !isStuck { unled.remove(log.id) }
    }

    // MARK: Stepping stones

    /// Asks a peer that holds as much for the stepping stones that are not here, or not with the signature of the new
    /// key, which nobody could judge before the record came that names it.
    mutating func requestStones(of log: LocalLog, _ actions: inout [SessionAction]) {
        guard log.lacksStones, !isLeftOut(log.id), let head = log.head, exchange.heard[log.id]?.size ?? 0 >= head.size,
            let changes = log.keys?.changes.count, changes > askedStones[log.id]?.changes ?? 0
        else { return }
        askedStones[log.id] = AskedStones(changes: changes)
        actions.append(.send(.stonesRequest(log.id)))
    }

    mutating func receive(_ notes: [String], stonesOf id: LogID, _ actions: inout [SessionAction]) throws {
        guard let asked = askedStones[id] else {
            throw ProtocolViolation("stepping stones that were not asked for")
        }
        // An answer that comes unasked behind the first brings more than the one before, so that there are few.
        guard asked.isAwaited || notes.count > asked.count else { return }
        askedStones[id]?.isAwaited = false
        askedStones[id]?.count = notes.count
        guard let log = logs[id], log.lacksStones, !leftOut.contains(id), !notes.isEmpty else { return }
        actions.append(.storeStones(id, notes))
    }

    mutating func receiveStonesRequest(_ id: LogID, _ actions: inout [SessionAction]) throws {
        try beginServing()
        // Another peer may bring the rest later.
        if let log = logs[id], log.lacksStones { lackingStones[id] = log.completeStones }
        actions.append(.serveStones(id))
    }

    /// Sends whoever asked before all stepping stones were here those that have come since: it asks no second time.
    mutating func sendNewStones(of log: LocalLog, _ actions: inout [SessionAction]) {
        guard let count = lackingStones[log.id], log.completeStones > count, serving < Session.maximumServing else {
            return
        }
        lackingStones[log.id] = log.lacksStones ? log.completeStones : nil
        serving += 1
        actions.append(.serveStones(log.id))
    }
}
