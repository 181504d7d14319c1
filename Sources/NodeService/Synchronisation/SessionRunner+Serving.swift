import Cryptography
import LogStore
import Logging
import NIOCore
import Reconciliation
import TransparencyLog

/// What the peer is sent of the logs.
extension SessionRunner {
    /// The offer of a log's newest checkpoint, and the entries to push behind it.
    ///
    /// - Parameter size: the checkpoint of this size instead of the newest one.
    func offer(
        _ id: LogID, fromSize: UInt64, pushing: Bool, upTo size: UInt64? = nil
    ) throws -> (offer: Offer, push: EntryRange?)? {
        guard try context.localLog(id, visibleTo: configuration.peer) != nil, let log = try context.store.log(id: id),
            let head = try size.map({ try context.store.checkpoint(of: id, size: $0) })
                ?? context.store.headOfOwner(log),
            fromSize <= head.size, head.size <= log.sizeOfOwner
        else { return nil }
        var proof: [SHA256Digest] = []
        if fromSize > 0 {
            proof = try ConsistencyProof.make(
                from: fromSize, to: head.size, from: StoredNodes(store: context.store, log: id),
                hasher: MerkleHasher()
            ).hashes
        }
        var push: EntryRange?
        if pushing, fromSize < head.size, head.size - fromSize <= configuration.pushSize {
            do {
                let frame = try RangeServer(store: context.store).frame(
                    for: RangeRequest(log: id, start: fromSize, end: head.size, treeSize: head.size))
                if frame.range.end == head.size { push = frame }
            } catch StoreError.damagedEntries {
                // The offer stands: others may have the entries.
            }
        }
        return (
            Offer(log: id, checkpoint: head.note, fromSize: fromSize, proof: proof, isPushed: push != nil), push
        )
    }

    func send(
        offer id: LogID, fromSize: UInt64, pushing: Bool, upTo size: UInt64? = nil,
        _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async throws {
        do {
            let made = try await onQueue(reading) {
                try self.offer(id, fromSize: fromSize, pushing: pushing, upTo: size)
            }
            guard let (offer, push) = made else {
                // Hidden from the peer meanwhile, or frozen; otherwise the log as it is now is news.
                reload(id) { .changed([$0]) }
                return
            }
            try await write(.offer(offer), outbound)
            if let push {
                try await write(.entries(push), outbound)
                state.update { $0.report.sent += push.range.end - push.range.start }
            }
        } catch let error as StoreError {
            feed.yield(.failed(id, reason: "\(error)"))
        }
    }

    func serve(
        _ request: RangeRequest, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async {
        var rest = request
        do {
            while true {
                let asked = rest
                let made = try await onQueue(reading) { () -> EntryRange? in
                    guard let shown = try self.context.localLog(asked.log, visibleTo: self.configuration.peer),
                        asked.treeSize <= shown.limit ?? .max
                    else { return nil }
                    return try RangeServer(store: self.context.store).frame(for: asked)
                }
                guard let frame = made else {
                    refusals.refused(logs: [asked.log])
                    return try await write(.requestRefusal(asked), outbound)
                }
                try await write(.entries(frame), outbound)
                state.update { $0.report.sent += frame.range.end - frame.range.start }
                guard frame.range.end < rest.end else { return }
                rest = RangeRequest(log: rest.log, start: frame.range.end, end: rest.end, treeSize: rest.treeSize)
            }
        } catch {
            log.warning("entries could not be sent", metadata: ["error": "\(error)"])
            try? await write(.requestRefusal(rest), outbound)
        }
    }

    /// Answers a question about a log; in the same way for a log that is not here and one that the peer may not see.
    func answer(
        _ id: LogID, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>,
        _ read: @escaping @Sendable () throws -> Message?
    ) async {
        let message = (try? await onQueue(reading, read)) ?? nil
        if message == nil { refusals.refused(logs: [id]) }
        try? await write(message ?? .unknown([id]), outbound)
    }
}
