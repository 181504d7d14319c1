public import Cryptography

/// The 256 entries of one place in a published log, or less at its end, as its two files have them: the bundle with the
/// bodies and the tile with the leaf hashes.
public struct PublishedReading: Sendable {
    /// What one of the files says, or why it says nothing.
    public enum Hashes: Sendable, Hashable {
        /// As many leaf hashes as belong there, and their root where the place is full.
        case are([SHA256Digest], root: SHA256Digest?)
        case unknown(String)
    }

    public let number: UInt64
    public let fromBundle: Hashes
    public let fromTile: Hashes

    public init(number: UInt64, fromBundle: Hashes, fromTile: Hashes) {
        self.number = number
        self.fromBundle = fromBundle
        self.fromTile = fromTile
    }
}

extension PublishedReading.Hashes {
    /// The leaf hashes of a bundle's bodies. A full bundle will do where a partial one is asked for.
    public static func ofBundle(
        _ content: PublishedContent, width: Int, hasher: MerkleHasher
    ) -> PublishedReading.Hashes {
        of(content) { bytes in
            do {
                let hashes = try EntryBundle.leafHashes(of: bytes, hasher: hasher)
                guard hashes.count == width || hashes.count == EntryBundle.maximumEntries else {
                    return .unknown("it has \(hashes.count) entries, not \(width)")
                }
                return known(Array(hashes.prefix(width)), hasher)
            } catch {
                return .unknown("\(error)")
            }
        }
    }

    /// The hashes of a tile. A full tile will do where a partial one is asked for.
    public static func ofTile(
        _ content: PublishedContent, width: Int, hasher: MerkleHasher
    ) -> PublishedReading.Hashes {
        of(content) { bytes in
            let expected = width * SHA256Digest.byteCount
            guard bytes.count == expected || bytes.count == Tile.fullByteCount else {
                return .unknown("it has \(bytes.count) bytes, not \(expected)")
            }
            return known(bytes.withUnsafeBytes { Tile.hashes(of: .init(rebasing: $0[..<expected])) }, hasher)
        }
    }

    private static func known(_ hashes: [SHA256Digest], _ hasher: MerkleHasher) -> PublishedReading.Hashes {
        .are(hashes, root: hashes.count == Tile.fullWidth ? hasher.root(of: hashes) : nil)
    }

    private static func of(
        _ content: PublishedContent, _ read: ([UInt8]) -> PublishedReading.Hashes
    ) -> PublishedReading.Hashes {
        switch content {
        case .bytes(let bytes): read(bytes)
        case .missing: .unknown("it is missing")
        case .unusable(let reason): .unknown(reason)
        }
    }
}
