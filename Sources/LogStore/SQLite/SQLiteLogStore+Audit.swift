public import Cryptography
import GRDB
import TransparencyLog

import struct FoundationEssentials.Data

// What an audit reads that nothing else does.

/// The end of a log with all that is kept of the log as a whole, as of one moment: the log may grow while it is read.
public struct LogEnd: Sendable {
    public let log: StoredLog
    /// The checkpoints that were not read before; none where the bundles are not read either.
    public let rest: CheckpointPage
    /// How many checkpoints are kept.
    public let checkpointCount: Int
    /// Of each cosigner the cosignature on the largest size.
    public let newestCosignatures: [StoredCosignature]
    /// The row that is kept as the newest of each cosigner.
    public let latestCosignatures: [StoredCosignature]
    public let membership: (entry: UInt64, Membership)?
    /// By entry.
    public let keys: [PublishedKey]
    /// How many rows the log has.
    public let bundleCount: Int
    public let tileCount: Int
    /// The bundles at the end, by number; `nil` where there are more than were asked for.
    public let bundles: [UInt64: StoredBundle]?
    /// The tiles at the end, by level and number.
    public let tiles: [Int: [UInt64: [UInt8]]]
    /// Whether what records say of keys, grants and erasures is kept apart: an earlier release did not do that.
    public let keepsRights: Bool
}

/// What the records of a bundle say of what lies beside the log.
package struct BundleMentions: Sendable {
    package enum Mention: Sendable {
        case members(entry: UInt64, Membership)
        /// `isForThisNode`: whether this node is to hold the sealed part even if members do not carry them.
        case sealed(BlobReference, isForThisNode: Bool)
        case key(PublishedKey)
        case grant(SealedGrant)
        case erasure(Erasure)

        /// Whether rows of their own keep it.
        var isKeptApart: Bool {
            if case .sealed = self { false } else { true }
        }
    }

    package let mentions: [Mention]
}

/// A blob row, held or not.
public struct StoredBlob: Sendable, Hashable {
    public let reference: BlobReference
    /// `nil` while the bytes have not come.
    public let data: [UInt8]?
}

extension SQLiteLogStore {
    /// The stored tiles of a level whose numbers lie in the range, as they are, in order.
    public func tiles(of log: SHA256Digest, level: Int, numbers: Range<UInt64>) throws -> [UInt64: [UInt8]] {
        try database.read { db in
            try Self.tiles(db, row: Self.rowID(db, log), level: level, numbers: numbers)
        }
    }

    static func tiles(
        _ db: Database, row: Int64, level: Int, numbers: Range<UInt64>
    ) throws -> [UInt64: [UInt8]] {
        let rows = try Row.fetchCursor(
            db, sql: "SELECT number, data FROM tile WHERE log = ? AND level = ? AND number >= ? AND number < ?",
            arguments: [row, level, Int64(clamping: numbers.lowerBound), Int64(clamping: numbers.upperBound)])
        var tiles: [UInt64: [UInt8]] = [:]
        while let row = try rows.next() {
            tiles[row.size("number")] = try row.withUnsafeData(named: "data") { [UInt8]($0 ?? Data()) }
        }
        return tiles
    }

    /// How many tile and bundle rows a log has, beyond which nothing may lie.
    public func rowCounts(of log: SHA256Digest) throws -> (bundles: Int, tiles: Int) {
        try database.read { db in try Self.rowCounts(db, row: Self.rowID(db, log)) }
    }

    private static func rowCounts(_ db: Database, row: Int64) throws -> (bundles: Int, tiles: Int) {
        (
            try Int.fetchOne(db, sql: "SELECT count(*) FROM bundle WHERE log = ?", arguments: [row]) ?? 0,
            try Int.fetchOne(db, sql: "SELECT count(*) FROM tile WHERE log = ?", arguments: [row]) ?? 0
        )
    }

