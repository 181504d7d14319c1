import Dispatch
import Records
import Synchronization

/// Reads the records of a file.
public struct Importer: Sendable {
    /// The longest file that is read, in bytes.
    public static let maximumFileSize = 256 << 20

    private let format: ImportFormat
    private let defaults: ImportDefaults
    private let files: any FileAccess

    public init(format: ImportFormat, defaults: ImportDefaults, files: some FileAccess) {
        self.format = format
        self.defaults = defaults
        self.files = files
    }

    /// Hands out every row of the file in its order, each as a record or as rejected. Throws ``ImportError`` where the
    /// file as a whole cannot be read, before anything was handed out; and what the closures throw.
    ///
    /// - Parameter begin: is told beforehand what stands above the rows.
    public func items(
        of file: (name: String, bytes: [UInt8]), begin: (ImportHeading) throws -> Void = { _ in },
        into take: (ImportItem) throws -> Void
    ) throws {
        guard file.bytes.count <= Importer.maximumFileSize else {
            throw ImportError(file: file.name, reason: "longer than \(Importer.maximumFileSize) bytes; divide it")
        }
        let rows: any RowSource =
            switch format {
            case .tagpack: try TagPack(file: file, defaults: defaults, files: files)
            case .actorpack: try ActorPack(file: file, defaults: defaults, files: files)
            case .csv: try CSVFile(file: file, defaults: defaults)
            case .jsonl: JSONLines(file: file, defaults: defaults)
            }
        try begin(ImportHeading(format: format) { rows.heading })
        // Chunks are read on all cores, a few at a time, and handed out in order.
        let width = 4
        var first = 0
        while first < rows.chunkCount {
            let range = first..<min(rows.chunkCount, first + width)
            let results = Mutex<[Int: [ImportItem]]>([:])
            DispatchQueue.concurrentPerform(iterations: range.count) { offset in
                let items = rows.items(ofChunk: range.lowerBound + offset)
                results.withLock { $0[range.lowerBound + offset] = items }
            }
            for chunk in range {
                for item in results.withLock({ $0[chunk] }) ?? [] { try take(item) }
            }
            first = range.upperBound
        }
    }
}

/// A file cut into parts that can be read side by side.
protocol RowSource: Sendable {
    var chunkCount: Int { get }
    /// Never throws: what cannot be read is rejected with its reason.
    func items(ofChunk chunk: Int) -> [ImportItem]
    /// What ``ImportHeading`` gives.
    var heading: [UInt8] { get }
}

/// Turns a draft into an item.
enum RowFinisher {
    static func finish(
        _ value: JSONValue, type: RecordType?, defaults: ImportDefaults, position: ImportPosition,
        row: @escaping @Sendable () -> [UInt8]
    ) -> ImportItem {
        do {
            var draft = try RecordDraft(
                object: value, type: type, time: defaults.time, author: defaults.author, tlp: defaults.tlp)
            if let incident = defaults.incident, draft["incident"] == nil {
                try draft.set("incident", to: .string(incident))
            }
            // What is to be sealed is sealed later; until then the draft is judged as one.
            let problems = draft.problems()
            guard problems.isEmpty else {
                return .reject(position: position, reason: RecordProblems(problems).description, row: row())
            }
            return .record(body: JSONWriter.write(draft.ordered), position: position, row: row)
        } catch {
            return .reject(position: position, reason: "\(error)", row: row())
        }
    }
}

/// Where lines begin in a file's bytes.
struct LineIndex: Sendable {
    let starts: [Int]

    init(_ bytes: [UInt8]) {
        var starts = [0]
        for (offset, byte) in bytes.enumerated() where byte == 0x0A { starts.append(offset + 1) }
        if starts.last == bytes.count, bytes.count > 0 { starts.removeLast() }
        self.starts = starts
    }

    /// The bytes of a line, from 0, with its line break.
    func range(_ line: Int, of bytes: [UInt8]) -> Range<Int> {
        starts[line]..<(line + 1 < starts.count ? starts[line + 1] : bytes.count)
    }
}
