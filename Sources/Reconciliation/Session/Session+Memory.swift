import Cryptography

// What both sides remember until they meet again.
extension Session {
    /// What was said and heard so far, under the digest that both have of it.
    func snapshot(_ digest: SHA256Digest) -> SessionMemory {
        var entries: [LogID: SessionMemory.Entry] = [:]
        for (log, head) in exchange.told.heads {
            entries[log] = SessionMemory.Entry(
                community: exchange.told.communities[log] ?? "", told: head.settled,
                heard: exchange.heard[log]?.settled,
                // Of a log that it has left out this time the peer says the same, and waits for it the next time.
                isUnknownThere: unknownThere.contains(log) && exchange.heard[log] == nil)
        }
        for (log, head) in exchange.heard.heads where entries[log] == nil {
            entries[log] = SessionMemory.Entry(
                community: exchange.heard.communities[log] ?? "", told: nil, heard: head.settled, isUnknownThere: false)
        }
        return SessionMemory(digest: digest, entries: entries)
    }

    /// Hands on what has changed since both agreed last.
    mutating func remember(_ memory: SessionMemory, _ actions: inout [SessionAction]) {
        let before = agreed ?? self.memory
        agreed = memory
        guard before != memory else { return }
        var changed: Set<LogID> = []
        for (log, entry) in memory.entries where before?.entries[log] != entry { changed.insert(log) }
        for log in before?.entries.keys ?? [:].keys where memory.entries[log] == nil { changed.insert(log) }
        actions.append(.remember(memory, since: before?.digest, changed: changed))
    }

    /// In a quiet moment of a live session, the side that opened it proposes what to remember.
    mutating func proposeMemory(_ actions: inout [SessionAction]) {
        guard configuration.isInitiator, proposed == nil, isConverged else { return }
        let digest = exchange.agreement
        guard digest != agreed?.digest, digest != declined else { return }
        proposed = snapshot(digest)
        actions.append(.send(.agree(digest)))
    }

    static let maximumProposals = 64

    mutating func receiveAgreement(_ digest: SHA256Digest, _ actions: inout [SessionAction]) throws {
        // Each answer takes hashing all heads.
        proposals += 1
        guard proposals <= Session.maximumProposals else { throw ProtocolViolation("too many proposals at once") }
        if configuration.isInitiator {
            guard let memory = proposed else { return }
            proposed = nil
            if memory.digest == digest { remember(memory, &actions) } else { declined = memory.digest }
        } else {
            let own = exchange.agreement
            // The peer forgets its proposal where this says something else.
            actions.append(.send(.agree(own)))
            if own == digest { remember(snapshot(own), &actions) }
        }
    }
}
