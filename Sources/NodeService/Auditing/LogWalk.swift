import Cryptography
import LogStore
import TransparencyLog

/// A log on its way through an audit: its tree is grown anew from the bodies, and held against what is stored.
struct LogWalk {
    private(set) var log: StoredLog
    let checkpoints: CheckpointStream
    /// Who may hold the log, as its newest record of that says so far.
    private(set) var membership: (entry: UInt64, Membership)?
    /// The keys that its records publish.
    private(set) var keys: [PublishedKey] = []
    /// What records open and erase.
    private(set) var grants: [SealedGrant] = []
    private(set) var erasures: [Erasure] = []
    private(set) var problems: [AuditReport.Problem] = []
    /// The first entry that is read; those before it were read by an earlier audit.
    let first: UInt64
    private var edge = TreeEdge()
    private var pending: [Tile] = []
    private var tileCount = 0
    /// The size of a checkpoint that was put in behind the walk.
    private(set) var late: UInt64?
    /// Problems with signatures, which are told after those with entries.
    private var badSignatures: [String] = []
    private let hasher = MerkleHasher()
    /// Problems that are told one by one; more of one log are counted.
    private static let maximumProblems = 100

    /// - Parameter checkpoints: those from `start` on.
    init(log: StoredLog, checkpoints: CheckpointStream, start: AuditStart? = nil) throws {
        self.log = log
        self.checkpoints = checkpoints
        first = start?.edge.size ?? 0
        guard let start else { return }
        edge = start.edge
        membership = start.membership
        tileCount = (1...TreeEdge.levelCount).reduce(0) { $0 + Int(first >> (8 * $1)) }
        try checkRoots()
    }

    /// The hashes of the perfect subtrees that the whole log is made of.
    var compactRange: CompactRange { edge.compactRange }

    var root: SHA256Digest { edge.root(hasher: hasher) }

    /// The log as it is now, which may have grown since the walk began.
    mutating func goOn(to end: LogEnd) throws {
        log = end.log
        checkpoints.goOn(to: end)
        try checkRoots()
    }

    /// Takes in what a bundle's records say of what lies beside the log; answers the sealed parts to be held here.
    mutating func add(_ mentions: BundleMentions) -> [BlobReference] {
        mentions.mentions.compactMap { mention in
            switch mention {
            case .members(let entry, let members):
                membership = (entry, members)
                return nil
            case .key(let key):
                keys.append(key)
                return nil
            case .sealed(let reference, let isForThisNode):
                return isForThisNode || membership?.1.membersCarrySealed ?? false ? reference : nil
            case .grant(let grant):
                grants.append(grant)
                return nil
            case .erasure(let erasure):
                erasures.append(erasure)
                return nil
            }
        }
    }

    mutating func problem(_ entry: UInt64?, _ text: String) {
        guard problems.count < LogWalk.maximumProblems else { return }
        problems.append(AuditReport.Problem(origin: log.origin, entry: entry, text: text))
    }

    /// Adds one bundle that could be read.
    mutating func add(_ content: BundleReading.Content, storedTile: [UInt8]?) throws {
        if !content.isTileSame { compare(content.hashes, storedTile) }
        if let root = content.root, try edge.size + UInt64(content.hashes.count) <= checkpoints.nextSize {
            pending += edge.append(fullTile: content.hashes, root: root, hasher: hasher)
            try checkRoots()
        } else {
            try add(content.hashes)
        }
    }

    private mutating func add(_ hashes: [SHA256Digest]) throws {
        var rest = hashes[...]
        while !rest.isEmpty {
            // Up to the next checkpoint, to see whether its root is the one of these entries.
            let stop = try checkpoints.nextSize
            let part = rest.prefix(Int(min(UInt64(rest.count), stop - edge.size)))
            pending += edge.append(leafHashes: part, hasher: hasher)
            rest = rest.dropFirst(part.count)
            try checkRoots()
        }
    }

