import GRDB
import Glibc

/// One SQLite database of a node: opened, checked, and set up so that a commit is on the disk when it returns.
///
/// Unchecked because connections are replaced when a commit fails; the lock guards that.
final class NodeDatabase: @unchecked Sendable {
    struct Kind: Sendable {
        /// Stands in the file's header, so that no database is taken for another.
        let applicationID: Int32
        let version: Int
        /// How the tables are made: by the first step those of version 1, by each further one what the next version has
        /// more. A file of an earlier version is brought on by the steps that it lacks; what is derived is filled again
        /// rather than changed, and has one step whatever its version.
        let steps: [String]
        /// `FULL` where a commit is a promise, `NORMAL` where all can be derived again.
        let isDurable: Bool
        let pageSize: Int

        /// The steps that a file of this version lacks.
        func steps(after version: Int) -> ArraySlice<String> {
            isDurable ? steps.dropFirst(max(version, 0)) : version == self.version ? [] : steps[...]
        }

        /// The names of the tables that a file of this version has.
        func tables(of version: Int) -> [Substring] {
            let made = isDurable ? steps.prefix(max(version, 0)) : version == self.version ? steps[...] : []
            let lines = made.flatMap { $0.split(separator: "\n") }
            func names(behind words: String) -> [Substring] {
                lines.filter { $0.hasPrefix(words) }.map { $0.dropFirst(words.count).prefix { !" ;".contains($0) } }
            }
            let dropped = Set(names(behind: "DROP TABLE "))
            return names(behind: "CREATE TABLE ").filter { !dropped.contains($0) }
        }
    }

    let path: String
    private let kind: Kind
    private let purpose: DatabaseAccess
    private let busySeconds: Double
    private let mayUpgrade: UpgradeCheck
    private let lock = UnfairLock()
    /// `nil` from a failed commit until the next use.
    private var current: (any DatabaseWriter)?

    /// - Parameters:
    ///   - busySeconds: how long a call waits for another process that writes.
    ///   - mayUpgrade: is asked before a file of an earlier release is brought on.
    init(
        path: String, kind: Kind, access: DatabaseAccess = .full, busySeconds: Double = 20,
        mayUpgrade: @escaping UpgradeCheck = { _ in }
    ) throws {
        self.mayUpgrade = mayUpgrade
        self.path = path
        self.kind = kind
        purpose = access
        self.busySeconds = busySeconds
        current = try open()
    }

    /// The connections, opened anew where the last ones were dropped.
    func pool() throws -> any DatabaseWriter {
        try lock.withLock {
            if let current { return current }
            let pool = try open()
            current = pool
            return pool
        }
    }

    /// Drops every connection: after an error from COMMIT nobody knows what persisted. The next use opens the file
    /// anew and sees what the disk holds, as often as it takes until that works.
    func drop() {
        let dropped = lock.withLock {
            defer { current = nil }
            return current
        }
        try? dropped?.close()
    }

    /// One opening at a time in this process: see ``createPrivately(_:)``.
    private static let opening = UnfairLock()

    private func open() throws -> any DatabaseWriter {
        try NodeDatabase.opening.withLock { try openAlone() }
    }

    private func openAlone() throws -> any DatabaseWriter {
        let (kind, isReadOnly) = (kind, purpose != .full)
        return try translatingErrors(path: path) {
            if purpose == .absent { return try NodeDatabase.empty(kind) }
            if purpose == .full { try NodeDatabase.createPrivately(path) }
            let source = purpose.source(path)
            try NodeDatabase.checkHeader(path, source, kind: kind)
            var configuration = Configuration()
            configuration.busyMode = .timeout(busySeconds)
            configuration.readonly = purpose != .full
            configuration.maximumReaderCount = 4
            configuration.prepareDatabase { db in
                // Has effect on an empty file only; bundles are some 30 KB, so large pages spare overflow chains.
                try db.execute(sql: "PRAGMA page_size = \(kind.pageSize)")
                try db.execute(sql: "PRAGMA trusted_schema = OFF")
                try db.execute(sql: "PRAGMA cache_size = -8192")
                // Sealed parts that are erased leave no bytes behind; some builds of SQLite do this by themselves.
                try db.execute(sql: "PRAGMA secure_delete = ON")
                if isReadOnly { try NodeDatabase.supplyMissingTables(db, kind) }
            }
            let pool = try DatabasePool(path: source, configuration: configuration)
            try pool.writeWithoutTransaction { db in
                // The library sets NORMAL when it turns the write-ahead log on, after `prepareDatabase`.
                try db.execute(sql: "PRAGMA synchronous = \(kind.isDurable ? "FULL" : "NORMAL")")
                // A larger log means fewer copies back into the file: one every 32 MiB.
                try db.execute(sql: "PRAGMA wal_autocheckpoint = \((32 << 20) / kind.pageSize)")
                try db.execute(sql: "PRAGMA journal_size_limit = \(64 << 20)")
            }
            try checkAndCreateSchema(pool)
            return pool
        }
    }

