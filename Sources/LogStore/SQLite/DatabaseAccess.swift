import Cryptography
import GRDB
import Glibc

/// What a database may be opened for.
public enum DatabaseAccess: Sendable, Hashable {
    /// To read and to write.
    case full
    /// To read beside a write-ahead log and whoever writes it, without writing a byte of any file.
    case reading
    /// To read a file beside which nothing lies and that nobody changes; its folder may be read-only.
    case unchanging
    /// There is no such file, and none is made: an empty database stands for it.
    case absent

    /// What SQLite is to open.
    func source(_ path: String) -> String {
        switch self {
        case .full, .absent: path
        case .reading: DatabaseAccess.address(of: path) + "?mode=ro&readonly_shm=1"
        case .unchanging: DatabaseAccess.address(of: path) + "?mode=ro&immutable=1"
        }
    }

    /// The path as SQLite's own kind of URI.
    static func address(of path: String) -> String {
        "file:"
            + path.utf8.map { byte in
                let isPlain = (0x21...0x7E).contains(byte) && !"%?#".utf8.contains(byte)
                return isPlain ? String(UnicodeScalar(byte)) : "%" + Hexadecimal.encode([byte])
            }.joined()
    }
}

/// A database file as an auditor finds it: how it can be read without changing it or what lies beside it.
public struct FoundDatabase: Sendable {
    public let path: String
    public let access: DatabaseAccess
    /// The size of the write-ahead log beside it; 0 where there is none, or nothing in it.
    public let writeAheadBytes: UInt64
    private let stamp: Stamp?

    /// Whether what the write-ahead log holds is read as well. It cannot be without its index, which would have to be
    /// made anew beside it.
    public var isWriteAheadRead: Bool { access == .reading && writeAheadBytes > 0 }

    /// Looks at a file and its neighbours. A file that is not there is ``DatabaseAccess/absent``.
    public init(_ path: String) {
        self.path = path
        stamp = Stamp(path)
        let log = Stamp("\(path)-wal")?.size
        let hasIndex = Stamp("\(path)-shm") != nil
        writeAheadBytes = log ?? 0
        access =
            if stamp == nil {
                .absent
            } else if hasIndex, log != nil {
                .reading
            } else {
                .unchanging
            }
    }

    /// Whether a file that was taken for one that nobody changes has changed since.
    public var hasChanged: Bool {
        access == .unchanging && (stamp != Stamp(path) || FoundDatabase(path).writeAheadBytes != writeAheadBytes)
    }

    /// What tells a file that was written from the one it was.
    private struct Stamp: Hashable {
        let size: UInt64
        let inode: UInt64
        let seconds: Int
        let nanoseconds: Int

        init?(_ path: String) {
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            size = UInt64(clamping: status.st_size)
            inode = UInt64(status.st_ino)
            seconds = status.st_mtim.tv_sec
            nanoseconds = status.st_mtim.tv_nsec
        }
    }
}

extension NodeDatabase {
    /// A database of this kind with nothing in it, in memory.
    static func empty(_ kind: Kind) throws -> any DatabaseWriter {
        let queue = try DatabaseQueue()
        try queue.write { db in
            for step in kind.steps { try db.execute(sql: step) }
        }
        return queue
    }
}

extension SQLiteLogStore {
    /// Opens two databases to read them and nothing else, for whoever audits a home or a copy of one.
    ///
    /// - Parameter node: the node whose home it was; `nil` takes the one that the own logs name, if there is one.
    public convenience init(reading database: FoundDatabase, marks: FoundDatabase, node: String?) throws {
        guard database.access != .absent else {
            throw StoreError.cannotOpen(path: database.path, reason: "there is no such file")
        }
        let opened = try NodeDatabase(path: database.path, kind: .node, access: database.access)
        let owner = try opened.read { db in
            try String.fetchOne(db, sql: "SELECT node FROM log WHERE own = 1 ORDER BY id LIMIT 1")
        }
        try self.init(
            database: opened, marks: SignedMarks(reading: marks.path, access: marks.access),
            node: node ?? owner ?? "")
    }
}

extension SignedMarks {
    /// Opens the marks to read them.
    init(reading path: String, access: DatabaseAccess) throws {
        database = try NodeDatabase(path: path, kind: .signed, access: access)
    }
}
