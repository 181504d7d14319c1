public import Cryptography
import Home
public import Interchange
import Records
import Sealing

/// A row that an import refused, as it is kept: all but the row itself can be read without a key.
public struct QuarantinedRow: Sendable {
    /// The import that refused it; the name of its file in `quarantine/`.
    public let batch: String
    public let number: Int64
    public let file: String
    public let line: Int64
    public let item: Int64?
    public let reason: String
    /// Of the file that it was in; `nil` for one that was kept before rows said it.
    public let format: ImportFormat?
    /// What stands above the rows of its file: a line of the same file in `quarantine/`.
    public let heading: Int64?
    /// How long it was, where only its beginning is kept.
    public let byteCount: Int64?
    let content: QuarantinedContent

    public var id: String { "\(batch)#\(number)" }
}

/// What is sealed of a line in `quarantine/`.
struct QuarantinedContent: Sendable {
    let header: Sealing.SealedHeader
    let blob: [UInt8]
    /// A row as it was sealed before rows were in envelopes: the box does not say to which key.
    let box: [UInt8]?

    var keyIDs: [[UInt8]] { header.recipients.map(\.keyID) }
}

/// The rows that imports refused, in `HOME/quarantine`: read, opened for who corrects them, and removed.
public struct QuarantineFolder: Sendable {
    static let recordType = "quarantine"
    static let rowField = "row"
    static let headingField = "heading"
    private static let suffix = ".jsonl"
    /// More than a line of ``Quarantine`` has.
    private static let maximumLine = 2 << 20

    private let node: Node
    private let opener: SealedOpener

    public init(_ node: Node) {
        self.node = node
        opener = SealedOpener(node: node)
    }

    static func path(of batch: String, in home: HomeFolder) -> String {
        "\(home.quarantineFolder)/\(batch)\(suffix)"
    }

    /// No log has this name, as no community has: what is sealed here is no record's.
    static func origin(of node: String) -> String { "\(node)/_quarantine" }

    /// One line of a file.
    public enum Line: Sendable {
        case row(QuarantinedRow)
        case heading(Int64)
        /// No row that can be read.
        case damaged
    }

    // MARK: Reading

    /// The imports that rows are kept of, the oldest first.
    public func batches() throws -> [String] {
        try LineFile.names(in: node.home.quarantineFolder, ending: QuarantineFolder.suffix)
            .filter { LineFile.isPlain(path(of: $0)) }
    }

    /// What is called like an import and is no file of rows: links, pipes and folders, which no import makes.
    public func strays() throws -> [String] {
        try LineFile.names(in: node.home.quarantineFolder, ending: QuarantineFolder.suffix)
            .map { path(of: $0) }.filter { !LineFile.isPlain($0) }
    }

    public func path(of batch: String) -> String { QuarantineFolder.path(of: batch, in: node.home) }

    /// Every line of an import, in its order.
    public func read(_ batch: String, _ body: (Line) throws -> Void) throws {
        var number: Int64 = 0
        try LineFile.read(path(of: batch), maximumLine: QuarantineFolder.maximumLine) { line in
            number += 1
            try body(line.map { QuarantineFolder.parse($0, batch: batch, number: number) } ?? .damaged)
        }
    }

    private static func parse(_ line: [UInt8], batch: String, number: Int64) -> Line {
        guard let value = try? JSONScanner.scan(line) else { return .damaged }
        guard value["file"] != nil else { return value["heading"]?.integer.map { .heading($0) } ?? .damaged }
        guard let file = value["file"]?.string, let position = value["line"]?.integer,
            let reason = value["reason"]?.string, let content = content(of: value)
        else { return .damaged }
        return .row(
            QuarantinedRow(
                batch: batch, number: value["row"]?.integer ?? number, file: file, line: position,
                item: value["item"]?.integer, reason: reason,
                format: value["format"]?.string.flatMap { ImportFormat(rawValue: $0) },
                heading: value["heading"]?.integer, byteCount: value["bytes"]?.integer, content: content))
    }

    private static func content(of value: JSONValue) -> QuarantinedContent? {
        if let box = value["row_box"]?.string.flatMap(Base64.decode) {
            let none = Sealing.SealedHeader(
                suite: SealingSuite.name, salt: [], recipients: [], fields: [], size: 0, sha256: SHA256.hash([]),
                commitment: [])
            return QuarantinedContent(header: none, blob: [], box: box)
        }
        guard let blob = value["blob"]?.string.flatMap(Base64.decode),
            let commitment = value["commitment"]?.string.flatMap(Base64.decode),
            let header = try? Sealing.SealedHeader(of: blob, commitment: commitment)
        else { return nil }
        return QuarantinedContent(header: header, blob: blob, box: nil)
    }

    // MARK: Opening

    /// Whether a key is here that opens the row; `nil` where the row does not say which key that is.
    public func canOpen(_ row: QuarantinedRow) throws -> Bool? {
        guard row.content.box == nil else { return nil }
        let keyIDs = try opener.keyIDs
        return row.content.keyIDs.contains { keyIDs.contains($0) }
    }

    /// So many are opened together.
    public static let openedTogether = 256

