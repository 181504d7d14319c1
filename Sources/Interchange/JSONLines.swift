import Records

/// One JSON record a line. A full record stays as it is written, to the byte; what it lacks of time, author and TLP is
/// filled in.
struct JSONLines: RowSource {
    private let bytes: [UInt8]
    private let lines: LineIndex
    private let defaults: ImportDefaults
    private static let chunk = 2_048
    /// A line longer than this is no record.
    private static let maximumLine = 1 << 20

    init(file: (name: String, bytes: [UInt8]), defaults: ImportDefaults) {
        bytes = TextBytes.withoutMark(file.bytes)
        lines = LineIndex(bytes)
        self.defaults = defaults
    }

    var heading: [UInt8] { [] }

    var chunkCount: Int { (lines.starts.count + JSONLines.chunk - 1) / JSONLines.chunk }

    func items(ofChunk chunk: Int) -> [ImportItem] {
        let range = (chunk * JSONLines.chunk)..<min(lines.starts.count, (chunk + 1) * JSONLines.chunk)
        return range.compactMap { line in
            var row = bytes[lines.range(line, of: bytes)]
            while let last = row.last, last == 0x0A || last == 0x0D { row.removeLast() }
            guard row.contains(where: { $0 != 0x20 && $0 != 0x09 }) else { return nil }
            return item(Array(row), ImportPosition(line: line + 1))
        }
    }

    private func item(_ row: [UInt8], _ position: ImportPosition) -> ImportItem {
        guard row.count <= JSONLines.maximumLine else {
            return .reject(position: position, reason: "a line of \(row.count) bytes", row: row)
        }
        let value: JSONValue
        do {
            value = try JSONScanner.scan(row)
        } catch {
            return .reject(position: position, reason: "\(error)", row: row)
        }
        let isFull = ["v", "type", "time", "author", "tlp"].allSatisfy { value[$0] != nil }
        if isFull, defaults.incident == nil || value["incident"] != nil,
            (try? EntryRecord.validate(body: row, forSubmission: true)) != nil
        {
            return .record(body: row, position: position) { row }
        }
        return RowFinisher.finish(value, type: nil, defaults: defaults, position: position) { row }
    }
}
