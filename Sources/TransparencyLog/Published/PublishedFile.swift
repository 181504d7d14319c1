/// One file of a log that is published as tiles (c2sp.org/tlog-tiles).
public enum PublishedFile: Hashable, Sendable {
    case checkpoint
    case tile(TileCoordinate)
    case bundle(BundleCoordinate)

    /// The path below the log's prefix.
    public var path: String {
        switch self {
        case .checkpoint: "checkpoint"
        case .tile(let tile): tile.path
        case .bundle(let bundle): bundle.path
        }
    }

    /// The file of a path in its one canonical form.
    public init(path: String) throws {
        if path.utf8.elementsEqual("checkpoint".utf8) {
            self = .checkpoint
        } else if path.utf8.starts(with: "tile/entries/".utf8) {
            self = .bundle(try BundleCoordinate(path: path))
        } else {
            self = .tile(try TileCoordinate(path: path))
        }
    }

    /// The most bytes that it can have: more is not read.
    public var maximumByteCount: Int {
        switch self {
        case .checkpoint: SignedNote.maximumByteCount
        case .tile(let tile): tile.width * Tile.fullByteCount / Tile.fullWidth
        case .bundle(let bundle): bundle.width * (EntryBundle.maximumBody + 2)
        }
    }

    /// Whether what it says never changes: full tiles and bundles, and partial ones of a given width.
    public var isImmutable: Bool { self != .checkpoint }

    /// Where a partial tile or bundle may have gone once it was full (c2sp.org/tlog-tiles, "Partial Tiles"): the full
    /// one, which begins with the same hashes or entries.
    public var full: PublishedFile? {
        switch self {
        case .checkpoint: nil
        case .tile(let tile): tile.isFull ? nil : .tile(tile.full)
        case .bundle(let bundle):
            bundle.width == Tile.fullWidth ? nil : (try? BundleCoordinate(number: bundle.number)).map { .bundle($0) }
        }
    }
}

/// What reading one published file came to.
public enum PublishedContent: Hashable, Sendable {
    case bytes([UInt8])
    case missing
    /// It is there and cannot be used: longer than it may be, an error of the disk, an answer that says so.
    case unusable(String)
}

/// Where a published log is read from: a folder, or a server.
public protocol PublishedSource: Sendable {
    /// Reads these files and hands each over once, with its place in the list, as soon as it is there: from several
    /// threads and in any order. Returns when all are done.
    ///
    /// Throws where nothing more can be read at all, such as without a connection.
    func read(_ files: [PublishedFile], _ take: @Sendable (Int, PublishedContent) -> Void) throws
}

extension PublishedSource {
    /// One file.
    public func read(_ file: PublishedFile) throws -> PublishedContent {
        let content = PublishedBox()
        try read([file]) { _, read in content.value = read }
        return content.value
    }
}

/// Carries the one answer out of the closure; the source calls it once, before it returns.
private final class PublishedBox: @unchecked Sendable {
    var value = PublishedContent.missing
}