    // Closing any descriptor of a file drops the locks that SQLite holds on it in this process (fcntl(2)), and another
    // process may then take the write-ahead log away under it. So a database is only ever opened by SQLite itself; a
    // file that does not exist yet cannot be locked.

    /// Readable by the owner alone from the first instant, whatever the umask; the files beside it follow its mode.
    private static func createPrivately(_ path: String) throws {
        func failure() -> StoreError {
            switch errno {
            case EROFS, EACCES, EPERM: .readOnly(path: path)
            case ENOSPC, EDQUOT: .full(path: path)
            default: .cannotOpen(path: path, reason: String(cString: strerror(errno)))
            }
        }
        var status = stat()
        if lstat(path, &status) != 0 {
            guard errno == ENOENT else { throw failure() }
            let descriptor = Glibc.open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
            guard descriptor >= 0 || errno == EEXIST else { throw failure() }
            if descriptor >= 0 { close(descriptor) }
            guard lstat(path, &status) == 0 else { throw failure() }
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw StoreError.cannotOpen(path: path, reason: "it is not a plain file")
        }
        // The umask may have taken bits away, an earlier copy of the file may have brought wider ones.
        guard status.st_mode & 0o7777 == 0o600 || chmod(path, 0o600) == 0 else { throw failure() }
        guard access(path, R_OK | W_OK) == 0 else { throw failure() }
    }

    /// Looks at what the file is with a connection that only reads: the library's pool turns a file into one with a
    /// write-ahead log, and what belongs to somebody else must stay as it is.
    private static func checkHeader(_ path: String, _ source: String, kind: Kind) throws {
        var status = stat()
        guard stat(path, &status) == 0, status.st_size > 0 else { return }
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        let queue: DatabaseQueue
        do {
            queue = try DatabaseQueue(path: source, configuration: configuration)
        } catch let error as DatabaseError where error.resultCode == .SQLITE_NOTADB {
            throw StoreError.damaged(path: path, reason: "it is not a database")
        }
        defer { try? queue.close() }
        try queue.read { db in
            let application = try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0
            let hasWriteAheadLog = try String.fetchOne(db, sql: "PRAGMA journal_mode") == "wal"
            guard application == kind.applicationID || (application == 0 && hasWriteAheadLog) else {
                let isBackup = application == Kind.backup.applicationID
                throw StoreError.cannotOpen(
                    path: path,
                    reason: isBackup
                        ? "it is a backup, of which `entente restore` makes a home"
                        : "it is another kind of database")
            }
            let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
            if application == kind.applicationID, version > kind.version {
                throw StoreError.newerVersion(path: path, found: version, known: kind.version)
            }
            // Said here once, and not by whichever statement comes first.
            let tables = Set(try String.fetchAll(db, sql: "SELECT name FROM sqlite_schema WHERE type = 'table'"))
            if let missing = kind.tables(of: version).first(where: { !tables.contains(String($0)) }) {
                throw StoreError.damaged(path: path, reason: "its table \(missing) is missing")
            }
        }
    }

    private func checkAndCreateSchema(_ pool: DatabasePool) throws {
        try pool.read { db in try NodeDatabase.check(db, path: path, kind: kind) }
        guard purpose == .full else { return }
        let version = try pool.read { db in try NodeDatabase.version(db) }
        guard version != kind.version else { return }
        if version > 0 { try mayUpgrade(path) }
        try pool.write { db in
            // Another process may have been first while this one waited.
            try NodeDatabase.check(db, path: path, kind: kind)
            let version = try NodeDatabase.version(db)
            guard version != kind.version else { return }
            if !kind.isDurable { try NodeDatabase.dropAll(db) }
            for step in kind.steps(after: version) { try db.execute(sql: step) }
            try db.execute(sql: "PRAGMA application_id = \(kind.applicationID)")
            try db.execute(sql: "PRAGMA user_version = \(kind.version)")
        }
    }

    /// Makes the tables that an earlier release did not have for this connection alone, empty or with what they take from
    /// others: a copy that may only be read is read as it is.
    private static func supplyMissingTables(_ db: Database, _ kind: Kind) throws {
        let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        guard version > 0, try Int32.fetchOne(db, sql: "PRAGMA application_id") == kind.applicationID else { return }
        for step in kind.steps(after: version) {
            let kept = step.split(separator: "\n").filter { !$0.hasPrefix("DROP TABLE ") }.joined(separator: "\n")
            try db.execute(
                sql: kept.replacing("CREATE TABLE ", with: "CREATE TEMP TABLE ")
                    .replacing("CREATE INDEX ", with: "CREATE INDEX temp."))
        }
    }

    private static func dropAll(_ db: Database) throws {
        // Virtual tables first: they take their own tables with them.
        while let name = try String.fetchOne(
            db,
            sql: """
                SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
                ORDER BY sql LIKE 'CREATE VIRTUAL%' DESC LIMIT 1
                """)
        {
            try db.execute(sql: "DROP TABLE \(name.quotedDatabaseIdentifier)")
        }
    }

    private static func version(_ db: Database) throws -> Int {
        try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
    }

