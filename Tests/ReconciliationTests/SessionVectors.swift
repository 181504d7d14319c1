import Cryptography
import Foundation
import Reconciliation

/// docs/session-vectors.json: sessions to the byte, for whoever writes another implementation.
struct SessionVectors: Codable, Equatable {
    struct Key: Codable, Equatable {
        /// `log` or `mirror`.
        var kind: String
        var seed: String
        var vkey: String
    }

    struct Log: Codable, Equatable {
        var origin: String
        var logId: String
        /// What entry N holds.
        var body: String
        /// How many entries each node has when the first session begins.
        var entries: [String: Int]
        /// Roots in hexadecimal, by size, of the sizes that are spoken of.
        var roots: [String: String]
    }

    struct Frame: Codable, Equatable {
        var from: String
        /// What it is, in English.
        var says: String
        /// The whole frame: length, kind and payload.
        var hex: String
    }

    struct Session: Codable, Equatable {
        var name: String
        var frames: [Frame]
    }

    var warning = "Every key here is published. Use none of them."
    var cosignedAt: UInt64
    var keys: [Key]
    var logs: [Log]
    var sessions: [Session]

    static let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "docs/session-vectors.json")

    static func read() throws -> SessionVectors {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(SessionVectors.self, from: Data(contentsOf: file))
    }

    func write() throws {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try (encoder.encode(self) + Data("\n".utf8)).write(to: SessionVectors.file)
    }

    /// The compressed bundles in the order in which they travel.
    func compressedBundles() throws -> [[UInt8]] {
        try sessions.flatMap(\.frames).flatMap { frame in
            guard case .entries(let entries) = try frame.message() else { return [[UInt8]]() }
            return entries.bundles.filter(\.isCompressed).map(\.data)
        }
    }
}

struct NotAFrame: Error {}

extension SessionVectors.Frame {
    func message() throws -> Message {
        guard let bytes = Hexadecimal.decode(hex), bytes.count >= FrameLimits.prefixSize else { throw NotAFrame() }
        let length = bytes[..<4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let prefix = try FramePrefix(length: length, kind: bytes[4])
        guard bytes.count == FrameLimits.prefixSize + prefix.payloadSize else { throw NotAFrame() }
        return try Message(payload: Array(bytes[FrameLimits.prefixSize...]), kind: prefix.kind)
    }

    init(from node: String, _ message: Message, origins: [LogID: String]) throws {
        let frame = try EncodedFrame(message)
        self.init(
            from: node, says: message.words(origins),
            hex: Hexadecimal.encode(frame.head + frame.parts.flatMap { $0 }))
    }
}

extension Message {
    /// What this message says, of those that stand in the vectors.
    fileprivate func words(_ origins: [LogID: String]) -> String {
        func name(_ log: LogID) -> String { origins[log] ?? log.hex }
        func list(_ heads: [Head]) -> String {
            heads.map { "\(name($0.log)) at \($0.size)" }.joined(separator: ", ")
        }
        func words(_ range: RangeRequest) -> String {
            range.end == range.start + 1 ? "entry \(range.start)" : "entries \(range.start) to \(range.end - 1)"
        }
        func state(_ settled: Bool) -> String { settled ? "settled" : "not settled" }
        switch self {
        case .hello(let hello):
            let communities = hello.communities.map(\.name).joined(separator: ", ")
            return
                "Hello: version \(hello.major).\(hello.minor), communities \(communities), each with the digest of its "
                + "heads; remembers \(hello.memory == nil ? "nothing" : "what both agreed on last"); "
                + "\(hello.once ? "closes when done" : "stays"); \(state(hello.settled))"
        case .heads(_, let heads, let complete, let settled):
            if heads.isEmpty, !complete { return "Says only that it is \(state(settled))" }
            return "Holds " + list(heads) + (complete ? "; these are all changes since both agreed last" : "")
                + "; \(state(settled))"
        case .ranges(let nodes, let settled):
            let words = nodes.map { node in
                switch node.content {
                case .children: "\(node.community): the hashes of the 16 ranges below \(node.range)"
                case .heads(let heads, _): "\(node.community), a leaf: \(list(heads))"
                }
            }
            return "The node of the heads tree that differs: " + words.joined(separator: "; ") + "; \(state(settled))"
        case .offer(let offer):
            let size = offer.checkpoint.split(separator: "\n").dropFirst().first ?? ""
            return "Offers the signed checkpoint of \(name(offer.log)) at size \(size), with the proof "
                + "(\(offer.proof.count) hashes) that it continues size \(offer.fromSize)"
                + (offer.isPushed ? "; the entries follow unasked" : "")
        case .request(let request):
            return "Asks for \(words(request)) of \(name(request.log)), proved at size "
                + "\(request.treeSize)"
        case .entries(let entries):
            let bundles = entries.bundles.map { "\($0.entries) \($0.isCompressed ? "as one zstd frame" : "raw")" }
            let count = entries.proof.count
            return "Brings \(words(entries.range)) of \(name(entries.range.log)): "
                + bundles.joined(separator: ", then ") + "; the range proof has \(count) hash\(count == 1 ? "" : "es")"
        case .cosignatures(let log, let lines):
            return lines.map { "\($0.cosigner) cosigns \(name(log)) at size \($0.size)" }.joined(separator: "; ")
        case .close(let reason, let memory):
            return "Closes: \(reason)" + (memory == nil ? "" : "; both remember what they hold under this digest")
        default: return "A message without words here"
        }
    }
}