    /// Holds the checkpoints of the size that is reached against the entries.
    private mutating func checkRoots() throws {
        while try checkpoints.nextSize <= edge.size, let next = try checkpoints.take() {
            if next.head.size < edge.size {
                late = next.head.size
            } else if next.head.root != edge.root(hasher: hasher) {
                problem(nil, "its entries do not have the root that was signed at size \(edge.size)")
            }
            if badSignatures.count < LogWalk.maximumProblems { badSignatures += next.problems }
        }
    }

    /// Goes on behind a bundle that cannot be read, with the hashes that its tile kept.
    mutating func skip(number: UInt64, error: any Error, storedTile: [UInt8]?) throws {
        let first = number * UInt64(EntryBundle.maximumEntries)
        let count = Int(min(UInt64(EntryBundle.maximumEntries), log.size - first))
        problem(first, "entries \(first) to \(first + UInt64(count) - 1) cannot be read: \(error)")
        guard let storedTile, storedTile.count == count * SHA256Digest.byteCount else {
            let hashes = [SHA256Digest](repeating: .zero, count: count)
            compare(hashes, nil)
            return try add(hashes)
        }
        try add(storedTile.withUnsafeBytes { Tile.hashes(of: $0) })
    }

    private mutating func compare(_ hashes: [SHA256Digest], _ storedTile: [UInt8]?) {
        guard let storedTile else {
            problem(edge.size, "the tile of leaf hashes from entry \(edge.size) on is missing")
            return
        }
        guard storedTile.count == hashes.count * SHA256Digest.byteCount else {
            problem(edge.size, "the tile of leaf hashes from entry \(edge.size) on has the wrong size")
            return
        }
        storedTile.withUnsafeBytes { stored in
            for (offset, hash) in hashes.enumerated() {
                let place = offset * SHA256Digest.byteCount
                let kept = UnsafeRawBufferPointer(rebasing: stored[place..<(place + SHA256Digest.byteCount)])
                if !hash.withUnsafeBytes({ $0.elementsEqual(kept) }) {
                    problem(edge.size + UInt64(offset), "its body does not have the leaf hash that was kept")
                }
            }
        }
    }

    /// Compares the tiles above the leaves that were completed since the last call, byte by byte.
    mutating func checkTiles(_ read: (_ level: Int, _ number: UInt64) throws -> [UInt8]?) throws {
        let tiles = pending
        pending = []
        for tile in tiles {
            tileCount += 1
            // Leaf tiles were compared as they were grown.
            guard tile.coordinate.level > 0 else { continue }
            try check(tile, read)
        }
    }

    private mutating func check(_ tile: Tile, _ read: (_ level: Int, _ number: UInt64) throws -> [UInt8]?) rethrows {
        let coordinate = tile.coordinate
        if try read(coordinate.level, coordinate.number) != tile.data {
            let first = coordinate.number << (8 * (coordinate.level + 1))
            problem(first, "\(coordinate.path) is not what its entries hash to")
        }
    }

    /// Checks the partial tiles at the edge, and that nothing lies behind them.
    mutating func finish(_ end: LogEnd) throws {
        let partial = edge.tilesAtEdge
        for tile in partial where tile.coordinate.level > 0 {
            check(tile) { level, number in end.tiles[level]?[number] }
        }
        let width = UInt64(EntryBundle.maximumEntries)
        if end.bundleCount != Int((log.size + width - 1) / width) {
            problem(
                nil,
                "\(counted(end.bundleCount, "entry bundle", "entry bundles")), which "
                    + "\(end.bundleCount == 1 ? "is not that" : "are not those") of "
                    + counted(log.size, "entry", "entries"))
        }
        if end.tileCount != tileCount + partial.count {
            let belonging = tileCount + partial.count
            problem(
                nil, "\(counted(end.tileCount, "tile", "tiles")) where \(counted(belonging, "belongs", "belong"))")
        }
        while problems.count < LogWalk.maximumProblems, let next = try checkpoints.take() {
            problem(
                edge.size, "a checkpoint of size \(next.head.size), but only \(counted(edge.size, "entry", "entries"))")
            badSignatures += next.problems
        }
        for text in badSignatures + checkpoints.problems { problem(nil, text) }
    }
}