    /// The end of a log from this bundle on, if that is at most `limit` bundles, with the checkpoints of these sizes and
    /// what is kept of the log as a whole.
    public func end(
        of id: SHA256Digest, from number: UInt64, limit: UInt64, checkpointsFrom size: UInt64
    ) throws -> LogEnd {
        try database.read { db in
            let (row, log) = try Self.fetch(db, id)
            let width = UInt64(EntryBundle.maximumEntries)
            let isNear = (log.size + width - 1) / width <= number + limit
            var tiles: [Int: [UInt64: [UInt8]]] = [:]
            for level in 0..<(isNear ? 8 : 0) {
                let first = level == 0 ? number : log.size >> (8 * (level + 1))
                tiles[level] = try Self.tiles(
                    db, row: row, level: level, numbers: first..<(first + (level == 0 ? limit : 1)))
            }
            let rows = try Self.rowCounts(db, row: row)
            return LogEnd(
                log: log,
                rest: isNear
                    ? try Self.page(
                        db, row: row, log: log, from: size, limit: Int(limit + 1) * EntryBundle.maximumEntries)
                    : CheckpointPage(log: log, heads: [], cosignatures: [], isLast: false),
                checkpointCount: try Self.checkpointCount(db, row: row),
                newestCosignatures: try Self.newestCosignatures(db, row: row),
                latestCosignatures: try Self.cosignatures(db, row: row, from: "latest_cosignature"),
                membership: try Self.membershipRow(db, row: row), keys: try Self.publishedKeys(db, row: row),
                bundleCount: rows.bundles, tileCount: rows.tiles,
                bundles: isNear
                    ? Dictionary(
                        try Self.bundles(db, row: row, numbers: number..<(number + limit)).map { ($0.number, $0) },
                        uniquingKeysWith: { first, _ in first })
                    : nil,
                tiles: tiles, keepsRights: try Self.isKept(db, table: "published_key"))
        }
    }

    /// Who may hold a log, with the record that is kept as the newest one to say so.
    public func membershipRow(of log: SHA256Digest) throws -> (entry: UInt64, Membership)? {
        try database.read { db in try Self.membershipRow(db, row: Self.rowID(db, log)) }
    }

    private static func membershipRow(_ db: Database, row: Int64) throws -> (entry: UInt64, Membership)? {
        try Row.fetchOne(
            db, sql: "SELECT entry, members, members_carry FROM membership WHERE log = ?", arguments: [row]
        ).map { ($0.size("entry"), try membership(from: $0)) }
    }

    /// What the records of a raw bundle say of what lies beside the log, in their order.
    package func mentions(inRaw raw: [UInt8], number: UInt64, of log: StoredLog) throws -> BundleMentions {
        guard raw.withUnsafeBytes({ EntryFinding.isCandidate($0) }) else { return BundleMentions(mentions: []) }
        let first = number * UInt64(EntryBundle.maximumEntries)
        let ranges = try EntryBundle.bodies(in: raw, maximumBody: BundleCodec.maximumBodySize)
        let granted = try grantedHere(of: log.id, entries: first..<(first + UInt64(ranges.count)))
        return BundleMentions(
            mentions: raw.withUnsafeBytes { bytes in
                ranges.enumerated().compactMap { position, range in
                    let index = first + UInt64(position)
                    let body = UnsafeRawBufferPointer(rebasing: bytes[range])
                    let finding = EntryFinding(body: body, index: index)
                    switch finding {
                    case .membership(_, let membership, _): return .members(entry: index, membership)
                    case .sealed(_, let sha256, let size, let recipients, let commitment):
                        return .sealed(
                            BlobReference(log: log.id, index: index, sha256: sha256, size: size),
                            isForThisNode: log.isOwn || recipients.contains(node)
                                || granted.contains { $0.opens(index, body: body, commitment: commitment) })
                    case .grant: return finding?.grant(in: log).map { .grant($0) }
                    case .erasure: return finding?.erasure(in: log).map { .erasure($0) }
                    case .key(let key): return key.isIn(log) ? .key(key) : nil
                    case nil: return nil
                    }
                }
            })
    }

