import Cryptography
import Reconciliation
import TransparencyLog

/// Watches everything that happens, knows what is true, and notes the first promise that is broken.
final class Invariants {
    private(set) var failure: String?
    /// What owners have appended; more than one history where a log was forked.
    private(set) var histories: [LogID: [SimulatedLog]] = [:]
    /// What nodes have ever shown each other: of that they may say that it is gone.
    private var shown: [Pair: Set<LogID>] = [:]
    private var sizes: [Place: UInt64] = [:]
    private var cosigned: [Cosigned: SHA256Digest] = [:]
    private var restored: Set<Int> = []
    private var watched: [UInt64: Watched] = [:]
    /// The heads whose signatures were looked at, with as many changes of the log's key known.
    private var verified: [Place: VerifiedHead] = [:]
    /// How often in a thousand a read fails.
    var diskFaults: UInt64 = 0
    /// Whether the last words of a connection may be lost.
    var losesCloses = true
    var trace: ((String) -> Void)?

    private struct Place: Hashable {
        let node: Int
        let log: LogID
    }

    private struct Pair: Hashable {
        let node: Int
        let peer: Int
    }

    private struct VerifiedHead: Equatable {
        let head: SimulatedHead
        let changes: Int
    }

    private struct Cosigned: Hashable {
        let place: Place
        let size: UInt64
    }

    /// What was seen of one side of a connection.
    private final class Watched {
        /// How many logs the session has shown.
        var shown = 0
        var mentionedByPeer: Set<LogID> = []
        var named: [LogID: Head] = [:]
        var outside: Set<String> = []
        var requests: [RangeRequest] = []
        /// Requests of logs that the peer has called unknown since: they may still be answered.
        var late: [RangeRequest] = []
        var blobRequests = 0
        var refusedBlobs = 0

        /// Whether the last entries that came were due.
        var isDue = false
        /// Logs of which entries were announced unasked.
        var pushed: Set<LogID> = []

        /// Entries from the beginning of a request answer it up to where they reach.
        func answer(_ range: RangeRequest, isRefusal: Bool = false) {
            let isAnswered: (RangeRequest) -> Bool = {
                $0.log == range.log && $0.start == range.start && $0.end >= range.end
                    && $0.treeSize == range.treeSize
            }
            let position = requests.firstIndex(where: isAnswered)
            isDue = position != nil || late.contains(where: isAnswered)
            guard let position else { return }
            let request = requests[position]
            if isRefusal || range.end == request.end {
                requests.remove(at: position)
            } else {
                requests[position] = RangeRequest(
                    log: range.log, start: range.end, end: request.end, treeSize: range.treeSize)
            }
        }
    }

    func fail(_ text: String) {
        trace?("FAILED \(text)")
        if failure == nil { failure = text }
    }

    func isForked(_ log: LogID) -> Bool { histories[log]?.count ?? 0 > 1 }
    private func hasRotated(_ log: LogID) -> Bool {
        histories[log]?.contains { history in
            history.bodies.contains { if case .rotated = SimulatedBody($0) { true } else { false } }
        } ?? false
    }
    func wasRestored(_ node: Int) -> Bool { restored.contains(node) }

    // MARK: Logs

    /// Begins a log with what is in it before the simulation.
    func begin(_ log: SimulatedReplica) {
        histories[log.id] = [log.tree]
    }

    func appended(_ id: LogID, by node: SimulatedNode) {
        guard let log = node.store.logs[id] else { return }
        var all = histories[id] ?? []
        if let position = all.firstIndex(where: { (try? $0.isBeginning(of: log.tree)) == true }) {
            all[position] = log.tree
        } else {
            all.append(log.tree)
        }
        histories[id] = all
        if all.count > 1, !node.hasLostMarks { fail("\(log.origin): forked although the marks were kept") }
    }

    /// A replica is at any moment the beginning of what its owner wrote, never shrinks, and its head is what it says.
    func changed(_ id: LogID, in node: SimulatedNode) {
        guard let log = node.store.logs[id] else { return }
        trace?(
            "\(node.name) has \(log.tree.size) of \(log.origin), head \(log.head?.size ?? 0), pending \(log.pending?.size ?? 0)"
        )
        do {
            guard try histories[id]?.contains(where: { try log.tree.isBeginning(of: $0) }) ?? false else {
                return fail("\(node.name): \(log.origin) is not what its owner wrote")
            }
            if let head = log.head {
                guard head.size <= log.tree.size, try log.tree.root(at: head.size) == head.root else {
                    return fail("\(node.name): \(log.origin) has a head that its entries do not have")
                }
                try checkSigned(VerifiedHead(head: head, changes: log.changes.count), log, node)
            }
        } catch {
            return fail("\(node.name): \(log.origin): \(error)")
        }
        let place = Place(node: node.index, log: id)
        if log.tree.size < sizes[place] ?? 0 { fail("\(node.name): \(log.origin) has shrunk") }
        sizes[place] = log.tree.size
    }

