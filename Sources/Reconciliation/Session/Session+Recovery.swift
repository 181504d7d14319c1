import Cryptography

// Own logs that hold less than this node has signed: noticed by what a peer offers, and recovered from peers.
extension Session {
    /// The peer has a checkpoint with this node's own signature beyond what is held here. The log waits until that is
    /// written down, and then takes the entries like a replica.
    mutating func noticeLoss(of log: LocalLog, size: UInt64, _ actions: inout [SessionAction]) {
        unequal.insert(log.id)
        guard deferred.insert(log.id).inserted else { return }
        actions.append(.beginRecovery(log.id, size: size))
    }

    /// An owner that recovers a log cosigns nothing of it, so the peer does not answer its new head. It may have
    /// cosignatures to send now that the owner holds what they are on; they come before the answer to a ping.
    mutating func awaitWhatLiesBeside(_ log: LocalLog, _ actions: inout [SessionAction]) {
        guard recovered.remove(log.id) != nil else { return }
        awaitEcho(&actions)
    }

    /// Whatever the peer has to say to what it was sent so far comes before its answer.
    private mutating func awaitEcho(_ actions: inout [SessionAction]) {
        echoes.insert(nextEcho)
        actions.append(.send(.ping(nonce: nextEcho, isReply: false)))
        // Those of the connection's keep-alive count up from 1.
        nextEcho += 1
    }

    /// Hands on what the peer holds of a log that is being recovered, whenever that or what is held here has changed.
    mutating func hearAnswer(for log: LocalLog, _ actions: inout [SessionAction]) {
        for id in awaitingSuccessors where id != log.id {
            guard let other = logs[id], other.successors.contains(log.id) else { continue }
            hearAnswer(for: other, &actions)
        }
        guard log.isRecovering, !leftOut.contains(log.id) else { return }
        if log.head == nil, answers[log.id] == nil {
            // A log of which nothing is left stands in no digest; a peer that knows it to be forked says so now.
            announce(log, &actions)
            awaitEcho(&actions)
        }
        let heard = exchange.heard[log.id]
        let answer = Head(
            log: log.id, size: heard?.size ?? 0, root: heard?.root ?? .zero, pinnedSize: peerPinned[log.id] ?? 0)
        guard !log.successors.contains(where: isBehind) else {
            awaitingSuccessors.insert(log.id)
            return
        }
        awaitingSuccessors.remove(log.id)
        let basis = Answer(head: answer, held: log.held)
        guard answers.updateValue(basis, forKey: log.id) != basis else { return }
        actions.append(.noteAnswer(log.id, answer))
    }

    /// Whether the peer holds more of a log than is here.
    private func isBehind(_ log: LogID) -> Bool {
        logs[log]?.head?.size ?? 0 < exchange.heard[log]?.size ?? 0
    }

    /// Logs being recovered whose community the peer does not share: it has nothing to say of them.
    mutating func hearOutsiders(_ logs: some Sequence<LocalLog>, _ actions: inout [SessionAction]) {
        for log in logs.filter(\.isRecovering).sorted(by: { $0.id < $1.id }) {
            actions.append(.noteAnswer(log.id, nil))
        }
    }

    /// What an answer was judged by.
    struct Answer: Equatable {
        let head: Head
        let held: UInt64
    }
}
