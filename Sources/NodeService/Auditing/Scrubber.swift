import Cryptography
import Dispatch
import Glibc
public import LogStore
import TransparencyLog

/// Reads everything again, slowly, and compares it with what was signed: bodies, tiles, sealed parts. Marks what is
/// damaged, takes back marks of what is sound, and makes anew the tiles that this node can make by itself.
///
/// It goes in small steps with a pause after each, so that a node at work hardly notices; it may be stopped at any
/// moment, and what was mended until then stays mended.
public struct Scrubber: Sendable {
    private let store: SQLiteLogStore
    private let now: @Sendable () -> UInt64
    /// The length of a pause, as a share of the work before it.
    private let rest: Double
    /// Bundles read in one step: at most 64 MiB of bodies, some 2 MiB as a rule.
    private static let step: UInt64 = 16

    public init(store: SQLiteLogStore, rest: Double = 0.25, now: @escaping @Sendable () -> UInt64 = Clock.now) {
        self.store = store
        self.rest = rest
        self.now = now
    }

    /// Scrubs these logs; `progress` hears how many entries are done of how many.
    public func scrub(
        _ logs: [StoredLog], progress: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void = { _, _ in }
    ) async throws -> ScrubReport {
        try await onQueue(DispatchQueue(label: "entente.scrub", qos: .utility)) {
            var report = ScrubReport()
            let total = logs.reduce(0) { $0 + $1.size }
            for log in logs {
                let before = report.checked
                try scrub(log, into: &report) { progress(before + $0, total) }
            }
            return report
        }
    }

    private func scrub(_ log: StoredLog, into report: inout ScrubReport, progress: (UInt64) -> Void) throws {
        var scan = LogScan(log: log, head: store.signedHead(of: log), store: store)
        var number: UInt64 = 0
        while number < scan.bundleCount {
            let end = min(scan.bundleCount, number + Scrubber.step)
            try resting { try scan.read(number..<end) }
            number = end
            progress(min(log.size, number * UInt64(EntryBundle.maximumEntries)))
        }
        if log.size > 0, scan.head == nil, log.head != nil {
            // What the scan has kept again of the log's keys may lead to the one that signed.
            if let now = try store.log(id: log.id), store.signedHead(of: now) != nil {
                return try scrub(now, into: &report, progress: progress)
            }
            report.problems.append("\(log.origin): its newest checkpoint is not signed by its key; nothing proves it")
        }
        var found = try scan.judge()
        for reference in scan.missingBlobs { try store.restoreBlobRow(reference) }
        try scanBlobs(of: log, &found)
        for reference in scan.missingBlobs { found[.blob(entry: reference.index)] = "its row is gone" }

        let time = now()
        try store.mark(found.map { Damage(place: $0.key, reason: $0.value, found: time) }, of: log.id)
        try store.clear(store.damage(of: log.id).map(\.place).filter { found[$0] == nil }, of: log.id)
        let mended = found.isEmpty ? [] : Set(try store.mendTiles(of: log.id))
        for (place, reason) in found.sorted(by: { $0.key < $1.key }) {
            let finding = ScrubReport.Finding(Damage(place: place, reason: reason, found: time), of: log)
            if mended.contains(place) { report.repaired.append(finding) } else { report.damaged.append(finding) }
        }
        report.checked += log.size
    }

    private func scanBlobs(of log: StoredLog, _ found: inout [Damage.Place: String]) throws {
        var next: UInt64 = 0
        while true {
            let blobs = try resting {
                let blobs = try store.blobs(of: log.id, from: next, limit: 8)
                for case (let reference, let data?) in blobs.map({ ($0.reference, $0.data) })
                where SHA256.hash(data) != reference.sha256 || data.count != reference.size {
                    found[.blob(entry: reference.index)] = "its bytes are not those that the record names"
                }
                return blobs
            }
            guard let last = blobs.last else { return }
            next = last.reference.index + 1
        }
    }

    private func resting<Value>(_ work: () throws -> Value) rethrows -> Value {
        let begin = ContinuousClock.now
        let value = try work()
        let pause = (ContinuousClock.now - begin) / .microseconds(1) * rest
        if pause >= 1 { usleep(UInt32(min(pause, 500_000))) }
        return value
    }
}
