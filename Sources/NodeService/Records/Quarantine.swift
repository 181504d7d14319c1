import Cryptography
import Glibc
import Home
import Interchange
import Records
import Sealing

/// Keeps the rows that an import did not take: `quarantine/IMPORT.jsonl`, one JSON object a line with file, position
/// and reason in clear. The row itself, which may hold what policy seals, is in an envelope to this node, as a record's
/// sealed part is. So is what stands above the rows of a file, on a line of its own: some of them are a file again with
/// it. ``QuarantineFolder`` reads them.
final class Quarantine {
    /// A row is kept to so many bytes: as many as an envelope surely holds.
    static let maximumRow = 1_000_000
    /// One import writes so many bytes and the line that passes them; of further rows only the reason is told.
    static let maximumByteCount = 256 << 20

    private let recipient: SealingRecipient
    private let path: String
    private var file: LineWriter?
    private var written = 0
    private var rows: Int64 = 0
    private var headings: Int64 = 0
    private var source: (name: String, heading: ImportHeading, number: Int64?)?
    /// Rows that were not kept.
    private(set) var dropped = 0

    init(node: Node) throws {
        guard let epoch = try node.keystore.sealingEpochs().last else {
            throw HomeError(.configuration, "there is no sealing key", path: node.home.keysFolder)
        }
        recipient = SealingRecipient(node: node.name, key: try node.keystore.sealingPublicKey(epoch: epoch))
        let stamp = Clock.timestamp.text.filter { $0.isNumber || $0 == "T" || $0 == "Z" }
        path = QuarantineFolder.path(of: "\(stamp)-\(getpid())", in: node.home)
    }

    /// The rows that follow are of this file.
    func begin(_ name: String, _ heading: ImportHeading) {
        source = (name, heading, nil)
    }

    func add(_ row: [UInt8], file: String, position: ImportPosition, reason: String) throws {
        guard written < Quarantine.maximumByteCount else {
            dropped += 1
            return
        }
        let heading = try headingNumber()
        rows += 1
        var members = [
            JSONMember("row", .integer(rows)), JSONMember("file", .string(file)),
            JSONMember("line", .integer(Int64(position.line))), JSONMember("reason", .string(reason)),
        ]
        if let item = position.item { members.append(JSONMember("item", .integer(Int64(item)))) }
        if let format = source?.heading.format { members.append(JSONMember("format", .string(format.rawValue))) }
        if let heading { members.append(JSONMember("heading", .integer(heading))) }
        try write(members, sealing: row, as: QuarantineFolder.rowField)
    }

    /// The number of the line that holds what stands above the rows of this file; it is written before the first.
    private func headingNumber() throws -> Int64? {
        guard let source else { return nil }
        if let number = source.number { return number }
        let text = source.heading.text()
        guard !text.isEmpty else { return nil }
        headings += 1
        self.source?.number = headings
        try write([JSONMember("heading", .integer(headings))], sealing: text, as: QuarantineFolder.headingField)
        return headings
    }

    private func write(_ members: [JSONMember], sealing text: [UInt8], as field: String) throws {
        var members = members
        if text.count > Quarantine.maximumRow { members.append(JSONMember("bytes", .integer(Int64(text.count)))) }
        var kept = Array(text.prefix(Quarantine.maximumRow))
        let (header, blob) = try Envelope.seal(
            fields: [SealedField(name: field, value: try SecretBytes(wiping: &kept, isPassing: true))],
            origin: QuarantineFolder.origin(of: recipient.node), recordType: QuarantineFolder.recordType,
            recipients: [recipient])
        members += [
            JSONMember("commitment", .string(Base64.encode(header.commitment))),
            JSONMember("blob", .string(Base64.encode(blob))),
        ]
        let line = JSONWriter.write(.object(members)) + [0x0A]
        if file == nil { file = try LineWriter(creating: path) }
        try file?.write(line)
        written += line.count
    }

    func finish() throws {
        try file.take()?.finish()
    }
}
