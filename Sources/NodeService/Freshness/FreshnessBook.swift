import Cryptography
import Home
public import LogStore
import TransparencyLog

/// How fresh each log is: from what its owner has dated, and since when its owner was heard.
public struct FreshnessBook {
    private let node: Node
    private let now: UInt64
    private let contacts: [SHA256Digest: LogContact]
    private let keys: [String: MirrorKeys]

    /// - Parameter now: Unix seconds.
    public init(node: Node, now: UInt64 = Clock.now()) throws {
        self.node = node
        self.now = now
        contacts = try node.store.logContacts()
        keys = node.mirrorKeys
    }

    public func freshness(of log: StoredLog) throws -> Freshness {
        try freshness(of: log, cosignatures: node.store.newestCosignatures(of: log.id))
    }

    /// - Parameter cosignatures: The newest of each cosigner.
    public func freshness(of log: StoredLog, cosignatures: [StoredCosignature]) throws -> Freshness {
        var facts = Freshness.Facts(limit: limit(of: log), now: now)
        facts.isOwn = log.isOwn
        facts.isFrozen = log.frozen != nil
        facts.isRecovering = log.recovering != nil
        facts.isFollowed = node.follows(log)
        facts.isReceiving = log.pending != nil
        facts.dated = try dated(log, cosignatures)
        if let size = log.head?.size {
            facts.complete = cosignatures.filter { $0.size == size && $0.cosigner != log.node }.map(\.time).min()
        }
        facts.contact = contacts[log.id]
        return Freshness(facts)
    }

    /// What to tell the operator; `nil` where there is nothing to do.
    public func alarm(of log: StoredLog, _ freshness: Freshness) -> String? {
        guard freshness.isAlarm else { return nil }
        let limit = "stale_after is \(Duration.words(limit(of: log)))"
        let dated = freshness.dated.map { "dated by its owner \(ago($0))" } ?? "never dated by its owner"
        switch freshness.state {
        case .silent:
            let heard = freshness.since.map { "since \(Clock.moment($0)), \(ago($0))" } ?? "since its card is here"
            return
                "\(log.origin) is silent, \(limit): nothing was heard of \(log.node) by any path \(heard), so what it "
                + "has written since cannot be known here; see its LAST ERROR in `entente status`, and ask its operator"
        case .stalled:
            let since = freshness.since.map { " since \(Clock.moment($0))" } ?? ""
            return "\(log.origin) is stalled, \(dated), \(limit), though \(log.node) or somebody who hears of it was "
                + "heard\(since): what is new is withheld from this node, or \(log.node) cannot sign or admits this node "
                + "no more; ask it by another way for its size and root, and compare both clocks"
        case .undated:
            return "\(log.origin) was \(freshness.dated.map { "dated by this node \(ago($0))" } ?? "never dated"), "
                + "\(limit): partners take this node for gone; is `entente run` at work, and the clock right?"
        case .fresh, .quiet, .catchingUp, .frozen, .recovering, .ended: return nil
        }
    }

    private func ago(_ time: UInt64) -> String { "\(Duration.words(now > time ? now - time : 0)) ago" }

    private func limit(of log: StoredLog) -> UInt64 { node.staleAfter(log) }

    /// When the owner has dated its log last, by a signature of its that verifies.
    private func dated(_ log: StoredLog, _ cosignatures: [StoredCosignature]) throws -> UInt64? {
        guard let last = cosignatures.first(where: { $0.cosigner == log.node }),
            let cosignature = try? Cosignature(parsing: last.line), cosignature.time == last.time,
            let key = keys[log.node]?.key(for: cosignature),
            let head = try log.head?.size == last.size ? log.head : node.store.checkpoint(of: log.id, size: last.size),
            let checkpoint = try? Checkpoint(origin: log.origin, size: head.size, root: head.root),
            (try? cosignature.verify(checkpoint, by: key)) != nil
        else { return nil }
        return last.time
    }
}

extension Node {
    /// Whether a log's owner is expected to date it: the own log in use, or one that a partner's card names in a
    /// community that admits the partner.
    func follows(_ log: StoredLog) -> Bool {
        guard configuration.community(log.community) != nil else { return false }
        if log.isOwn { return origin(of: log.community) == log.origin }
        guard configuration.communities(admitting: log.node).contains(log.community) else { return false }
        return cards.contains { $0.node == log.node && $0.logs.contains { $0.origin == log.origin } }
    }

    func staleAfter(_ log: StoredLog) -> UInt64 {
        configuration.community(log.community)?.staleAfter ?? CommunityConfiguration.defaultStaleAfter
    }

    /// What is written down of an owner that is heard all the time is at most this much behind, seconds.
    static let contactStep: UInt64 = 600

    /// Writes down whose logs' owners have been heard of: by themselves, or by what they have signed of others' logs.
    public func noteLogContacts(now: UInt64 = Clock.now()) throws {
        let before = try store.logContacts()
        let peers = try store.contacts()
        let signed = try store.lastCosigned()
        var news: [SHA256Digest: LogContact] = [:]
        for log in try store.logs() where follows(log) {
            var contact = before[log.id] ?? LogContact(known: now)
            if !log.isOwn {
                // A session that failed has brought nothing of the log.
                let direct = peers[log.node].flatMap { $0.currentError == nil ? $0.lastHeard : nil }
                let relayed = signed[log.community]?[log.node]
                let dated = try store.newestCosignatures(of: log.id).first { $0.cosigner == log.node }?.time
                // The pauses are measured from one hearing to the next, so the oldest comes first.
                for time in [direct, relayed, dated].compactMap(\.self).sorted() {
                    contact.hear(at: min(time, now), gap: staleAfter(log))
                }
                if log.pending != nil { contact.receive(log.size, at: now) }
            }
            if contact.isNews(after: before[log.id]) { news[log.id] = contact }
        }
        try store.note(news)
    }
}

extension LogContact {
    /// Whether it is worth a write: a hearing that goes on is one now and then.
    fileprivate func isNews(after last: LogContact?) -> Bool {
        guard let last, last.since == since, last.size == size else { return true }
        return (until ?? 0) >= (last.until ?? 0) + Node.contactStep
    }
}
