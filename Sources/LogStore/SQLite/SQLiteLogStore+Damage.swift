public import Cryptography
import GRDB
import TransparencyLog

import struct FoundationEssentials.Data

// Damage that is known: marked, listed, kept from partners, and forgotten once it is mended.

extension SQLiteLogStore {
    /// The known damage of a log: bundles, tiles, blobs, in order.
    public func damage(of log: SHA256Digest) throws -> [Damage] {
        try database.read { db in try Self.damage(db, row: Self.rowID(db, log)) }
    }

    static func damage(_ db: Database, row: Int64) throws -> [Damage] {
        try Row.fetchAll(
            db.cachedStatement(sql: "SELECT kind, level, number, reason, found FROM damage WHERE log = ?"),
            arguments: [row]
        ).map { row in
            let number = row.size("number")
            let place: Damage.Place =
                switch try row.text("kind") {
                case "bundle": .bundle(number)
                case "tile": .tile(level: Int(clamping: row.size("level")), number: number)
                default: .blob(entry: number)
                }
            return Damage(place: place, reason: try row.text("reason"), found: row.size("found"))
        }.sorted { $0.place < $1.place }
    }

    /// Whether entries or hashes of a log are known to be damaged.
    public func isDamaged(_ log: SHA256Digest) throws -> Bool {
        try database.read { db in
            try Bool.fetchOne(
                db.cachedStatement(sql: "SELECT 1 FROM damage WHERE log = ? AND kind IN ('bundle', 'tile') LIMIT 1"),
                arguments: [Self.rowID(db, log)]) ?? false
        }
    }

    /// How many marks each damaged log has: what a running node looks at now and then.
    public func damageCounts() throws -> [SHA256Digest: Int] {
        try database.read { db in
            let rows = try Row.fetchAll(
                db.cachedStatement(
                    sql: """
                        SELECT log_id, count(*) AS marks FROM damage JOIN log ON log.id = damage.log GROUP BY log_id
                        """))
            return Dictionary(
                try rows.map { (try $0.digest("log_id"), Int(clamping: $0.size("marks"))) },
                uniquingKeysWith: { first, _ in first })
        }
    }

    static func isDamaged(_ place: Damage.Place, row: Int64, _ db: Database) throws -> Bool {
        try Bool.fetchOne(
            db.cachedStatement(
                sql: "SELECT 1 FROM damage WHERE log = ? AND kind = ? AND level = ? AND number = ?"),
            arguments: place.key(row)) ?? false
    }

    /// Marks damage; what is marked already keeps its first date.
    public func mark(_ damage: [Damage], of log: SHA256Digest) throws {
        guard !damage.isEmpty else { return }
        try database.write { db in
            let row = try Self.rowID(db, log)
            for each in damage {
                try db.cachedStatement(
                    sql: """
                        INSERT INTO damage (log, kind, level, number, reason, found) VALUES (?, ?, ?, ?, ?, ?)
                        ON CONFLICT (log, kind, level, number) DO UPDATE SET reason = excluded.reason
                        """
                ).execute(arguments: each.place.key(row) + [each.reason, Int64(clamping: each.found)])
            }
        }
    }

    /// Takes back marks of what was found sound again.
    public func clear(_ places: [Damage.Place], of log: SHA256Digest) throws {
        guard !places.isEmpty else { return }
        try database.write { db in
            let row = try Self.rowID(db, log)
            for place in places { try Self.clear(place, row: row, db) }
        }
    }

    static func clear(_ place: Damage.Place, row: Int64, _ db: Database) throws {
        try db.cachedStatement(
            sql: "DELETE FROM damage WHERE log = ? AND kind = ? AND level = ? AND number = ?"
        ).execute(arguments: place.key(row))
    }

    /// The entries whose bodies are damaged, as ranges of whole bundles, cut at the end of the log.
    public func damagedRanges(of log: SHA256Digest) throws -> [Range<UInt64>] {
        try database.read { db in
            let (row, log) = try Self.fetch(db, log)
            return try Self.damagedRanges(db, row: row, log: log)
        }
    }

