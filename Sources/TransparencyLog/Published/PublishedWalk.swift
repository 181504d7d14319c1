public import Cryptography

/// A published log on its way through an audit: its tree is grown anew from the bodies and held against every tile, and
/// at the end against the signed root.
///
/// A value that says what to read next and what is wrong; who reads is none of its business. It holds the edge of the
/// tree and no more, whatever the size of the log.
public struct PublishedWalk: Sendable {
    /// Something that is not as it was signed.
    public struct Finding: Sendable, Hashable {
        public let file: PublishedFile
        /// The first entry that it touches, where it touches entries.
        public let entry: UInt64?
        public let text: String
    }

    /// What somebody has found of the log earlier.
    public struct Earlier: Sendable, Hashable {
        public let size: UInt64
        public let root: SHA256Digest
        /// Where that stands, as the reader is told.
        public let name: String

        public init(size: UInt64, root: SHA256Digest, name: String) {
            self.size = size
            self.root = root
            self.name = name
        }
    }

    public let checkpoint: Checkpoint
    private let earlier: Earlier?
    /// The root that the tree had at the earlier size; `nil` until that is reached.
    private var rootThen: SHA256Digest?
    /// At most ``maximumFindings`` of them.
    public private(set) var findings: [Finding] = []
    public private(set) var findingCount = 0
    /// From this entry on the tree could not be grown: tiles above the leaves, and the root, say nothing then.
    public private(set) var unknownFrom: UInt64?
    /// Findings that are told one by one; more are counted.
    public static let maximumFindings = 100

    private var edge = TreeEdge()
    private var next: UInt64 = 0
    private var completed: [Tile] = []
    private static let width = UInt64(Tile.fullWidth)

    /// - Parameter earlier: what the log has to go on from.
    public init(_ checkpoint: Checkpoint, earlier: Earlier? = nil) {
        self.checkpoint = checkpoint
        self.earlier = earlier
    }

    /// Entries walked so far.
    public var size: UInt64 { edge.size }

    /// The places that are still to be read, by the numbers of their bundles.
    public var remaining: Range<UInt64> {
        let size = checkpoint.size
        return next..<max(next, size / PublishedWalk.width + (size % PublishedWalk.width == 0 ? 0 : 1))
    }

    /// How many entries belong at a place.
    public func width(of number: UInt64) -> Int {
        Int(min(PublishedWalk.width, checkpoint.size - number * PublishedWalk.width))
    }

    /// The two files of a place.
    public func files(of number: UInt64) throws -> (bundle: PublishedFile, tile: PublishedFile) {
        let width = width(of: number)
        return (
            .bundle(try BundleCoordinate(number: number, width: width)),
            .tile(try TileCoordinate(level: 0, number: number, width: width))
        )
    }

    /// Adds the next place. `above` reads a tile of level 1, which is asked for only where the two files differ or
    /// neither can be read: it says which of them is right.
    public mutating func add(
        _ reading: PublishedReading, hasher: MerkleHasher, above: (PublishedFile) throws -> PublishedContent
    ) throws {
        precondition(reading.number == next && !remaining.isEmpty, "places are walked in their order")
        next += 1
        let files = try files(of: reading.number)
        let first = edge.size
        switch (reading.fromBundle, reading.fromTile) {
        case (.are(let hashes, let root), .are(let kept, let keptRoot)):
            guard let place = PublishedWalk.firstDifference(hashes, kept) else { return grow(hashes, root, hasher) }
            let entry = first + UInt64(place)
            switch try truth(reading.number, [(hashes, root), (kept, keptRoot)], hasher, above) {
            case 0:
                found(files.tile, entry, "its hash of entry \(entry) is not that of the entry that was signed")
                grow(hashes, root, hasher)
            case 1:
                found(files.bundle, entry, "entry \(entry) is not the one that was signed")
                grow(kept, keptRoot, hasher)
            default:
                found(
                    files.bundle, entry,
                    "entry \(entry) does not have the hash in \(files.tile.path), and the tiles above bear out neither")
                grow(hashes, root, hasher)
            }
        case (.are(let hashes, let root), .unknown(let reason)):
            found(files.tile, first, reason)
            grow(hashes, root, hasher)
        case (.unknown(let reason), .are(let kept, let root)):
            found(files.bundle, first, "\(entries(of: reading.number)) cannot be read: \(reason)")
            grow(kept, root, hasher)
        case (.unknown(let reason), .unknown(let tileReason)):
            found(files.bundle, first, "\(entries(of: reading.number)) cannot be read: \(reason)")
            found(files.tile, first, tileReason)
            let root = try rootAbove(reading.number, above)
            if root == nil, unknownFrom == nil { unknownFrom = first }
            grow([SHA256Digest](repeating: .zero, count: width(of: reading.number)), root, hasher)
        }
    }

    /// The tiles above the leaves that were completed since the last call, as they have to be.
    public mutating func takeCompleted() -> [Tile] {
        defer { completed = [] }
        return unknownFrom == nil ? completed : []
    }