    /// The rows as they stood, once the journal says so; why not, for each that does not open.
    public func open(_ rows: [QuarantinedRow]) throws -> [Result<SecretBytes, any Error>] {
        try node.journal.note(rows.map { Journal.Entry(.quarantine, reference: $0.id) })
        return try open(rows.map(\.content))
    }

    /// What stands above the rows of a file, and whether only its beginning is kept; `nil` where it is gone.
    public func heading(_ number: Int64, of batch: String) throws -> (text: SecretBytes, isCut: Bool)? {
        var found: (content: QuarantinedContent, isCut: Bool)?
        try LineFile.read(path(of: batch), maximumLine: QuarantineFolder.maximumLine) { line in
            guard found == nil, let value = line.flatMap({ try? JSONScanner.scan($0) }), value["file"] == nil,
                value["heading"]?.integer == number, let content = QuarantineFolder.content(of: value)
            else { return }
            found = (content, value["bytes"] != nil)
        }
        guard let found else { return nil }
        try node.journal.note([
            Journal.Entry(.quarantine, reference: batch, fields: [QuarantineFolder.headingField])
        ])
        guard let text = try open([found.content]).first else { return nil }
        return (try text.get(), found.isCut)
    }

    private func open(_ contents: [QuarantinedContent]) throws -> [Result<SecretBytes, any Error>] {
        let keyIDs = try opener.keyIDs
        // All boxes at once, since the running node may have to be asked.
        let boxes = contents.flatMap { content in
            ((try? SealedBlob(parsing: content.blob).recipients) ?? []).filter { keyIDs.contains($0.keyID) }
        }
        var opened: [[UInt8]: SecretBytes] = [:]
        if !boxes.isEmpty {
            for (boxed, key) in try zip(boxes, node.privateKeys.open(boxes)) { opened[boxed.box] = key }
        }
        return try contents.map { content in
            if let box = content.box { return Result { try open(box: box) } }
            let keys = try node.privateKeys.boxOpener(keyIDs: keyIDs, opened: opened)
            return Result {
                let fields = try Envelope.open(
                    blob: content.blob, header: content.header, origin: QuarantineFolder.origin(of: node.name),
                    recordType: QuarantineFolder.recordType, as: node.name, keys: keys)
                guard let first = fields.first, fields.count == 1 else { throw SealingError.disagreement("fields") }
                return first.value
            }
        }
    }

    /// Tries the key of each epoch, in this process: the running node opens no boxes but those of data keys.
    private func open(box: [UInt8]) throws -> SecretBytes {
        for epoch in try node.keystore.sealingEpochs().reversed() {
            let key = try node.keystore.sealingKey(epoch: epoch)
            if let row = try? key.open(box, isPassing: true) { return row }
        }
        throw SealingError.keyMissing(node: node.name)
    }

    // MARK: Removing

    /// Removes rows of an import for good, by their numbers. A heading goes with the last row below it; what cannot be
    /// read goes with the last row of all, where the import is meant as a whole. How many rows there were.
    public func remove(_ numbers: Set<Int64>, from batch: String, asWhole: Bool) throws -> Int {
        // Somebody else may have removed it since.
        guard LineFile.isPlain(path(of: batch)) else { return 0 }
        var removed = 0
        var isLeft = false
        var headings: Set<Int64> = []
        try read(batch) { line in
            switch line {
            case .row(let row) where numbers.contains(row.number): removed += 1
            case .row(let row):
                isLeft = true
                if let heading = row.heading { headings.insert(heading) }
            case .damaged: isLeft = isLeft || !asWhole
            case .heading: break
            }
        }
        guard isLeft else {
            try LineFile.remove(path(of: batch))
            return removed
        }
        guard removed > 0 else { return 0 }
        var number: Int64 = 0
        try LineFile.rewrite(path(of: batch), maximumLine: QuarantineFolder.maximumLine) { line in
            number += 1
            switch QuarantineFolder.parse(line, batch: batch, number: number) {
            case .row(let row):
                return numbers.contains(row.number) ? nil : QuarantineFolder.numbered(line, row.number)
            case .heading(let heading): return headings.contains(heading) ? line : nil
            case .damaged: return line
            }
        }
        return removed
    }

    /// A row that is known by its line alone is given its number before that changes.
    private static func numbered(_ line: [UInt8], _ number: Int64) -> [UInt8] {
        guard let value = try? JSONScanner.scan(line), value["row"] == nil, let members = value.object else {
            return line
        }
        return JSONWriter.write(.object([JSONMember("row", .integer(number))] + members))
    }

    // MARK: Keys

    /// How many rows only these keys open, and how many do not say which key opens them.
    func count(boxedOnlyTo keyIDs: Set<SHA256Digest>) throws -> (lost: Int, unnamed: Int) {
        let keyIDs = Set(keyIDs.map(\.bytes))
        var count = (lost: 0, unnamed: 0)
        for batch in try batches() {
            try read(batch) { line in
                guard case .row(let row) = line else { return }
                if row.content.box != nil {
                    count.unnamed += 1
                } else if row.content.keyIDs.allSatisfy(keyIDs.contains) {
                    count.lost += 1
                }
            }
        }
        return count
    }
}