    private func checkSigned(_ head: VerifiedHead, _ log: SimulatedReplica, _ node: SimulatedNode) throws {
        let place = Place(node: node.index, log: log.id)
        guard verified[place] != head else { return }
        let signed = try log.keys.verify(SignedNote(parsing: head.head.note))
        guard signed.size == head.head.size, signed.root == head.head.root else {
            return fail("\(node.name): \(log.origin) has a head that nobody signed")
        }
        verified[place] = head
    }

    func cosigned(_ head: SimulatedHead, of log: LogID, by node: SimulatedNode) {
        let key = Cosigned(place: Place(node: node.index, log: log), size: head.size)
        if let other = cosigned.updateValue(head.root, forKey: key), other != head.root, !node.hasLostMarks {
            fail("\(node.name) cosigned two roots at size \(head.size)")
        }
        guard let replica = node.store.logs[log], replica.tree.size >= head.size else {
            return fail("\(node.name) cosigned what it does not hold")
        }
    }

    /// Only a log whose owner signed two histories is ever frozen.
    func frozen(_ log: LogID, by node: SimulatedNode) {
        trace?("\(node.name) freezes \(log.hex.prefix(4))")
        if !isForked(log) { fail("\(node.name) freezes a log that did not fork") }
    }

    func restored(_ node: SimulatedNode) {
        trace?("\(node.name) restored")
        restored.insert(node.index)
        sizes = sizes.filter { $0.key.node != node.index }
    }

    // MARK: Sessions

    private func isHonest(_ session: SimulatedSession) -> Bool { !session.node.isLying && !session.peer.isLying }

    func sent(_ message: Message, by session: SimulatedSession) {
        trace?("\(session.node.name) -> \(session.peer.name) #\(session.id): \(message.summary)")
        let pair = Pair(node: session.node.index, peer: session.peer.index)
        let seen = watching(session)
        // It only grows.
        if seen.shown != session.shown.count {
            shown[pair, default: []].formUnion(session.shown)
            seen.shown = session.shown.count
        }
        // It may tell the truth later, also about this.
        guard !session.node.isLying else { return }
        for log in message.mentionedLogs
        where !session.shown.contains(log) && !seen.mentionedByPeer.contains(log) && shown[pair]?.contains(log) != true
        {
            fail(
                "\(session.node.name) mentions a log to \(session.peer.name) that it does not show: \(message.summary)")
        }
        let theirs = session.connection.ends.first { $0 !== session }?.communities ?? []
        for log in message.mentionedLogs where !seen.mentionedByPeer.contains(log) {
            // A log that an old copy of the disk does not have can only be said to be gone.
            guard let community = session.node.store.logs[log]?.community else { continue }
            guard session.communities.contains(community), theirs.contains(community)
            else {
                return fail("\(session.node.name) mentions a log of no common community: \(message.summary)")
            }
        }
        switch message {
        case .request(let request):
            seen.requests.append(request)
            if seen.requests.count > session.node.settings.requestsOfAll {
                fail("\(session.node.name) has too many requests under way")
            }
        case .blobRequest:
            seen.blobRequests += 1
            if seen.blobRequests > session.node.settings.blobWindow {
                fail("\(session.node.name) has asked for too many blobs at once")
            }
        case .entries(let entries):
            guard let log = session.node.store.logs[entries.range.log],
                session.node.mayRead(log, session.peer.index)
            else {
                return fail("\(session.node.name) sends entries to \(session.peer.name) that it may not see")
            }
        default: break
        }
    }

    /// Most things that a session remembers, beside its logs, whatever the peer sends.
    static let maximumFootprint = 2_000

    func handled(_ event: SessionEvent, by session: SimulatedSession) {
        guard case .received(let message) = event else { return }
        let footprint = session.session?.footprint ?? 0
        if footprint > Invariants.maximumFootprint {
            fail("\(session.node.name) remembers \(footprint) things of a session with \(session.peer.name)")
        }
        let seen = watching(session)
        seen.mentionedByPeer.formUnion(message.mentionedLogs)
        switch message {
        case .heads(_, let heads, _, _): for head in heads { seen.named[head.log] = head }
        case .ranges(let nodes, _):
            for node in nodes {
                if case .heads(let heads, _) = node.content { for head in heads { seen.named[head.log] = head } }
            }
        case .entries(let entries): seen.answer(entries.range)
        case .requestRefusal(let range): seen.answer(range, isRefusal: true)
        case .offer(let offer) where offer.isPushed: seen.pushed.insert(offer.log)
        case .unknown(let ids):
            seen.late += seen.requests.filter { ids.contains($0.log) }
            seen.requests.removeAll { ids.contains($0.log) }
        case .blob: seen.blobRequests -= 1
        case .blobRefusal:
            seen.blobRequests -= 1
            seen.refusedBlobs += 1
        default: break
        }
    }

