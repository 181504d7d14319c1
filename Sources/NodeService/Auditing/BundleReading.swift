import Cryptography
import Glibc
import LogStore
import TransparencyLog

/// One bundle as an audit has read it, with the tile of leaf hashes that is kept of it.
struct BundleReading: Sendable {
    struct Content: Sendable {
        /// The leaf hashes, computed from the bodies.
        let hashes: [SHA256Digest]
        /// The root over them, of a full bundle.
        let root: SHA256Digest?
        /// Whether the tile of leaf hashes says the same, byte for byte.
        let isTileSame: Bool
        let mentions: BundleMentions
    }

    let number: UInt64
    let storedTile: [UInt8]?
    let content: Result<Content, any Error>
}

/// The rows of some bundles.
struct BundleRows {
    let bundles: [UInt64: StoredBundle]
    /// Tiles of leaf hashes.
    let tiles: [UInt64: [UInt8]]
}

/// Reads bundles for an audit. For one thread at a time; others read other bundles meanwhile.
struct BundleReader {
    private let store: SQLiteLogStore
    private let log: StoredLog
    private let unpacker = BundleUnpacker()
    private let hasher = MerkleHasher()

    init(store: SQLiteLogStore, log: StoredLog) {
        self.store = store
        self.log = log
    }

    func read(_ numbers: Range<UInt64>, _ rows: BundleRows) -> [BundleReading] {
        numbers.map { number in
            let tile = rows.tiles[number]
            return BundleReading(
                number: number, storedTile: tile,
                content: Result { try content(number, rows.bundles[number], tile) })
        }
    }

    private func content(_ number: UInt64, _ bundle: StoredBundle?, _ tile: [UInt8]?) throws -> BundleReading.Content {
        guard let bundle else { throw StoreError.badBundle(number: number, reason: "missing") }
        let width = UInt64(EntryBundle.maximumEntries)
        let expected = min(width, log.size - number * width)
        let raw = try unpacker.raw(bundle)
        let hashes = try bundle.leafHashes(raw: raw, count: expected...expected, hasher: hasher)
        return BundleReading.Content(
            hashes: hashes, root: expected == width ? hasher.root(of: hashes) : nil,
            isTileSame: tile.map { isSame($0, hashes) } ?? false,
            mentions: try store.mentions(inRaw: raw, number: number, of: log))
    }

    private func isSame(_ tile: [UInt8], _ hashes: [SHA256Digest]) -> Bool {
        hashes.withUnsafeBytes { hashes in
            tile.withUnsafeBytes { tile in
                guard tile.count == hashes.count, let kept = tile.baseAddress, let found = hashes.baseAddress else {
                    return false
                }
                return memcmp(kept, found, hashes.count) == 0
            }
        }
    }
}
