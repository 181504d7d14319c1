import Cryptography
import Dispatch
public import LogStore
public import TransparencyLog

/// Reads a log again from its first byte and checks everything that it says of itself: every body against its leaf
/// hash, every tile, every checkpoint with its signature, every cosignature, every blob. Memory stays constant.
public struct LogAuditor {
    private let store: SQLiteLogStore
    /// Keys that check cosignatures, by node.
    private let mirrorKeys: [String: VerifierKey]
    /// Bundles read and hashed at once, on all cores.
    private static let chunk: UInt64 = 64

    public init(store: SQLiteLogStore, mirrorKeys: [String: VerifierKey]) {
        self.store = store
        self.mirrorKeys = mirrorKeys
    }

    /// Audits these logs; `progress` hears how many entries are done of how many.
    public func audit(
        _ logs: [StoredLog], progress: ((_ done: UInt64, _ total: UInt64) -> Void)? = nil
    ) throws -> AuditReport {
        var report = AuditReport()
        let total = logs.reduce(0) { $0 + $1.size }
        for log in logs {
            let before = report.entries
            try audit(log, into: &report) { progress?(before + $0, total) }
        }
        return report
    }

    private func audit(
        _ log: StoredLog, into report: inout AuditReport, progress: (UInt64) -> Void
    ) throws {
        var walk = LogWalk(log: log, checkpoints: try store.checkpoints(of: log.id))
        let width = UInt64(EntryBundle.maximumEntries)
        let count = (log.size + width - 1) / width
        var number: UInt64 = 0
        while number < count {
            let end = min(count, number + LogAuditor.chunk)
            try check(bundles: number..<end, of: log, &walk)
            number = end
            progress(min(log.size, number * width))
        }
        try walk.finish(
            rows: try store.rowCounts(of: log.id),
            edge: { level, number in
                try store.tiles(of: log.id, level: level, numbers: number..<(number + 1))[number]
            })
        checkCheckpoints(log, &walk)
        let cosignatures = try checkCosignatures(log, &walk, &report)
        let blobs = try checkBlobs(log, &walk, &report)
        try checkReceipts(of: log, keys: mirrorKeys, in: store, &walk, &report)
        try checkMark(log, &walk)
        report.entries += log.size
        report.problems += walk.problems
        if let reason = log.frozen { report.unproved.append("\(log.origin) is frozen: \(reason)") }
        if log.recovering != nil { report.unproved.append("\(log.origin) is being recovered from partners") }
        if let pending = log.pending {
            report.unproved.append(
                "\(log.origin): a transfer up to \(pending.size) entries is under way; \(log.size) are here")
        }
        report.logs.append(
            AuditReport.LogResult(
                origin: log.origin, size: log.size, root: walk.root.base64, isSound: walk.problems.isEmpty,
                checkpoints: walk.checkpoints.count, cosignatures: cosignatures, blobs: blobs))
    }

    // MARK: Entries and tiles

    private func check(bundles numbers: Range<UInt64>, of log: StoredLog, _ walk: inout LogWalk) throws {
        let width = UInt64(EntryBundle.maximumEntries)
        let range = (numbers.lowerBound * width)..<min(log.size, numbers.upperBound * width)
        let bundles = Dictionary(
            try store.bundles(of: log.id, entries: range).map { ($0.number, $0) },
            uniquingKeysWith: { first, _ in first })
        let tiles = try store.tiles(of: log.id, level: 0, numbers: numbers)
        let results = Guarded<[UInt64: Result<[SHA256Digest], any Error>]>([:])
        DispatchQueue.concurrentPerform(iterations: numbers.count) { [store] offset in
            let number = numbers.lowerBound + UInt64(offset)
            let result = Result { () throws -> [SHA256Digest] in
                let expected = min(width, log.size - number * width)
                return try store.leafHashes(of: bundles[number], number: number, count: expected...expected)
            }
            results.update { $0[number] = result }
        }
        for number in numbers {
            switch results.value[number] {
            case .success(let hashes): walk.add(hashes, storedTile: tiles[number])
            case .failure(let error): walk.skip(number: number, error: error, storedTile: tiles[number])
            case nil: break
            }
        }
        try walk.checkTiles { level, number in
            try store.tiles(of: log.id, level: level, numbers: number..<(number + 1))[number]
        }
    }

