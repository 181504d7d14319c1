import Cryptography
import Dispatch
public import LogStore
import Records
public import TransparencyLog

/// Reads a log again from its first byte and checks everything that it says of itself: every body against its leaf
/// hash, every tile, every checkpoint with its signature, every cosignature, every blob. Memory stays constant, however
/// many entries and checkpoints there are.
public struct LogAuditor {
    private let store: SQLiteLogStore
    /// Keys that check cosignatures, by node.
    private let mirrorKeys: [String: MirrorKeys]
    /// What is known of the logs' keys from elsewhere than the database, by origin.
    let logKeys: [String: [VerifierKey]]
    /// The report of an earlier audit, behind whose end this one begins.
    private let since: AuditRecord?
    /// Bundles read and hashed between two looks at the tree, on all cores.
    private static let chunk: UInt64 = 256
    /// Of these, bundles that one core takes on at a time.
    private static let group: UInt64 = 8
    /// The most bundles that are read together at the end of a log.
    private static let end: UInt64 = 64

    public init(
        store: SQLiteLogStore, keys: [String: MirrorKeys], logKeys: [String: [VerifierKey]] = [:],
        since: AuditRecord? = nil
    ) {
        self.store = store
        mirrorKeys = keys
        self.logKeys = logKeys
        self.since = since
    }

    /// The same for nodes that have had one mirror key each.
    public init(
        store: SQLiteLogStore, mirrorKeys: [String: VerifierKey], logKeys: [String: [VerifierKey]] = [:],
        since: AuditRecord? = nil
    ) {
        self.init(store: store, keys: mirrorKeys.mapValues { MirrorKeys($0) }, logKeys: logKeys, since: since)
    }

    /// Audits these logs; `progress` hears how many entries are done of how many.
    public func audit(
        _ logs: [StoredLog], progress: ((_ done: UInt64, _ total: UInt64) -> Void)? = nil
    ) throws -> AuditReport {
        var report = AuditReport()
        let vouched = try store.vouchedSizes()
        let total = logs.reduce(0) { $0 + $1.size }
        var before: UInt64 = 0
        for log in logs {
            do {
                try audit(log, into: &report) { progress?(before + $0, total) }
            } catch StoreError.damaged(_, let reason) {
                report.addUnreadable(log, reason)
            } catch StoreError.unknownLog {
                // It was listed a moment ago: its id, or the index by which it is found, is damaged.
                report.addUnreadable(log, "its row is not found by the id that stands in it")
            }
            before += log.size
        }
        if let time = try store.marksRemade() {
            report.unproved.append(
                "that nothing is missing at the end: signed.sqlite, where the node keeps what it has signed, was lost and "
                    + "made anew at \(Node.instant(time)); `entente recover --restored` asks partners")
        }
        // What this node said to hold, it has to hold: a log that is gone is no log less to audit.
        let known = Set(try store.logs().map(\.origin))
        if known.isSubset(of: logs.map(\.origin)) {
            checkPresence(of: known, since, &report)
            for each in vouched where each.size > 0 && !known.contains(each.origin) {
                report.problems.append(
                    AuditReport.Problem(
                        origin: each.origin, entry: nil,
                        text: "\(wereSigned(each.size, "signed or cosigned")) by this node, and the log is not here"))
            }
        }
        return report
    }

