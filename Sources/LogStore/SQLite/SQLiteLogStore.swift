public import Cryptography
import GRDB
import Glibc
public import TransparencyLog

import struct FoundationEssentials.Data

/// Logs, replicas and blobs in one SQLite database, with the signed marks in another beside it.
public final class SQLiteLogStore: Sendable {
    let database: NodeDatabase
    let marks: SignedMarks
    /// The node whose home this is: blobs sealed to it are wanted.
    package let node: String
    let receiptDigests = ReceiptDigests()
    /// Hears of what could not be done now and will be tried again, in one line.
    let onProblem: @Sendable (String) -> Void

    /// Opens or makes the two databases. Raises marks that a crash left behind the logs; a log that is behind its
    /// mark is opened all the same, but not appended to.
    ///
    /// - Parameter busySeconds: how long a call waits for another process that writes.
    public init(
        path: String, signedPath: String, node: String, busySeconds: Double = 20,
        mayUpgrade: @escaping UpgradeCheck = { _ in }, onProblem: @escaping @Sendable (String) -> Void = { _ in }
    ) throws {
        self.onProblem = onProblem
        database = try NodeDatabase(path: path, kind: .node, busySeconds: busySeconds, mayUpgrade: mayUpgrade)
        let isLost = access(signedPath, F_OK) != 0
        marks = try SignedMarks(path: signedPath, busySeconds: busySeconds, mayUpgrade: mayUpgrade)
        self.node = node
        if isLost, try logs().contains(where: { $0.isOwn && $0.head != nil }) {
            try marks.note(remade: UInt64(clamping: time(nil)))
        }
        // Raises marks; what is wrong with a log is told by `rollbacks()` and by every attempt to append.
        for case .rolledBack(let origin, let signed, _) in try rollbacks() {
            // What is missing may come back from partners. Where this cannot be written the mark still refuses appends.
            try? beginRecovery(of: SHA256.hash(origin), signed: signed)
        }
        // Nobody has signed these, and one that cannot be read is no reason to stay closed.
        attempting("the hashes by which erased records were known as doubles could not be removed") {
            try forgetErasedDoubleHashes()
        }
        try eraseAgain()
        try readAgain()
        try readGivenUp()
    }

    /// For databases that are open already; nothing is compared and no mark is raised.
    init(database: NodeDatabase, marks: SignedMarks, node: String) {
        self.database = database
        self.marks = marks
        self.node = node
        onProblem = { _ in }
    }

    /// Does what can wait until the database is opened next, and tells where it failed.
    func attempting(_ failure: String, _ body: () throws -> Void) {
        do {
            try body()
        } catch {
            onProblem("\(failure), which is tried again when this home is opened next: \(error)")
        }
    }

    /// Compares an own log with its mark and raises a mark that is behind.
    ///
    /// Throws where the log is behind: ``StoreError/rolledBack(origin:signed:held:)``, or holds something else than
    /// was signed: ``StoreError/contradictsSigned(origin:size:)``.
    ///
    /// For write transactions: while one is open no other process commits, so that log and mark are of one moment.
    ///
    /// - Parameter isRecovered: what is here is all that was signed. Of a log that is being recovered nobody knows that,
    ///   and a mark would say so.
    func checkMark(of log: StoredLog, in db: Database, isRecovered: Bool = false) throws {
        try check(log, against: marks.mark(.own, log: log.id), in: db, isRecovered: isRecovered)
    }

    /// The same on the log as it is now, for reading. The mark is read first: it is raised behind a commit, so that an
    /// append in between leaves the log ahead of it. The other way round a log that grows would look like one that was
    /// put back.
    private func checkMark(ofNow id: SHA256Digest) throws -> StoredLog {
        let mark = try marks.mark(.own, log: id)
        return try database.read { db in
            let log = try Self.fetch(db, id).log
            try check(log, against: mark, in: db, isRecovered: false)
            return log
        }
    }