    private static func check(_ db: Database, path: String, kind: Kind) throws {
        let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        let application = try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0
        let tables = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") ?? 0
        if application == 0, version == 0, tables == 0 { return }
        guard application == kind.applicationID else {
            throw StoreError.cannotOpen(path: path, reason: "it is another kind of database")
        }
        guard version <= kind.version else {
            throw StoreError.newerVersion(path: path, found: version, known: kind.version)
        }
    }
}

extension NodeDatabase {
    /// What SQLite finds where it goes through all tables and their indexes; it reads every page.
    func structureProblems() throws -> [String] {
        do {
            return try read { db in
                try String.fetchAll(db, sql: "PRAGMA main.integrity_check(20)").filter { $0 != "ok" }
            }
        } catch StoreError.damaged(_, let reason) {
            return [reason]
        }
    }

    func read<Value>(_ body: (Database) throws -> Value) throws -> Value {
        try explainingChanges { try translatingErrors(path: path) { try pool().read(body) } }
    }

    /// A file that a later release has brought on meanwhile has other tables, and is not damaged.
    private func explainingChanges<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as StoreError {
            guard case .damaged = error,
                let found = try? pool().read({ try NodeDatabase.version($0) }), found > kind.version
            else { throw error }
            throw StoreError.newerVersion(path: path, found: found, known: kind.version)
        }
    }

    /// Runs the body in a transaction that has the write lock from its first statement, and commits it.
    ///
    /// When COMMIT itself fails the connections are dropped before the error goes out, so that the next call sees
    /// what the disk holds and not what this process believed.
    func write<Value>(_ body: (Database) throws -> Value) throws -> Value {
        try explainingChanges {
            try translatingErrors(path: path) {
                var commitFailed = false
                do {
                    return try pool().writeWithoutTransaction { db in
                        try db.beginTransaction(.immediate)
                        let value: Value
                        do {
                            value = try body(db)
                        } catch {
                            try? db.rollback()
                            throw error
                        }
                        do {
                            try db.commit()
                        } catch {
                            commitFailed = true
                            try? db.rollback()
                            throw error
                        }
                        return value
                    }
                } catch {
                    if commitFailed { drop() }
                    throw error
                }
            }
        }
    }
}

extension NodeDatabase {
    /// Writes these one after another in one transaction, each undone by itself where it is refused, so that what is
    /// written together is waited for once. As durable as ``write(_:)`` when it returns.
    ///
    /// Any error but a refusal (``StoreError``) may have undone more than its own: each is then written by itself.
    /// When COMMIT itself fails, all of them have failed.
    func writeEach<Item, Value>(
        _ items: [Item], _ body: (Database, Item) throws -> Value
    ) -> [Result<Value, any Error>] {
        func alone() -> [Result<Value, any Error>] {
            items.map { item in Result { try write { db in try body(db, item) } } }
        }
        guard items.count > 1 else { return alone() }
        var isWritten = false
        do {
            return try write { db in
                let results = try items.map { try NodeDatabase.attempt(db, $0, body) }
                isWritten = true
                return results
            }
        } catch {
            return isWritten ? items.map { _ in .failure(error) } : alone()
        }
    }

    private static func attempt<Item, Value>(
        _ db: Database, _ item: Item, _ body: (Database, Item) throws -> Value
    ) throws -> Result<Value, any Error> {
        try db.execute(sql: "SAVEPOINT each")
        do {
            let value = try body(db, item)
            try db.execute(sql: "RELEASE each")
            return .success(value)
        } catch let refusal as StoreError {
            try db.execute(sql: "ROLLBACK TO each")
            try db.execute(sql: "RELEASE each")
            return .failure(refusal)
        }
    }
}

/// Throws where the file at this path, of an earlier release, must not be brought on now.
public typealias UpgradeCheck = @Sendable (_ path: String) throws -> Void

/// Runs the body and turns the database library's errors into ours.
func translatingErrors<Value>(path: String, _ body: () throws -> Value) throws -> Value {
    do {
        return try body()
    } catch let error as DatabaseError {
        throw StoreError(error, path: path)
    }
}

extension StoreError {
    init(_ error: DatabaseError, path: String) {
        let reason = error.message ?? "SQLite error \(error.extendedResultCode.rawValue)"
        switch error.resultCode {
        case .SQLITE_BUSY, .SQLITE_LOCKED: self = .busy(path: path)
        case .SQLITE_FULL: self = .full(path: path)
        case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH: self = .readOnly(path: path)
        case .SQLITE_CANTOPEN: self = .cannotOpen(path: path, reason: reason)
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: self = .damaged(path: path, reason: reason)
        case .SQLITE_ERROR where reason.hasPrefix("no such "): self = .damaged(path: path, reason: reason)
        // The file beside the database through which processes share its write-ahead log could not be grown.
        case .SQLITE_IOERR where error.extendedResultCode == .SQLITE_IOERR_SHMSIZE: self = .full(path: path)
        case .SQLITE_IOERR:
            self = .io(path: path, reason: "\(reason); look at the disk, of which the system's own log may say more")
        default: self = .io(path: path, reason: reason)
        }
    }
}
