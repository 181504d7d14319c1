public import Cryptography
import GRDB
import TransparencyLog

import struct FoundationEssentials.Data

extension SQLiteLogStore {
    public func append(_ entries: [NewEntry], to origin: String, options: AppendOptions) throws -> AppendResult {
        for entry in entries where !(1...BundleCodec.maximumBodySize).contains(entry.body.count) {
            throw StoreError.bodySize(entry.body.count)
        }
        let hasher = MerkleHasher()
        let codec = BundleCodec()
        let result: AppendResult
        var hasErased = false
        do {
            result = try database.write { db in
                guard let id = try Self.openOwnLog(db, origin) else { throw StoreError.unknownLog(origin) }
                let (row, log) = try Self.fetch(db, id)
                guard log.isOwn else { throw StoreError.notOwn(origin: origin) }
                if let reason = log.frozen {
                    throw StoreError.frozen(
                        origin: origin,
                        reason: "\(reason); go on in a successor log, `entente community successor \(log.community)`")
                }
                try Self.checkNotGivenUp(log)
                try Self.checkNoLaterLog(after: origin, db)
                try checkMark(of: log, in: db)
                try Self.checkNotRecovering(log)
                try options.check(log.size)
                try options.doubles?.update(db, row: row, size: log.size, for: entries)
                var growth = try Self.growth(db, row: row, log: log)
                guard growth.isReadable else {
                    throw StoreError.damaged(path: log.origin, reason: "its last entries cannot be read")
                }
                var outcomes: [AppendOutcome] = []
                outcomes.reserveCapacity(entries.count)
                var newHashes: [UInt64] = []
                for entry in entries {
                    if let index = options.doubles?.index(of: entry) {
                        outcomes.append(.double(of: index))
                        continue
                    }
                    let index = growth.size
                    let leafHash = hasher.leaf(entry.body)
                    try growth.append(entry.body, leafHash: leafHash, codec: codec, hasher: hasher)
                    options.doubles?.insert(entry, at: index)
                    newHashes.append(entry.doubleHash)
                    outcomes.append(.appended(index: index, leafHash: leafHash))
                    let finding = entry.body.withUnsafeBytes { EntryFinding(body: $0, index: index) }
                    try check(entry.blob, against: finding, at: index)
                    if let finding {
                        hasErased = hasErased || finding.isErasure
                        try store(finding, row: row, log: log, blob: entry.blob, db)
                    }
                }
                guard growth.size > log.size else {
                    guard let head = log.head else { throw StoreError.bodySize(0) }
                    return AppendResult(outcomes: outcomes, head: head)
                }
                try Self.write(growth.takeWrites(), row: row, size: growth.size, db)
                try DoubleFilter.write(newHashes, row: row, firstIndex: log.size, db)
                if hasErased { try Self.forgetErasedDoubleHashes(db) }
                let root = growth.edge.root(hasher: hasher)
                let head = SignedHead(size: growth.size, root: root, note: try options.sign(growth.size, root))
                try Self.checkSigners(of: head, row: row, log: log, db)
                try Self.insert(head, row: row, db)
                return AppendResult(outcomes: outcomes, head: head)
            }
        } catch {
            // What the filter learnt from this batch may not have been committed.
            options.doubles?.forget()
            throw error
        }
        // A crash here leaves the mark behind the log: the next opening raises it. Nothing was shown yet.
        let head = result.head
        try marks.raise(
            .own, log: SHA256.hash(origin), origin: origin, to: .init(size: head.size, root: head.root, time: 0))
        if hasErased { settleErasuresIfPossible() }
        return result
    }

    /// Which of these entries the own log says already, at which index; for telling beforehand what an append would do.
    /// Entries of the batch are compared with each other, too.
    public func doubles(of entries: [NewEntry], in origin: String, filter: DoubleFilter) throws -> [UInt64?] {
        try database.read { db in
            guard let id = try Self.openOwnLog(db, origin) else { throw StoreError.unknownLog(origin) }
            let (row, log) = try Self.fetch(db, id)
            try filter.update(db, row: row, size: log.size, for: entries)
            return entries.map { entry in
                let index = filter.index(of: entry)
                if index == nil { filter.expect(entry) }
                return index
            }
        }
    }

    private static func openOwnLog(_ db: Database, _ origin: String) throws -> SHA256Digest? {
        try Row.fetchOne(db, sql: "SELECT log_id FROM log WHERE origin = ?", arguments: [origin])
            .map { try $0.digest("log_id") }
    }

    // MARK: Ranges from partners

    public func pin(_ head: SignedHead, of id: SHA256Digest) throws {
        try database.write { db in try pin(head, of: id, db) }
    }

