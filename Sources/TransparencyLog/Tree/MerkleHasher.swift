public import Cryptography

/// The hashes of a Merkle tree (RFC 6962, section 2.1): a leaf is `SHA-256(0x00 || body)`, a node
/// `SHA-256(0x01 || left || right)`.
///
/// It wraps one digest context and one buffer, so it is for one thread at a time.
public final class MerkleHasher {
    /// The root of the tree without leaves: SHA-256 of nothing.
    public static let emptyRoot = SHA256.hash([UInt8]())

    /// Bodies up to this length are copied behind their prefix: one call costs less than two.
    private static let copiedBodyLimit = 2_048
    private static let nodeByteCount = 1 + 2 * SHA256Digest.byteCount

    private let sha = SHA256()
    private let nodeBuffer: UnsafeMutableRawBufferPointer
    private let leafBuffer: UnsafeMutableRawBufferPointer
    /// Where `root(of:)` keeps a level, so that hashing a tile allocates nothing.
    private let levelBuffer: UnsafeMutableBufferPointer<SHA256Digest>

    public init() {
        nodeBuffer = .allocate(byteCount: MerkleHasher.nodeByteCount, alignment: 16)
        nodeBuffer.initializeMemory(as: UInt8.self, repeating: 1)
        leafBuffer = .allocate(byteCount: 1 + MerkleHasher.copiedBodyLimit, alignment: 16)
        leafBuffer.initializeMemory(as: UInt8.self, repeating: 0)
        levelBuffer = .allocate(capacity: Tile.fullWidth / 2)
        levelBuffer.initialize(repeating: .zero)
    }

    deinit {
        nodeBuffer.deallocate()
        leafBuffer.deallocate()
        levelBuffer.deallocate()
    }

    /// The hash of a leaf with this body.
    public func leaf(_ body: UnsafeRawBufferPointer) -> SHA256Digest {
        guard body.count <= MerkleHasher.copiedBodyLimit else { return sha.hash(prefix: 0, body) }
        let message = UnsafeMutableRawBufferPointer(rebasing: leafBuffer[..<(1 + body.count)])
        UnsafeMutableRawBufferPointer(rebasing: message[1...]).copyMemory(from: body)
        return sha.hash(UnsafeRawBufferPointer(message))
    }

    /// The hash of a leaf with this body.
    public func leaf(_ body: [UInt8]) -> SHA256Digest {
        body.withUnsafeBytes { leaf($0) }
    }

    /// The hash of the node over two subtrees.
    public func node(_ left: SHA256Digest, _ right: SHA256Digest) -> SHA256Digest {
        nodeBuffer.storeBytes(of: left, toByteOffset: 1, as: SHA256Digest.self)
        nodeBuffer.storeBytes(of: right, toByteOffset: 1 + SHA256Digest.byteCount, as: SHA256Digest.self)
        return sha.hash(UnsafeRawBufferPointer(nodeBuffer))
    }

    /// The root over these hashes taken as the leaves of a tree of their own (RFC 6962's MTH), of any count.
    public func root(of leaves: UnsafeBufferPointer<SHA256Digest>) -> SHA256Digest {
        guard leaves.count > 1 else { return leaves.first ?? MerkleHasher.emptyRoot }
        guard leaves.count > Tile.fullWidth else { return root(of: leaves, using: levelBuffer) }
        let level = UnsafeMutableBufferPointer<SHA256Digest>.allocate(capacity: (leaves.count + 1) / 2)
        defer { level.deallocate() }
        level.initialize(repeating: .zero)
        return root(of: leaves, using: level)
    }

    /// The root over these hashes taken as the leaves of a tree of their own (RFC 6962's MTH), of any count.
    public func root(of leaves: some Collection<SHA256Digest>) -> SHA256Digest {
        if let root = leaves.withContiguousStorageIfAvailable({ root(of: $0) }) { return root }
        return [SHA256Digest](leaves).withUnsafeBufferPointer { root(of: $0) }
    }

    /// The root of a perfect subtree, whose leaves are a power of two: the 256 hashes of a full tile, for example.
    public func root(ofPerfect leaves: some RandomAccessCollection<SHA256Digest>) -> SHA256Digest {
        precondition(leaves.count.nonzeroBitCount == 1, "a perfect subtree has a power of two leaves")
        return root(of: leaves)
    }

    /// Level by level: a last node without a sibling moves up as it is, which gives the same tree as splitting at
    /// the largest power of two.
    private func root(
        of leaves: UnsafeBufferPointer<SHA256Digest>, using level: UnsafeMutableBufferPointer<SHA256Digest>
    ) -> SHA256Digest {
        var below = leaves
        var width = leaves.count
        while width > 1 {
            for pair in 0..<(width / 2) {
                level[pair] = node(below[2 * pair], below[2 * pair + 1])
            }
            if !width.isMultiple(of: 2) { level[width / 2] = below[width - 1] }
            width = (width + 1) / 2
            below = UnsafeBufferPointer(rebasing: level[..<width])
        }
        return below[0]
    }
}
