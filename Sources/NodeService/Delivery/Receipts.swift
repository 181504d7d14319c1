import Cryptography
package import LogStore
package import Reconciliation
import TransparencyLog

// Blob receipts: given for what is stored here, judged and kept when they come from others.
extension SyncContext {
    /// Stores a blob that was asked for, with this node's receipt for it. Answers the receipt where it is news. A blob
    /// of an own log that comes back is nothing to give a receipt for.
    func keep(_ bytes: [UInt8], for key: BlobKey) throws -> [ReceiptLine] {
        let reference = BlobReference(key, size: bytes.count)
        guard let receipt = try receipt(for: reference) else {
            try store.store(bytes, for: reference)
            return []
        }
        return try store.store(bytes, for: reference, receipt: receipt) ? [ReceiptLine(receipt)] : []
    }

    /// This node's receipt as of now; `nil` for its own logs, and while the clock or the mirror key is wrong.
    private func receipt(for blob: BlobReference) throws -> StoredReceipt? {
        guard refusal == nil, let log = try store.log(id: blob.log), !log.isOwn else { return nil }
        let time = max(now(), try store.lastCosigned(log.id))
        guard time <= now() + SyncContext.clockTolerance else { return nil }
        let receipt = try BlobReceipt(origin: log.origin, index: blob.index, sha256: blob.sha256)
        return StoredReceipt(
            index: blob.index, sha256: blob.sha256, holder: cosigner.verifierKey.name, time: time,
            line: try cosigner.sign(receipt, time: time).line)
    }

    /// Gives receipts for blobs that came while the clock was wrong; sessions that begin later pass them on.
    public func giveMissingReceipts() throws {
        _ = try signMissingReceipts()
    }

    /// The same, and answers them by log.
    func signMissingReceipts() throws -> [LogID: [ReceiptLine]] {
        var signed: [LogID: [ReceiptLine]] = [:]
        while true {
            let blobs = try store.blobsWithoutReceipt(limit: SyncContext.receiptBatch)
            var count = 0
            for (log, blobs) in Dictionary(grouping: blobs, by: \.log) {
                let news = try store.store(blobs.compactMap { try receipt(for: $0) }, of: log)
                count += news.count
                signed[log, default: []] += news.map { ReceiptLine($0) }
            }
            if count == 0 || blobs.count < SyncContext.receiptBatch { return signed.filter { !$0.value.isEmpty } }
        }
    }

    private static let receiptBatch = 1_000

    /// What came of the receipts in one message.
    package struct Judgement: Sendable {
        /// Those that verify and are not known yet.
        package var accepted: [StoredReceipt] = []
        /// Why others are not believed, a line each.
        package var refusals: [String] = []
    }

    /// Judges each receipt alone: the record must name the blob and the holder among those who may have it, and the
    /// holder must have signed, no more than five minutes ahead of this node's clock.
    package func judge(_ lines: [ReceiptLine], of id: LogID) throws -> Judgement {
        guard let log = try store.log(id: id) else { return Judgement() }
        var judgement = Judgement()
        let unknown = try store.unknown(lines.map { StoredReceipt($0) }, of: id).sorted { $0.index < $1.index }
        let readers = try store.blobReaders(of: id, blobs: unknown.map { ($0.index, $0.sha256) })
        let keys = federation.value.mirrorKeys
        for (receipt, readers) in zip(unknown, readers) {
            if let reason = try refusal(of: receipt, log, readers, keys: keys[receipt.holder]) {
                judgement.refusals.append("\(receipt.holder) for \(log.origin)#\(receipt.index): \(reason)")
            } else {
                judgement.accepted.append(receipt)
            }
        }
        return judgement
    }

    private func refusal(
        of receipt: StoredReceipt, _ log: StoredLog, _ readers: BlobReaders?, keys: MirrorKeys?
    ) throws -> String? {
        guard let readers else { return "no record held here names that blob" }
        // What was erased since was held all the same.
        guard readers.mayHold(receipt.holder) else { return "the holder is no recipient" }
        guard let keys else { return "there is no peer card of the holder" }
        guard receipt.time <= now() + SyncContext.clockTolerance else { return "it is dated in the future" }
        guard let cosignature = try? Cosignature(parsing: receipt.line), cosignature.time == receipt.time,
            let text = try? BlobReceipt(origin: log.origin, index: receipt.index, sha256: receipt.sha256),
            let key = try keys.key(for: cosignature) ?? ledOn(keys).key(for: cosignature),
            (try? cosignature.verify(text, by: key)) != nil
        else { return "the holder's mirror key has not signed it" }
        return nil
    }

    /// Whether a peer may see a log now.
    func admits(_ peer: String, to id: LogID) throws -> Bool {
        guard let log = try store.log(id: id), log.frozen == nil else { return false }
        return federation.value.admits(peer, to: log, membership: try store.membership(of: id))
    }
}

extension StoredReceipt {
    package init(_ line: ReceiptLine) {
        self.init(index: line.index, sha256: line.sha256, holder: line.holder, time: line.time, line: line.line)
    }
}

extension ReceiptLine {
    init(_ receipt: StoredReceipt) {
        self.init(
            index: receipt.index, sha256: receipt.sha256, holder: receipt.holder, time: receipt.time,
            line: receipt.line)
    }
}
