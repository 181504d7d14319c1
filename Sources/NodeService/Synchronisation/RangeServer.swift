import Cryptography
import LogStore
import Reconciliation
import TransparencyLog

/// Cuts what a peer asks for into frames: whole bundles as they are stored, with the proof of each range.
struct RangeServer {
    let store: SQLiteLogStore
    /// Bundles in one frame, unless their bytes are more than `frameBytes` before.
    static let bundlesInFrame: UInt64 = 16
    static let frameBytes = 2 << 20
    /// Bytes below which compression saves nothing worth its time.
    static let smallestPacked = 256

    /// The frame that answers the beginning of this request; its own end says how far it reaches.
    func frame(for request: RangeRequest) throws -> EntryRange {
        let width = UInt64(EntryBundle.maximumEntries)
        let boundary = (request.start / width + RangeServer.bundlesInFrame) * width
        let limit = min(request.end, boundary)
        var pieces: [BundlePiece] = []
        var bytes = 0
        var reached = request.start
        for bundle in try store.undamagedBundles(of: request.log, entries: request.start..<limit) {
            let first = bundle.number * width
            let (lower, upper) = (max(request.start, first), min(limit, first + UInt64(bundle.entries)))
            // What lies behind damage is sent only when it is asked for.
            guard lower == reached, lower < upper else { break }
            let range = lower..<upper
            let piece = try cut(bundle, to: Int(range.lowerBound - first)..<Int(range.upperBound - first))
            if !pieces.isEmpty, bytes + piece.data.count > RangeServer.frameBytes { break }
            bytes += piece.data.count
            pieces.append(piece)
            reached = range.upperBound
        }
        guard reached > request.start else {
            throw StoreError.damaged(path: request.log.hex, reason: "entry \(request.start) is missing")
        }
        let end = reached
        let proof = try RangeProof.make(
            start: request.start, end: end, size: request.treeSize,
            from: StoredNodes(store: store, log: request.log), hasher: MerkleHasher())
        return EntryRange(
            range: RangeRequest(log: request.log, start: request.start, end: end, treeSize: request.treeSize),
            proof: proof.hashes, bundles: pieces)
    }

    /// The bundle as it is stored where all of it is wanted, otherwise the raw entries that are.
    private func cut(_ bundle: StoredBundle, to entries: Range<Int>) throws -> BundlePiece {
        if entries == 0..<bundle.entries {
            return packed(
                BundlePiece(entries: bundle.entries, isCompressed: bundle.isCompressed, data: bundle.data))
        }
        let raw = try store.raw(bundle)
        let bodies = try EntryBundle.bodies(in: raw)
        guard entries.upperBound <= bodies.count else {
            throw StoreError.badBundle(number: bundle.number, reason: "entries are missing")
        }
        // Each body stands behind its two length bytes.
        let start = bodies[entries.lowerBound].lowerBound - 2
        let end = bodies[entries.upperBound - 1].upperBound
        return packed(BundlePiece(entries: entries.count, isCompressed: false, data: Array(raw[start..<end])))
    }

    /// A raw piece compressed for the way, where that makes it shorter.
    private func packed(_ piece: BundlePiece) -> BundlePiece {
        guard !piece.isCompressed, piece.data.count > RangeServer.smallestPacked,
            let frame = store.packed(piece.data)
        else { return piece }
        return BundlePiece(entries: piece.entries, isCompressed: true, data: frame)
    }
}

/// The perfect nodes of a stored log's tree.
struct StoredNodes: NodeSource {
    let store: SQLiteLogStore
    let log: LogID

    func hashes(at nodes: [NodeCoordinate]) throws -> [SHA256Digest] {
        try store.hashes(of: log, at: nodes)
    }
}

extension ArrivingRange {
    init(_ entries: EntryRange) {
        self.init(
            log: entries.range.log, start: entries.range.start, end: entries.range.end, proof: entries.proof,
            bundles: entries.bundles.map {
                ArrivingBundle(entries: $0.entries, isCompressed: $0.isCompressed, data: $0.data)
            })
    }
}

extension BlobReference {
    init(_ key: BlobKey, size: Int) {
        self.init(log: key.log, index: key.index, sha256: key.sha256, size: size)
    }
}
