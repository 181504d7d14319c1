import Cryptography
import Dispatch
import LogStore
import Logging
import NIOCore
import Reconciliation
import TransparencyLog

// What a session wants done about receipts.
extension SessionRunner {
    /// Judges on the session's own queue, so that a peer that sends much holds up nobody else, and stores what
    /// verifies.
    func storeReceipts(_ id: LogID, _ lines: [ReceiptLine]) {
        judging.update { $0[id, default: 0] += 1 }
        reading.async { [self] in
            var judgement = SyncContext.Judgement()
            do {
                judgement = try context.judge(lines, of: id)
            } catch {
                log.warning("receipts could not be judged", metadata: ["error": "\(error)"])
            }
            if let first = judgement.refusals.first {
                log.notice(
                    "receipts refused",
                    metadata: [
                        "peer": "\(configuration.peer)", "count": "\(judgement.refusals.count)", "reason": "\(first)",
                    ])
            }
            context.transfers.storing.async { [self, judgement] in
                do {
                    let news = try context.store.store(judgement.accepted, of: id).map { ReceiptLine($0) }
                    if !news.isEmpty { context.sessions.notify(.receipts(id, news), except: sessionID) }
                } catch {
                    log.warning("receipts could not be stored", metadata: ["error": "\(error)"])
                }
                // The state is read and told once for all that have come together.
                let isLast = judging.update { judging in
                    judging[id, default: 1] -= 1
                    guard judging[id] == 0 else { return false }
                    judging[id] = nil
                    return true
                }
                feed.yield(.receiptsStored(id, isLast ? visibleLog(id) : nil))
            }
        }
    }

    /// Passes on what another session, or a blob, has brought.
    func take(_ receipts: [ReceiptLine], of id: LogID) {
        // Not on the reading queue: it has to reach the session before the end of the blob that it is for.
        do {
            if try context.admits(configuration.peer, to: id) { feed.yield(.newReceipts(id, receipts)) }
        } catch {
            log.warning("logs could not be read", metadata: ["error": "\(error)"])
        }
    }

    /// Brings the session up to date with what lies beside a log.
    func reloadReceipts(of id: LogID) {
        reading.async { [self] in
            if let log = visibleLog(id) { feed.yield(.changed([log])) }
            feed.yield(.receiptsSent(id, messages: nil))
        }
    }

    private func visibleLog(_ id: LogID) -> LocalLog? {
        do {
            return try context.localLog(id, visibleTo: configuration.peer)
        } catch {
            log.warning("logs could not be read", metadata: ["error": "\(error)"])
            return nil
        }
    }

    /// The digests of all pages of receipts, in as many messages as it takes.
    func comparePages(_ id: LogID, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>) async {
        do {
            let pages = try await onQueue(reading) { try self.visiblePages(of: id) }
            guard let pages else {
                refusals.refused(logs: [id])
                try await write(.unknown([id]), outbound)
                feed.yield(.receiptsSent(id, messages: nil))
                return
            }
            let digest = ReceiptDigest.log(pages)
            var rest = pages.keys.sorted()[...]
            repeat {
                let part = rest.prefix(FrameLimits.maximumReceiptPages)
                rest = rest.dropFirst(part.count)
                let message = ReceiptPages(
                    log: id, digest: digest, isAnswer: true, pages: pages.filter { part.contains($0.key) },
                    more: !rest.isEmpty)
                try await write(.receiptPages(message), outbound)
            } while !rest.isEmpty
        } catch {
            log.warning("receipts could not be compared", metadata: ["error": "\(error)"])
        }
        feed.yield(.receiptsSent(id, messages: nil))
    }

    /// The log may have been hidden from the peer since it asked.
    private func visiblePages(of id: LogID) throws -> [UInt64: SHA256Digest]? {
        try context.admits(configuration.peer, to: id) ? context.store.receiptPages(of: id) : nil
    }

    /// Sends the receipts of the pages that the peer has otherwise or not at all.
    func sendPages(
        _ id: LogID, against theirs: [UInt64: SHA256Digest], _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async {
        var messages = 0
        do {
            let pages = try await onQueue(reading) { try self.visiblePages(of: id) } ?? [:]
            for (number, _) in pages.filter({ theirs[$0.key] != $0.value }).sorted(by: { $0.key < $1.key }) {
                let first = number * ReceiptDigest.pageSize
                let receipts = try await onQueue(reading) {
                    try self.context.store.receipts(of: id, entries: first..<(first + ReceiptDigest.pageSize))
                }
                for piece in ReceiptLine.pieces(receipts.map { ReceiptLine($0) }) {
                    try await write(.receipts(id, piece), outbound)
                    messages += 1
                }
            }
        } catch {
            log.warning("receipts could not be sent", metadata: ["error": "\(error)"])
        }
        feed.yield(.receiptsSent(id, messages: messages))
    }
}
