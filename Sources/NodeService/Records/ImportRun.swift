import Cryptography
import Dispatch
import Home
public import Interchange
import LogStore
import Records
import TransparencyLog

/// What an import did, or would do.
public struct ImportReport: Sendable {
    public struct Reject: Sendable {
        public let file: String
        public let line: Int
        public let item: Int?
        public let reason: String
    }

    public var read = 0
    public var imported = 0
    public var duplicates = 0
    public var quarantined: Int { rejects.count }
    public var rejects: [Reject] = []
    /// How many of the imported records have sealed fields.
    public var sealed = 0

    public init() {}
}

/// Takes the records of files into the own log of a community, in batches that are each complete and durable. Running
/// it again adds nothing twice, so that an import that was broken off is simply repeated.
public final class ImportRun {
    private let node: Node
    private let community: String
    private let writer: RecordWriter
    private let signer: NoteSigner
    private let sealed: RecordWriter.Sealed
    private let isDryRun: Bool
    private let doubles = DoubleFilter()
    private let quarantine: Quarantine?
    private var batch: [[UInt8]] = []
    public private(set) var report = ImportReport()

    /// Records of one transaction.
    private static let batchSize = 8_192

    public init(node: Node, community: String, sealed: RecordWriter.Sealed, isDryRun: Bool) throws {
        self.node = node
        self.community = community
        self.sealed = sealed
        self.isDryRun = isDryRun
        writer = try node.writer(community: community)
        signer = try node.signer(community: community)
        quarantine = isDryRun ? nil : try Quarantine(node: node)
        batch.reserveCapacity(ImportRun.batchSize)
    }

    /// Imports one file; `progress` hears how many lines of it are done.
    public func add(
        _ importer: Importer, file: (name: String, bytes: [UInt8]), progress: (Int) -> Void
    ) throws {
        try importer.items(of: file) { item in
            report.read += 1
            switch item {
            case .record(let body, let position):
                batch.append(body)
                if batch.count >= ImportRun.batchSize {
                    try flush()
                    progress(position.line)
                }
            case .reject(let position, let reason, let row):
                report.rejects.append(
                    ImportReport.Reject(file: file.name, line: position.line, item: position.item, reason: reason))
                try quarantine?.add(row, file: file.name, position: position, reason: reason)
            }
        }
        try flush()
    }

    /// Appends what has been gathered.
    private func flush() throws {
        guard !batch.isEmpty else { return }
        let bodies = batch
        batch.removeAll(keepingCapacity: true)
        let prepared = try prepare(bodies)
        let entries = prepared.map(\.entry)
        let isDouble: [Bool]
        if isDryRun {
            isDouble = try node.store.doubles(of: entries, in: writer.origin, filter: doubles).map { $0 != nil }
        } else {
            isDouble = try node.append(entries, community: community, signer: signer, doubles: doubles).outcomes.map {
                if case .double = $0 { true } else { false }
            }
        }
        for (each, isDouble) in zip(prepared, isDouble) {
            if isDouble {
                report.duplicates += 1
            } else {
                report.imported += 1
                if !each.sealedFields.isEmpty { report.sealed += 1 }
            }
        }
    }

    /// Hashes and seals on all cores, in parts.
    private func prepare(_ bodies: [[UInt8]]) throws -> [RecordWriter.Prepared] {
        let parts = 8
        let size = (bodies.count + parts - 1) / parts
        let results = Guarded<[Int: Result<[RecordWriter.Prepared], any Error>]>([:])
        DispatchQueue.concurrentPerform(iterations: parts) { [writer, sealed] part in
            let range = min(part * size, bodies.count)..<min((part + 1) * size, bodies.count)
            let result = Result { try bodies[range].map { try writer.prepare(body: $0, sealed: sealed) } }
            results.update { $0[part] = result }
        }
        return try (0..<parts).flatMap { try results.value[$0]?.get() ?? [] }
    }

    /// Makes what was quarantined durable.
    public func finish() throws {
        try quarantine?.finish()
    }
}
