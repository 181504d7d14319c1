public import Cryptography
public import TransparencyLog

/// A checkpoint of a log at which one key took the place of another.
public struct SteppingStone: Sendable, Hashable {
    public let head: Head
    /// The ids of the keys whose signatures are kept with it: of both, or of the one that was known when it came.
    public let signers: [UInt32]

    public init(head: Head, signers: [UInt32]) {
        self.head = head
        self.signers = signers
    }

    var isComplete: Bool { signers.count > 1 }
}

/// A log as the session of one peer needs to know it: visible to that peer, not frozen.
public struct LocalLog: Sendable, Hashable {
    public let id: LogID
    public let origin: String
    public let community: String
    public let isOwn: Bool
    /// Whether this own log is being recovered from partners, and so grows like a replica.
    public let isRecovering: Bool
    /// The logs that may come after this one in its place, where what the peer says of it counts only once this side holds
    /// as much of them.
    public let successors: [LogID]
    /// How many entries its owner had written when it went on in another log: what is offered beyond is not taken.
    public let limit: UInt64?
    /// The root of those, where its owner has said that too: who signs it need not be asked.
    public let rootAtLimit: SHA256Digest?
    /// The keys that sign this log's checkpoints, as far as they are known here.
    public let keys: LogKeyChain?
    /// The checkpoints held at which a key took the place of another, by size.
    public let stones: [SteppingStone]
    /// The newest checkpoint that is held completely, if any.
    public let head: Head?
    /// Entries held, which may be more than the head while a transfer is interrupted or under way.
    public let held: UInt64
    /// The checkpoint that the entries beyond the head were proved against.
    public let pinned: Head?
    /// The newest cosignature of each cosigner.
    public let cosignatures: [CosignatureLine]
    /// Digest of the receipts for this log's blobs; all zeros where there are none.
    public let receipts: SHA256Digest
    /// Blobs of this log that are wanted and not held.
    public let wantedBlobs: [BlobKey]
    /// Entries that are damaged here, as ranges of whole bundles.
    public let damaged: [Range<UInt64>]
    /// Digest of what lies beside the log; all zeros where nothing does.
    ///
    /// `SHA-256(0x05 || for each cosigner by name: size (8 bytes) || time (8 bytes) || length of the name (2 bytes) ||
    /// name)`, over the newest cosignature of each; and where there are receipts,
    /// `SHA-256(0x07 || that or 32 zero bytes || digest of the receipts)`.
    ///
    /// Of a log that is being recovered another than any peer's, so that each side tells the other what it holds even
    /// where that is the same.
    let beside: SHA256Digest

    public init(
        id: LogID, origin: String, community: String, isOwn: Bool, keys: LogKeyChain?, stones: [SteppingStone] = [],
        head: Head?, held: UInt64, pinned: Head?, cosignatures: [CosignatureLine], receipts: SHA256Digest = .zero,
        wantedBlobs: [BlobKey], damaged: [Range<UInt64>] = [], isRecovering: Bool = false, successors: [LogID] = [],
        limit: UInt64? = nil, rootAtLimit: SHA256Digest? = nil
    ) {
        self.id = id
        self.origin = origin
        self.community = community
        self.isOwn = isOwn
        self.isRecovering = isRecovering
        self.successors = successors
        self.limit = limit
        self.rootAtLimit = rootAtLimit
        self.keys = keys
        self.stones = stones
        self.head = head
        self.held = held
        self.pinned = pinned
        self.cosignatures = cosignatures
        self.receipts = receipts
        self.wantedBlobs = wantedBlobs
        self.damaged = damaged
        beside =
            isRecovering
            ? SHA256.hash([0x06] + id.bytes) : LocalLog.beside(cosignatures: cosignatures, receipts: receipts)
    }

    /// Whether a stepping stone of the part that is held is not here, or not with both signatures: the log came in as a
    /// whole, under a later key, or before the record that names the new one.
    var lacksStones: Bool {
        guard let keys, let head else { return false }
        return keys.changes.contains { change in
            change.size <= head.size && !stones.contains { $0.head.size == change.size && $0.isComplete }
        }
    }

    /// How many stepping stones are here with both signatures.
    var completeStones: Int { stones.count(where: \.isComplete) }

    /// The ids of the keys that have signed a checkpoint of this size here: of a stepping stone perhaps not both.
    func signers(at size: UInt64) -> [UInt32] {
        let keys = keys?.keys(at: size) ?? []
        guard keys.count > 1 else { return keys.map(\.keyID) }
        return stones.first { $0.head.size == size }?.signers ?? []
    }

    private static func beside(cosignatures: [CosignatureLine], receipts: SHA256Digest) -> SHA256Digest {
        var digest = SHA256Digest.zero
        if !cosignatures.isEmpty {
            var bytes: [UInt8] = [0x05]
            for line in cosignatures.sorted(by: { $0.cosigner < $1.cosigner }) {
                bytes += bigEndian(line.size) + bigEndian(line.time)
                bytes += bigEndian(UInt64(line.cosigner.utf8.count)).suffix(2) + line.cosigner.utf8
            }
            digest = SHA256.hash(bytes)
        }
        return receipts == .zero ? digest : SHA256.hash([0x07] + digest.bytes + receipts.bytes)
    }

    /// What to tell a peer.
    var announced: Head {
        Head(
            log: id, size: head?.size ?? 0, root: head?.root ?? .zero, pinnedSize: pinned?.size ?? 0,
            beside: head == nil ? .zero : beside)
    }
}
