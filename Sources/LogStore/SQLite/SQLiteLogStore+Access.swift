public import Cryptography
import GRDB
import TransparencyLog

import struct FoundationEssentials.Data

// Who may have a sealed part: its first recipients, and those that its author has opened it to later.

/// A grant as it is kept: who may have the sealed part of a record.
public struct SealedGrant: Sendable, Hashable {
    public let log: SHA256Digest
    /// The sealed record.
    public let index: UInt64
    /// The record that grants: in the same log, or in a successor of it.
    public let record: RecordPosition
    public let nodes: [String]
    /// The leaf hash that the grant says the sealed record has.
    public let hash: SHA256Digest
    /// The commitment that it says the sealed record has.
    public let commitment: [UInt8]

    package init(
        log: SHA256Digest, index: UInt64, record: RecordPosition, nodes: [String], hash: SHA256Digest,
        commitment: [UInt8]
    ) {
        self.log = log
        self.index = index
        self.record = record
        self.nodes = nodes
        self.hash = hash
        self.commitment = commitment
    }

    /// Whether it is a grant to the record of this body: one that says something else of its target opens nothing.
    func opens(_ index: UInt64, body: UnsafeRawBufferPointer, commitment: [UInt8]) -> Bool {
        self.index == index && self.commitment == commitment && MerkleHasher().leaf(Array(body)) == hash
    }

    /// The same of a record with this leaf hash.
    package func opens(_ index: UInt64, leafHash: SHA256Digest, commitment: [UInt8]) -> Bool {
        self.index == index && self.commitment == commitment && hash == leafHash
    }
}

/// Who may have the blob that a record names.
public struct BlobReaders: Sendable, Hashable {
    /// Those that the record names.
    public let recipients: [String]
    /// Those that grants name.
    public let granted: [String]
    /// Grants that say something else of the record than it is, and open nothing.
    public let void: [SealedGrant]
    public let members: [String]
    public let membersCarry: Bool
    /// Nobody gets it any more.
    public let isErased: Bool

    /// Whether a node gets the blob.
    public func admits(_ node: String) -> Bool { !isErased && mayHold(node) }

    /// Whether a node may hold it, or might before it was erased.
    public func mayHold(_ node: String) -> Bool {
        recipients.contains(node) || granted.contains(node) || (membersCarry && members.contains(node))
    }

    /// Everybody who may hold it.
    public var all: Set<String> { Set(recipients + granted + (membersCarry ? members : [])) }
}

extension SQLiteLogStore {
    /// Who may have the blob with this hash, if the record at this index names it. The right comes from that record and
    /// from grants to it alone: the same bytes named elsewhere give none.
    public func blobReaders(of log: SHA256Digest, at index: UInt64, sha256: SHA256Digest) throws -> BlobReaders? {
        try blobReaders(of: log, blobs: [(index, sha256)])[0]
    }

    /// Who may have each of these blobs, as ``blobReaders(of:at:sha256:)`` says; `nil` where no record here names it.
    /// Cheapest in order of index.
    public func blobReaders(
        of log: SHA256Digest, blobs: [(index: UInt64, sha256: SHA256Digest)]
    ) throws -> [BlobReaders?] {
        let membership = try membership(of: log)
        guard let stored = try self.log(id: log) else { throw StoreError.unknownLog(log.hex) }
        let hasRights = try database.read { db in try Self.hasRights(db, log) }
        var reader = BodyReader(self)
        return try blobs.map { blob in
            let body: [UInt8]?
            do {
                body = try reader.soundBody(of: stored, at: blob.index)
            } catch StoreError.damagedEntry {
                // A damaged record gives nobody a right.
                return nil
            }
            guard let body,
                case .sealed(_, blob.sha256, _, let recipients, let commitment) = body.withUnsafeBytes({
                    EntryFinding(body: $0, index: blob.index)
                })
            else { return nil }
            var granted: [String] = []
            var void: [SealedGrant] = []
            var isErased = false
            if hasRights {
                for grant in try grants(of: log, to: blob.index) {
                    if body.withUnsafeBytes({ grant.opens(blob.index, body: $0, commitment: commitment) }) {
                        granted += grant.nodes
                    } else {
                        void.append(grant)
                    }
                }
                isErased = try erasure(of: log, at: blob.index, sha256: blob.sha256) != nil
            }
            return BlobReaders(
                recipients: recipients, granted: granted, void: void, members: membership?.members ?? [],
                membersCarry: membership?.membersCarrySealed ?? false, isErased: isErased)
        }
    }

