import Cryptography
import LogStore
import TransparencyLog

/// Where an audit begins that goes on from an earlier one: at the bundle that holds the first entry it has not read.
struct AuditStart {
    /// The tree before that bundle.
    let edge: TreeEdge
    /// Who may hold the log, as a record before that bundle says.
    let membership: (entry: UInt64, Membership)?

    /// Takes the edge of the tree from the tiles that are kept, grows it to the size of the earlier audit with the
    /// entries of the bundle there, and compares the root. No other tree has that root, so the edge is proved as well.
    ///
    /// `nil` where the root is another one, or cannot be computed.
    init?(_ earlier: AuditRecord.Log, of log: StoredLog, in store: SQLiteLogStore) throws {
        guard earlier.size <= log.size else { return nil }
        let hasher = MerkleHasher()
        let width = UInt64(EntryBundle.maximumEntries)
        let number = earlier.size / width
        let first = number * width
        var partial: [[SHA256Digest]] = [[]]
        for level in 1..<TreeEdge.levelCount {
            let count = Int((first >> (8 * level)) & 255)
            let place = first >> (8 * (level + 1))
            guard count > 0 else {
                partial.append([])
                continue
            }
            let tile = try store.tiles(of: log.id, level: level, numbers: place..<(place + 1))[place]
            guard let tile, tile.count >= count * SHA256Digest.byteCount else { return nil }
            partial.append(
                tile.prefix(count * SHA256Digest.byteCount).withUnsafeBytes { Array(Tile.hashes(of: $0)) })
        }
        guard let edge = try? TreeEdge(size: first, partialTiles: partial, hasher: hasher) else { return nil }
        var grown = edge
        if earlier.size > first {
            let bundle = try store.bundles(of: log.id, entries: first..<(first + 1)).first
            let rest = earlier.size - first
            guard let leaves = try? store.leafHashes(of: bundle, number: number, count: rest...width) else {
                return nil
            }
            _ = grown.append(leafHashes: leaves.prefix(Int(rest)), hasher: hasher)
        }
        guard grown.root(hasher: hasher) == earlier.root else { return nil }
        self.edge = edge
        membership = try store.membershipRow(of: log.id).flatMap { $0.entry < first ? $0 : nil }
    }
}