    private func audit(
        _ start: StoredLog, into report: inout AuditReport, progress: (UInt64) -> Void
    ) throws {
        let beginning = try beginning(of: start, since, in: store, &report)
        var walk = try LogWalk(
            log: start,
            checkpoints: CheckpointStream(
                of: start, from: beginning?.edge.size ?? 0, in: store, mirrorKeys: mirrorKeys),
            start: beginning)
        let width = UInt64(EntryBundle.maximumEntries)
        var number = walk.first / width
        var mark: Mark?
        var end: LogEnd
        repeat {
            // Rows of full bundles stay as they are. Those at the end may be written anew while this reads, so they are
            // read together, as of one moment.
            let full = walk.log.size / width
            while number < full {
                let next = min(full, number + LogAuditor.chunk)
                try check(number..<next, &walk) { [store] in try LogAuditor.rows(of: start.id, $0, store) }
                number = next
                progress(min(start.size, number * width))
            }
            // Before the end: a mark is raised after what it stands for is committed.
            mark = try readMark(of: start)
            end = try store.end(
                of: start.id, from: number, limit: LogAuditor.end, checkpointsFrom: walk.checkpoints.from)
            try walk.goOn(to: end)
        } while end.bundles == nil
        let log = end.log
        let atEnd = BundleRows(bundles: end.bundles ?? [:], tiles: end.tiles[0] ?? [:])
        try check(number..<((log.size + width - 1) / width), &walk) { _ in atEnd }
        try walk.finish(end)
        progress(start.size)
        checkNames(log, &walk)
        checkCheckpoints(end, &walk, &report)
        checkPending(log, &walk)
        let covered = checkEnd(log, &walk, &report)
        let isAnchored = checkAnchor(log, &walk, &report)
        try checkWitnesses(log, in: store, &walk)
        checkMembership(end, &walk)
        if let limit = log.givenUpAt, log.reachesBeyondOwner {
            report.unproved.append(
                "\(log.origin): \(counted(log.size - limit, "entry", "entries")) from #\(limit) on are not its owner's word: it had "
                    + "given the log up by then")
        }
        if end.keepsRights {
            if let text = try otherHistory(of: log, in: store) { report.unproved.append(text) }
            try checkKeys(end, in: store, &walk, &report)
        } else {
            report.unproved.append(
                "\(log.origin): what its records say of keys, grants and erasures, of which a database of that release "
                    + "keeps nothing apart")
        }
        let blobs = try checkBlobs(log, &walk, &report)
        let erased = end.keepsRights ? try checkRights(of: log, in: store, &walk) : (all: 0, beyondOwner: 0)
        try checkReceipts(of: log, keys: mirrorKeys, in: store, &walk, &report)
        try check(mark, log, &walk)
        report.entries += max(covered, walk.first) - walk.first
        report.problems += walk.problems
        if !isAnchored || covered < log.size { report.unanchored.append(log.origin) }
        if let reason = log.frozen { report.unproved.append("\(log.origin) is frozen: \(reason)") }
        if log.recovering != nil { report.unproved.append("\(log.origin) is being recovered from partners") }
        if let pending = log.pending {
            report.unproved.append(
                "\(log.origin): a transfer up to \(counted(pending.size, "entry", "entries")) is under way; \(log.size) "
                    + (log.size == 1 ? "is here" : "are here"))
        }
        // One that does not go on from an earlier report is none that is sound.
        let isSound = !report.problems.contains { $0.origin == log.origin }
        report.logs.append(
            AuditReport.LogResult(
                origin: log.origin, size: log.size, root: walk.root.base64, isSound: isSound,
                checkpoints: end.checkpointCount, cosignatures: walk.checkpoints.cosignatureCount, blobs: blobs,
                erased: erased.all, erasedBeyondOwner: erased.beyondOwner, end: AuditReport.End(log, walk)))
    }

    // MARK: Entries and tiles

    private static func rows(
        of log: SHA256Digest, _ numbers: Range<UInt64>, _ store: SQLiteLogStore
    ) throws -> BundleRows {
        let width = UInt64(EntryBundle.maximumEntries)
        let entries = (numbers.lowerBound * width)..<(numbers.upperBound * width)
        return BundleRows(
            bundles: Dictionary(
                try store.bundles(of: log, entries: entries).map { ($0.number, $0) },
                uniquingKeysWith: { first, _ in first }),
            tiles: try store.tiles(of: log, level: 0, numbers: numbers))
    }

    /// Reads these bundles and adds them to the walk. All that can be done to a bundle by itself is done on all cores,
    /// some bundles at a time; `rows` reads those of some.
    private func check(
        _ numbers: Range<UInt64>, _ walk: inout LogWalk, rows: @Sendable (Range<UInt64>) throws -> BundleRows
    ) throws {
        let log = walk.log
        let groups = stride(from: numbers.lowerBound, to: numbers.upperBound, by: Int(LogAuditor.group)).map {
            $0..<min($0 + LogAuditor.group, numbers.upperBound)
        }
        let results = Guarded<[Int: Result<[BundleReading], any Error>]>([:])
        DispatchQueue.concurrentPerform(iterations: groups.count) { [store] number in
            let result = Result {
                BundleReader(store: store, log: log).read(groups[number], try rows(groups[number]))
            }
            results.update { $0[number] = result }
        }
        let read = try results.value.sorted { $0.key < $1.key }.flatMap { try $0.value.get() }
        var sealed: [BlobReference] = []
        for reading in read {
            switch reading.content {
            case .success(let content):
                try walk.add(content, storedTile: reading.storedTile)
                sealed += walk.add(content.mentions)
            case .failure(let error):
                try walk.skip(number: reading.number, error: error, storedTile: reading.storedTile)
            }
        }
        for reference in try store.missingBlobRows(among: sealed) {
            walk.problem(reference.index, "what is kept of its sealed part is gone, or says something else")
        }
        try walk.checkTiles { level, number in
            try store.tiles(of: log.id, level: level, numbers: number..<(number + 1))[number]
        }
    }

    // MARK: Signatures

