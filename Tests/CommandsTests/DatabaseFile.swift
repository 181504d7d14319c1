import Foundation
import Glibc

/// A database opened by SQLite itself, from this process: another one than the program under test.
///
/// The library is the one that the program uses; it is looked up when it is needed, so that the tests depend on
/// nothing more.
final class DatabaseFile {
    private typealias Open = @convention(c) (UnsafePointer<CChar>, UnsafeMutablePointer<OpaquePointer?>) -> Int32
    private typealias Execute =
        @convention(c) (
            OpaquePointer, UnsafePointer<CChar>, UnsafeRawPointer?, UnsafeRawPointer?, UnsafeRawPointer?
        ) -> Int32
    private typealias Close = @convention(c) (OpaquePointer) -> Int32

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private let library: UnsafeMutableRawPointer
    private let handle: OpaquePointer

    init(_ path: String) throws {
        guard let library = dlopen("libsqlite3.so.0", RTLD_NOW) else { throw Failure(description: "no libsqlite3") }
        self.library = library
        guard let symbol = dlsym(library, "sqlite3_open") else { throw Failure(description: "no sqlite3_open") }
        var opened: OpaquePointer?
        guard unsafeBitCast(symbol, to: Open.self)(path, &opened) == 0, let opened else {
            throw Failure(description: "\(path) cannot be opened")
        }
        handle = opened
        // A running node may be writing just now.
        try execute("PRAGMA busy_timeout = 10000")
    }

    deinit {
        if let symbol = dlsym(library, "sqlite3_close") { _ = unsafeBitCast(symbol, to: Close.self)(handle) }
    }

    /// Changes bytes within the last bundle of a log, which is stored as it is, as somebody would who edits the file.
    func alter(_ text: String, to other: String) throws {
        func hex(_ text: String) -> String { text.utf8.map { String(format: "%02x", $0) }.joined() }
        let found = "instr(data, x'\(hex(text))')"
        try execute(
            """
            UPDATE bundle SET data = CAST(substr(data, 1, \(found) - 1) || x'\(hex(other))'
                || substr(data, \(found) + \(text.utf8.count)) AS BLOB)
            WHERE compressed = 0 AND \(found) > 0
            """)
    }

    func execute(_ statement: String) throws {
        guard let symbol = dlsym(library, "sqlite3_exec") else { throw Failure(description: "no sqlite3_exec") }
        let result = unsafeBitCast(symbol, to: Execute.self)(handle, statement, nil, nil, nil)
        guard result == 0 else { throw Failure(description: "\(statement): SQLite error \(result)") }
    }
}

/// A file system in memory, of a size that it cannot outgrow; for root only.
final class SmallDisk {
    let path: String

    /// Whether this machine lets the tests mount one.
    static let isPossible: Bool = {
        guard geteuid() == 0, let place = try? Place(), let disk = try? SmallDisk(at: place, size: "1m") else {
            return false
        }
        return access(disk.path, W_OK) == 0
    }()

    private struct NoMount: Error {}

    init(at place: Place, size: String, named name: String = "disk") throws {
        path = "\(place.path)/\(name)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        guard SmallDisk.run("mount", "-t", "tmpfs", "-o", "size=\(size),mode=700", "tmpfs", path) else {
            throw NoMount()
        }
    }

    deinit {
        _ = SmallDisk.run("umount", "-l", path)
    }

    /// `size=64m`, `ro`, `rw`.
    func remount(_ options: String) throws {
        guard SmallDisk.run("mount", "-o", "remount,\(options)", path) else { throw NoMount() }
    }

    private static func run(_ arguments: String...) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}

extension DatabaseFile {
    /// The tables of a node's database that came after its first version, with the version that brought each.
    private static let later: [(since: Int, table: String)] = [
        (9, "later_log"), (9, "begun_log"), (9, "open_end"),
        (8, "given_up"),
        (7, "access_grant"), (7, "blob_erasure"), (7, "unread_successor"),
        (6, "restored"),
        (5, "asked_witness"), (5, "witness_cosignature"),
        (4, "log_contact"),
        (3, "seen_card"), (3, "card_mark"), (3, "foreign_cosigner"),
        (2, "published_key"), (2, "foreign_key"),
    ]

    /// What grants and erasures were kept in from version 2 to 6.
    private static let rights = """
        CREATE TABLE sealed_grant (
            number INTEGER PRIMARY KEY, log INTEGER NOT NULL REFERENCES log (id), entry INTEGER NOT NULL,
            record INTEGER NOT NULL, node TEXT NOT NULL, hash BLOB NOT NULL, commitment BLOB NOT NULL,
            UNIQUE (log, entry, record, node)) STRICT;
        INSERT INTO sealed_grant
            SELECT number, (SELECT id FROM log WHERE log.log_id = access_grant.log_id), entry, record, node, hash,
                commitment FROM access_grant;
        CREATE TABLE erasure (
            number INTEGER PRIMARY KEY, log INTEGER NOT NULL REFERENCES log (id), entry INTEGER NOT NULL,
            sha256 BLOB NOT NULL, record INTEGER NOT NULL, wiped INTEGER NOT NULL DEFAULT 0, blob_row INTEGER,
            UNIQUE (log, entry, sha256)) STRICT;
        INSERT INTO erasure
            SELECT number, (SELECT id FROM log WHERE log.log_id = blob_erasure.log_id), entry, sha256, record, wiped,
                blob_row FROM blob_erasure;
        """

    /// What makes a node's database one of an earlier release.
    static func takingBack(to version: Int) -> String {
        (2...6 ~= version ? rights : "")
            + later.filter { $0.since > version }.map { "DROP TABLE \($0.table); " }.joined()
            + "PRAGMA user_version = \(version); "
    }
}
