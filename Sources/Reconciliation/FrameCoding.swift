import Cryptography
import SwiftProtobuf

/// Bounds of the protocol `entente/1`.
public enum FrameLimits {
    /// Length and kind.
    public static let prefixSize = 5
    public static let maximumControl = 64 << 10
    public static let maximumBulk = 8 << 20
    /// How much of a bulk frame its header may take.
    public static let maximumBulkHeader = (64 << 10) - 1
    public static let maximumBundlesInFrame = 256
    public static let maximumCosignatures = 128
    public static let maximumReceiptPages = 1_024
    public static let maximumHeadsInFrame = 400
    /// Ranges of heads; one with the hashes of 16 ranges below it takes some 600 bytes.
    public static let maximumNodesInFrame = 96
    /// Heads in all ranges of one frame.
    public static let maximumHeadsInRanges = 400
    public static let maximumUnknown = 1_500
    /// A sealed envelope.
    public static let maximumBlob = 1 << 20
    public static let maximumEvidence = 60 << 10
    /// Nodes, reasons and the like.
    public static let maximumText = 1_024
    /// Keys of one log that are spoken of, and stepping stones between them.
    public static let maximumKeys = 64
    public static let maximumCheckpoint = 16 << 10
    /// No proof needs more (C2SP tlog-proof).
    public static let maximumConsistencyProof = 63
    public static let maximumRangeProof = 126
}

/// The kind byte of a frame.
public enum FrameKind: UInt8, Sendable {
    case control = 0
    case bulk = 1

    /// The payload of such a frame has at most this many bytes.
    public var maximumPayload: Int {
        switch self {
        case .control: FrameLimits.maximumControl
        case .bulk: FrameLimits.maximumBulk
        }
    }
}

/// The first five bytes of every frame.
public struct FramePrefix: Hashable, Sendable {
    public let kind: FrameKind
    public let payloadSize: Int

    /// Judges length and kind before anything is allocated for the payload.
    public init(length: UInt32, kind: UInt8) throws {
        guard let kind = FrameKind(rawValue: kind) else {
            throw ProtocolViolation("a frame of unknown kind \(kind)")
        }
        guard length > 0 else { throw ProtocolViolation("an empty \(kind) frame") }
        guard length <= kind.maximumPayload else {
            throw ProtocolViolation("a \(kind) frame of \(length) bytes; at most \(kind.maximumPayload) are allowed")
        }
        self.kind = kind
        payloadSize = Int(length)
    }
}

/// A frame ready to be written: its prefix and head in one array, then raw parts that need no copy.
public struct EncodedFrame: Sendable {
    public let head: [UInt8]
    public let parts: [[UInt8]]

    public var byteCount: Int { parts.reduce(head.count) { $0 + $1.count } }

    public init(_ message: Message) throws {
        switch message {
        case .entries(let entries):
            try self.init(bulk: .entries(WireEntries(entries)), parts: entries.bundles.map(\.data))
        case .blob(let key, let bytes):
            try self.init(bulk: .blob(WireBlob(key)), parts: [bytes])
        default:
            var control = WireControl()
            control.message = WireControl.OneOf_Message(message)
            let payload: [UInt8] = try control.serializedBytes()
            _ = try FramePrefix(length: UInt32(clamping: payload.count), kind: FrameKind.control.rawValue)
            self.init(head: EncodedFrame.prefix(payloadSize: payload.count, kind: .control) + payload, parts: [])
        }
    }

    private init(bulk content: WireBulkHeader.OneOf_Content, parts: [[UInt8]]) throws {
        var header = WireBulkHeader()
        header.content = content
        let bytes: [UInt8] = try header.serializedBytes()
        let total = parts.reduce(2 + bytes.count) { $0 + $1.count }
        _ = try FramePrefix(length: UInt32(clamping: total), kind: FrameKind.bulk.rawValue)
        let length = [UInt8(truncatingIfNeeded: bytes.count >> 8), UInt8(truncatingIfNeeded: bytes.count)]
        self.init(head: EncodedFrame.prefix(payloadSize: total, kind: .bulk) + length + bytes, parts: parts)
    }

    private init(head: [UInt8], parts: [[UInt8]]) {
        self.head = head
        self.parts = parts
    }

    private static func prefix(payloadSize: Int, kind: FrameKind) -> [UInt8] {
        let length = UInt32(payloadSize)
        return [
            UInt8(truncatingIfNeeded: length >> 24), UInt8(truncatingIfNeeded: length >> 16),
            UInt8(truncatingIfNeeded: length >> 8), UInt8(truncatingIfNeeded: length), kind.rawValue,
        ]
    }
}

extension Message {
    /// Decodes the payload of one frame, whose prefix has been judged.
    public init(payload: [UInt8], kind: FrameKind) throws {
        do {
            switch kind {
            case .control:
                let control = try WireControl(serializedBytes: payload, options: Message.decoding)
                self = try Message(control)
            case .bulk:
                self = try Message(bulk: payload)
            }
        } catch let error as ProtocolViolation {
            throw error
        } catch {
            throw ProtocolViolation("a \(kind) frame that is not a valid message")
        }
    }

    private static let decoding: BinaryDecodingOptions = {
        var options = BinaryDecodingOptions()
        options.messageDepthLimit = 8
        options.discardUnknownFields = true
        return options
    }()

    private init(bulk payload: [UInt8]) throws {
        guard payload.count >= 2 else { throw ProtocolViolation("a bulk frame without a header") }
        let length = Int(payload[0]) << 8 | Int(payload[1])
        guard payload.count >= 2 + length else { throw ProtocolViolation("a bulk frame shorter than its header") }
        let header = try WireBulkHeader(serializedBytes: Array(payload[2..<(2 + length)]), options: Message.decoding)
        let content = payload[(2 + length)...]
        switch header.content {
        case .entries(let entries): self = .entries(try EntryRange(entries, content: content))
        case .blob(let blob):
            try bound(content.count, FrameLimits.maximumBlob, "bytes of a blob")
            self = .blob(try BlobKey(blob), Array(content))
        case nil: throw ProtocolViolation("a bulk frame of unknown content")
        }
    }
}