    /// The same for several, made durable together; answers how each log stands then.
    public func pin(_ pins: [(head: SignedHead, log: SHA256Digest)]) -> [Result<StoredLog, any Error>] {
        database.writeEach(pins) { db, each in
            try pin(each.head, of: each.log, db)
            return try Self.fetch(db, each.log).log
        }
    }

    private func pin(_ head: SignedHead, of id: SHA256Digest, _ db: Database) throws {
        let (row, log) = try Self.fetch(db, id)
        if let reason = log.frozen { throw StoreError.frozen(origin: log.origin, reason: reason) }
        // Only this node adds to its own log, unless it has lost what it had added.
        guard !log.isOwn || log.recovering != nil || log.reachesBeyondOwner else {
            throw StoreError.notOwn(origin: log.origin)
        }
        if log.isOwn, let mark = try marks.mark(.own, log: id), mark.size == head.size, mark.root != head.root {
            throw StoreError.contradictsSigned(origin: log.origin, size: head.size)
        }
        try Self.checkOfOwner(head, log, db)
        if log.reachesBeyondOwner { return try Self.adopt(head, row: row, of: log, db) }
        guard head.size > (log.head?.size ?? 0), head.size >= log.size, head.size <= TreeLimits.maximumSize else {
            throw StoreError.notContiguous(held: log.size, start: head.size)
        }
        // Two roots for one size are a fork, and never a reason to forget the first.
        if let pending = log.pending, pending.size == head.size, pending.root != head.root {
            throw StoreError.notProved(origin: log.origin, start: log.size, end: head.size)
        }
        if head.size == log.size {
            // Everything is here already: it came with a transfer towards a larger checkpoint.
            guard try Self.root(db, row: row, log: log, size: head.size) == head.root else {
                throw StoreError.notProved(origin: log.origin, start: 0, end: head.size)
            }
            try Self.insert(head, row: row, db)
            try db.execute(
                sql: "DELETE FROM pending WHERE log = ? AND size <= ?", arguments: [row, Int64(head.size)])
            return
        }
        try db.execute(
            sql: "INSERT OR REPLACE INTO pending (log, size, root, note) VALUES (?, ?, ?, ?)",
            arguments: [row, Int64(head.size), head.root.databaseBytes, head.note])
    }

    /// What checks ranges of this log against its pending checkpoint, from where the log ends now.
    public func verifier(of id: SHA256Digest) throws -> RangeVerifier {
        try database.read { db in
            let (row, log) = try Self.fetch(db, id)
            guard let target = log.pending else { throw StoreError.noPendingCheckpoint(origin: log.origin) }
            return RangeVerifier(
                log: id, origin: log.origin, target: target, growth: try Self.growth(db, row: row, log: log))
        }
    }

    @discardableResult
    public func commit(_ range: VerifiedRange) throws -> StoredLog {
        let log = try database.write { db in try commit(range, db) }
        settle([range])
        return log
    }

    /// The same for several, made durable together. Ranges of one log stand in order.
    public func commit(_ ranges: [VerifiedRange]) -> [Result<StoredLog, any Error>] {
        let results = database.writeEach(ranges) { db, range in try commit(range, db) }
        settle(ranges)
        return results
    }

    /// What is left to be done once ranges are committed.
    private func settle(_ ranges: [VerifiedRange]) {
        if ranges.contains(where: { $0.findings.contains(where: \.isErasure) }) { settleErasuresIfPossible() }
        guard ranges.contains(where: { $0.findings.contains(where: \.isMembership) }) else { return }
        attempting("logs whose sealed parts this node is to hold since could not be read again") { try readAgain() }
    }

    private func commit(_ range: VerifiedRange, _ db: Database) throws -> StoredLog {
        let (row, log) = try Self.fetch(db, range.log)
        if let reason = log.frozen { throw StoreError.frozen(origin: log.origin, reason: reason) }
        guard !log.isOwn || log.recovering != nil else { throw StoreError.notOwn(origin: log.origin) }
        guard log.size == range.start else {
            throw StoreError.notContiguous(held: log.size, start: range.start)
        }
        try Self.checkOfOwner(range.target.size, log)
        try Self.write(range.writes.continuing(db, row: row), row: row, size: range.end, db)
        for finding in range.findings { try store(finding, row: row, log: log, blob: nil, db) }
        if range.findings.contains(where: \.isLogKey) { try Self.checkTarget(range.target, db, range.log) }
        if range.end == range.target.size {
            try Self.insert(range.target, row: row, db)
            try db.execute(
                sql: "DELETE FROM pending WHERE log = ? AND size <= ?",
                arguments: [row, Int64(range.target.size)])
        }
        return try Self.fetch(db, range.log).log
    }

    // MARK: Rows