    private func check(
        _ log: StoredLog, against mark: SignedMarks.Mark?, in db: Database, isRecovered: Bool
    ) throws {
        // What a thief has written is none of what this node has signed.
        let isKnown = (log.recovering == nil && !log.reachesBeyondOwner) || isRecovered
        guard let mark else {
            if isKnown, let head = log.head { try raiseMark(of: log, to: head) }
            return
        }
        // So it is with a mark that a recovery had raised to that.
        if let limit = log.givenUpAt, mark.size > limit, log.size >= limit { return }
        guard mark.size <= log.size else {
            throw StoreError.rolledBack(origin: log.origin, signed: mark.size, held: log.size)
        }
        // The checkpoint of that size may be missing in another history, so the tree itself answers.
        let root =
            if let head = log.head, head.size == mark.size {
                head.root
            } else {
                try Self.root(db, row: Self.rowID(db, log.id), log: log, size: mark.size)
            }
        guard root == mark.root else {
            throw StoreError.contradictsSigned(origin: log.origin, size: mark.size)
        }
        if isKnown, let head = log.head, head.size > mark.size { try raiseMark(of: log, to: head) }
    }

    static func checkNotRecovering(_ log: StoredLog) throws {
        guard let signed = log.recovering, log.frozen == nil else { return }
        throw StoreError.recovering(origin: log.origin, signed: signed, held: log.size)
    }

    /// Throws where an own log holds less, or something else, than this node has signed.
    public func checkSigned(_ id: SHA256Digest) throws {
        _ = try checkMark(ofNow: id)
    }

    /// What is wrong with how tables and their indexes lie in the file, whatever they say: some page that no audit of
    /// what was signed has to read.
    public func structureProblems() throws -> [String] { try database.structureProblems() }

    /// The root of the log's first `size` entries, from its tiles.
    static func root(_ db: Database, row: Int64, log: StoredLog, size: UInt64) throws -> SHA256Digest {
        guard size > 0 else { return MerkleHasher.emptyRoot }
        let hasher = MerkleHasher()
        let source = tileSource(db, row: row, log: log)
        do {
            let range = try CompactRange(begin: 0, end: size, from: source)
            return range.root(hasher: hasher) ?? MerkleHasher.emptyRoot
        } catch let error as TileError {
            throw StoreError.damaged(path: log.origin, reason: "\(error)")
        }
    }

    private func raiseMark(of log: StoredLog, to head: SignedHead) throws {
        try marks.raise(
            .own, log: log.id, origin: log.origin, to: .init(size: head.size, root: head.root, time: 0))
    }

    /// When the marks of what was signed were made anew because they were lost: what was signed before is not in them.
    /// Unix seconds; `nil` if that never happened, or partners were asked since.
    public func marksRemade() throws -> UInt64? { try marks.remade() }

    /// For when partners are asked what this node has signed.
    public func forgetRemadeMarks() throws { try marks.forgetRemade() }

    /// Own logs that hold less, or something else, than was signed, or that are being recovered: what to tell the
    /// operator.
    public func rollbacks() throws -> [StoreError] {
        // Before the logs: a mark follows its log.
        let marked = try marks.origins(.own)
        let logs = try logs().filter(\.isOwn)
        var problems: [StoreError] = []
        for log in logs {
            do {
                try Self.checkNotRecovering(checkMark(ofNow: log.id))
            } catch let error as StoreError {
                switch error {
                case .rolledBack, .contradictsSigned, .damaged, .recovering: problems.append(error)
                default: throw error
                }
            }
        }
        let known = Set(logs.map(\.id))
        for mark in marked where !known.contains(mark.id) {
            problems.append(.rolledBack(origin: mark.origin, signed: mark.size, held: 0))
        }
        return problems
    }
}

// MARK: - Reading logs

extension SQLiteLogStore: LogStorage {
    static let selectLogs = """
        SELECT log.*, head.size AS head_size, head.root AS head_root, head.note AS head_note,
            pending.size AS pending_size, pending.root AS pending_root, pending.note AS pending_note,
            (SELECT group_concat(entry || ' ' || previous_key || ' ' || public_key, char(10)) FROM published_key
                WHERE log = log.id AND role = 'log') AS key_changes,
            (SELECT time FROM restored WHERE log = log.id) AS restored,
            (SELECT size FROM given_up WHERE given_up.log_id = log.log_id) AS given_up
        FROM log
        LEFT JOIN checkpoint AS head
            ON head.log = log.id AND head.size = (SELECT max(size) FROM checkpoint WHERE log = log.id)
        LEFT JOIN pending ON pending.log = log.id
        """

