import Cryptography
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
    /// How many of the quarantined rows were not kept, since those of one import fill so much space at most.
    public var notKept = 0
    /// How many of the imported records have sealed fields.
    public var sealed = 0
    /// The fields that are sealed in some of the imported records, each with the nodes that can open it.
    public var readers: [String: Set<String>] = [:]

    public init() {}
}

/// Takes the records of files into the own log of a community, in batches that are each complete and durable. Running
/// it again adds nothing twice, so that an import that was broken off is simply repeated.
public final class ImportRun {
    private let node: Node
    private let community: String
    private let writer: RecordWriter
    private let signer: NoteSigner
    private let wishes: SealingPolicy.Wishes
    private let isDryRun: Bool
    private let doubles = DoubleFilter()
    private let quarantine: Quarantine?
    private var batch: [Row] = []
    public private(set) var report = ImportReport()

    /// A body on its way, and where it comes from.
    private struct Row: Sendable {
        let body: [UInt8]
        let file: String
        let position: ImportPosition
        /// As it stood there.
        let row: @Sendable () -> [UInt8]
    }

    /// Records of one transaction.
    private static let batchSize = 8_192

    public init(node: Node, community: String, wishes: SealingPolicy.Wishes, isDryRun: Bool) throws {
        self.node = node
        self.community = community
        self.wishes = wishes
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
        try importer.items(of: file) { heading in
            quarantine?.begin(file.name, heading)
        } into: { item in
            report.read += 1
            switch item {
            case .record(let body, let position, let row):
                batch.append(Row(body: body, file: file.name, position: position, row: row))
                if batch.count >= ImportRun.batchSize {
                    try flush()
                    progress(position.line)
                }
            case .reject(let position, let reason, let row):
                try reject(row, file: file.name, position: position, reason: reason)
            }
        }
        try flush()
    }

    private func reject(_ row: [UInt8], file: String, position: ImportPosition, reason: String) throws {
        report.rejects.append(
            ImportReport.Reject(file: file, line: position.line, item: position.item, reason: reason))
        try quarantine?.add(row, file: file, position: position, reason: reason)
    }

    /// Appends what has been gathered. A record that turns out to be too large for a body, which only shows once its
    /// sealed part is taken out, is quarantined like any other bad row.
    private func flush() throws {
        guard !batch.isEmpty else { return }
        let rows = batch
        batch.removeAll(keepingCapacity: true)
        var prepared: [RecordWriter.Prepared] = []
        prepared.reserveCapacity(rows.count)
        for (row, outcome) in zip(rows, try prepare(rows)) {
            switch outcome {
            case .success(let each): prepared.append(each)
            case .failure(let problems):
                try reject(row.row(), file: row.file, position: row.position, reason: problems.description)
            }
        }
        let entries = prepared.map(\.entry)
        guard !entries.isEmpty else { return }
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
                for field in each.sealedFields { report.readers[field, default: []].formUnion(each.readers) }
            }
        }
    }

    /// Hashes and seals on all cores. What concerns one record alone is its outcome; what concerns all, such as a
    /// reader without a key, is thrown.
    private func prepare(_ rows: [Row]) throws -> [Result<RecordWriter.Prepared, RecordProblems>] {
        try AllCores.map(rows) { [writer, wishes] row in
            try writer.prepare(body: row.body, wishes: wishes)
        }.map { outcome in
            do {
                return .success(try outcome.get())
            } catch let problems as RecordProblems {
                return .failure(problems)
            } catch let problem as RecordProblem {
                return .failure(RecordProblems([problem]))
            } catch let error as JSONError {
                return .failure(RecordProblems([RecordProblem(path: "", reason: "\(error)")]))
            } catch let refusal as SealingRefusal {
                return .failure(RecordProblems([RecordProblem(path: "", reason: refusal.description)]))
            } catch RecordWriterError.badEnvelope {
                let reason = RecordWriterError.badEnvelope.description
                return .failure(RecordProblems([RecordProblem(path: "sealed", reason: reason)]))
            }
        }
    }

    /// Makes what was quarantined durable.
    public func finish() throws {
        try quarantine?.finish()
        report.notKept = quarantine?.dropped ?? 0
    }
}
