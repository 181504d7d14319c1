import Cryptography
import GRDB
import TransparencyLog

import struct FoundationEssentials.Data

/// The tree of a stored log while it is being mended, inside one transaction: its rows, with the tiles that were made
/// anew in their places.
final class StoredTree {
    private let db: Database
    private let row: Int64
    private let log: StoredLog
    private let head: SignedHead?
    private let hasher = MerkleHasher()
    private let codec = BundleCodec()
    private var rebuilt: [Place: Tile] = [:]

    private struct Place: Hashable {
        let level: Int
        let number: UInt64
    }

    init(_ db: Database, row: Int64, log: StoredLog) throws {
        self.db = db
        self.row = row
        self.log = log
        head = log.head.flatMap { $0.isSigned(by: log) ? $0 : nil }
    }

    // MARK: Judging what a partner sent

    /// Checks that these are the leaf hashes of the range: by its proof, where a signed checkpoint of that size is
    /// held; else by the leaf hashes that are kept here, where those lead to a signed root.
    func check(_ range: ArrivingRange, leafHashes: [SHA256Digest], treeSize: UInt64) throws {
        let refusal = StoreError.notProved(origin: log.origin, start: range.start, end: range.end)
        if let head = try signedHead(at: treeSize) {
            do {
                try RangeProof(hashes: range.proof).verify(
                    leafHashes: leafHashes, start: range.start, end: range.end, size: head.size, root: head.root,
                    hasher: hasher)
            } catch {
                throw refusal
            }
            return
        }
        var rest = leafHashes[...]
        var index = range.start
        while !rest.isEmpty {
            let number = index / UInt64(EntryBundle.maximumEntries)
            let position = Int(index % UInt64(EntryBundle.maximumEntries))
            guard let kept = provedLeafHashes(number), kept.count > position else {
                throw StoreError.damaged(
                    path: log.origin, reason: "no checkpoint of size \(treeSize) is held to judge a repair by")
            }
            let part = kept[position...].prefix(rest.count)
            guard rest.starts(with: part) else { throw refusal }
            rest = rest.dropFirst(part.count)
            index += UInt64(part.count)
        }
    }

    /// A checkpoint of this size that the log's owner signed and that this node keeps.
    private func signedHead(at size: UInt64) throws -> SignedHead? {
        if let pending = log.pending, pending.size == size, pending.isSigned(by: log) { return pending }
        return try SQLiteLogStore.checkpoint(db, log: log.id, size: size).flatMap { $0.isSigned(by: log) ? $0 : nil }
    }

    /// The leaf hashes kept of a bundle, as far as they lead to the root of the newest checkpoint.
    private func provedLeafHashes(_ number: UInt64) -> ArraySlice<SHA256Digest>? {
        guard let head, let tile = tile(level: 0, number: number) else { return nil }
        let check = TileCheck(head: head)
        let hashes = tile.hashes.prefix(check.width(level: 0, number: number))
        return check.proves(hashes, level: 0, number: number, source: source(size: head.size)) ? hashes : nil
    }

    // MARK: Bundles

    /// The whole bundle that this piece is of: where the piece is only a part, with the bodies stored here that have
    /// the leaf hashes that were kept. `nil` where some are missing.
    func complete(_ piece: ArrivingRange.Piece) throws -> ArrivingRange.Piece? {
        let width = UInt64(EntryBundle.maximumEntries)
        let first = piece.number * width
        let whole = first..<min(log.size, first + width)
        guard piece.entries != whole else { return piece }
        guard let kept = provedLeafHashes(piece.number), kept.count == whole.count,
            let (raw, bodies) = try storedBodies(piece.number), bodies.count == whole.count
        else { return nil }
        let part = Int(piece.first - first)..<Int(piece.entries.upperBound - first)
        var bundle: [UInt8] = []
        for position in 0..<whole.count {
            let body =
                if part.contains(position) {
                    Array(piece.raw[piece.bodies[position - part.lowerBound]])
                } else {
                    Array(raw[bodies[position]])
                }
            guard hasher.leaf(body) == kept[position],
                (try? EntryBundle.append(body, to: &bundle, maximumBody: BundleCodec.maximumBodySize)) != nil
            else { return nil }
        }
        return ArrivingRange.Piece(
            first: first, raw: bundle, bodies: try EntryBundle.bodies(in: bundle), leafHashes: Array(kept), frame: nil)
    }

