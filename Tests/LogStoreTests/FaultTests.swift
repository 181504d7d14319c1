import GRDB
import Glibc
import LogStore
import Testing

@Suite("Faults of the disk")
struct FaultTests {
    /// Makes every COMMIT that adds a checkpoint fail, until it is taken away again.
    private func breakCommits(_ folder: StoreFolder) throws {
        let queue = try DatabaseQueue(path: folder.database)
        try queue.write { db in
            try db.execute(
                sql: """
                    CREATE TABLE fault_parent (id INTEGER PRIMARY KEY);
                    CREATE TABLE fault (parent INTEGER REFERENCES fault_parent DEFERRABLE INITIALLY DEFERRED);
                    CREATE TRIGGER fault_trigger AFTER INSERT ON checkpoint BEGIN INSERT INTO fault VALUES (1); END
                    """)
        }
    }

    private func mendCommits(_ folder: StoreFolder) throws {
        let queue = try DatabaseQueue(path: folder.database)
        try queue.write { try $0.execute(sql: "DROP TRIGGER fault_trigger; DROP TABLE fault; DROP TABLE fault_parent") }
    }

    @Test("After an error from COMMIT nothing is shown or marked, the file is opened anew, and the next append works")
    func failingCommit() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        let filter = DoubleFilter()
        func append(_ hash: UInt64) throws -> AppendResult {
            let entry = NewEntry(body: makeBodies(Int(hash)..<Int(hash + 1))[0], doubleHash: hash)
            return try store.append([entry], to: origin, options: AppendOptions(doubles: filter, sign: sign))
        }
        for hash in 0..<3 as Range<UInt64> { _ = try append(hash) }
        try breakCommits(folder)
        for _ in 0..<3 {
            #expect(throws: StoreError.self) { try append(3) }
            #expect(try store.log(origin)?.size == 3)
            #expect(try store.signedMark(of: logID)?.size == 3)
            #expect(try store.pragmas("synchronous") == ["2", "2"])
        }
        try mendCommits(folder)
        #expect(try append(3).head.size == 4)
        #expect(try append(3).outcomes == [.double(of: 3)])
        try checkInvariants(store, bodies: makeBodies(0..<4))
    }

    @Test("Where the file cannot be opened again after a failed commit, it is as soon as that works")
    func failingReopening() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        try store.append(makeBodies(0..<3))
        try breakCommits(folder)
        #expect(throws: StoreError.self) { try store.append([[1]]) }
        try mendCommits(folder)
        for suffix in ["-wal", "-shm"] { unlink(folder.database + suffix) }
        rename(folder.database, folder.database + ".away")
        mkdir(folder.database, 0o700)
        for _ in 0..<2 { #expect(throws: StoreError.self) { try store.append([[1]]) } }
        rmdir(folder.database)
        rename(folder.database + ".away", folder.database)
        try store.append(makeBodies(3..<4))
        try checkInvariants(store, bodies: makeBodies(0..<4))
    }

    @Test("When the database may not grow nothing is written, and appending goes on when it may")
    func full() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        try store.append(makeBodies(0..<10))
        try store.execute("PRAGMA max_page_count = 1")
        let large = (0..<4_000).map { [UInt8]("\($0) \(UInt64.random(in: 0...UInt64.max))".utf8) }
        #expect(throws: StoreError.full(path: folder.database)) { try store.append(large) }
        #expect(try store.signedMark(of: logID)?.size == 10)
        try checkInvariants(store, bodies: makeBodies(0..<10))
        try store.execute("PRAGMA max_page_count = 1000000")
        try store.append(large)
        try checkInvariants(store, bodies: makeBodies(0..<10) + large)
    }

    @Test(
        "A full disk refuses the batch that does not fit and loses nothing",
        .enabled(if: SmallDisk.isPossible, "needs the right to mount a file system"))
    func fullDisk() throws {
        let disk = try SmallDisk()
        let store = try SQLiteLogStore(
            path: "\(disk.path)/node.sqlite", signedPath: "\(disk.path)/signed.sqlite", node: "us.example")
        try store.createOwn()
        var bodies: [[UInt8]] = []
        var error: StoreError?
        while error == nil, bodies.count < 100_000 {
            let batch = (0..<100).map { _ in
                (0..<50).flatMap { _ in withUnsafeBytes(of: UInt64.random(in: 0...UInt64.max)) { Array($0) } }
            }
            do {
                try store.append(batch)
                bodies += batch
            } catch let caught as StoreError {
                error = caught
            }
        }
        guard case .full = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        unlink("\(disk.path)/ballast")
        try store.append([[1]])
        let held = try #require(try store.log(origin)).size
        // The mark may have been what did not fit; then the batch is committed, though not shown.
        #expect(held == UInt64(bodies.count + 1) || held == UInt64(bodies.count + 101))
        try checkInvariants(store)
    }
}

/// A file system of a few megabytes, with some of them taken by a file `ballast`.
private final class SmallDisk {
    let path: String

    static let isPossible: Bool = (try? SmallDisk()) != nil

    struct NotPossible: Error {}

    init() throws {
        path = "/tmp/log-store-disk-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        guard mkdir(path, 0o700) == 0 else { throw NotPossible() }
        guard mount("tmpfs", path, "tmpfs", 0, "size=6m") == 0 else {
            rmdir(path)
            throw NotPossible()
        }
        StoreFolder.write([UInt8](repeating: 1, count: 3 << 20), to: "\(path)/ballast")
    }

    deinit {
        umount2(path, 2)
        rmdir(path)
    }
}