    // MARK: Signatures

    private func checkCheckpoints(_ log: StoredLog, _ walk: inout LogWalk) {
        guard let key = try? VerifierKey(parsing: log.verifierKey) else {
            walk.problem(nil, "its key \(log.verifierKey) cannot be read")
            return
        }
        for head in walk.checkpoints {
            do {
                let checkpoint = try Checkpoint(verifying: SignedNote(parsing: head.note), logKey: key)
                guard checkpoint.origin == log.origin, checkpoint.size == head.size, checkpoint.root == head.root else {
                    walk.problem(nil, "the checkpoint kept for size \(head.size) says something else")
                    continue
                }
            } catch {
                walk.problem(nil, "the checkpoint of size \(head.size): \(error)")
            }
        }
        if log.isOwn, log.recovering == nil, log.size > 0, walk.checkpoints.last?.size != log.size {
            walk.problem(walk.checkpoints.last?.size, "entries behind the last signed checkpoint")
        }
    }

    private func checkCosignatures(
        _ log: StoredLog, _ walk: inout LogWalk, _ report: inout AuditReport
    ) throws -> Int {
        var count = 0
        for each in try store.cosignatures(of: log.id) {
            guard let key = mirrorKeys[each.cosigner] else {
                report.unproved.append("\(log.origin): no key of \(each.cosigner) to check its cosignature with")
                continue
            }
            guard let head = walk.checkpoints.first(where: { $0.size == each.size }) else {
                walk.problem(nil, "a cosignature of \(each.cosigner) on size \(each.size), which has no checkpoint")
                continue
            }
            do {
                let cosignature = try Cosignature(parsing: each.line)
                guard cosignature.time == each.time, cosignature.name == each.cosigner else {
                    walk.problem(nil, "a cosignature that is not \(each.cosigner)'s of \(each.time)")
                    continue
                }
                try cosignature.verify(
                    Checkpoint(origin: log.origin, size: head.size, root: head.root), by: key)
                count += 1
            } catch {
                walk.problem(nil, "the cosignature of \(each.cosigner) on size \(each.size): \(error)")
            }
        }
        return count
    }

    // MARK: Blobs and marks

    private func checkBlobs(_ log: StoredLog, _ walk: inout LogWalk, _ report: inout AuditReport) throws -> Int {
        var next: UInt64 = 0
        var count = 0
        var missing = 0
        while true {
            let blobs = try store.blobs(of: log.id, from: next, limit: 64)
            guard let last = blobs.last else { break }
            for blob in blobs {
                let named = try? store.blobReaders(
                    of: log.id, at: blob.reference.index, sha256: blob.reference.sha256)
                if named ?? nil == nil {
                    walk.problem(blob.reference.index, "a sealed part that its record does not name")
                }
                guard let data = blob.data else {
                    missing += 1
                    continue
                }
                count += 1
                if SHA256.hash(data) != blob.reference.sha256 || data.count != blob.reference.size {
                    walk.problem(
                        blob.reference.index, "the sealed part does not have the hash and size its record names")
                }
            }
            next = last.reference.index + 1
        }
        if missing > 0 { report.unproved.append("\(log.origin): \(missing) sealed parts have not come yet") }
        return count
    }

    private func checkMark(_ log: StoredLog, _ walk: inout LogWalk) throws {
        guard log.isOwn, let mark = try store.signedMark(of: log.id) else { return }
        if mark.size > log.size {
            walk.problem(log.size, "\(mark.size) entries were signed, \(log.size) are here: an older copy was restored")
        } else if let head = walk.checkpoints.first(where: { $0.size == mark.size }), head.root != mark.root {
            walk.problem(nil, "another root was signed at size \(mark.size)")
        }
    }
}
