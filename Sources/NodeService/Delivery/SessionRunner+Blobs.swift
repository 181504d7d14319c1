import Cryptography
import Dispatch
import LogStore
import Logging
import NIOCore
import Reconciliation

// Sealed parts, in and out.
extension SessionRunner {
    /// Stores a blob and gives a receipt for it, to this peer and to all others.
    func storeBlob(_ key: BlobKey, _ bytes: [UInt8]) {
        context.transfers.storing.async { [self] in
            do {
                let receipts = try context.keep(bytes, for: key)
                // Before the blob is told to be stored: the session may end with it.
                if !receipts.isEmpty { context.sessions.notify(.receipts(key.log, receipts)) }
                feed.yield(.blobStored(key))
            } catch StoreError.erasedBlob {
                // The peer has not heard of it yet, or it was erased while this was on its way: nobody's fault.
                feed.yield(.blobStored(key))
            } catch {
                feed.yield(.blobRejected(key, reason: "\(error)"))
            }
        }
    }

    /// Asks for a blob, unless it was erased since the session began to want it.
    func request(_ key: BlobKey, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>) async throws {
        let isErased = try await onQueue(reading) {
            try self.context.store.erasure(of: key.log, at: key.index, sha256: key.sha256) != nil
        }
        if isErased { feed.yield(.blobStored(key)) } else { try await write(.blobRequest(key), outbound) }
    }

    /// Answers a request for a blob; why one is refused is for the operator, never for the peer.
    func serve(_ key: BlobKey, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>) async {
        do {
            switch try await onQueue(reading, { try self.blob(key) }) {
            case .success(let bytes): try await write(.blob(key, bytes), outbound)
            case .failure(let refusal):
                refusals.refused(key, reason: refusal.reason)
                try await write(.blobRefusal(key), outbound)
            }
        } catch {
            log.warning("a blob could not be sent", metadata: ["error": "\(error)"])
            try? await write(.blobRefusal(key), outbound)
        }
    }

    /// The bytes, if the peer may have them: a recipient of that very record, or a member of a log whose members
    /// carry sealed blobs.
    private func blob(_ key: BlobKey) throws -> Result<[UInt8], BlobRefusal> {
        guard try context.admits(configuration.peer, to: key.log) else {
            return .failure(BlobRefusal(reason: "the peer may not see that log"))
        }
        guard try !context.store.mayLackErasures(of: key.log) else {
            return .failure(BlobRefusal(reason: "it came back with a backup, and may have been erased since"))
        }
        guard let readers = try context.store.blobReaders(of: key.log, at: key.index, sha256: key.sha256) else {
            return .failure(BlobRefusal(reason: "no record held here names it"))
        }
        guard !readers.isErased else { return .failure(BlobRefusal(reason: "its author has had it erased")) }
        guard readers.admits(configuration.peer) else {
            return .failure(BlobRefusal(reason: "the peer is no recipient"))
        }
        let reference = BlobReference(log: key.log, index: key.index, sha256: key.sha256, size: 0)
        return try context.store.blob(reference).map { .success($0) }
            ?? .failure(BlobRefusal(reason: "it is not held here"))
    }

    /// Why a peer gets no blob.
    private struct BlobRefusal: Error {
        let reason: String
    }
}
