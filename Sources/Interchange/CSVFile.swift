import Records

/// Comma-separated values (RFC 4180) whose first row names the fields: paths of attributions such as
/// `subject.address`, names of TagPack, or common words for them. Lists are divided by semicolons.
struct CSVFile: RowSource {
    private struct Row: Sendable {
        let line: Int
        let cells: [String]
        let raw: [UInt8]
        let problem: String?
    }

    private let rows: [Row]
    private let header: [String]
    let heading: [UInt8]
    private let name: String
    private let defaults: ImportDefaults
    private static let chunk = 2_048

    init(file: (name: String, bytes: [UInt8]), defaults: ImportDefaults) throws {
        var rows = CSVFile.parse(TextBytes.withoutMark(file.bytes)[...])
        guard let first = rows.first, first.problem == nil else {
            throw ImportError(file: file.name, line: 1, reason: "the first row must name the fields")
        }
        heading = first.raw
        rows.removeFirst()
        header = try first.cells.enumerated().map { column, cell in
            let word = cell.trimmed.lowercased()
            guard let field = CSVFile.fields[word] ?? (CSVFile.isPath(word) ? word : nil) else {
                // Not quoted: where the row of names is missing, it is a value.
                throw ImportError(
                    file: file.name, line: 1,
                    reason: "column \(column + 1) of the first row, which must name the fields, is none; see `entente "
                        + "submit attribution --help` for the names")
            }
            guard !field.hasPrefix("provenance") else {
                throw ImportError(
                    file: file.name, line: 1,
                    reason: "column \(column + 1) is provenance, which the import writes itself; take it out")
            }
            return field
        }
        guard Set(header).count == header.count else {
            throw ImportError(file: file.name, line: 1, reason: "a field is named twice")
        }
        self.rows = rows
        name = file.name
        self.defaults = defaults
    }

    /// Words for fields, beside the fields' own names.
    private static let fields: [String: String] = [
        "address": "subject.address", "tx_hash": "subject.tx_hash", "tx": "subject.tx_hash",
        "transaction": "subject.tx_hash", "chain": "chain", "network": "chain", "currency": "currency",
        "asset": "asset", "confidence": "confidence", "tags": "concepts", "category": "concepts",
        "abuse": "concepts", "entity": "label", "name": "label",
    ]

    private static func isPath(_ word: String) -> Bool {
        RecordSchema.attribution.field(at: word) != nil
    }

    var chunkCount: Int { (rows.count + CSVFile.chunk - 1) / CSVFile.chunk }

    func items(ofChunk chunk: Int) -> [ImportItem] {
        let range = (chunk * CSVFile.chunk)..<min(rows.count, (chunk + 1) * CSVFile.chunk)
        return range.map { item(rows[$0], number: $0 + 1) }
    }

    private func item(_ row: Row, number: Int) -> ImportItem {
        let position = ImportPosition(line: row.line, item: number)
        if let problem = row.problem { return .reject(position: position, reason: problem, row: row.raw) }
        guard row.cells.count == header.count else {
            return .reject(
                position: position, reason: "\(row.cells.count) cells where \(header.count) fields are named",
                row: row.raw)
        }
        var tag = Tag()
        do {
            for (field, cell) in zip(header, row.cells) where !cell.isEmpty { try tag.set(field, cell) }
        } catch {
            return .reject(position: position, reason: "\(error)", row: row.raw)
        }
        tag.provenance = [
            JSONMember("format", .string("csv")), JSONMember("file", .string(name)),
            JSONMember("position", .string("line \(row.line)")),
        ]
        return RowFinisher.finish(tag.record, type: .attribution, defaults: defaults, position: position) { row.raw }
    }

    // MARK: Reading

    /// Rows with the line each begins on. A quoted cell may hold line breaks.
    private static func parse(_ bytes: ArraySlice<UInt8>) -> [Row] {
        var rows: [Row] = []
        var offset = bytes.startIndex
        var line = 1
        while offset < bytes.endIndex {
            let begin = offset
            let firstLine = line
            var cells: [String] = []
            var cell: [UInt8] = []
            var isQuoted = false
            var isClosed = false
            var problem: String?
            scan: while true {
                guard offset < bytes.endIndex else {
                    if isQuoted { problem = "a quotation mark is not closed" }
                    break
                }
                let byte = bytes[offset]
                offset += 1
                if byte == 0x0A { line += 1 }
                switch (byte, isQuoted) {
                case (UInt8(ascii: "\""), true):
                    if offset < bytes.endIndex, bytes[offset] == byte {
                        cell.append(byte)
                        offset += 1
                    } else {
                        isQuoted = false
                        isClosed = true
                    }
                case (UInt8(ascii: ","), false):
                    cells.append(String(decoding: cell, as: UTF8.self))
                    cell = []
                    isClosed = false
                case (0x0A, false): break scan
                case (0x0D, false) where offset == bytes.endIndex || bytes[offset] == 0x0A: break
                case (_, false) where isClosed: problem = "text behind a closed quotation mark"
                case (UInt8(ascii: "\""), false):
                    if cell.isEmpty { isQuoted = true } else { problem = "a quotation mark inside a cell without any" }
                default: cell.append(byte)
                }
            }
            let raw = Array(bytes[begin..<offset])
            if raw.allSatisfy({ $0 == 0x0A || $0 == 0x0D }) { continue }
            if String(validating: raw, as: UTF8.self) == nil { problem = "not UTF-8" }
            cells.append(String(decoding: cell, as: UTF8.self))
            rows.append(Row(line: firstLine, cells: cells, raw: raw, problem: problem))
        }
        return rows
    }
}
