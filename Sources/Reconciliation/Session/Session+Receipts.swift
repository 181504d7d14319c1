import Cryptography
import TransparencyLog

// Blob receipts. Where what lies beside a log differs, the two compare digests of their receipts once, and each sends
// those of the pages that differ; from then on each sends what is new to it.
extension Session {
    /// Compares the receipts of a log that both sides hold equally, unless they were left different last time already.
    mutating func compareReceipts(of log: LocalLog, _ actions: inout [SessionAction]) {
        guard log.receipts != .zero, exchange.isComplete, !isLeftOut(log.id), let own = log.head,
            let theirs = exchange.heard[log.id], theirs.size == own.size, theirs.beside != log.beside
        else { return }
        if let last = agreed?.entries[log.id], last.told == log.announced.settled, last.heard == theirs.settled {
            return
        }
        guard receipts.begin(log.id) else { return }
        roundTrips += 1
        actions.append(.send(.receiptPages(ReceiptPages(log: log.id, digest: log.receipts, isAnswer: false))))
    }

    mutating func receive(_ pages: ReceiptPages, _ actions: inout [SessionAction]) throws {
        guard let log = logs[pages.log], !leftOut.contains(pages.log) else {
            // An answer may still come to what was asked before the log was left out.
            if !pages.isAnswer { actions.append(.send(.unknown([pages.log]))) }
            return
        }
        if pages.isAnswer {
            let limit = log.held / ReceiptDigest.pageSize + 1
            guard let theirs = try receipts.receive(pages, limit: limit) else { return }
            guard pages.digest != log.receipts else { return }
            receipts.send(log.id)
            // The answer may be here before this side has heard that all is sent.
            awaitedAnswers.insert(log.id)
            actions.append(.sendPages(log.id, against: theirs))
        } else if pages.digest == log.receipts {
            try receipts.ask(log.id)
            actions.append(
                .send(.receiptPages(ReceiptPages(log: log.id, digest: log.receipts, isAnswer: true))))
        } else {
            try receipts.ask(log.id)
            receipts.send(log.id)
            actions.append(.comparePages(log.id))
        }
    }

    mutating func receive(_ lines: [ReceiptLine], of id: LogID, _ actions: inout [SessionAction]) {
        guard logs[id] != nil, !leftOut.contains(id) else {
            actions.append(.send(.unknown([id])))
            return
        }
        receipts.judge(id)
        actions.append(.storeReceipts(id, lines))
    }

    /// Says what is held now, which tells the peer that its receipts were judged.
    mutating func judgedReceipts(of id: LogID, _ log: LocalLog?, _ actions: inout [SessionAction]) {
        let isLast = receipts.judged(id)
        // The peer waits for an answer, also where the log could not be read again.
        guard let log = log ?? (isLast && !isLeftOut(id) ? logs[id] : nil) else { return }
        logs[id] = log
        announce(log, &actions)
        refresh(id, &actions)
    }

    /// Sends what is new to the peer, as far as it holds the records. While blobs are coming in, receipts for them
    /// are gathered.
    mutating func flushReceipts(_ actions: inout [SessionAction]) {
        guard !receipts.waiting.isEmpty, end == nil, hasMet, exchange.isComplete else { return }
        for (id, lines) in receipts.waiting.sorted(by: { $0.key < $1.key }) {
            guard logs[id] != nil, !isLeftOut(id) else {
                receipts.forget(id)
                continue
            }
            guard requestedBlobs.isEmpty && arrivedBlobs.isEmpty || lines.count >= FrameLimits.maximumCosignatures,
                let theirs = exchange.heard[id]
            else { continue }
            let ready = receipts.take(id, below: theirs.size)
            guard !ready.isEmpty else { continue }
            for piece in ReceiptLine.pieces(ready) { actions.append(.send(.receipts(id, piece))) }
            awaitedAnswers.insert(id)
            receipts.send(id)
            actions.append(.reload(id))
        }
    }
}

extension ReceiptLine {
    /// The lines in parts that each fit a message.
    public static func pieces(_ lines: [ReceiptLine]) -> [[ReceiptLine]] {
        var pieces: [[ReceiptLine]] = []
        var bytes = 0
        for line in lines {
            let size = 64 + line.holder.utf8.count + line.line.utf8.count
            if pieces.isEmpty || bytes + size > FrameLimits.maximumControl - 1_024
                || pieces[pieces.count - 1].count == FrameLimits.maximumCosignatures
            {
                pieces.append([])
                bytes = 0
            }
            pieces[pieces.count - 1].append(line)
            bytes += size
        }
        return pieces
    }
}
