import Cryptography
import TransparencyLog

/// The end of a log in memory: the edge of its tree and the last, partial bundle. Own appends and ranges from
/// partners grow it in the same way; what is to be written comes out of it.
struct LogGrowth {
    private(set) var edge: TreeEdge
    /// The last bundle, raw; empty where the log ends with a full one.
    private(set) var partialBundle: [UInt8]

    /// Rows that were completed since the last ``takeWrites()``.
    private var bundles: [StoredBundle] = []
    private var tiles: [Tile] = []
    /// The last bundle as it was then.
    private var continued: [UInt8]

    var size: UInt64 { edge.size }
    private var partialCount: Int { Int(edge.size % UInt64(EntryBundle.maximumEntries)) }

    init(edge: TreeEdge, partialBundle: [UInt8]) {
        self.edge = edge
        self.partialBundle = partialBundle
        continued = partialBundle
    }

    /// Whether the entries of the last bundle can be told apart. Behind one where they cannot, nobody could read what is
    /// appended.
    var isReadable: Bool {
        guard partialCount > 0 else { return partialBundle.isEmpty }
        let bodies = try? EntryBundle.bodies(in: partialBundle, maximumBody: BundleCodec.maximumBodySize)
        return bodies?.count == partialCount
    }

    /// What a transaction writes to bring the stored log up to this growth.
    struct Writes: Sendable {
        let bundles: [StoredBundle]
        let tiles: [Tile]
        /// What the first of the bundles begins with, as it was held in memory; empty where it is a new one.
        var continued: [UInt8] = []
    }

    mutating func append(
        _ body: [UInt8], leafHash: SHA256Digest, codec: BundleCodec, hasher: MerkleHasher
    ) throws {
        try EntryBundle.append(body, to: &partialBundle, maximumBody: BundleCodec.maximumBodySize)
        tiles += edge.append(leafHashes: CollectionOfOne(leafHash), hasher: hasher)
        if partialCount == 0 { closeBundle(codec) }
    }

    /// Adds the entries of a raw bundle that continues this log, all within one bundle of it. `frame` is its stored
    /// form where the whole bundle came as one.
    mutating func append(
        raw: [UInt8], frame: [UInt8]?, leafHashes: [SHA256Digest], codec: BundleCodec, hasher: MerkleHasher
    ) {
        let wasAligned = partialBundle.isEmpty
        if wasAligned {
            partialBundle = raw
        } else {
            partialBundle += raw
        }
        tiles += edge.append(leafHashes: leafHashes, hasher: hasher)
        guard partialCount == 0 else { return }
        if wasAligned, let frame {
            bundles.append(
                StoredBundle(
                    number: edge.size / UInt64(EntryBundle.maximumEntries) - 1, entries: EntryBundle.maximumEntries,
                    isCompressed: true, data: frame))
            partialBundle = []
        } else {
            closeBundle(codec)
        }
    }

    private mutating func closeBundle(_ codec: BundleCodec) {
        let frame = codec.compress(partialBundle)
        bundles.append(
            StoredBundle(
                number: edge.size / UInt64(EntryBundle.maximumEntries) - 1, entries: EntryBundle.maximumEntries,
                isCompressed: frame != nil, data: frame ?? partialBundle))
        partialBundle = []
    }

    /// The completed rows since the last call, and the partial ones at the end as they are now.
    mutating func takeWrites() -> Writes {
        defer {
            bundles = []
            tiles = []
            continued = partialBundle
        }
        var all = bundles
        if partialCount > 0 {
            all.append(
                StoredBundle(
                    number: edge.size / UInt64(EntryBundle.maximumEntries), entries: partialCount,
                    isCompressed: false, data: partialBundle))
        }
        return Writes(bundles: all, tiles: tiles + edge.tilesAtEdge, continued: continued)
    }
}