    public func logs() throws -> [StoredLog] {
        try database.read { db in
            try Row.fetchAll(db.cachedStatement(sql: "\(Self.selectLogs) ORDER BY origin")).map(Self.log(from:))
        }
    }

    /// The origins of all logs that this node writes or has written.
    public func ownOrigins() throws -> [String] {
        try database.read { db in
            try String.fetchAll(db.cachedStatement(sql: "SELECT origin FROM log WHERE own = 1 ORDER BY origin"))
        }
    }

    public func log(_ origin: String) throws -> StoredLog? {
        try database.read { db in
            try Row.fetchOne(db.cachedStatement(sql: "\(Self.selectLogs) WHERE origin = ?"), arguments: [origin])
                .map(Self.log(from:))
        }
    }

    /// The log with this id.
    public func log(id: SHA256Digest) throws -> StoredLog? {
        try database.read { db in
            try Row.fetchOne(
                db.cachedStatement(sql: "\(Self.selectLogs) WHERE log_id = ?"), arguments: [id.databaseBytes]
            ).map(Self.log(from:))
        }
    }

    /// The log with its row id, or an error that names it.
    static func fetch(_ db: Database, _ id: SHA256Digest) throws -> (row: Int64, log: StoredLog) {
        let row = try Row.fetchOne(
            db.cachedStatement(sql: "\(selectLogs) WHERE log_id = ?"), arguments: [id.databaseBytes])
        guard let row else { throw StoreError.unknownLog(id.hex) }
        return (row["id"], try log(from: row))
    }

    static func rowID(_ db: Database, _ id: SHA256Digest) throws -> Int64 {
        guard let row = try rowIDIfKnown(db, id) else { throw StoreError.unknownLog(id.hex) }
        return row
    }

    static func rowIDIfKnown(_ db: Database, _ id: SHA256Digest) throws -> Int64? {
        try Int64.fetchOne(
            db.cachedStatement(sql: "SELECT id FROM log WHERE log_id = ?"), arguments: [id.databaseBytes])
    }

    static func log(from row: Row) throws -> StoredLog {
        func head(_ name: String) throws -> SignedHead? {
            guard let note = String.fromDatabaseValue(row["\(name)_note"]) else { return nil }
            return SignedHead(
                size: row.size("\(name)_size"), root: try row.digest("\(name)_root"), note: note)
        }
        let size = row.size("size")
        let givenUpAt = Int64.fromDatabaseValue(row["given_up"]).map { UInt64(clamping: $0) }
        // What is here of a log that was given up is all that ever comes of it.
        let isRecovering = row.size("recovering") > 0 && !(givenUpAt.map { size >= $0 } ?? false)
        return StoredLog(
            id: try row.digest("log_id"), origin: try row.text("origin"), node: try row.text("node"),
            community: try row.text("community"), isOwn: row.size("own") != 0,
            verifierKey: try row.text("verifier_key"),
            keyChanges: keyChanges(String.fromDatabaseValue(row["key_changes"])), size: size,
            head: try head("head"),
            pending: try head("pending"), frozen: String.fromDatabaseValue(row["frozen"]),
            recovering: isRecovering ? row.size("recovering") - 1 : nil,
            restored: Int64.fromDatabaseValue(row["restored"]).map { UInt64(clamping: $0) },
            givenUpAt: givenUpAt)
    }

    @discardableResult
    public func createLog(
        origin: String, node: String, community: String, isOwn: Bool, verifierKey: String
    ) throws -> StoredLog {
        let id = SHA256.hash(origin)
        let log = try database.write { db in
            try db.execute(
                sql: """
                    INSERT OR IGNORE INTO log (log_id, origin, node, community, own, verifier_key)
                    VALUES (?, ?, ?, ?, ?, ?)
                    """,
                arguments: [id.databaseBytes, origin, node, community, isOwn, verifierKey])
            let log = try Self.fetch(db, id).log
            guard log.verifierKey == verifierKey, log.isOwn == isOwn else {
                throw StoreError.contradictsSigned(origin: origin, size: log.size)
            }
            return log
        }
        try eraseAgain(of: id)
        return log
    }

    static func checkpoint(_ db: Database, log: SHA256Digest, size: UInt64) throws -> SignedHead? {
        try Row.fetchOne(
            db,
            sql: """
                SELECT checkpoint.* FROM checkpoint JOIN log ON log.id = checkpoint.log
                WHERE log_id = ? AND checkpoint.size = ?
                """, arguments: [log.databaseBytes, Int64(clamping: size)]
        ).map { SignedHead(size: $0.size("size"), root: try $0.digest("root"), note: try $0.text("note")) }
    }

