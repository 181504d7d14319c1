public import Cryptography

/// One digest over all blob receipts of a log, so that two nodes notice whether they know the same ones.
///
/// The receipts are cut into pages by the index of their record, 4,096 entries each. A page's digest is the RFC 6962
/// root over its receipts in order of index, hash and holder (as bytes), each leaf `index (8 bytes, big-endian) ||
/// SHA-256 of the blob || time (8 bytes, big-endian) || holder`. The digest of the log is the root over its pages in
/// order, each leaf `page number (8 bytes, big-endian) || digest of the page`; pages without receipts do not count.
/// A new receipt therefore costs the hashing of one page, however many there are.
public enum ReceiptDigest {
    /// Entries whose receipts make a page.
    public static let pageSize: UInt64 = 4_096

    /// One receipt as it counts. Signatures do not: what they sign is all here.
    public struct Leaf: Sendable, Hashable {
        public let index: UInt64
        public let sha256: SHA256Digest
        public let holder: String
        /// Unix seconds.
        public let time: UInt64

        public init(index: UInt64, sha256: SHA256Digest, holder: String, time: UInt64) {
            self.index = index
            self.sha256 = sha256
            self.holder = holder
            self.time = time
        }
    }

    /// The digest of a page; the receipts must be in order.
    public static func page(_ receipts: some Sequence<Leaf>) -> SHA256Digest {
        root(
            receipts.lazy.map {
                bigEndian($0.index) + $0.sha256.bytes + bigEndian($0.time) + [UInt8]($0.holder.utf8)
            })
    }

    /// The digest of a log from those of its pages; all zeros where it has no receipts.
    public static func log(_ pages: [UInt64: SHA256Digest]) -> SHA256Digest {
        guard !pages.isEmpty else { return .zero }
        return root(pages.sorted { $0.key < $1.key }.map { bigEndian($0.key) + $0.value.bytes })
    }

    private static func root(_ leaves: some Sequence<[UInt8]>) -> SHA256Digest {
        let hasher = MerkleHasher()
        var tree = CompactRange()
        for leaf in leaves { tree.append(leafHash: hasher.leaf(leaf), hasher: hasher) }
        return tree.root(hasher: hasher) ?? MerkleHasher.emptyRoot
    }

    private static func bigEndian(_ value: UInt64) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }
}
