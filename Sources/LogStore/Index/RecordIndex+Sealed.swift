import Cryptography
import GRDB

import struct FoundationEssentials.Data

// Which records have which keyed digests of sealed values. The digests are made elsewhere: neither key nor value
// comes here.
extension RecordIndex {
    /// How far the envelopes were looked through, and with which keys.
    public struct SealedState: Sendable, Hashable {
        public let fingerprint: [UInt8]
        public let keyIDs: Set<[UInt8]>
        /// Whether something is sealed to this node under a key that was not there.
        public let lacksKeys: Bool
        /// The last blob that was looked at.
        public let cursor: BlobRow?
        /// The last grant that was followed, and the last erasure.
        public let grant: RightMark?
        public let erasure: RightMark?
    }

    /// What was looked at.
    public enum SealedStep: Sendable, Hashable {
        /// Blobs in their order, up to this one.
        case blobs(BlobRow)
        /// Those that grants named, up to this grant.
        case grants(RightMark)
        /// Those that were waited for.
        case awaited
    }

    /// What was found in some envelopes.
    public struct SealedBatch: Sendable {
        public var digests: [(row: BlobRow, digests: [UInt32])] = []
        /// Blobs that are not here yet.
        public var awaited: [Int64] = []
        /// Blobs that were waited for and need not be looked at again, unless they are in ``awaited``.
        public var settled: [Int64] = []
        public var lacksKeys = false

        public init() {}
    }

    public func sealedState() throws -> SealedState? {
        try database.read { db in try Self.sealedState(db) }
    }

    private static func sealedState(_ db: Database) throws -> SealedState? {
        try Row.fetchOne(db, sql: "SELECT * FROM sealed_state").map { row in
            let keys: Data = row["keys"]
            let ids = stride(from: 0, to: keys.count / 32 * 32, by: 32).map { [UInt8](keys.dropFirst($0).prefix(32)) }
            let number: Int64 = row["number"]
            return SealedState(
                fingerprint: [UInt8](row["fingerprint"] as Data), keyIDs: Set(ids), lacksKeys: row.size("lacks") != 0,
                cursor: number == 0
                    ? nil
                    : BlobRow(
                        number: number,
                        reference: BlobReference(
                            log: try row.digest("log_id"), index: row.size("entry"), sha256: try row.digest("sha256"),
                            size: Int(row.size("size")))),
                grant: try mark(row, "grant"), erasure: try mark(row, "erasure"))
        }
    }

    private static func mark(_ row: Row, _ name: String) throws -> RightMark? {
        guard let number: Int64 = row["\(name)_number"] else { return nil }
        return RightMark(
            number: number,
            record: RecordPosition(log: try row.digest("\(name)_log"), index: row.size("\(name)_record")))
    }

    private static func set(_ mark: RightMark?, _ name: String, _ db: Database) throws {
        guard let mark else { return }
        try db.execute(
            sql: "UPDATE sealed_state SET \(name)_number = ?, \(name)_log = ?, \(name)_record = ?",
            arguments: [mark.number, mark.record.log.databaseBytes, Int64(clamping: mark.record.index)])
    }

    /// Forgets all digests and begins with these keys, behind these marks: of what came before them, blobs tell.
    public func beginSealed(
        fingerprint: [UInt8], keyIDs: Set<[UInt8]>, grant: RightMark?, erasure: RightMark?
    ) throws {
        try database.write { db in
            for table in ["sealed_term", "sealed_awaited", "sealed_state"] {
                try db.execute(sql: "DELETE FROM \(table)")
            }
            try db.execute(
                sql: "INSERT INTO sealed_state (id, fingerprint, keys) VALUES (0, ?, ?)",
                arguments: [Data(fingerprint), Self.packed(keyIDs)])
            try Self.set(grant, "grant", db)
            try Self.set(erasure, "erasure", db)
        }
    }

    /// Notes that there are further keys.
    public func addSealedKeys(_ keyIDs: Set<[UInt8]>) throws {
        try database.write { db in
            try db.execute(sql: "UPDATE sealed_state SET keys = ?", arguments: [Self.packed(keyIDs)])
        }
    }

    private static func packed(_ keyIDs: Set<[UInt8]>) -> Data {
        Data(keyIDs.sorted { $0.lexicographicallyPrecedes($1) }.joined())
    }

    /// The blobs that were not here when their records were looked at.
    public func awaitedSealed() throws -> [Int64] {
        try database.read { db in try Int64.fetchAll(db, sql: "SELECT number FROM sealed_awaited ORDER BY number") }
    }