    /// The partial tiles above the leaves at the end, as they have to be; for when all places were added.
    public var tilesAtEdge: [Tile] {
        unknownFrom == nil ? edge.tilesAtEdge.filter { $0.coordinate.level > 0 } : []
    }

    /// Holds a tile above the leaves against what the entries hash to, byte by byte.
    public mutating func compare(_ tile: Tile, with content: PublishedContent) {
        let expected = tile.data
        let first = tile.coordinate.number << (8 * (tile.coordinate.level + 1))
        switch content {
        case .bytes(let bytes):
            // A full tile stands for the partial one that it has replaced.
            guard bytes.count == expected.count || bytes.count == Tile.fullByteCount else {
                return found(.tile(tile.coordinate), first, "it has \(bytes.count) bytes, not \(expected.count)")
            }
            guard let byte = zip(expected, bytes).enumerated().first(where: { $1.0 != $1.1 })?.offset else { return }
            let place = byte / SHA256Digest.byteCount
            let entry = first + UInt64(place) << (8 * tile.coordinate.level)
            found(.tile(tile.coordinate), entry, "its hash \(place) is not what the entries from \(entry) on hash to")
        case .missing: found(.tile(tile.coordinate), first, "it is missing")
        case .unusable(let reason): found(.tile(tile.coordinate), first, reason)
        }
    }

    /// Why the log does not go on from what was found earlier; for when all places were added.
    public var breach: String? {
        guard let earlier else { return nil }
        if checkpoint.size < earlier.size {
            return "\(earlier.name) has \(earlier.size) entries, it has \(checkpoint.size) only"
        }
        guard let rootThen, rootThen != earlier.root else { return nil }
        return "it does not go on from \(earlier.name): the entries do not have the root \(earlier.root.base64) at "
            + "size \(earlier.size)"
    }

    /// Whether the tree that was grown has the signed root; for when all places were added.
    public mutating func finish(hasher: MerkleHasher) {
        guard unknownFrom == nil, edge.root(hasher: hasher) != checkpoint.root else { return }
        found(.checkpoint, nil, "the entries do not have the root that was signed")
    }

    // MARK: One place

    private mutating func grow(_ hashes: [SHA256Digest], _ root: SHA256Digest?, _ hasher: MerkleHasher) {
        if let earlier, rootThen == nil, unknownFrom == nil, earlier.size >= edge.size,
            earlier.size - edge.size <= UInt64(hashes.count)
        {
            var then = edge
            _ = then.append(leafHashes: hashes.prefix(Int(earlier.size - edge.size)), hasher: hasher)
            rootThen = then.root(hasher: hasher)
        }
        let tiles =
            if let root, hashes.count == Tile.fullWidth {
                edge.append(fullTile: hashes, root: root, hasher: hasher)
            } else {
                edge.append(leafHashes: hashes, hasher: hasher)
            }
        completed += tiles.filter { $0.coordinate.level > 0 }
    }

    /// Which of the two is what was signed: the one that the tile above has, or under which a last, partial place leads
    /// to the signed root.
    private func truth(
        _ number: UInt64, _ choices: [([SHA256Digest], SHA256Digest?)], _ hasher: MerkleHasher,
        _ above: (PublishedFile) throws -> PublishedContent
    ) throws -> Int? {
        if width(of: number) == Tile.fullWidth {
            let root = try rootAbove(number, above)
            return choices.firstIndex { $0.1 == root }
        }
        return choices.firstIndex { hashes, _ in
            var edge = edge
            _ = edge.append(leafHashes: hashes, hasher: hasher)
            return edge.root(hasher: hasher) == checkpoint.root
        }
    }

    /// The root of a full place as the tile above has it.
    private func rootAbove(
        _ number: UInt64, _ above: (PublishedFile) throws -> PublishedContent
    ) throws -> SHA256Digest? {
        let nodes = checkpoint.size >> 8
        guard number < nodes else { return nil }
        let first = (number >> 8) << 8
        let tile = try TileCoordinate(level: 1, number: number >> 8, width: Int(min(256, nodes - first)))
        guard case .bytes(let bytes) = try above(.tile(tile)) else { return nil }
        let start = Int(number - first) * SHA256Digest.byteCount
        guard bytes.count >= start + SHA256Digest.byteCount else { return nil }
        return SHA256Digest(bytes[start..<start + SHA256Digest.byteCount])
    }

    private func entries(of number: UInt64) -> String {
        let first = number * PublishedWalk.width
        return "entries \(first) to \(first + UInt64(width(of: number)) - 1)"
    }

    private mutating func found(_ file: PublishedFile, _ entry: UInt64?, _ text: String) {
        findingCount += 1
        guard findings.count < PublishedWalk.maximumFindings else { return }
        findings.append(Finding(file: file, entry: entry, text: text))
    }

    private static func firstDifference(_ one: [SHA256Digest], _ other: [SHA256Digest]) -> Int? {
        one == other ? nil : zip(one, other).enumerated().first { $1.0 != $1.1 }?.offset ?? min(one.count, other.count)
    }
}