    /// The checkpoint kept of a log at this size.
    public func checkpoint(of log: SHA256Digest, size: UInt64) throws -> SignedHead? {
        try database.read { db in try Self.checkpoint(db, log: log, size: size) }
    }

    public func checkpoints(of log: SHA256Digest) throws -> [SignedHead] {
        try database.read { db in try Self.checkpoints(db, row: Self.rowID(db, log)) }
    }

    static func checkpoints(_ db: Database, row: Int64) throws -> [SignedHead] {
        try Row.fetchAll(
            db, sql: "SELECT size, root, note FROM checkpoint WHERE log = ? ORDER BY size", arguments: [row]
        ).map { SignedHead(size: $0.size("size"), root: try $0.digest("root"), note: try $0.text("note")) }
    }

    // MARK: Reading entries and tiles

    public func bundles(of log: SHA256Digest, entries range: Range<UInt64>) throws -> [StoredBundle] {
        guard !range.isEmpty else { return [] }
        let width = UInt64(EntryBundle.maximumEntries)
        return try database.read { db in
            try Self.bundles(
                db, row: Self.rowID(db, log), numbers: (range.lowerBound / width)..<((range.upperBound - 1) / width + 1)
            )
        }
    }

    static func bundles(_ db: Database, row: Int64, numbers: Range<UInt64>) throws -> [StoredBundle] {
        let rows = try Row.fetchCursor(
            db.cachedStatement(
                sql: """
                    SELECT number, entries, compressed, data FROM bundle
                    WHERE log = ? AND number >= ? AND number < ? ORDER BY number
                    """),
            arguments: [row, Int64(clamping: numbers.lowerBound), Int64(clamping: numbers.upperBound)])
        var bundles: [StoredBundle] = []
        while let row = try rows.next() {
            bundles.append(
                StoredBundle(
                    number: row.size("number"), entries: Int(clamping: row.size("entries")),
                    isCompressed: row.size("compressed") != 0,
                    data: try row.withUnsafeData(named: "data") { [UInt8]($0 ?? Data()) }))
        }
        return bundles
    }

    /// A raw bundle as one zstd frame, for the way; `nil` where that is no shorter.
    public func packed(_ raw: [UInt8]) -> [UInt8]? {
        BundleCodec().compress(raw)
    }

    /// The raw form of a stored bundle.
    public func raw(_ bundle: StoredBundle) throws -> [UInt8] {
        try BundleUnpacker().raw(bundle)
    }

    public func body(of log: SHA256Digest, at index: UInt64) throws -> [UInt8]? {
        var reader = BodyReader(self)
        return try reader.body(of: log, at: index)
    }

    public func hashes(of log: SHA256Digest, at nodes: [NodeCoordinate]) throws -> [SHA256Digest] {
        try database.read { db in
            let (row, log) = try Self.fetch(db, log)
            do {
                return try Self.tileSource(db, row: row, log: log).hashes(at: nodes)
            } catch let error as TileError {
                throw StoreError.damaged(path: log.origin, reason: "\(error)")
            }
        }
    }

    static func tileSource(_ db: Database, row: Int64, log: StoredLog) -> TileNodeSource {
        TileNodeSource(treeSize: log.size, hasher: MerkleHasher()) { coordinate in
            guard let tile = try Self.tile(db, row: row, coordinate) else {
                throw StoreError.damaged(path: log.origin, reason: "\(coordinate.path) is missing")
            }
            return tile
        }
    }

    /// A tile as it is stored, which is wider than asked for where the log has grown since.
    static func tile(_ db: Database, row: Int64, _ coordinate: TileCoordinate) throws -> Tile? {
        let data = try Data.fetchOne(
            db.cachedStatement(sql: "SELECT data FROM tile WHERE log = ? AND level = ? AND number = ?"),
            arguments: [row, coordinate.level, Int64(clamping: coordinate.number)])
        guard let data else { return nil }
        return try Tile(
            coordinate: TileCoordinate(
                level: coordinate.level, number: coordinate.number, width: data.count / SHA256Digest.byteCount),
            data: data)
    }
}
