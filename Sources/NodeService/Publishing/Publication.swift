import Cryptography
public import LogStore
public import TransparencyLog

/// A log of this home as the public formats have it (c2sp.org/tlog-tiles): what is exported to files and what is served.
public struct Publication {
    public let log: StoredLog
    private let store: SQLiteLogStore

    public init(_ log: StoredLog, store: SQLiteLogStore) {
        self.log = log
        self.store = store
    }

    /// Where the log stands below the root of what is published: own logs under their community (a successor under its
    /// number below it), replicas under their id.
    public var path: String {
        guard log.isOwn else { return "mirror/\(log.id.hex)" }
        let prefix = log.node + "/"
        return log.origin.hasPrefix(prefix) ? String(log.origin.dropFirst(prefix.count)) : log.community
    }

    /// The newest checkpoint as it is published: with the cosignatures on it. `nil` while nothing is signed.
    public func checkpoint() throws -> (head: SignedHead, note: String)? {
        guard let head = log.head, head.size > 0 else { return nil }
        var note = try SignedNote(parsing: head.note)
        let lines = try store.cosignatures(of: log.id, sizes: head.size...head.size)
        for cosignature in lines.prefix(SignedNote.maximumSignatures - note.signatures.count) {
            try note.add(NoteSignature(parsing: cosignature.line))
        }
        let witnesses = try store.witnessCosignatures(of: log.id, at: head.size)
        for cosignature in witnesses.prefix(SignedNote.maximumSignatures - note.signatures.count) {
            try note.add(NoteSignature(parsing: cosignature.line))
        }
        return (head, note.serialized)
    }
}

extension Publication {
    /// One file of the log, up to its newest checkpoint.
    ///
    /// Any width up to that is given, not only that of the newest checkpoint: whoever has read an earlier one finds its
    /// edge. What is known to be damaged here is not given.
    public func content(of file: PublishedFile) throws -> PublishedContent {
        guard let head = log.head else { return .missing }
        switch file {
        case .checkpoint: return try checkpoint().map { .bytes([UInt8]($0.note.utf8)) } ?? .missing
        case .tile(let tile): return try content(of: tile, size: head.size)
        case .bundle(let bundle): return try content(of: bundle, size: head.size)
        }
    }

    private static let damaged = PublishedContent.unusable("it is damaged here; ask another holder of the log")

    /// Whether a tree of this size has a tile of this width at this place.
    private static func has(_ size: UInt64, level: Int, number: UInt64, width: Int) -> Bool {
        guard level < TreeEdge.levelCount else { return false }
        let nodes = size >> (8 * level)
        return number <= nodes >> 8 && UInt64(width) <= nodes - number << 8
    }

    private func content(of tile: TileCoordinate, size: UInt64) throws -> PublishedContent {
        guard Publication.has(size, level: tile.level, number: tile.number, width: tile.width) else { return .missing }
        let place = Damage.Place.tile(level: tile.level, number: tile.number)
        guard try !store.damage(of: log.id).contains(where: { $0.place == place }) else { return Publication.damaged }
        let count = tile.width * SHA256Digest.byteCount
        let tiles = try store.tiles(of: log.id, level: tile.level, numbers: tile.number..<tile.number + 1)
        guard let data = tiles[tile.number], data.count >= count else { return Publication.damaged }
        return .bytes(data.count == count ? data : Array(data[..<count]))
    }

    private func content(of coordinate: BundleCoordinate, size: UInt64) throws -> PublishedContent {
        guard Publication.has(size, level: 0, number: coordinate.number, width: coordinate.width) else {
            return .missing
        }
        let first = coordinate.number << 8
        do {
            let bundles = try store.undamagedBundles(of: log.id, entries: first..<first + UInt64(coordinate.width))
            guard let bundle = bundles.first else { return Publication.damaged }
            let raw = try store.raw(bundle)
            guard bundle.entries != coordinate.width else { return .bytes(raw) }
            let bodies = try EntryBundle.bodies(in: raw)
            guard bodies.count >= coordinate.width else { return Publication.damaged }
            return .bytes(Array(raw[..<bodies[coordinate.width - 1].upperBound]))
        } catch is TileError {
            return Publication.damaged
        } catch let error as StoreError {
            switch error {
            case .damagedEntries, .badBundle: return Publication.damaged
            default: throw error
            }
        }
    }
}
