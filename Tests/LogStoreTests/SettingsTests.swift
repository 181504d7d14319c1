import GRDB
import Glibc
import LogStore
import Testing

@Suite("Databases as they are opened", .serialized)
struct SettingsTests {
    @Test("The writer waits for the disk at every commit, after opening and after a failed commit")
    func synchronous() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        #expect(try store.pragmas("synchronous") == ["2", "2"])
        #expect(try store.pragmas("journal_mode") == ["wal", "wal"])
        store.dropConnections()
        #expect(try store.pragmas("synchronous") == ["2", "2"])
        #expect(try store.pragmas("journal_mode") == ["wal", "wal"])
        #expect(try store.pragmas("trusted_schema") == ["0", "0"])
    }

    @Test("All files are readable by their owner alone, whatever the umask", arguments: [0o000, 0o022, 0o777])
    func modes(mask: Int) throws {
        let folder = try StoreFolder()
        let old = umask(mode_t(mask))
        defer { umask(old) }
        let store = try folder.open()
        let index = try RecordIndex(path: folder.index, store: store)
        try store.createOwn()
        try store.append(makeBodies(0..<3))
        try index.update()
        let names = StoreFolder.names(in: folder.path)
        for name in ["node.sqlite", "node.sqlite-wal", "signed.sqlite", "signed.sqlite-wal", "index.sqlite"] {
            #expect(names.contains(name))
        }
        for name in names { #expect(StoreFolder.mode(of: "\(folder.path)/\(name)") == 0o600, "\(name)") }
    }

    @Test("A file that others may read is closed to them when it is opened")
    func widerMode() throws {
        let folder = try StoreFolder()
        do { try folder.open().createOwn() }
        chmod(folder.database, 0o644)
        try folder.open().createOwn()
        #expect(StoreFolder.mode(of: folder.database) == 0o600)
    }
}

@Suite("Databases that cannot be opened", .serialized)
struct RefusedDatabaseTests {

    private func damage(_ folder: StoreFolder, _ bytes: [UInt8]) {
        StoreFolder.write(bytes, to: folder.database)
    }

    /// What opening says, having left the file as it was.
    private func refusal(_ folder: StoreFolder) throws -> StoreError? {
        let before = StoreFolder.bytes(of: folder.database)
        defer {
            let isUnchanged = StoreFolder.bytes(of: folder.database) == before
            #expect(isUnchanged, "the refused file was changed")
        }
        do {
            let store = try folder.open()
            _ = try store.logs()
            return nil
        } catch let error as StoreError {
            return error
        }
    }

    @Test("A file that is no database is damaged, and stays as it is")
    func garbage() throws {
        let folder = try StoreFolder()
        damage(folder, (0..<20_000).map { UInt8(truncatingIfNeeded: $0 * 37) })
        guard case .damaged(folder.database, _) = try refusal(folder) else {
            Issue.record("\(String(describing: try refusal(folder)))")
            return
        }
    }

    @Test("A database cut off at any page, or within one, is damaged, and stays as it is")
    func truncated() throws {
        let folder = try StoreFolder()
        do {
            let store = try folder.open()
            try store.createOwn()
            try store.append(makeBodies(0..<1_000))
        }
        for name in StoreFolder.names(in: folder.path) where name != "node.sqlite" && name != "signed.sqlite" {
            unlink("\(folder.path)/\(name)")
        }
        let whole = try #require(StoreFolder.bytes(of: folder.database))
        #expect(whole.count > 6 * 16_384)
        for count in [50, 1_000, 16_384, 16_384 * 3, 16_384 * 3 + 77] {
            let copy = try StoreFolder()
            StoreFolder.write(Array(whole[..<count]), to: copy.database)
            let error = try refusal(copy)
            guard case .damaged(copy.database, _) = error else {
                Issue.record("cut to \(count) bytes: \(String(describing: error))")
                continue
            }
        }
    }

