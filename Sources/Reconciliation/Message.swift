public import Cryptography

/// A log's identity on the wire: SHA-256 of its origin.
public typealias LogID = SHA256Digest

/// What a node says it holds of a log.
public struct Head: Sendable, Hashable {
    public let log: LogID
    public let size: UInt64
    /// Root at `size`; all zeros where the size is 0.
    public let root: SHA256Digest
    /// Size of the checkpoint that an interrupted transfer was proved against; 0 if there is none.
    public let pinnedSize: UInt64
    /// Digest of what lies beside the log, cosignatures and receipts; all zeros where nothing does.
    public let beside: SHA256Digest

    public init(
        log: LogID, size: UInt64, root: SHA256Digest, pinnedSize: UInt64 = 0, beside: SHA256Digest = .zero
    ) {
        self.log = log
        self.size = size
        self.root = root
        self.pinnedSize = pinnedSize
        self.beside = beside
    }
}

/// A community in which the sender admits the receiver, with the root of the tree over its heads.
public struct CommunityDigest: Sendable, Hashable {
    public let name: String
    public let digest: SHA256Digest

    public init(name: String, digest: SHA256Digest) {
        self.name = name
        self.digest = digest
    }
}

/// The first message of each side.
public struct Hello: Sendable, Hashable {
    public static let major: UInt32 = 1
    public static let minor: UInt32 = 0

    public let major: UInt32
    public let minor: UInt32
    public let node: String
    /// The communities in which the sender admits the receiver, sorted by name.
    public let communities: [CommunityDigest]
    /// Digest of what the sender remembers that both held when they last agreed, if it remembers anything.
    public let memory: SHA256Digest?
    /// Whether the sender closes once both sides hold the same.
    public let once: Bool
    /// Whether the sender wants nothing beyond what the heads show.
    public let settled: Bool

    public init(
        major: UInt32 = Hello.major, minor: UInt32 = Hello.minor, node: String, communities: [CommunityDigest],
        memory: SHA256Digest?, once: Bool, settled: Bool
    ) {
        self.major = major
        self.minor = minor
        self.node = node
        self.communities = communities
        self.memory = memory
        self.once = once
        self.settled = settled
    }
}

/// A larger checkpoint of a log, with the proof that it continues what the receiver has.
public struct Offer: Sendable, Hashable {
    public let log: LogID
    /// The signed note.
    public let checkpoint: String
    public let fromSize: UInt64
    public let proof: [SHA256Digest]
    /// Whether the entries from `fromSize` on follow in the next frame, unasked.
    public let isPushed: Bool

    public init(
        log: LogID, checkpoint: String, fromSize: UInt64, proof: [SHA256Digest], isPushed: Bool = false
    ) {
        self.log = log
        self.checkpoint = checkpoint
        self.fromSize = fromSize
        self.proof = proof
        self.isPushed = isPushed
    }
}

/// Entries `start..<end` of a log, to be proved in its tree of `treeSize`.
public struct RangeRequest: Sendable, Hashable {
    public let log: LogID
    public let start: UInt64
    public let end: UInt64
    public let treeSize: UInt64

    public init(log: LogID, start: UInt64, end: UInt64, treeSize: UInt64) {
        self.log = log
        self.start = start
        self.end = end
        self.treeSize = treeSize
    }
}

/// One bundle of a range, raw or as a zstd frame.
public struct BundlePiece: Sendable, Hashable {
    public let entries: Int
    public let isCompressed: Bool
    public let data: [UInt8]

    public init(entries: Int, isCompressed: Bool, data: [UInt8]) {
        self.entries = entries
        self.isCompressed = isCompressed
        self.data = data
    }
}

/// Entries on their way, with the range proof that places them in the tree of `request.treeSize`.
public struct EntryRange: Sendable, Hashable {
    /// What part of a request this answers: its own start and end.
    public let range: RangeRequest
    public let proof: [SHA256Digest]
    public let bundles: [BundlePiece]

    public init(range: RangeRequest, proof: [SHA256Digest], bundles: [BundlePiece]) {
        self.range = range
        self.proof = proof
        self.bundles = bundles
    }
}