    private func watching(_ session: SimulatedSession) -> Watched {
        if let seen = watched[session.id] { return seen }
        let seen = Watched()
        watched[session.id] = seen
        return seen
    }

    /// Only what was asked for, or announced, is looked at any further.
    func committing(_ entries: EntryRange, by session: SimulatedSession) {
        let seen = watched[session.id]
        // What a liar has asked for is not what it meant to.
        if !session.node.isLying, seen?.isDue != true, seen?.pushed.contains(entries.range.log) != true {
            fail("\(session.node.name) takes entries from \(session.peer.name) that it did not ask for")
        }
    }

    /// Blobs that neither side could get from the other.
    func refusedBlobs(on connection: SimulatedConnection) -> Int {
        connection.ends.reduce(0) { $0 + (watched[$1.id]?.refusedBlobs ?? 0) }
    }

    func found(_ finding: SessionFinding, by session: SimulatedSession) {
        trace?("\(session.node.name) #\(session.id) found \(finding)")
        watching(session).outside.insert(finding.origin)
        let log = SHA256.hash(finding.origin)
        switch finding {
        case .conflict, .badOffer:
            if isHonest(session), !isForked(log) {
                fail("\(session.node.name) finds fault with \(session.peer.name): \(finding)")
            }
        case .ownLogBehind:
            if !restored.contains(session.node.index) { fail("\(session.node.name) is told of a larger own log") }
        // A stepping stone may be late.
        case .refusedByPeer(_, Session.cannotLead) where hasRotated(log): break
        // It may have hidden the log while entries of it were asked for.
        case .refusedByPeer
        where session.peer.store.logs[log].map({ session.peer.shows($0, to: session.node.index) }) != true:
            break
        case .refusedByPeer:
            if isHonest(session), !isForked(log), diskFaults == 0, !restored.contains(session.peer.index) {
                fail("\(session.node.name) is refused by \(session.peer.name): \(finding)")
            }
        case .failedHere:
            if diskFaults == 0, !isForked(log) { fail("\(session.node.name) fails by itself: \(finding)") }
        case .noSteppingStone:
            if !hasRotated(log) { fail("\(session.node.name) speaks of a key that was replaced") }
        case .beyondOwner: fail("\(session.node.name) speaks of a log that nobody has given up")
        case .unknownToPeer, .cannotResumeHere, .refusedCosignature: break
        }
    }

    func ended(_ session: SimulatedSession, _ end: SessionEnd?) {
        trace?("\(session.node.name) #\(session.id) ended: \(end.map { "\($0)" } ?? "lost")")
        guard isHonest(session) else { return }
        switch end {
        case .violation(let reason): fail("\(session.node.name) convicts \(session.peer.name): \(reason)")
        case .done: checkDone(session)
        case .closedByPeer, nil: break
        }
    }

    /// Done is only said of heads that both sides hold.
    private func checkDone(_ session: SimulatedSession) {
        guard let other = session.connection.ends.first(where: { $0 !== session }) else { return }
        let outside = (watched[session.id]?.outside ?? []).union(watched[other.id]?.outside ?? [])
        for (origin, head) in session.session?.sharedHeads ?? [] where !outside.contains(origin) {
            guard let log = other.node.store.logs[head.log], other.node.shows(log, to: session.node.index) else {
                continue
            }
            let own = session.node.store.logs[head.log]
            if let pending = own?.pending, pending.size > log.head?.size ?? 0 { continue }
            if let pending = log.pending, pending.size > head.size { continue }
            guard log.tree.size >= head.size, (try? log.tree.root(at: head.size)) == head.root else {
                return fail("done, but \(other.node.name) does not hold \(head.size) of \(origin)")
            }
        }
        for (log, head) in watched[session.id]?.named ?? [:] {
            guard let own = session.node.store.logs[log], session.node.shows(own, to: session.peer.index),
                !outside.contains(own.origin), own.pending == nil
            else { continue }
            if own.head?.size ?? 0 < head.size {
                return fail("done, but \(session.node.name) does not hold \(head.size) of \(own.origin)")
            }
        }
    }
}
