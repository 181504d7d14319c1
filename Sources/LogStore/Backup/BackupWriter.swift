import Cryptography
import Dispatch
import GRDB
import Glibc

import struct FoundationEssentials.Data

/// What goes into a backup beside the database.
public struct BackupContents: Sendable {
    /// A file of the home.
    public struct File: Sendable {
        /// Its path in the home.
        public let path: String
        /// Gives the file's bytes piece by piece, of at most ``BackupContents/pieceSize``.
        public let read: @Sendable (_ piece: (UnsafeRawBufferPointer) throws -> Void) throws -> Void

        public init(path: String, read: @escaping @Sendable ((UnsafeRawBufferPointer) throws -> Void) throws -> Void) {
            self.path = path
            self.read = read
        }
    }

    /// One row of a file, so that none takes more memory.
    public static let pieceSize = 8 << 20

    /// RFC 3339.
    public let time: String
    public let program: String
    public let hasKeys: Bool
    public let files: [File]

    public init(time: String, program: String, hasKeys: Bool, files: [File]) {
        self.time = time
        self.program = program
        self.hasKeys = hasKeys
        self.files = files
    }
}

/// A backup is the node's database as of one moment, with two tables more: the manifest, and the other files of the
/// home. Another number in the file's header keeps it from being taken for the database of a home.
extension NodeDatabase.Kind {
    static let backup = NodeDatabase.Kind(
        applicationID: 0x456e_7434,  // "Ent4"
        version: NodeDatabase.Kind.node.version, steps: NodeDatabase.Kind.node.steps, isDurable: true,
        pageSize: NodeDatabase.Kind.node.pageSize)

    static let backupTables = """
        CREATE TABLE backup (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            manifest TEXT NOT NULL,
            sha256 TEXT NOT NULL
        ) STRICT;
        CREATE TABLE backup_file (
            path TEXT NOT NULL,
            part INTEGER NOT NULL,
            data BLOB NOT NULL,
            PRIMARY KEY (path, part)
        ) STRICT;
        """
}

extension SQLiteLogStore {
    /// Writes a backup to this path, where an empty file is. Commands and a running node go on meanwhile. The bytes are
    /// handed to the system, and not durable yet.
    ///
    /// Rows are written anew in order, so nothing of what was erased or replaced comes along in unused space.
    ///
    /// - Parameter progress: hears how many bytes are written, of about how many.
    public func backUp(
        to path: String, _ contents: BackupContents, progress: @escaping @Sendable (UInt64, UInt64) -> Void
    ) throws -> BackupManifest {
        do {
            try copyDatabase(to: path, progress: progress)
            return try StagedDatabase.change(path) { db in
                try db.execute(sql: NodeDatabase.Kind.backupTables)
                let files = try contents.files.map { try Self.add($0, db) }
                let manifest = BackupManifest(
                    node: node, time: contents.time, program: contents.program, hasKeys: contents.hasKeys,
                    logs: try Self.manifestLogs(db), files: files)
                let text = manifest.text
                try db.execute(
                    sql: "INSERT INTO backup (id, manifest, sha256) VALUES (1, ?, ?)",
                    arguments: [text, SHA256.hash(text).hex])
                try db.execute(sql: "PRAGMA application_id = \(NodeDatabase.Kind.backup.applicationID)")
                return manifest
            }
        } catch let error as DatabaseError {
            // Damage is the database's; a full disk is the one the backup is on.
            let isOfSource = error.resultCode == .SQLITE_CORRUPT || error.resultCode == .SQLITE_NOTADB
            throw StoreError(error, path: isOfSource ? database.path : path)
        }
    }

    private func copyDatabase(to path: String, progress: @escaping @Sendable (UInt64, UInt64) -> Void) throws {
        let pool = try database.pool()
        let total = try pool.read { db in
            let pages = try UInt64.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            let unused = try UInt64.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0
            return (pages - min(pages, unused)) * (try UInt64.fetchOne(db, sql: "PRAGMA page_size") ?? 0)
        }
        let finished = DispatchSemaphore(value: 0)
        let watcher = DispatchWorkItem {
            while finished.wait(timeout: .now() + .milliseconds(100)) == .timedOut {
                var status = stat()
                if stat(path, &status) == 0 { progress(min(total, UInt64(clamping: status.st_size)), total) }
            }
        }
        DispatchQueue.global().async(execute: watcher)
        defer {
            finished.signal()
            watcher.wait()
        }
        // One reading for all of it: entries that are appended meanwhile wait in the write-ahead log.
        try pool.unsafeRead { db in
            try db.execute(sql: "VACUUM INTO ?", arguments: [StagedDatabase.address(of: path)])
        }
        progress(total, total)
    }

    private static func add(_ file: BackupContents.File, _ db: Database) throws -> BackupManifest.File {
        let hash = SHA256()
        hash.begin()
        var size: UInt64 = 0
        var part = 0
        try file.read { piece in
            hash.update(piece)
            size += UInt64(piece.count)
            try db.execute(
                sql: "INSERT INTO backup_file (path, part, data) VALUES (?, ?, ?)",
                arguments: [file.path, part, Data(piece)])
            part += 1
        }
        if part == 0 {
            try db.execute(
                sql: "INSERT INTO backup_file (path, part, data) VALUES (?, 0, x'')", arguments: [file.path])
        }
        return BackupManifest.File(path: file.path, size: size, sha256: hash.finish())
    }

    /// The logs as a manifest lists them.
    static func manifestLogs(_ db: Database) throws -> [BackupManifest.Log] {
        try Row.fetchAll(db, sql: "\(selectLogs) ORDER BY origin").map(log(from:)).map { log in
            BackupManifest.Log(
                origin: log.origin, isOwn: log.isOwn, size: log.size,
                checkpoint: log.head.map { BackupManifest.Checkpoint(size: $0.size, root: $0.root) })
        }
    }
}

/// A database file that is being made, and that nobody else has: without locks, which file systems elsewhere on the
/// network may not have, and without a journal, as one that is not finished is thrown away.
enum StagedDatabase {
    /// The file is there already: one that was taken away meanwhile is not made again.
    static func address(of path: String) -> String {
        DatabaseAccess.address(of: path) + "?nolock=1&mode=rw"
    }

    /// Runs the closure in one transaction.
    static func change<Value>(_ path: String, _ body: (Database) throws -> Value) throws -> Value {
        var configuration = Configuration()
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA trusted_schema = OFF")
            try db.execute(sql: "PRAGMA cache_size = -8192")
            try db.execute(sql: "PRAGMA secure_delete = ON")
            try db.execute(sql: "PRAGMA synchronous = OFF")
            _ = try String.fetchOne(db, sql: "PRAGMA journal_mode = OFF")
        }
        let queue = try DatabaseQueue(path: address(of: path), configuration: configuration)
        let result = Result { try queue.write(body) }
        try queue.close()
        return try result.get()
    }
}