/// A cosignature on its way: judged alone, stored only when it verifies.
public struct CosignatureLine: Sendable, Hashable {
    public let cosigner: String
    public let size: UInt64
    /// Unix seconds.
    public let time: UInt64
    public let line: String

    public init(cosigner: String, size: UInt64, time: UInt64, line: String) {
        self.cosigner = cosigner
        self.size = size
        self.time = time
        self.line = line
    }
}

/// A blob by the record that names it.
public struct BlobKey: Sendable, Hashable {
    public let log: LogID
    public let index: UInt64
    public let sha256: SHA256Digest

    public init(log: LogID, index: UInt64, sha256: SHA256Digest) {
        self.log = log
        self.index = index
        self.sha256 = sha256
    }
}

/// A recipient's dated statement that it holds a blob: judged alone, stored only when it verifies.
public struct ReceiptLine: Sendable, Hashable {
    /// The entry whose record names the blob.
    public let index: UInt64
    public let sha256: SHA256Digest
    public let holder: String
    /// Unix seconds.
    public let time: UInt64
    /// A cosignature line over the receipt's text.
    public let line: String

    public init(index: UInt64, sha256: SHA256Digest, holder: String, time: UInt64, line: String) {
        self.index = index
        self.sha256 = sha256
        self.holder = holder
        self.time = time
        self.line = line
    }
}

/// The digests by which two nodes compare the receipts of a log: see `ReceiptDigest`.
public struct ReceiptPages: Sendable, Hashable {
    public let log: LogID
    /// Of all receipts; all zeros where there are none.
    public let digest: SHA256Digest
    /// Whether this answers a comparison, or asks for one.
    public let isAnswer: Bool
    /// By number, in an answer to another digest.
    public let pages: [UInt64: SHA256Digest]
    /// Whether further pages follow.
    public let more: Bool

    public init(
        log: LogID, digest: SHA256Digest, isAnswer: Bool, pages: [UInt64: SHA256Digest] = [:], more: Bool = false
    ) {
        self.log = log
        self.digest = digest
        self.isAnswer = isAnswer
        self.pages = pages
        self.more = more
    }
}

/// Everything that travels between two nodes, checked for form but not yet for truth.
public enum Message: Sendable, Hashable {
    case hello(Hello)
    case heads(community: String, [Head], complete: Bool, settled: Bool)
    case ranges([RangeNode], settled: Bool)
    case offer(Offer)
    case request(RangeRequest)
    case requestRefusal(RangeRequest)
    case entries(EntryRange)
    case unknown([LogID])
    case logRefusal(LogID, reason: String)
    case cosignatures(LogID, [CosignatureLine])
    case blobRequest(BlobKey)
    case blob(BlobKey, [UInt8])
    case blobRefusal(BlobKey)
    case receipts(LogID, [ReceiptLine])
    case receiptPages(ReceiptPages)
    case prefixRequest(PrefixRequest)
    case prefix(PrefixRequest, [SHA256Digest])
    case nodesRequest(SubtreeRequest)
    case nodes(SubtreeRequest, [SHA256Digest])
    case fork(LogID, evidence: [UInt8])
    case ping(nonce: UInt64, isReply: Bool)
    case knownKeys(LogID, [UInt32])
    case stonesRequest(LogID)
    case stones(LogID, [String])
    case agree(SHA256Digest)
    case close(reason: String, memory: SHA256Digest?)
    /// A message of a later protocol version.
    case ignored
}

extension Message {
    /// The message with this word on whether its sender is settled; `nil` for messages that do not say that.
    func saying(settled: Bool) -> Message? {
        switch self {
        case .hello(let hello):
            .hello(
                Hello(
                    major: hello.major, minor: hello.minor, node: hello.node, communities: hello.communities,
                    memory: hello.memory, once: hello.once, settled: settled))
        case .heads(let community, let heads, let complete, _):
            .heads(community: community, heads, complete: complete, settled: settled)
        case .ranges(let nodes, _): .ranges(nodes, settled: settled)
        default: nil
        }
    }
}

/// What a peer did that the protocol does not allow.
public struct ProtocolViolation: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}