    /// Writes what was found, and how far that goes. Nothing is written where the index is no longer in this state, as
    /// another process fills it, or has taken out what was erased meanwhile: then the answer is false.
    public func addSealed(_ batch: SealedBatch, in state: SealedState, after step: SealedStep) throws -> Bool {
        try database.write { db in
            guard try Self.sealedState(db) == state else { return false }
            var logs: [SHA256Digest: Int64] = [:]
            for row in try Row.fetchAll(db, sql: "SELECT id, log_id FROM log") {
                logs[try row.digest("log_id")] = Int64(row.size("id"))
            }
            let forget = try db.cachedStatement(sql: "DELETE FROM sealed_awaited WHERE number = ?")
            for number in batch.settled { try forget.execute(arguments: [number]) }
            let term = try db.cachedStatement(sql: "INSERT OR IGNORE INTO sealed_term (digest, record) VALUES (?, ?)")
            let await_ = try db.cachedStatement(sql: "INSERT OR IGNORE INTO sealed_awaited (number) VALUES (?)")
            for (row, digests) in batch.digests {
                guard let log = logs[row.reference.log] else {
                    try await_.execute(arguments: [row.number])
                    continue
                }
                let record = RecordNumber.make(log: log, index: row.reference.index)
                for digest in digests { try term.execute(arguments: [Int64(digest), record]) }
            }
            for number in batch.awaited { try await_.execute(arguments: [number]) }
            if batch.lacksKeys { try db.execute(sql: "UPDATE sealed_state SET lacks = 1") }
            switch step {
            case .blobs(let end):
                try db.execute(
                    sql: "UPDATE sealed_state SET number = ?, log_id = ?, entry = ?, sha256 = ?, size = ?",
                    arguments: [
                        end.number, end.reference.log.databaseBytes, Int64(clamping: end.reference.index),
                        end.reference.sha256.databaseBytes, end.reference.size,
                    ])
            case .grants(let mark): try Self.set(mark, "grant", db)
            case .awaited: break
            }
            return true
        }
    }

    /// The records that have this digest, among others of the same digest.
    public func sealedRecords(digest: UInt32) throws -> [RecordPosition] {
        try database.read { db in
            try Row.fetchAll(
                db.cachedStatement(
                    sql: """
                        SELECT log.log_id, record & 0xFFFFFFFFFF AS idx FROM sealed_term
                        JOIN log ON log.id = record >> 40 WHERE digest = ?
                        """), arguments: [Int64(digest)]
            ).map { RecordPosition(log: try $0.digest("log_id"), index: $0.size("idx")) }
        }
    }

    /// Removes the digests of a record whose envelope is gone, and waits for these blobs in case it comes back.
    public func forgetSealed(_ position: RecordPosition, awaiting numbers: [Int64]) throws {
        try database.write { db in
            for number in numbers {
                try db.execute(sql: "INSERT OR IGNORE INTO sealed_awaited (number) VALUES (?)", arguments: [number])
            }
            try Self.forget(position, db)
        }
    }

    private static func forget(_ position: RecordPosition, _ db: Database) throws {
        try db.cachedStatement(
            sql: "DELETE FROM sealed_term WHERE record = (SELECT id << 40 FROM log WHERE log_id = ?) | ?"
        ).execute(arguments: [position.log.databaseBytes, Int64(clamping: position.index)])
    }

    /// Erasures that one transaction follows.
    private static let erasures = 4_096

    /// Removes the digests of what was erased since this was done last. They leave the files as well: the pages are
    /// overwritten, and the write-ahead log is copied back and cut off, unless another process reads at that moment.
    ///
    /// Does next to nothing where nothing is new, or where there are no digests.
    public func forgetErased() throws {
        var hasForgotten = false
        while let state = try sealedState() {
            // Where an older copy of the database was put in place, all of them are looked at again.
            let isKnown = try state.erasure.map { try store.stands(.erasure, $0) } ?? true
            let erasures = try store.rights(
                .erasure, after: isKnown ? state.erasure : nil, limit: RecordIndex.erasures)
            guard let end = erasures.last?.mark, end != state.erasure else { break }
            // One that names another hash than the record does has taken nothing away.
            let gone = try erasures.filter { try store.blobRows(at: $0.target).isEmpty }
            let isDone = try database.write { db in
                guard try Self.sealedState(db) == state else { return false }
                for erasure in gone {
                    try Self.forget(erasure.target, db)
                    try db.cachedStatement(sql: "DELETE FROM sealed_awaited WHERE number = ?")
                        .execute(arguments: [erasure.blobRow])
                }
                try Self.set(end, "erasure", db)
                return true
            }
            hasForgotten = hasForgotten || isDone
        }
        guard hasForgotten else { return }
        // A search does not fail over it.
        _ = try? database.pool().writeWithoutTransaction { try $0.checkpoint(.truncate) }
    }
}