    /// What is to be said of checkpoints and cosignatures as a whole; each by itself was judged on the way.
    private func checkCheckpoints(_ end: LogEnd, _ walk: inout LogWalk, _ report: inout AuditReport) {
        let log = end.log
        for each in end.latestCosignatures where !end.newestCosignatures.contains(each) {
            walk.problem(nil, "what is kept as the newest cosignature of \(each.cosigner) is not the newest one")
        }
        let known = Set(end.latestCosignatures.map(\.cosigner))
        for each in end.newestCosignatures where !known.contains(each.cosigner) {
            walk.problem(nil, "the newest cosignature of \(each.cosigner) is not kept as such")
        }
        for cosigner in walk.checkpoints.unknownCosigners.sorted() {
            report.unproved.append("\(log.origin): no key of \(cosigner) to check its cosignature with")
        }
        for cosigner in walk.checkpoints.early.sorted() {
            report.unproved.append(
                "\(log.origin): a cosignature of \(cosigner) is dated ahead of this machine's clock, and was not counted"
            )
        }
        report.unproved += walk.checkpoints.uncounted.texts(log.origin, "cosignature", "cosignatures")
        if let size = walk.late {
            report.unproved.append(
                "\(log.origin): the checkpoint of size \(size) came while this was read; its root was not compared")
        }
    }

    /// How many entries a checkpoint that is kept covers. Those behind it nobody has signed, unless a transfer is
    /// bringing in what they belong to: they were proved as they came, and cannot be proved again before its end.
    private func checkEnd(_ log: StoredLog, _ walk: inout LogWalk, _ report: inout AuditReport) -> UInt64 {
        let signed = log.head?.size ?? 0
        guard log.size > signed else { return log.size }
        if let pending = log.pending, pending.size > log.size, !log.isOwn || log.recovering != nil {
            report.unproved.append(
                "\(log.origin): entries from #\(signed) on: the checkpoint that covers them can be compared when all up "
                    + "to it is here")
        } else if let limit = log.givenUpAt, !log.isOwn, log.size > 0 {
            report.unproved.append(
                "\(log.origin): entries from #\(signed) on: no checkpoint covers them: they were on their way when its owner "
                    + "gave it up at \(limit)")
        } else {
            walk.problem(signed, "entries behind the last signed checkpoint")
        }
        return signed
    }

    // MARK: Blobs and marks

    private func checkBlobs(_ log: StoredLog, _ walk: inout LogWalk, _ report: inout AuditReport) throws -> Int {
        var next = walk.first
        var count = 0
        var missing = 0
        while true {
            let blobs = try store.blobs(of: log.id, from: next, limit: 64)
            guard let last = blobs.last else { break }
            for blob in blobs {
                let readers = try? store.blobReaders(
                    of: log.id, at: blob.reference.index, sha256: blob.reference.sha256)
                if let readers = readers ?? nil {
                    if readers.isErased {
                        walk.problem(blob.reference.index, "its sealed part was erased, and is here")
                    }
                } else {
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
        if missing > 0 {
            report.unproved.append(
                "\(log.origin): \(missing) sealed " + (missing == 1 ? "part has" : "parts have") + " not come yet")
        }
        return count
    }

    /// What this node vouched for last, as the separate database says, that is in no backup.
    private struct Mark {
        let size: UInt64
        let root: SHA256Digest
        let deed: String
    }

    private func wereSigned(_ size: UInt64, _ deed: String) -> String {
        counted(size, "entry was", "entries were") + " \(deed)"
    }

    private func readMark(of log: StoredLog) throws -> Mark? {
        if log.isOwn {
            return try store.signedMark(of: log.id).map { Mark(size: $0.size, root: $0.root, deed: "signed") }
        }
        return try store.cosignedMark(of: log.id).map { Mark(size: $0.size, root: $0.root, deed: "cosigned") }
    }

    private func check(_ mark: Mark?, _ log: StoredLog, _ walk: inout LogWalk) throws {
        guard let mark else { return }
        // What was signed behind the owner's entries was a thief's, and need not be here.
        if let limit = log.givenUpAt, mark.size > limit, log.size >= limit { return }
        if mark.size > log.size {
            walk.problem(
                log.size,
                "\(wereSigned(mark.size, mark.deed)), \(log.size) \(log.size == 1 ? "is" : "are") here: an older copy, or "
                    + "one without its write-ahead log")
        } else if let head = try store.checkpoint(of: log.id, size: mark.size), head.root != mark.root {
            walk.problem(nil, "another root was \(mark.deed) at size \(mark.size)")
        }
    }

    // MARK: What is kept beside the entries

    private func checkNames(_ log: StoredLog, _ walk: inout LogWalk) {
        let origin = LogOrigin(log.origin)
        if log.id != SHA256.hash(log.origin) || origin?.node.text != log.node
            || origin?.community.text != log.community || log.isOwn != (log.node == store.node)
        {
            walk.problem(nil, "what is kept of its node and community is not what its origin says")
        }
    }

    /// Who may have the log is kept apart, so that it is found without reading the log.
    private func checkMembership(_ end: LogEnd, _ walk: inout LogWalk) {
        // Where entries cannot be read, one of them may be that record.
        guard walk.problems.isEmpty else { return }
        if end.membership?.entry != walk.membership?.entry || end.membership?.1 != walk.membership?.1 {
            walk.problem(
                walk.membership?.entry ?? end.membership?.entry,
                "what is kept of who may hold the log is not what its newest record of that says")
        }
    }
}
