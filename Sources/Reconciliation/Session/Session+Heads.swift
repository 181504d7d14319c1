import Cryptography
import TransparencyLog

// Which logs differ: the lists of heads, and what each side says about them afterwards.
extension Session {
    mutating func sendList(_ actions: inout [SessionAction]) throws {
        let heads = visibleLogs.filter { !leftOut.contains($0.id) }.map(\.announced)
            .filter { $0.size > 0 || $0.pinnedSize > 0 }.sorted { $0.log < $1.log }
        guard heads.count <= configuration.maximumLogs else {
            throw ProtocolViolation(
                "\(heads.count) logs to list; this release lists at most \(configuration.maximumLogs)")
        }
        var rest = heads[...]
        toldSettled = isSettled
        repeat {
            let part = rest.prefix(FrameLimits.maximumHeadsInFrame)
            rest = rest.dropFirst(part.count)
            actions.append(.send(.heads(Array(part), complete: rest.isEmpty, settled: toldSettled)))
        } while !rest.isEmpty
        listSent = true
    }

    func sendCosignatures(of logs: [LocalLog], _ actions: inout [SessionAction]) {
        for log in logs.sorted(by: { $0.id < $1.id }) where !log.cosignatures.isEmpty {
            let lines = Array(log.cosignatures.prefix(FrameLimits.maximumCosignatures))
            actions.append(.send(.cosignatures(log.id, lines)))
        }
    }

    mutating func receive(
        _ heads: [Head], complete: Bool, settled: Bool, _ actions: inout [SessionAction]
    ) throws {
        peerIsSettled = settled
        var unknown: [LogID] = []
        for head in heads {
            guard let log = logs[head.log] else {
                unknown.append(head.log)
                continue
            }
            if peerHeads[head.log] != head { offered[head.log] = nil }
            peerHeads[head.log] = head
            unresumable.remove(head.log)
            if listReceived || equalFromTheStart { compare(log, &actions) }
        }
        guard peerHeads.count <= configuration.maximumLogs else { throw ProtocolViolation("too many logs in the list") }
        if !unknown.isEmpty { actions.append(.send(.unknown(unknown))) }
        guard complete, !listReceived else { return }
        listReceived = true
        // The peer may have found a difference that this side's digest did not show.
        if !listSent { try sendList(&actions) }
        for log in visibleLogs.sorted(by: { $0.id < $1.id }) { compare(log, &actions) }
    }

    /// Offers a log in which this side is ahead; leaves out one in which the two contradict each other.
    mutating func compare(_ log: LocalLog, _ actions: inout [SessionAction]) {
        guard !leftOut.contains(log.id), let head = log.head else { return }
        let theirs = peerHeads[log.id] ?? Head(log: log.id, size: 0, root: .zero)
        if head.size == theirs.size {
            if head.root != theirs.root {
                leaveOut(log, .conflict(origin: log.origin, size: head.size), tell: "two roots at one size", &actions)
            }
            return
        }
        guard head.size > theirs.size else { return }
        if theirs.pinnedSize > head.size {
            unresumable.insert(log.id)
            actions.append(.report(.cannotResumeHere(origin: log.origin, pinnedSize: theirs.pinnedSize)))
            return
        }
        guard offered[log.id] != head.size else { return }
        offered[log.id] = head.size
        actions.append(.offer(log.id, fromSize: max(theirs.pinnedSize, theirs.size)))
    }

    mutating func leaveOut(
        _ log: LocalLog, _ finding: SessionFinding, tell reason: String?, _ actions: inout [SessionAction]
    ) {
        guard leftOut.insert(log.id).inserted else { return }
        fetches[log.id] = nil
        actions.append(.report(finding))
        if let reason { actions.append(.send(.logRefusal(log.id, reason: reason))) }
    }

    mutating func receiveUnknown(_ ids: [LogID], _ actions: inout [SessionAction]) {
        for id in ids {
            if let log = logs[id] { leaveOut(log, .unknownToPeer(origin: log.origin), tell: nil, &actions) }
        }
    }

    mutating func receiveRefusal(_ id: LogID, _ reason: String, _ actions: inout [SessionAction]) {
        guard let log = logs[id] else { return }
        leaveOut(log, .refusedByPeer(origin: log.origin, reason: reason), tell: nil, &actions)
    }

    /// Takes in what has changed on this side, and tells the peer.
    mutating func change(_ changed: [LocalLog], _ actions: inout [SessionAction]) {
        for log in changed where shared?.contains(log.community) ?? true {
            let isNews = logs[log.id]?.head != log.head
            // The peer offers again once it hears where this side stands.
            let isReleased = deferred.remove(log.id) != nil
            logs[log.id] = log
            enqueue(log.wantedBlobs)
            guard equalFromTheStart || listReceived else { continue }
            if isReleased {
                announce(log, &actions)
            } else if isNews {
                if let theirs = peerHeads[log.id], sameHead(log.head, theirs) {
                    announce(log, &actions)
                } else {
                    compare(log, &actions)
                }
            }
        }
        requestBlobs(&actions)
    }

    /// Says what this side holds of a log now.
    mutating func announce(_ log: LocalLog, _ actions: inout [SessionAction]) {
        toldSettled = isSettled
        actions.append(.send(.heads([log.announced], complete: false, settled: toldSettled)))
    }
}
