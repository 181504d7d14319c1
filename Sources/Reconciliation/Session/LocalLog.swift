public import Cryptography
public import TransparencyLog

/// A log as the session of one peer needs to know it: visible to that peer, not frozen.
public struct LocalLog: Sendable, Hashable {
    public let id: LogID
    public let origin: String
    public let community: String
    public let isOwn: Bool
    /// The keys of which one signs this log's checkpoints.
    public let verifierKeys: [VerifierKey]
    /// The newest checkpoint that is held completely, if any.
    public let head: Head?
    /// Entries held, which may be more than the head while a transfer is interrupted or under way.
    public let held: UInt64
    /// The checkpoint that the entries beyond the head were proved against.
    public let pinned: Head?
    /// The newest cosignature of each cosigner.
    public let cosignatures: [CosignatureLine]
    /// Blobs of this log that are wanted and not held.
    public let wantedBlobs: [BlobKey]

    public init(
        id: LogID, origin: String, community: String, isOwn: Bool, verifierKeys: [VerifierKey], head: Head?,
        held: UInt64, pinned: Head?, cosignatures: [CosignatureLine], wantedBlobs: [BlobKey]
    ) {
        self.id = id
        self.origin = origin
        self.community = community
        self.isOwn = isOwn
        self.verifierKeys = verifierKeys
        self.head = head
        self.held = held
        self.pinned = pinned
        self.cosignatures = cosignatures
        self.wantedBlobs = wantedBlobs
    }

    /// What to tell a peer.
    var announced: Head {
        Head(log: id, size: head?.size ?? 0, root: head?.root ?? .zero, pinnedSize: pinned?.size ?? 0)
    }
}

/// Digests that two nodes compare before anything else.
public enum SessionDigest {
    /// RFC 6962 root over the heads, sorted by log id; each leaf is `log id || size (8 bytes, big-endian) || root`.
    /// Logs without entries do not count.
    public static func heads(_ heads: some Sequence<Head>) -> SHA256Digest {
        let hasher = MerkleHasher()
        var tree = CompactRange()
        for head in heads.filter({ $0.size > 0 }).sorted(by: { $0.log < $1.log }) {
            tree.append(leafHash: hasher.leaf(head.log.bytes + bigEndian(head.size) + head.root.bytes), hasher: hasher)
        }
        return tree.root(hasher: hasher) ?? MerkleHasher.emptyRoot
    }

    /// RFC 6962 root over the newest cosignature of each cosigner on each log, sorted by log id and cosigner; each
    /// leaf is `log id || size || time || cosigner`.
    public static func cosignatures(_ logs: some Sequence<LocalLog>) -> SHA256Digest {
        let hasher = MerkleHasher()
        var tree = CompactRange()
        for log in logs.sorted(by: { $0.id < $1.id }) {
            for line in log.cosignatures.sorted(by: { $0.cosigner < $1.cosigner }) {
                let leaf = log.id.bytes + bigEndian(line.size) + bigEndian(line.time) + [UInt8](line.cosigner.utf8)
                tree.append(leafHash: hasher.leaf(leaf), hasher: hasher)
            }
        }
        return tree.root(hasher: hasher) ?? MerkleHasher.emptyRoot
    }

    private static func bigEndian(_ value: UInt64) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }
}
