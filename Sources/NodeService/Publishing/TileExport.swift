import Cryptography
import Home
public import LogStore
import TransparencyLog

/// Writes logs as files that any web server or object store can serve.
///
/// What the folder's checkpoint covers is there and is left alone; what is new is read from the store, hashed, held
/// against the stored hashes and the signed root, and written. Nothing that is damaged here is written.
public struct TileExport {
    /// What became of one log.
    public struct Result: Sendable {
        public let origin: String
        /// The log's folder.
        public let path: String
        /// Entries that the folder had before, and has now.
        public fileprivate(set) var previous: UInt64 = 0
        public fileprivate(set) var size: UInt64 = 0
        public fileprivate(set) var files = 0
        public fileprivate(set) var bytes = 0
        /// Partial tiles that were removed.
        public fileprivate(set) var removed = 0
    }

    private let store: SQLiteLogStore
    private let folder: String
    /// Bundles between two times that files are made durable.
    private static let chunk: UInt64 = 64
    private static let width = UInt64(EntryBundle.maximumEntries)

    public init(store: SQLiteLogStore, folder: String) {
        self.store = store
        self.folder = folder.count > 1 && folder.hasSuffix("/") ? String(folder.dropLast()) : folder
    }

    /// Brings the folder of one log up to its newest checkpoint; `progress` hears how many new entries are written.
    ///
    /// Throws where the log is frozen, being recovered or damaged: what the folder has stays as it is. `nil` for a log
    /// of which nothing is here yet.
    public func export(
        _ log: StoredLog, progress: ((_ done: UInt64, _ total: UInt64) -> Void)? = nil
    ) throws -> Result? {
        if let reason = log.frozen { throw StoreError.frozen(origin: log.origin, reason: reason) }
        if let signed = log.recovering {
            throw StoreError.recovering(origin: log.origin, signed: signed, held: log.size)
        }
        let publication = Publication(log, store: store)
        guard let (head, note) = try publication.checkpoint() else { return nil }
        let target = try TileFolder("\(folder)/\(publication.path)")
        var result = Result(origin: log.origin, path: target.path)
        result.previous = try covered(by: target, log, head)
        result.size = head.size
        if result.previous < head.size {
            try checkDamage(log, from: result.previous, to: head.size)
            try write(log, head, from: result.previous, into: target, progress)
        }
        try target.publish(checkpoint: note)
        target.sweep(size: head.size, previous: result.previous)
        result.files = target.filesWritten
        result.bytes = target.bytesWritten
        result.removed = target.filesRemoved
        return result
    }

    /// How many entries the folder has, by its checkpoint; refuses a folder of another log or another history.
    private func covered(by target: TileFolder, _ log: StoredLog, _ head: SignedHead) throws -> UInt64 {
        guard let bytes = try target.read(.checkpoint) else { return 0 }
        let path = "\(target.path)/checkpoint"
        let published: Checkpoint
        do {
            published = try Checkpoint(parsing: SignedNote(parsing: bytes).text)
        } catch {
            throw HomeError(
                .badInput, "is no checkpoint (\(error)); remove it, and all is written anew", path: path)
        }
        guard published.origin == log.origin else {
            throw HomeError(.badInput, "is one of another log; choose another folder", path: path)
        }
        guard published.size <= head.size else {
            throw HomeError(
                .notPermitted,
                "covers \(published.size) entries and this home only \(head.size): this home may be an old copy; "
                    + "see `entente recover`", path: path)
        }
        guard try root(of: log, size: published.size) == published.root else {
            // Either its hashes are damaged here, or they are those of another history.
            guard try root(of: log, size: head.size) == head.root else { throw TileExport.otherRoot(log) }
            throw StoreError.contradictsSigned(origin: log.origin, size: published.size)
        }
        return published.size
    }

    private func root(of log: StoredLog, size: UInt64) throws -> SHA256Digest {
        let nodes = StoredNodes(store: store, log: log.id)
        return try CompactRange(begin: 0, end: size, from: nodes).root(hasher: MerkleHasher())
            ?? MerkleHasher.emptyRoot
    }