    /// Whether the record that a grant is kept with says it; `nil` where it cannot be read, which the audit of its own
    /// log tells.
    package func says(_ grant: SealedGrant) throws -> Bool? {
        guard try isReadable(grant.record) else { return nil }
        guard let (finding, log) = try finding(at: grant.record), let said = finding.grant(in: log) else {
            return false
        }
        return said.log == grant.log && said.index == grant.index && said.hash == grant.hash
            && said.commitment == grant.commitment && Set(grant.nodes).isSubset(of: said.nodes)
    }

    /// The same of an erasure.
    package func says(_ erasure: Erasure) throws -> Bool? {
        guard try isReadable(erasure.record) else { return nil }
        guard let (finding, log) = try finding(at: erasure.record) else { return false }
        return finding.erasure(in: log) == erasure
    }

    /// Not so of an entry of a log that is here which is damaged or lost.
    private func isReadable(_ position: RecordPosition) throws -> Bool {
        guard let log = try log(id: position.log), position.index < log.size else { return true }
        return (try? body(of: log.id, at: position.index)) ?? nil != nil
    }

    private func finding(at position: RecordPosition) throws -> (EntryFinding, StoredLog)? {
        guard let log = try log(id: position.log), let body = try body(of: log.id, at: position.index),
            let finding = body.withUnsafeBytes({ EntryFinding(body: $0, index: position.index) })
        else { return nil }
        return (finding, log)
    }

    /// Every log of which this node signed or cosigned something, with the size that it vouched for.
    public func vouchedSizes() throws -> [(origin: String, size: UInt64)] {
        try (marks.origins(.own) + marks.origins(.cosigned)).map { ($0.origin, $0.size) }
    }

    /// The blobs of a log from this entry on, at most `limit`.
    public func blobs(of log: SHA256Digest, from index: UInt64, limit: Int) throws -> [StoredBlob] {
        try database.read { db in
            try Row.fetchAll(
                db,
                sql: "SELECT entry, sha256, size, data FROM blob WHERE log = ? AND entry >= ? ORDER BY entry LIMIT ?",
                arguments: [Self.rowID(db, log), Int64(clamping: index), limit]
            ).map { row in
                StoredBlob(
                    reference: BlobReference(
                        log: log, index: row.size("entry"), sha256: try row.digest("sha256"),
                        size: Int(row.size("size"))),
                    data: (row["data"] as Data?).map { [UInt8]($0) })
            }
        }
    }

    /// The last checkpoint signed of an own log, as the separate mark says: size and root.
    public func signedMark(of log: SHA256Digest) throws -> (size: UInt64, root: SHA256Digest)? {
        try marks.mark(.own, log: log).map { ($0.size, $0.root) }
    }

    /// The last checkpoint cosigned of a log, as the separate mark says.
    public func cosignedMark(of log: SHA256Digest) throws -> (size: UInt64, root: SHA256Digest)? {
        try marks.mark(.cosigned, log: log).map { ($0.size, $0.root) }
    }
}

// MARK: - What tests ask

extension SQLiteLogStore {
    /// The value of a setting on the writers of the two databases.
    package func pragmas(_ name: String) throws -> [String?] {
        try [database, marks.database].map { database in
            try database.pool().writeWithoutTransaction { try String.fetchOne($0, sql: "PRAGMA \(name)") }
        }
    }

    /// What a failed commit does: drops all connections.
    package func dropConnections() {
        database.drop()
        marks.database.drop()
    }

    /// Runs a statement on the writer of the log database, as a fault would.
    package func execute(_ sql: String) throws {
        try database.pool().writeWithoutTransaction { try $0.execute(sql: sql) }
    }
}