    static func damagedRanges(_ db: Database, row: Int64, log: StoredLog) throws -> [Range<UInt64>] {
        let numbers = try Int64.fetchAll(
            db.cachedStatement(sql: "SELECT number FROM damage WHERE log = ? AND kind = 'bundle' ORDER BY number"),
            arguments: [row])
        return numbers.reduce(into: [Range<UInt64>]()) { ranges, number in
            let range = Damage.Place.bundle(UInt64(clamping: number)).entries(size: log.size)
            if let last = ranges.last, last.upperBound == range.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
            } else if !range.isEmpty {
                ranges.append(range)
            }
        }
    }

    /// The bundles that hold these entries, as ``bundles(of:entries:)``, for whoever passes them on: up to the first
    /// one that is known to be damaged.
    ///
    /// Throws ``StoreError/damagedEntries(origin:start:end:)`` where the first entry is damaged.
    public func undamagedBundles(of log: SHA256Digest, entries range: Range<UInt64>) throws -> [StoredBundle] {
        guard !range.isEmpty else { return [] }
        let width = UInt64(EntryBundle.maximumEntries)
        let first = range.lowerBound / width
        let damaged = try database.read { db in
            try Int64.fetchOne(
                db.cachedStatement(
                    sql: """
                        SELECT min(number) FROM damage WHERE log = ? AND kind = 'bundle' AND number BETWEEN ? AND ?
                        """),
                arguments: [
                    Self.rowID(db, log), Int64(clamping: first), Int64(clamping: (range.upperBound - 1) / width),
                ])
        }.map { UInt64(clamping: $0) }
        guard let damaged else { return try bundles(of: log, entries: range) }
        guard damaged > first else {
            let stored = try database.read { db in try Self.fetch(db, log).log }
            let entries = Damage.Place.bundle(damaged).entries(size: stored.size)
            throw StoreError.damagedEntries(
                origin: stored.origin, start: entries.lowerBound, end: entries.upperBound)
        }
        return try bundles(of: log, entries: range.lowerBound..<(damaged * width))
    }

    /// Throws where entries or tiles of the log are known to be damaged: it is not held completely then.
    static func checkUndamaged(_ db: Database, row: Int64, log: StoredLog) throws {
        guard let first = try damage(db, row: row).first(where: { $0.place.isOfLog }) else { return }
        let entries = first.place.entries(size: log.size)
        throw StoreError.damagedEntries(origin: log.origin, start: entries.lowerBound, end: entries.upperBound)
    }

    // MARK: Sealed parts

    /// Keeps again what the records of a bundle say of grants, erasures, keys and members, and whose rows are gone or say
    /// something else.
    package func restoreRights(in bundle: StoredBundle, of log: StoredLog) throws {
        let said = try mentions(inRaw: raw(bundle), number: bundle.number, of: log).mentions
        guard said.contains(where: \.isKeptApart) else { return }
        let kept = Set(
            try grants(saidBy: log.id).flatMap { grant in grant.nodes.map { "\(grant.record.index) \($0)" } })
        let keys = try publishedKeys(of: log.id)
        let members = try membershipRow(of: log.id)
        let lost = try said.filter { mention in
            switch mention {
            case .grant(let grant): !grant.nodes.allSatisfy { kept.contains("\(grant.record.index) \($0)") }
            case .erasure(let erasure):
                try self.erasure(of: erasure.log, at: erasure.index, sha256: erasure.sha256) == nil
            case .key(let key): !keys.contains { $0.saysSame(as: key) }
            case .members(let entry, let membership):
                // Of several the last one says.
                members.map { $0.entry < entry || ($0.entry == entry && $0.1 != membership) } ?? true
            case .sealed: false
            }
        }
        guard !lost.isEmpty else { return }
        var isErased = false
        try database.write { db in
            let row = try Self.rowID(db, log.id)
            for mention in lost {
                switch mention {
                case .grant(let grant): try store(grant, db)
                case .erasure(let erasure):
                    try Self.erase(erasure, db)
                    isErased = true
                case .key(let key): try Self.store(key, row: row, log: log, db)
                case .members(let entry, let membership):
                    try store(membership, at: entry, row: row, log: log, db)
                case .sealed: break
                }
            }
        }
        if isErased { settleErasuresIfPossible() }
    }

    /// The sealed parts that the records of a bundle name and that this node is to hold beside the log.
    package func expectedBlobs(in bundle: StoredBundle, of log: StoredLog) throws -> [BlobReference] {
        let raw = try raw(bundle)
        guard raw.withUnsafeBytes({ EntryFinding.isCandidate($0) }) else { return [] }
        let first = bundle.number * UInt64(EntryBundle.maximumEntries)
        // A carrier holds all of them, whenever it became one.
        let carriedFrom: UInt64? = try membershipRow(of: log.id).flatMap { entry, membership in
            if membership.makesCarrier(node) { return 0 }
            return membership.membersCarrySealed ? entry : nil
        }
        let ranges: [Range<Int>]
        do {
            ranges = try EntryBundle.bodies(in: raw, maximumBody: BundleCodec.maximumBodySize)
        } catch {
            throw StoreError.badBundle(number: bundle.number, reason: "\(error)")
        }
        let granted = try grantedHere(of: log.id, entries: first..<(first + UInt64(ranges.count)))
        return raw.withUnsafeBytes { bytes in
            ranges.enumerated().compactMap { position, range in
                let index = first + UInt64(position)
                let body = UnsafeRawBufferPointer(rebasing: bytes[range])
                guard
                    case .sealed(_, let sha256, let size, let recipients, let commitment)? = EntryFinding(
                        body: body, index: index),
                    log.isOwn || recipients.contains(node) || carriedFrom.map({ $0 <= index }) ?? false
                        || granted.contains(where: { $0.opens(index, body: body, commitment: commitment) })
                else { return nil }
                return BlobReference(log: log.id, index: index, sha256: sha256, size: size)
            }
        }
    }

    /// Which of these sealed parts have no row here, held or wanted, that says of them what their records say. One that
    /// was erased is not missed.
    package func missingBlobRows(among references: [BlobReference]) throws -> [BlobReference] {
        try database.read { db in
            try references.filter { reference in
                try Bool.fetchOne(
                    db.cachedStatement(
                        sql: """
                            SELECT 1 FROM blob WHERE log = ?1 AND entry = ?2 AND sha256 = ?3 AND size = ?4
                            UNION ALL SELECT 1 FROM blob_erasure WHERE log_id = ?5 AND entry = ?2 AND sha256 = ?3
                            """),
                    arguments: [
                        Self.rowID(db, reference.log), Int64(clamping: reference.index),
                        reference.sha256.databaseBytes, reference.size, reference.log.databaseBytes,
                    ]) == nil
            }
        }
    }

    /// Makes the row of a sealed part that is gone, or says something else than its record, so that its bytes are
    /// wanted again. Of one that was erased there is none to be made.
    package func restoreBlobRow(_ reference: BlobReference) throws {
        try database.write { db in
            let row = try Self.rowID(db, reference.log)
            guard try !Self.isErased(db, reference.log, at: reference.index, reference.sha256) else { return }
            let index = Int64(clamping: reference.index)
            try db.execute(sql: "DELETE FROM blob WHERE log = ? AND entry = ?", arguments: [row, index])
            try Self.addBlobRow([row, index, reference.sha256.databaseBytes, reference.size, nil], db)
        }
    }
}

extension Damage.Place {
    /// Whether entries or their hashes are damaged, not what lies beside the log.
    public var isOfLog: Bool {
        if case .blob = self { false } else { true }
    }

    fileprivate func key(_ row: Int64) -> StatementArguments {
        switch self {
        case .bundle(let number): [row, "bundle", 0, Int64(clamping: number)]
        case .tile(let level, let number): [row, "tile", level, Int64(clamping: number)]
        case .blob(let entry): [row, "blob", 0, Int64(clamping: entry)]
        }
    }
}