    /// Refuses what is marked as damaged before anything of it is written.
    private func checkDamage(_ log: StoredLog, from start: UInt64, to end: UInt64) throws {
        for damage in try store.damage(of: log.id) {
            guard case .bundle = damage.place else { continue }
            let entries = damage.place.entries(size: end)
            if entries.upperBound > start, !entries.isEmpty {
                throw StoreError.damagedEntries(
                    origin: log.origin, start: entries.lowerBound, end: entries.upperBound)
            }
        }
    }

    private func write(
        _ log: StoredLog, _ head: SignedHead, from previous: UInt64, into target: TileFolder,
        _ progress: ((UInt64, UInt64) -> Void)?
    ) throws {
        let hasher = MerkleHasher()
        let start = previous / TileExport.width * TileExport.width
        var edge = try TreeEdge(size: start, partialTiles: partialTiles(of: log, size: start), hasher: hasher)
        while edge.size < head.size {
            let numbers =
                edge.size
                / TileExport.width..<min(
                    edge.size / TileExport.width + TileExport.chunk,
                    (head.size + TileExport.width - 1) / TileExport.width)
            for (bundle, hashes) in try read(numbers, log, head, hasher) {
                try target.stage(.bundle(bundle.coordinate), bundle.raw)
                for tile in edge.append(leafHashes: hashes, hasher: hasher) {
                    try target.stage(.tile(tile.coordinate), tile.data)
                }
            }
            if edge.size < head.size { try target.flush() }
            progress?(edge.size - min(edge.size, previous), head.size - previous)
        }
        for tile in edge.tilesAtEdge { try target.stage(.tile(tile.coordinate), tile.data) }
        guard edge.root(hasher: hasher) == head.root else {
            throw TileExport.otherRoot(log)
        }
    }

    private static func otherRoot(_ log: StoredLog) -> StoreError {
        .damaged(path: log.origin, reason: "its entries do not have the root that was signed")
    }

    private struct RawBundle {
        let coordinate: BundleCoordinate
        let raw: [UInt8]
    }

    /// Bundles as they are published, cut at the head, each held against the hashes that were kept of it.
    private func read(
        _ numbers: Range<UInt64>, _ log: StoredLog, _ head: SignedHead, _ hasher: MerkleHasher
    ) throws -> [(RawBundle, [SHA256Digest])] {
        let end = min(head.size, numbers.upperBound * TileExport.width)
        let stored = Dictionary(
            try store.bundles(of: log.id, entries: numbers.lowerBound * TileExport.width..<end).map { ($0.number, $0) },
            uniquingKeysWith: { first, _ in first })
        let tiles = try store.tiles(of: log.id, level: 0, numbers: numbers)
        return try numbers.map { number in
            let first = number * TileExport.width
            let count = Int(min(TileExport.width, head.size - first))
            let damaged = StoreError.damagedEntries(origin: log.origin, start: first, end: first + UInt64(count))
            guard let bundle = stored[number], let raw = try? store.raw(bundle),
                let bodies = try? EntryBundle.bodies(in: raw), bodies.count >= count
            else { throw damaged }
            let cut = bodies.count == count ? raw : Array(raw[..<bodies[count - 1].upperBound])
            let hashes = try EntryBundle.leafHashes(of: cut, hasher: hasher)
            guard let tile = tiles[number], hashes.withUnsafeBytes({ tile.starts(with: $0) }) else { throw damaged }
            return (RawBundle(coordinate: try BundleCoordinate(number: number, width: count), raw: cut), hashes)
        }
    }

    /// The partial tiles above the leaves of the tree of this size, a multiple of 256.
    private func partialTiles(of log: StoredLog, size: UInt64) throws -> [[SHA256Digest]] {
        try (0..<TreeEdge.levelCount).map { level in
            let width = Int((size >> (8 * level)) & 255)
            guard width > 0 else { return [] }
            let number = (size >> (8 * level)) >> 8
            let data = try store.tiles(of: log.id, level: level, numbers: number..<number + 1)[number] ?? []
            guard data.count >= width * SHA256Digest.byteCount else {
                throw StoreError.damaged(path: log.origin, reason: "the tile \(level)/\(number) is missing")
            }
            return data.withUnsafeBytes {
                Tile.hashes(of: UnsafeRawBufferPointer(rebasing: $0[..<(width * SHA256Digest.byteCount)]))
            }
        }
    }
}
