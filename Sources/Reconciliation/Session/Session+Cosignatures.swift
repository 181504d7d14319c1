import Cryptography

// Cosignatures: each side sends those that the other has not shown, and hears when they have been judged.
extension Session {
    /// Sends the cosignatures of a log that neither side has sent the other yet, where what lies beside it differs.
    mutating func sendNewCosignatures(of log: LocalLog, _ actions: inout [SessionAction]) {
        guard exchange.isComplete, !log.cosignatures.isEmpty else { return }
        // The peer must hold the checkpoint, or it could not judge them.
        guard let theirs = exchange.heard[log.id], theirs.beside != log.beside else { return }
        // Some cannot be judged there or here, for want of a card; both have tried with these already.
        let last = agreed?.entries[log.id]
        guard last?.told != exchange.told[log.id]?.settled || last?.heard != theirs.settled else { return }
        let known = exchangedLines[log.id] ?? []
        let lines = log.cosignatures.filter { !known.contains($0) && $0.size <= theirs.size }
        guard !lines.isEmpty else { return }
        for part in stride(from: 0, to: lines.count, by: FrameLimits.maximumCosignatures) {
            let piece = Array(lines[part..<min(lines.count, part + FrameLimits.maximumCosignatures)])
            actions.append(.send(.cosignatures(log.id, piece)))
        }
        exchangedLines[log.id, default: []].formUnion(lines)
        awaitedAnswers.insert(log.id)
    }

    mutating func receive(_ lines: [CosignatureLine], of id: LogID, _ actions: inout [SessionAction]) {
        guard logs[id] != nil, !leftOut.contains(id) else {
            actions.append(.send(.unknown([id])))
            return
        }
        exchangedLines[id, default: []].formUnion(lines)
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