    @Test("Another kind of database is refused by name: a foreign one, and one of this program's others")
    func anotherKind() throws {
        let folder = try StoreFolder()
        do {
            let queue = try DatabaseQueue(path: folder.database)
            try queue.write { try $0.execute(sql: "CREATE TABLE t (a); INSERT INTO t VALUES (1)") }
        }
        let refused = StoreError.cannotOpen(path: folder.database, reason: "it is another kind of database")
        #expect(try refusal(folder) == refused)
        let other = try StoreFolder()
        do { _ = try other.open() }
        let swapped = try StoreFolder()
        other.copy(["signed.sqlite"], to: swapped)
        rename(swapped.marks, swapped.database)
        #expect(
            try refusal(swapped)
                == StoreError.cannotOpen(path: swapped.database, reason: "it is another kind of database"))
    }

    @Test("A database of a newer release is refused, with both versions")
    func newerVersion() throws {
        let folder = try StoreFolder()
        do { _ = try folder.open() }
        do {
            let queue = try DatabaseQueue(path: folder.database)
            try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA user_version = 10") }
        }
        #expect(try refusal(folder) == .newerVersion(path: folder.database, found: 10, known: 9))
    }

    @Test("A database that a newer release has brought on while it was open is not called damaged")
    func newerVersionMeanwhile() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        do {
            let queue = try DatabaseQueue(path: folder.database)
            try queue.writeWithoutTransaction { try $0.execute(sql: "DROP TABLE restored; PRAGMA user_version = 10") }
        }
        #expect(throws: StoreError.newerVersion(path: folder.database, found: 10, known: 9)) { try store.logs() }
    }

    @Test("A folder that is not there, a folder in place of the file, a symbolic link and a pipe are refused")
    func noFile() throws {
        let folder = try StoreFolder()
        #expect(throws: StoreError.self) {
            try SQLiteLogStore(path: "\(folder.path)/absent/node.sqlite", signedPath: folder.marks, node: "a.example")
        }
        mkdir(folder.database, 0o700)
        #expect(throws: StoreError.self) { try folder.open() }
        rmdir(folder.database)
        symlink("\(folder.path)/elsewhere", folder.database)
        #expect(throws: StoreError.self) { try folder.open() }
        #expect(StoreFolder.bytes(of: "\(folder.path)/elsewhere") == nil)
        unlink(folder.database)
        mkfifo(folder.database, 0o600)
        #expect(throws: StoreError.cannotOpen(path: folder.database, reason: "it is not a plain file")) {
            try folder.open()
        }
    }

    @Test("A file or a folder that may not be written says so, and loses nothing")
    func readOnly() throws {
        let folder = try StoreFolder()
        do {
            let store = try folder.open()
            try store.createOwn()
            try store.append(makeBodies(0..<10))
        }
        // The superuser may write everywhere; the rights of another user are taken for this thread alone.
        func asNobody<Value>(_ body: () throws -> Value) throws -> Value {
            guard getuid() == 0 else { return try body() }
            let symbol = try #require(dlsym(nil, "setfsuid"))
            let setfsuid = unsafeBitCast(symbol, to: (@convention(c) (uid_t) -> CInt).self)
            _ = setfsuid(65_534)
            defer { _ = setfsuid(0) }
            return try body()
        }
        chmod(folder.path, 0o755)
        chmod(folder.database, 0o444)
        #expect(throws: StoreError.readOnly(path: folder.database)) { try asNobody { try folder.open() } }
        unlink(folder.index)
        chmod(folder.path, 0o555)
        #expect(throws: StoreError.readOnly(path: "\(folder.path)/new.sqlite")) {
            try asNobody {
                try SQLiteLogStore(path: "\(folder.path)/new.sqlite", signedPath: folder.marks, node: "a.example")
            }
        }
        chmod(folder.path, 0o700)
        chmod(folder.database, 0o600)
        try checkInvariants(folder.open(), bodies: makeBodies(0..<10))
    }

    @Test("A database that another process keeps locked is busy after the time-out, and appends afterwards")
    func locked() throws {
        let folder = try StoreFolder()
        let store = try folder.open(busySeconds: 0.05)
        try store.createOwn()
        try store.append([[1]])
        let other = try DatabaseQueue(path: folder.database)
        try other.inDatabase { db in
            try db.execute(sql: "BEGIN IMMEDIATE")
            #expect(throws: StoreError.busy(path: folder.database)) { try store.append([[2]]) }
            #expect(try store.log(origin)?.size == 1)
            try db.execute(sql: "ROLLBACK")
        }
        try store.append([[2]])
        let marks = try DatabaseQueue(path: folder.marks)
        try marks.inDatabase { db in
            try db.execute(sql: "BEGIN IMMEDIATE")
            // Committed, but not shown: the mark could not be raised.
            #expect(throws: StoreError.busy(path: folder.marks)) { try store.append([[3]]) }
            try db.execute(sql: "ROLLBACK")
        }
        try store.append([[4]])
        try checkInvariants(store, bodies: [[1], [2], [3], [4]])
    }
}