    /// The end of the log as it is stored: at most eight partial tiles and one partial bundle.
    static func growth(_ db: Database, row: Int64, log: StoredLog) throws -> LogGrowth {
        var partialTiles: [[SHA256Digest]] = []
        for level in 0..<TreeEdge.levelCount {
            let width = Int((log.size >> (8 * level)) & 255)
            guard width > 0 else {
                partialTiles.append([])
                continue
            }
            let number = log.size >> (8 * level + 8)
            let tile = try tile(db, row: row, TileCoordinate(level: level, number: number, width: width))
            guard let tile, tile.hashes.count == width else {
                throw StoreError.damaged(path: log.origin, reason: "the tile at its edge on level \(level) is wrong")
            }
            partialTiles.append(tile.hashes)
        }
        let width = UInt64(EntryBundle.maximumEntries)
        var partialBundle: [UInt8] = []
        if log.size % width > 0 {
            let data = try Data.fetchOne(
                db, sql: "SELECT data FROM bundle WHERE log = ? AND number = ? AND compressed = 0",
                arguments: [row, Int64(log.size / width)])
            guard let data else {
                throw StoreError.damaged(path: log.origin, reason: "its last entry bundle is missing")
            }
            partialBundle = [UInt8](data)
        }
        let edge: TreeEdge
        do {
            edge = try TreeEdge(size: log.size, partialTiles: partialTiles)
        } catch {
            throw StoreError.damaged(path: log.origin, reason: "\(error)")
        }
        // Grown from tiles that have rotted, the next checkpoint would contradict this one.
        if let head = log.head, head.size == log.size, head.root != edge.root(hasher: MerkleHasher()) {
            throw StoreError.damaged(path: log.origin, reason: "the tiles at its edge do not have the signed root")
        }
        return LogGrowth(edge: edge, partialBundle: partialBundle)
    }

    static func write(_ writes: LogGrowth.Writes, row: Int64, size: UInt64, _ db: Database) throws {
        let bundle = try db.cachedStatement(
            sql: """
                INSERT INTO bundle (log, number, entries, compressed, data) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (log, number) DO UPDATE SET entries = excluded.entries,
                    compressed = excluded.compressed, data = excluded.data
                """)
        for each in writes.bundles {
            try bundle.execute(arguments: [row, Int64(each.number), each.entries, each.isCompressed, Data(each.data)])
        }
        let tile = try db.cachedStatement(
            sql: """
                INSERT INTO tile (log, level, number, data) VALUES (?, ?, ?, ?)
                ON CONFLICT (log, level, number) DO UPDATE SET data = excluded.data
                """)
        for each in writes.tiles {
            try tile.execute(arguments: [row, each.coordinate.level, Int64(each.coordinate.number), Data(each.data)])
        }
        try db.cachedStatement(sql: "UPDATE log SET size = ? WHERE id = ?").execute(arguments: [Int64(size), row])
    }

    static func insert(_ head: SignedHead, row: Int64, _ db: Database) throws {
        try db.cachedStatement(
            sql: "INSERT INTO checkpoint (log, size, root, note) VALUES (?, ?, ?, ?)"
        ).execute(arguments: [row, Int64(head.size), head.root.databaseBytes, head.note])
    }

    /// A blob goes in with the one record that names its hash and size.
    private func check(_ blob: NewBlob?, against finding: EntryFinding?, at index: UInt64) throws {
        guard let blob else { return }
        guard case .sealed(_, let sha256, let size, _, _) = finding, blob.sha256 == sha256, blob.bytes.count == size,
            SHA256.hash(blob.bytes) == sha256
        else { throw StoreError.wrongBlob(index: index) }
    }

    func store(
        _ finding: EntryFinding, row: Int64, log: StoredLog, blob: NewBlob?, _ db: Database
    ) throws {
        switch finding {
        case .membership(let index, let membership, _):
            try store(membership, at: index, row: row, log: log, db)
            for givenUp in finding.givenUp(in: log) { try Self.store(givenUp, in: log, db) }
        case .key(let key): try Self.store(key, row: row, log: log, db)
        case .sealed(let index, let sha256, let size, let recipients, _):
            guard try !Self.isErased(db, log.id, at: index, sha256) else { return }
            let carries = try Self.membership(db, row: row)?.membersCarrySealed ?? false
            guard
                try log.isOwn || carries || recipients.contains(node)
                    || isGranted(db, row: row, log: log.id, finding)
            else { return }
            try Self.addBlobRow(
                [row, Int64(index), sha256.databaseBytes, size, blob.map { Data($0.bytes) }], db)
        case .grant: if let grant = finding.grant(in: log) { try store(grant, db) }
        case .erasure: if let erasure = finding.erasure(in: log) { try Self.erase(erasure, db) }
        }
    }
}
