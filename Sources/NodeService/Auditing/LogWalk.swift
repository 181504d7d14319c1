import Cryptography
import LogStore
import TransparencyLog

/// A log on its way through an audit: its tree is grown anew from the bodies, and held against what is stored.
struct LogWalk {
    private(set) var log: StoredLog
    /// By size.
    private(set) var checkpoints: [SignedHead]
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
    private var nextCheckpoint = 0
    private var tileCount = 0
    private let hasher = MerkleHasher()
    /// Problems that are told one by one; more of one log are counted.
    private static let maximumProblems = 100

    init(log: StoredLog, checkpoints: [SignedHead], start: AuditStart? = nil) {
        self.log = log
        self.checkpoints = checkpoints
        first = start?.edge.size ?? 0
        guard let start else { return }
        edge = start.edge
        membership = start.membership
        tileCount = (1...TreeEdge.levelCount).reduce(0) { $0 + Int(first >> (8 * $1)) }
        // Roots of smaller sizes cannot be computed from here.
        nextCheckpoint = checkpoints.firstIndex { $0.size >= first } ?? checkpoints.count
        checkRoots()
    }

    /// The hashes of the perfect subtrees that the whole log is made of.
    var compactRange: CompactRange { edge.compactRange }

    var root: SHA256Digest { edge.root(hasher: hasher) }

    /// The log as it is now, which may have grown since the walk began.
    mutating func goOn(to log: StoredLog, checkpoints: [SignedHead]) {
        let passed = self.checkpoints.prefix(nextCheckpoint)
        if !checkpoints.starts(with: passed) { problem(nil, "checkpoints changed while they were read") }
        self.log = log
        self.checkpoints = checkpoints
        nextCheckpoint =
            checkpoints.firstIndex { $0.size >= first && ($0.size > passed.last?.size ?? 0 || passed.isEmpty) }
            ?? checkpoints.count
        checkRoots()
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
    mutating func add(_ content: BundleReading.Content, storedTile: [UInt8]?) {
        if !content.isTileSame { compare(content.hashes, storedTile) }
        let next = nextCheckpoint < checkpoints.count ? checkpoints[nextCheckpoint].size : UInt64.max
        if let root = content.root, edge.size + UInt64(content.hashes.count) <= next {
            pending += edge.append(fullTile: content.hashes, root: root, hasher: hasher)
            checkRoots()
        } else {
            add(content.hashes)
        }
    }

    private mutating func add(_ hashes: [SHA256Digest]) {
        var rest = hashes[...]
        while !rest.isEmpty {
            // Up to the next checkpoint, to see whether its root is the one of these entries.
            let stop = nextCheckpoint < checkpoints.count ? checkpoints[nextCheckpoint].size : UInt64.max
            let part = rest.prefix(Int(min(UInt64(rest.count), stop - edge.size)))
            pending += edge.append(leafHashes: part, hasher: hasher)
            rest = rest.dropFirst(part.count)
            checkRoots()
        }
    }

    /// Holds the checkpoints of the size that is reached against the entries.
    private mutating func checkRoots() {
        while nextCheckpoint < checkpoints.count, checkpoints[nextCheckpoint].size <= edge.size {
            let head = checkpoints[nextCheckpoint]
            if head.size < edge.size {
                problem(nil, "a checkpoint of size \(head.size) was put in while this was read")
            } else if head.root != edge.root(hasher: hasher) {
                problem(nil, "its entries do not have the root that was signed at size \(edge.size)")
            }
            nextCheckpoint += 1
        }
    }

    /// Goes on behind a bundle that cannot be read, with the hashes that its tile kept.
    mutating func skip(number: UInt64, error: any Error, storedTile: [UInt8]?) {
        let first = number * UInt64(EntryBundle.maximumEntries)
        let count = Int(min(UInt64(EntryBundle.maximumEntries), log.size - first))
        problem(first, "entries \(first) to \(first + UInt64(count) - 1) cannot be read: \(error)")
        guard let storedTile, storedTile.count == count * SHA256Digest.byteCount else {
            let hashes = [SHA256Digest](repeating: .zero, count: count)
            compare(hashes, nil)
            return add(hashes)
        }
        add(storedTile.withUnsafeBytes { Tile.hashes(of: $0) })
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
    mutating func finish(_ end: LogEnd) {
        let partial = edge.tilesAtEdge
        for tile in partial where tile.coordinate.level > 0 {
            check(tile) { level, number in end.tiles[level]?[number] }
        }
        let width = UInt64(EntryBundle.maximumEntries)
        if end.bundleCount != Int((log.size + width - 1) / width) {
            problem(nil, "\(end.bundleCount) entry bundles, which are not those of \(log.size) entries")
        }
        if end.tileCount != tileCount + partial.count {
            problem(nil, "\(end.tileCount) tiles where \(tileCount + partial.count) belong")
        }
        for head in checkpoints[nextCheckpoint...] {
            problem(edge.size, "a checkpoint of size \(head.size), but only \(edge.size) entries")
        }
    }
}
