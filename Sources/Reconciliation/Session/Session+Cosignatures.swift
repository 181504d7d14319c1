import Cryptography

// Cosignatures: each side sends those that the other has not shown, and hears when they have been judged.
extension Session {
    /// Sends the cosignatures of a log that neither side has sent the other yet, where what lies beside it differs.
    mutating func sendNewCosignatures(of log: LocalLog, _ actions: inout [SessionAction]) {
        guard exchange.isComplete, !log.cosignatures.isEmpty else { return }
        // The peer must hold the checkpoint, or it could not judge them.
        guard let theirs = exchange.heard[log.id], theirs.beside != log.beside else { return }
        // Where nothing has changed since both agreed, what differs are lines that one of them cannot judge: it has no
        // card of the cosigner. Of a log that is being recovered what this side says does not tell.
        if !log.isRecovering, let last = agreed?.entries[log.id], last.told == log.announced.settled,
            last.heard == theirs.settled
        {
            return
        }
        let known = exchangedLines[log.id] ?? [:]
        let lines = log.cosignatures.filter { $0.isNewer(than: known[$0.cosigner]) && $0.size <= theirs.size }
        guard !lines.isEmpty else { return }
        for part in stride(from: 0, to: lines.count, by: FrameLimits.maximumCosignatures) {
            let piece = Array(lines[part..<min(lines.count, part + FrameLimits.maximumCosignatures)])
            actions.append(.send(.cosignatures(log.id, piece)))
        }
        lines.forEach { noteExchanged($0, of: log.id) }
        awaitedAnswers.insert(log.id)
    }

    /// More nodes than this do not cosign one log.
    static let maximumCosigners = 1_024

    private mutating func noteExchanged(_ line: CosignatureLine, of id: LogID) {
        guard line.isNewer(than: exchangedLines[id]?[line.cosigner]) else { return }
        exchangedLines[id, default: [:]][line.cosigner] = line
    }

    mutating func receive(_ lines: [CosignatureLine], of id: LogID, _ actions: inout [SessionAction]) throws {
        guard logs[id] != nil, !leftOut.contains(id) else {
            actions.append(.send(.unknown([id])))
            return
        }
        lines.forEach { noteExchanged($0, of: id) }
        guard exchangedLines[id]?.count ?? 0 <= Session.maximumCosigners else {
            throw ProtocolViolation("cosignatures by more than \(Session.maximumCosigners) nodes on one log")
        }
        judging[id, default: 0] += 1
        actions.append(.storeCosignatures(id, lines))
    }

    /// Says what is held now, which tells the peer that its cosignatures were judged.
    mutating func judged(_ log: LocalLog, _ actions: inout [SessionAction]) {
        logs[log.id] = log
        judging[log.id, default: 1] -= 1
        if judging[log.id] == 0 { judging[log.id] = nil }
        announce(log, &actions)
        refresh(log.id, &actions)
    }
}

extension CosignatureLine {
    fileprivate func isNewer(than other: CosignatureLine?) -> Bool {
        guard let other else { return true }
        return (size, time) > (other.size, other.time)
    }
}
