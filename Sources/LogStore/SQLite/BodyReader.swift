public import Cryptography
import GRDB
import TransparencyLog

/// Reads bodies one after another, and unpacks a bundle once while they come from the same one.
struct BodyReader {
    private let store: SQLiteLogStore
    private let codec = BundleCodec()
    private let hasher = MerkleHasher()
    private var log: SHA256Digest?
    private var number: UInt64 = 0
    private var raw: [UInt8] = []
    private var ranges: [Range<Int>] = []
    /// What the bodies of this bundle are held against; read when it is asked for first.
    private var witness: SQLiteLogStore.BundleWitness?

    init(_ store: SQLiteLogStore) {
        self.store = store
    }

    /// The body at this index, as it is stored; `nil` beyond the end of the log.
    mutating func body(of log: SHA256Digest, at index: UInt64) throws -> [UInt8]? {
        guard index < TreeLimits.maximumSize else { return nil }
        let width = UInt64(EntryBundle.maximumEntries)
        let position = Int(index % width)
        if self.log != log || number != index / width || position >= ranges.count {
            guard let bundle = try store.bundles(of: log, entries: index..<(index + 1)).first else { return nil }
            raw = bundle.isCompressed ? try codec.decompress(bundle.data, number: bundle.number) : bundle.data
            do {
                ranges = try EntryBundle.bodies(in: raw)
            } catch {
                throw StoreError.badBundle(number: bundle.number, reason: "\(error)")
            }
            number = bundle.number
            self.log = log
            witness = nil
        }
        return position < ranges.count ? Array(raw[ranges[position]]) : nil
    }

    /// The body at this index if it is the one whose leaf hash is kept; `nil` beyond the end of the log.
    ///
    /// Throws ``StoreError/damagedEntry(reference:)`` where it is not, or cannot be read, or lies in a bundle that is
    /// known to be damaged.
    mutating func soundBody(of log: StoredLog, at index: UInt64) throws -> [UInt8]? {
        guard index < log.size else { return nil }
        let damage = StoreError.damagedEntry(reference: "\(log.origin)#\(index)")
        let body: [UInt8]?
        do {
            body = try self.body(of: log.id, at: index)
        } catch StoreError.badBundle {
            throw damage
        }
        let position = Int(index % UInt64(EntryBundle.maximumEntries))
        if witness == nil || position >= witness?.leaves.count ?? 0 {
            witness = try store.witness(of: log.id, bundle: index / UInt64(EntryBundle.maximumEntries))
        }
        guard let body, let witness, !witness.isDamaged, position < witness.leaves.count,
            witness.leaves[position] == hasher.leaf(body)
        else { throw damage }
        return body
    }
}

extension SQLiteLogStore {
    /// What is kept beside a bundle of the bodies in it.
    struct BundleWitness {
        let leaves: [SHA256Digest]
        /// Whether the bundle is marked as damaged.
        let isDamaged: Bool
    }

    /// Where the tile of leaf hashes is gone, or is none, there are no hashes.
    func witness(of log: SHA256Digest, bundle number: UInt64) throws -> BundleWitness {
        let (tile, isDamaged) = try database.read { db in
            let row = try Self.rowID(db, log)
            return (
                try Self.tiles(db, row: row, level: 0, numbers: number..<(number + 1))[number],
                try Self.isDamaged(.bundle(number), row: row, db)
            )
        }
        return BundleWitness(leaves: tile.map { Tile.whole(of: $0) } ?? [], isDamaged: isDamaged)
    }

    /// The body of an entry for people to see, or for a new record to name: one that is what was kept when it came. All
    /// commands that show or name a record read it here. One hash more than ``body(of:at:)``; whether the kept hashes are
    /// those that were signed is for audits to say.
    ///
    /// Throws ``StoreError/damagedEntry(reference:)``; answers `nil` beyond the end of the log.
    public func soundBody(of log: StoredLog, at index: UInt64) throws -> [UInt8]? {
        var reader = BodyReader(self)
        return try reader.soundBody(of: log, at: index)
    }

    /// The bodies at these places of these logs; `nil` where there is none yet, or where it is damaged. Cheapest in the
    /// order of logs and indices.
    public func soundBodies(at positions: [RecordPosition], in logs: [SHA256Digest: StoredLog]) throws -> [[UInt8]?] {
        var reader = BodyReader(self)
        return try positions.map { position in
            guard let log = logs[position.log] else { return nil }
            do {
                return try reader.soundBody(of: log, at: position.index)
            } catch StoreError.damagedEntry {
                return nil
            }
        }
    }
}
