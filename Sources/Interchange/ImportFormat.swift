public import Records

/// A format that records come in.
public enum ImportFormat: String, Sendable, CaseIterable {
    /// GraphSense TagPack: YAML, attributions of addresses and transactions.
    case tagpack
    /// GraphSense ActorPack: YAML, actors.
    case actorpack
    /// Comma-separated values whose first row names the fields (RFC 4180).
    case csv
    /// One JSON record a line.
    case jsonl

    /// The format of a file by its name and, for YAML, by what its head says; `nil` where neither tells.
    public static func detect(fileName: String, head: [UInt8]) -> ImportFormat? {
        let name = fileName.lowercased()
        if name.hasSuffix(".csv") { return .csv }
        if name.hasSuffix(".jsonl") || name.hasSuffix(".ndjson") { return .jsonl }
        guard name.hasSuffix(".yaml") || name.hasSuffix(".yml") else { return nil }
        if name.contains("actorpack") { return .actorpack }
        let lines = TextBytes.normalised(head).split(separator: 0x0A)
        let list = lines.first { $0.starts(with: "tags:".utf8) || $0.starts(with: "actors:".utf8) }
        return list?.first == UInt8(ascii: "a") ? .actorpack : .tagpack
    }
}

/// A place in a file.
public struct ImportPosition: Hashable, Sendable {
    /// From 1.
    public let line: Int
    /// Which tag, actor or row, from 1.
    public let item: Int?

    public init(line: Int, item: Int? = nil) {
        self.line = line
        self.item = item
    }
}

/// One row of a file: a record, or why it is none.
public enum ImportItem: Sendable {
    /// A body that is valid for submission. `row` gives the row as it stood, should the record be refused later.
    case record(body: [UInt8], position: ImportPosition, row: @Sendable () -> [UInt8])
    /// `reason` quotes no value; `row` is the row as it stood, as far as it could be told apart.
    case reject(position: ImportPosition, reason: String, row: [UInt8])
}

/// What stands above the rows of a file: with it some of them are a file of the same format again.
public struct ImportHeading: Sendable {
    public let format: ImportFormat
    /// The row that names the fields, or what a pack says of all its items, with the name of the list. Empty where rows
    /// need none.
    public let text: @Sendable () -> [UInt8]
}

/// What records get that the file does not say.
public struct ImportDefaults: Sendable {
    public let time: Timestamp
    public let author: String
    public let tlp: TLP
    public let incident: String?

    public init(time: Timestamp, author: String, tlp: TLP, incident: String? = nil) {
        self.time = time
        self.author = author
        self.tlp = tlp
        self.incident = incident
    }
}

/// Files that another file includes, by their path relative to its folder. Whoever serves them makes sure that none
/// lies outside that folder; paths that would lead out by name are not even asked for.
public protocol FileAccess: Sendable {
    func read(_ relativePath: String, limit: Int) throws -> [UInt8]
}

/// Why nothing of a file can be imported.
public struct ImportError: Error, Sendable, Hashable, CustomStringConvertible {
    public let file: String
    public let line: Int?
    public let reason: String

    public init(file: String, line: Int? = nil, reason: String) {
        self.file = file
        self.line = line
        self.reason = reason
    }

    public var description: String { "\(file)\(line.map { ":\($0)" } ?? ""): \(reason)" }
}