    private func storedBodies(_ number: UInt64) throws -> (raw: [UInt8], bodies: [Range<Int>])? {
        let stored = try Row.fetchOne(
            db.cachedStatement(sql: "SELECT compressed, data FROM bundle WHERE log = ? AND number = ?"),
            arguments: [row, Int64(clamping: number)])
        guard let stored, let data = Data.fromDatabaseValue(stored["data"]) else { return nil }
        let bytes = [UInt8](data)
        guard let raw = stored.size("compressed") == 0 ? bytes : try? codec.decompress(bytes, number: number),
            let bodies = try? EntryBundle.bodies(in: raw, maximumBody: BundleCodec.maximumBodySize)
        else { return nil }
        return (raw, bodies)
    }

    // MARK: Tiles

    /// Makes a tile anew from the bodies or tiles below it, if all of those can be read.
    func rebuild(level: Int, number: UInt64) {
        let nodes = log.size >> (8 * level)
        guard level < TreeEdge.levelCount, number << 8 < nodes else { return }
        let width = Int(min(256, nodes - number << 8))
        let hashes = level == 0 ? leafHashes(number) : nodeHashes(level: level, first: number << 8, count: width)
        guard let hashes, hashes.count == width,
            let coordinate = try? TileCoordinate(level: level, number: number, width: width)
        else { return }
        rebuilt[Place(level: level, number: number)] = try? Tile(coordinate: coordinate, hashes: hashes)
    }

    func rebuilt(level: Int, number: UInt64) -> Tile? {
        rebuilt[Place(level: level, number: number)]
    }

    private func leafHashes(_ number: UInt64) -> [SHA256Digest]? {
        guard let (raw, _) = try? storedBodies(number) else { return nil }
        return try? EntryBundle.leafHashes(of: raw, hasher: hasher)
    }

    private func nodeHashes(level: Int, first: UInt64, count: Int) -> [SHA256Digest]? {
        var hashes: [SHA256Digest] = []
        for number in first..<(first + UInt64(count)) {
            guard let below = tile(level: level - 1, number: number), below.coordinate.isFull else { return nil }
            hashes.append(hasher.root(of: below.hashes))
        }
        return hashes
    }

    /// Whether a rebuilt tile leads to the signed root. Hashes of entries behind the newest checkpoint, which an
    /// interrupted transfer has brought, cannot be asked that; they are judged when the transfer goes on.
    func proves(_ tile: Tile) -> Bool {
        guard let head else { return false }
        let check = TileCheck(head: head)
        let (level, number) = (tile.coordinate.level, tile.coordinate.number)
        let width = check.width(level: level, number: number)
        guard width > 0 else { return log.size > head.size }
        return check.proves(tile.hashes.prefix(width), level: level, number: number, source: source(size: head.size))
    }

    private func tile(level: Int, number: UInt64) -> Tile? {
        if let tile = rebuilt[Place(level: level, number: number)] { return tile }
        return try? SQLiteLogStore.tile(db, row: row, TileCoordinate(level: level, number: number))
    }

    private func source(size: UInt64) -> TileNodeSource {
        TileNodeSource(treeSize: size, hasher: hasher) { [self] coordinate in
            guard let tile = tile(level: coordinate.level, number: coordinate.number) else {
                throw StoreError.damaged(path: log.origin, reason: "\(coordinate.path) is missing")
            }
            return tile
        }
    }
}
