public import Cryptography
import Home
import LogStore
public import Records
import TransparencyLog

/// A record of this node that has fields in the open which its policy of today would seal, or refuse in the open.
public struct ExposedRecord: Sendable {
    public let origin: String
    public let index: UInt64
    public let leafHash: SHA256Digest
    public let type: RecordType
    public let time: Timestamp?
    public let fields: [SealingPolicy.Exposure]

    public var reference: String { "\(origin)#\(index)" }
}

/// Looks through the own logs for what was written before the sealing policy was what it is now. Reads a few thousand
/// records at a time.
public struct ExposureScan: Sendable {
    /// What was looked through.
    public struct Report: Sendable, Hashable {
        public var records: UInt64 = 0
        public var exposed: UInt64 = 0
        /// Of the exposed ones, those that could not be written today whatever a command says.
        public var refused: UInt64 = 0
        /// Entries that are damaged here, and were not looked at.
        public var unread: UInt64 = 0
        /// The other nodes that may hold the logs in which there is something.
        public var holders: Set<String> = []
    }

    /// Entries that are read at a time: whole bundles.
    private static let step: UInt64 = 16 * UInt64(EntryBundle.maximumEntries)

    private let node: Node
    private let logs: [StoredLog]
    private let policy: SealingPolicy

    /// - Parameter community: only its logs; those of all communities, and of those that this node has left, without.
    public init(node: Node, community: String?) throws {
        self.node = node
        logs = try node.store.logs().filter { $0.isOwn && community ?? $0.community == $0.community }
        policy = SealingPolicy(node: node.name, members: [], defaults: node.configuration.sealing)
    }

    /// Entries to be read.
    public var total: UInt64 { logs.reduce(0) { $0 + $1.size } }

    /// Hands out what it finds, log by log in its order. `progress` hears how many entries are done.
    public func run(progress: (UInt64) -> Void, found: (ExposedRecord) throws -> Void) throws -> Report {
        var report = Report()
        var done: UInt64 = 0
        for log in logs {
            let before = report.exposed
            for start in stride(from: 0, to: log.size, by: UInt64.Stride(Self.step)) {
                let range = start..<min(log.size, start + Self.step)
                try look(at: range, of: log, &report, found)
                done += UInt64(range.count)
                progress(done)
            }
            if report.exposed > before {
                report.holders.formUnion(try node.store.membership(of: log.id)?.members ?? [])
            }
        }
        report.holders.remove(node.name)
        return report
    }

    private func look(
        at range: Range<UInt64>, of log: StoredLog, _ report: inout Report, _ found: (ExposedRecord) throws -> Void
    ) throws {
        let bodies = try bodies(range, of: log)
        report.records += UInt64(bodies.count)
        report.unread += UInt64(range.count) - UInt64(bodies.count)
        for outcome in AllCores.map(bodies, { exposed($0, log.origin) }) {
            guard let record = try outcome.get() else { continue }
            report.exposed += 1
            if record.fields.contains(where: \.isRefused) { report.refused += 1 }
            try found(record)
        }
    }

    private struct Entry: Sendable {
        let index: UInt64
        let body: [UInt8]
    }

    /// The entries that can be read.
    private func bodies(_ range: Range<UInt64>, of log: StoredLog) throws -> [Entry] {
        try node.store.bundles(of: log.id, entries: range).flatMap { bundle -> [Entry] in
            guard let raw = try? node.store.raw(bundle), let places = try? EntryBundle.bodies(in: raw) else {
                return []
            }
            let first = bundle.number * UInt64(EntryBundle.maximumEntries)
            return places.enumerated().map { Entry(index: first + UInt64($0), body: Array(raw[$1])) }
                .filter { range.contains($0.index) }
        }
    }

    private func exposed(_ entry: Entry, _ origin: String) -> ExposedRecord? {
        guard let value = try? JSONScanner.scan(entry.body), case .object(let members) = value,
            let draft = try? RecordDraft(
                object: .object(members.filter { $0.name != "sealed" }), time: Clock.timestamp, author: "", tlp: .green)
        else { return nil }
        let fields = policy.exposures(in: draft, isSealed: value["sealed"] != nil)
        guard !fields.isEmpty else { return nil }
        return ExposedRecord(
            origin: origin, index: entry.index, leafHash: MerkleHasher().leaf(entry.body), type: draft.schema.type,
            time: value["time"]?.string.flatMap { Timestamp($0) }, fields: fields)
    }
}
