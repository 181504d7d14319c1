public import Cryptography
import GRDB
import TransparencyLog

import struct FoundationEssentials.Data

// Mending what is damaged: bodies from partners, tiles from bodies. Nothing is written that does not lead to a root
// which the log's owner has signed.

extension SQLiteLogStore {
    /// Puts right the damaged bundles among the entries of this range, which a partner sent with the proof that they
    /// belong to the log's tree of `treeSize`, and every tile that can be made anew then. What is sound stays as it
    /// is. Answers what was mended; a bundle of which sound bodies are still missing is not.
    ///
    /// Throws ``StoreError/badBundle(number:reason:)`` or ``StoreError/notProved(origin:start:end:)``: the sender is
    /// wrong or lies. Any other error says that this side cannot judge or write now.
    @discardableResult
    public func repair(_ range: ArrivingRange, treeSize: UInt64) throws -> [Damage.Place] {
        let codec = BundleCodec()
        let hasher = MerkleHasher()
        let pieces = try range.pieces(codec: codec, hasher: hasher)
        defer { settleErasuresIfPossible() }
        return try database.write { db in
            let (row, log) = try Self.fetch(db, range.log)
            guard range.end <= log.size else {
                throw StoreError.notContiguous(held: log.size, start: range.start)
            }
            let tree = try StoredTree(db, row: row, log: log)
            try tree.check(range, leafHashes: pieces.flatMap(\.leafHashes), treeSize: treeSize)
            let marked = Set(try Self.damage(db, row: row).map(\.place))
            var mended: [Damage.Place] = []
            for piece in pieces where marked.contains(.bundle(piece.number)) {
                guard let whole = try tree.complete(piece) else { continue }
                let isFull = whole.leafHashes.count == EntryBundle.maximumEntries
                let frame = isFull ? whole.frame ?? codec.compress(whole.raw) : nil
                let bundle = StoredBundle(
                    number: piece.number, entries: whole.leafHashes.count, isCompressed: frame != nil,
                    data: frame ?? whole.raw)
                let tile = try Tile(leafHashes: whole.leafHashes, number: piece.number)
                try Self.write(.init(bundles: [bundle], tiles: [tile]), row: row, size: log.size, db)
                for place in [Damage.Place.bundle(piece.number), .tile(level: 0, number: piece.number)]
                where marked.contains(place) {
                    try Self.clear(place, row: row, db)
                    mended.append(place)
                }
                for finding in whole.findingsBeside { try store(finding, row: row, log: log, blob: nil, db) }
            }
            return mended + (try Self.mendTiles(db, row: row, log: log))
        }
    }

    /// Makes damaged tiles anew from the bodies and tiles below them, where those are sound. Answers which.
    @discardableResult
    public func mendTiles(of log: SHA256Digest) throws -> [Damage.Place] {
        try database.write { db in
            let (row, log) = try Self.fetch(db, log)
            return try Self.mendTiles(db, row: row, log: log)
        }
    }

    private static func mendTiles(_ db: Database, row: Int64, log: StoredLog) throws -> [Damage.Place] {
        let marked = try damage(db, row: row).map(\.place)
        let tree = try StoredTree(db, row: row, log: log)
        // From the leaves up, since a tile is made of those below.
        for case .tile(let level, let number) in marked {
            if level == 0, marked.contains(.bundle(number)) { continue }
            tree.rebuild(level: level, number: number)
        }
        var mended: [Damage.Place] = []
        for case .tile(let level, let number) in marked {
            guard let tile = tree.rebuilt(level: level, number: number), tree.proves(tile) else { continue }
            try write(.init(bundles: [], tiles: [tile]), row: row, size: log.size, db)
            let place = Damage.Place.tile(level: level, number: number)
            try clear(place, row: row, db)
            mended.append(place)
        }
        return mended
    }

    /// The newest checkpoint of a log, if the log's key has signed it: what its rows are judged by.
    public func signedHead(of log: StoredLog) -> SignedHead? {
        log.head.flatMap { $0.isSigned(by: log) ? $0 : nil }
    }
}

extension SignedHead {
    /// Whether the note is the log's own and says what the columns beside it say.
    func isSigned(by log: StoredLog) -> Bool {
        guard let checkpoint = try? log.keys.verify(SignedNote(parsing: note)) else { return false }
        return checkpoint.origin == log.origin && checkpoint.size == size && checkpoint.root == root
    }
}

extension Tile {
    /// The tile of leaf hashes with this number; there are 1 to 256 of them.
    fileprivate init(leafHashes hashes: [SHA256Digest], number: UInt64) throws {
        try self.init(
            coordinate: TileCoordinate(level: 0, number: number, width: hashes.count), hashes: hashes)
    }
}
