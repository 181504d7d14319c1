import Cryptography
import LogStore
import TransparencyLog

extension LogAuditor {
    /// Checks every receipt kept of a log: that its record names the blob, and that the holder has signed.
    func checkReceipts(
        of log: StoredLog, keys: [String: MirrorKeys], in store: SQLiteLogStore, _ walk: inout LogWalk,
        _ report: inout AuditReport
    ) throws {
        var unknown: Set<String> = []
        var uncounted = UncountedSignatures()
        var last: StoredReceipt?
        while true {
            let receipts = try store.receipts(
                of: log.id, entries: walk.first..<TreeLimits.maximumSize, after: last, limit: LogAuditor.receiptsAtOnce)
            guard !receipts.isEmpty else { break }
            last = receipts.last
            // A bundle that cannot be read is a problem already.
            let readers = try? store.blobReaders(of: log.id, blobs: receipts.map { ($0.index, $0.sha256) })
            for (position, receipt) in receipts.enumerated() {
                if let readers, readers[position] == nil {
                    walk.problem(
                        receipt.index, "a receipt of \(receipt.holder) for a sealed part that no record names")
                    continue
                }
                guard let keys = keys[receipt.holder] else {
                    unknown.insert(receipt.holder)
                    continue
                }
                do {
                    let signed = try Cosignature(parsing: receipt.line)
                    guard signed.time == receipt.time else { throw NoteError.badTime }
                    let text = try BlobReceipt(origin: log.origin, index: receipt.index, sha256: receipt.sha256)
                    let standing = try keys.standing(of: signed) { try $0.verify(text, by: $1) }
                    if standing != .signed { uncounted.add(standing, of: receipt.holder) }
                } catch {
                    walk.problem(receipt.index, "the receipt of \(receipt.holder) for its sealed part: \(error)")
                }
            }
        }
        report.unproved += uncounted.texts(log.origin, "receipt", "receipts")
        for holder in unknown.sorted() {
            report.unproved.append("\(log.origin): no key of \(holder) to check its receipts with")
        }
    }

    private static let receiptsAtOnce = 1_024
}
