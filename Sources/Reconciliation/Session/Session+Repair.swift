import Cryptography
import TransparencyLog

// Entries that are damaged here are asked for again, from any peer that holds them, as ranges of whole bundles.

/// What is being mended of one log.
struct Repair {
    /// Asked for and not answered yet, in order.
    var requests: [RangeRequest] = []
    /// Answers that are being judged.
    var judging = 0
    /// By bundle: up to which entry it was asked for. It is asked for again only where the peer has more of it now, so
    /// that a peer that cannot help is not asked for ever.
    var tried: [UInt64: UInt64] = [:]
    /// How often the peer has refused.
    var refusals = 0
    /// How often the peer gave up what is damaged here, to be offered it again.
    var revivals = 0
    /// Whether the answers are waited for; they may still come where they are not.
    var isWanted = true

    var isIdle: Bool { judging == 0 && (requests.isEmpty || !isWanted) }
}

extension Session {
    /// Requests of repairs under way.
    static let repairWindow = 8
    /// A peer that has refused so often is damaged too much to help.
    static let maximumRepairRefusals = 64

    /// How often a peer is offered a log again that it gave up.
    static let maximumRevivals = 8

    /// Requests for all logs that are made or being assigned and not answered yet.
    var requestsUnderWay: Int { outstandingCount + reserved.values.reduce(0, +) + repairRequests }

    private var repairRequests: Int { repairs.values.reduce(0) { $0 + ($1.isWanted ? $1.requests.count : 0) } }

    /// Asks for more of the damaged logs that had to wait.
    mutating func requestStarvedRepairs(_ actions: inout [SessionAction]) {
        guard !starvedRepairs.isEmpty, repairRequests < Session.repairWindow,
            requestsUnderWay < configuration.requestsOfAll
        else { return }
        let waiting = starvedRepairs.sorted()
        starvedRepairs = []
        for id in waiting {
            if let log = logs[id] { mend(log, &actions) }
        }
    }

    /// Asks for what is damaged of a log here, and offers it again to a peer that waits for that.
    mutating func mend(_ log: LocalLog, _ actions: inout [SessionAction]) {
        guard !leftOut.contains(log.id), !unknownThere.contains(log.id) else { return }
        requestRepairs(of: log, &actions)
        if log.damaged.isEmpty, stalledHere.remove(log.id) != nil { offered[log.id] = nil }
    }

    /// The peer is too damaged to bring a log. Until it offers it again, nothing more is expected of it here.
    mutating func stall(_ log: LocalLog, _ actions: inout [SessionAction]) {
        guard stalledThere.insert(log.id).inserted else { return }
        fetches[log.id] = nil
        unequal.remove(log.id)
        actions.append(
            .report(.refusedByPeer(origin: log.origin, reason: "it cannot read all of it now")))
        actions.append(.send(.logRefusal(log.id, reason: "what it needs is refused")))
    }

    /// The peer has given up a log that is damaged here, until it is mended. Answers whether that is the reason.
    mutating func stallHere(_ log: LocalLog, _ actions: inout [SessionAction]) -> Bool {
        guard repairs[log.id] != nil, !leftOut.contains(log.id) else { return false }
        repairs[log.id]?.revivals += 1
        guard repairs[log.id]?.revivals ?? 0 <= Session.maximumRevivals else { return false }
        offered[log.id] = nil
        unequal.remove(log.id)
        stalledHere.insert(log.id)
        refresh(log.id, &actions)
        return true
    }

    /// Asks the peer for what is damaged here and what it holds of that.
    private mutating func requestRepairs(of log: LocalLog, _ actions: inout [SessionAction]) {
        guard !log.damaged.isEmpty || repairs[log.id] != nil else { return }
        var repair = repairs[log.id] ?? Repair()
        defer { repairs[log.id] = repair }
        guard let theirs = exchange.heard[log.id]?.size, theirs > 0 else { return }
        var room = min(Session.repairWindow - repairRequests, configuration.requestsOfAll - requestsUnderWay)
        let width = UInt64(EntryBundle.maximumEntries)
        repair.isWanted = true
        // What was mended may be damaged again one day.
        repair.tried = repair.tried.filter { bundle, _ in log.damaged.contains { $0.contains(bundle * width) } }
        for range in log.damaged {
            let tree = proof(for: range, of: log, heldThere: theirs)
            var start = range.lowerBound
            while start < min(range.upperBound, tree) {
                guard room > 0 else {
                    starvedRepairs.insert(log.id)
                    return
                }
                var end = start
                let limit = min(range.upperBound, tree, start + configuration.requestSize)
                while end < limit {
                    let next = min(limit, (end / width + 1) * width)
                    guard repair.tried[end / width] ?? 0 < next else { break }
                    repair.tried[end / width] = next
                    end = next
                }
                if end > start {
                    let wanted = RangeRequest(log: log.id, start: start, end: end, treeSize: tree)
                    if repair.requests.isEmpty { roundTrips += 1 }
                    repair.requests.append(wanted)
                    room -= 1
                    actions.append(.send(.request(wanted)))
                } else {
                    end = (start / width + 1) * width
                }
                start = end
            }
        }
    }

    /// The size of the tree to have a range proved in: of a checkpoint that this side can judge by, and the peer has.
    private func proof(for range: Range<UInt64>, of log: LocalLog, heldThere: UInt64) -> UInt64 {
        let head = log.head?.size ?? 0
        if range.upperBound > head, let pinned = log.pinned?.size, pinned <= heldThere { return pinned }
        return min(head, heldThere)
    }

    /// Takes entries that were asked for as a repair. Answers whether they were.
    mutating func receiveRepair(_ entries: EntryRange, _ actions: inout [SessionAction]) -> Bool {
        let range = entries.range
        guard var repair = repairs[range.log], let request = repair.requests.first, range.start == request.start,
            range.end > range.start, range.end <= request.end, range.treeSize == request.treeSize
        else { return false }
        if range.end == request.end {
            repair.requests.removeFirst()
        } else {
            repair.requests[0] = RangeRequest(
                log: range.log, start: range.end, end: request.end, treeSize: request.treeSize)
        }
        repair.judging += 1
        repairs[range.log] = repair
        actions.append(.repair(entries))
        return true
    }

    /// Takes a refusal of what was asked for as a repair: somebody else may have it. Answers whether it was.
    mutating func receiveRepairRefusal(_ refused: RangeRequest, _ actions: inout [SessionAction]) -> Bool {
        guard var repair = repairs[refused.log], let request = repair.requests.first, refused.start == request.start,
            refused.end == request.end
        else { return false }
        repair.requests.removeFirst()
        repair.refusals += 1
        if repair.refusals <= Session.maximumRepairRefusals {
            // It is the first bundle that the peer could not give; what lies behind is asked for once more.
            for bundle in repair.tried.keys
            where bundle > refused.start / UInt64(EntryBundle.maximumEntries) && bundle * 256 < refused.end {
                repair.tried[bundle] = nil
            }
        }
        repairs[refused.log] = repair
        if let log = logs[refused.log] { requestRepairs(of: log, &actions) }
        return true
    }

    mutating func repaired(_ log: LocalLog, _ actions: inout [SessionAction]) {
        logs[log.id] = log
        repairs[log.id]?.judging -= 1
        enqueue(log.wantedBlobs)
        requestBlobs(&actions)
        refresh(log.id, &actions)
    }

    mutating func repairFailed(_ id: LogID, _ actions: inout [SessionAction]) {
        repairs[id]?.judging -= 1
        // This side is at fault: nothing more of the log in this session.
        repairs[id]?.isWanted = false
    }
}