    /// Whether anything of a log was ever granted or erased: of most there is nothing to look for.
    private static func hasRights(_ db: Database, _ log: SHA256Digest) throws -> Bool {
        try Bool.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT EXISTS (SELECT 1 FROM access_grant WHERE log_id = ?1)
                        OR EXISTS (SELECT 1 FROM blob_erasure WHERE log_id = ?1)
                    """), arguments: [log.databaseBytes]) ?? false
    }

    // MARK: Grants

    /// The grants to the record at this index, in their order; what they say of it is not judged yet.
    public func grants(of log: SHA256Digest, to index: UInt64) throws -> [SealedGrant] {
        try database.read { db in
            try Self.grants(db, "log_id = ? AND entry = ?", [log.databaseBytes, Int64(clamping: index)])
        }
    }

    /// All grants that are kept of a log's records.
    public func grants(of log: SHA256Digest) throws -> [SealedGrant] {
        try database.read { db in try Self.grants(db, "log_id = ?", [log.databaseBytes]) }
    }

    /// All grants that are kept because records of this log say so.
    public func grants(saidBy log: SHA256Digest) throws -> [SealedGrant] {
        try database.read { db in try Self.grants(db, "record_log = ?", [log.databaseBytes]) }
    }

    /// The grants to this node, to records among these.
    func grantedHere(of log: SHA256Digest, entries: Range<UInt64>) throws -> [SealedGrant] {
        try database.read { db in
            try Self.grants(
                db, "log_id = ? AND entry >= ? AND entry < ? AND node = ?",
                [log.databaseBytes, Int64(clamping: entries.lowerBound), Int64(clamping: entries.upperBound), node])
        }
    }

    private static func grants(
        _ db: Database, _ condition: String, _ arguments: StatementArguments
    ) throws -> [SealedGrant] {
        // Those of the log itself come before those of a successor.
        let rows = try Row.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT log_id, entry, record_log, record, node, hash, commitment FROM access_grant
                    WHERE \(condition) ORDER BY log_id, entry, record_log != log_id, record_log, record, node
                    """), arguments: arguments)
        return try rows.reduce(into: [SealedGrant]()) { grants, row in
            let name = try row.text("node")
            let (log, index) = (try row.digest("log_id"), row.size("entry"))
            let record = RecordPosition(log: try row.digest("record_log"), index: row.size("record"))
            let isMore = grants.last.map { $0.log == log && $0.index == index && $0.record == record } ?? false
            let before = isMore ? grants.removeLast().nodes : []
            grants.append(
                SealedGrant(
                    log: log, index: index, record: record, nodes: before + [name], hash: try row.digest("hash"),
                    commitment: Data.fromDatabaseValue(row["commitment"]).map { [UInt8]($0) } ?? []))
        }
    }

    /// Whether a grant opens the record of this finding, which stands in the log, to this node.
    func isGranted(_ db: Database, row: Int64, log: SHA256Digest, _ finding: EntryFinding) throws -> Bool {
        guard case .sealed(let index, _, _, _, let commitment) = finding else { return false }
        let grants = try Self.grants(
            db, "log_id = ? AND entry = ? AND node = ?", [log.databaseBytes, Int64(clamping: index), node])
        guard !grants.isEmpty, let body = try? Self.body(db, row: row, at: index) else { return false }
        return body.withUnsafeBytes { bytes in
            grants.contains { $0.opens(index, body: bytes, commitment: commitment) }
        }
    }

    /// Keeps a grant; where it is one to this node, the sealed part is wanted from now on.
    func store(_ grant: SealedGrant, _ db: Database) throws {
        for node in Set(grant.nodes) {
            try db.execute(
                sql: """
                    INSERT OR IGNORE INTO access_grant (log_id, entry, record_log, record, node, hash, commitment)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    grant.log.databaseBytes, Int64(clamping: grant.index), grant.record.log.databaseBytes,
                    Int64(clamping: grant.record.index), node, grant.hash.databaseBytes, Data(grant.commitment),
                ])
        }
        // A record that cannot be read is damaged, or still has to come: its sealed part is wanted from then on.
        guard grant.nodes.contains(node), try Self.rowIDIfKnown(db, grant.log) != nil else { return }
        let (row, log) = try Self.fetch(db, grant.log)
        guard let body = try? Self.body(db, row: row, at: grant.index),
            let finding = body.withUnsafeBytes({ EntryFinding(body: $0, index: grant.index) }),
            case .sealed = finding
        else { return }
        try store(finding, row: row, log: log, blob: nil, db)
    }

    static func body(_ db: Database, row: Int64, at index: UInt64) throws -> [UInt8]? {
        let width = UInt64(EntryBundle.maximumEntries)
        let number = index / width
        guard let bundle = try bundles(db, row: row, numbers: number..<(number + 1)).first else { return nil }
        let raw = try BundleUnpacker().raw(bundle)
        let ranges = try EntryBundle.bodies(in: raw, maximumBody: BundleCodec.maximumBodySize)
        let position = Int(index % width)
        return position < ranges.count ? Array(raw[ranges[position]]) : nil
    }
}
