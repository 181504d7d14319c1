import Cryptography
import Glibc
import LogStore
import Testing

/// The hash by which a record is known as a double is of its sealed values too, and goes with them.
@Suite("Doubles of what is erased or can be read no more")
struct ErasedDoubleTests {
    private let bytes = [UInt8]("sealed bytes".utf8)
    private let hash: UInt64 = 0x9b1d_52c7_e0a4_3f68
    private var hashBytes: [UInt8] { withUnsafeBytes(of: hash.bigEndian) { Array($0) } }
    private var erasure: [UInt8] { RecordBodies.erasure(of: "us.example/krus#1", sha256: SHA256.hash(bytes)) }

    /// A log with two sealed records, the second of which has the hash, and one in clear.
    private func author(_ folder: StoreFolder) throws -> SQLiteLogStore {
        let store = try folder.author()
        _ = try append([(sealed("a"), 11), (sealed("b"), hash), (clear("c"), 13)], nil, store)
        return store
    }

    private func sealed(_ note: String) -> NewEntry {
        .sealed(bytes, to: ["us.example"], note: note)
    }

    private func clear(_ note: String) -> NewEntry { NewEntry(body: [UInt8](#"{"note":"\#(note)"}"#.utf8)) }

    /// At which index each stood already.
    private func append(
        _ entries: [(NewEntry, UInt64)], _ filter: DoubleFilter?, _ store: SQLiteLogStore
    ) throws -> [UInt64?] {
        try store.append(
            entries.map { NewEntry(body: $0.0.body, doubleHash: $0.1, blob: $0.0.blob) }, to: origin,
            options: AppendOptions(doubles: filter, sign: sign)
        ).outcomes.map {
            if case .double(let index) = $0 { return index }
            return nil
        }
    }

    private func unknown(_ store: SQLiteLogStore) throws -> [UInt64] {
        try store.entriesWithoutDoubleHash(of: logID, in: 0..<3)
    }

    private func liesInFiles(_ folder: StoreFolder) -> Bool {
        StoreFolder.names(in: folder.path).contains { name in
            guard let file = StoreFolder.bytesThroughCopy(of: "\(folder.path)/\(name)") else { return false }
            return file.indices.contains { file[$0] == hashBytes[0] && file[$0...].starts(with: hashBytes) }
        }
    }

    @Test("An erasure takes the hash with it, out of the files too, and leaves the others")
    func erased() throws {
        let folder = try StoreFolder()
        let us = try author(folder)
        #expect(try unknown(us).isEmpty && liesInFiles(folder))
        try us.append([erasure])
        #expect(try unknown(us) == [1])
        #expect(!liesInFiles(folder))
        #expect(
            try append([(clear("a"), 11), (clear("b"), hash), (clear("c"), 13)], DoubleFilter(), us) == [0, nil, 2])
    }

    @Test("So does one in the same batch, and one that a successor asks for")
    func otherErasures() throws {
        for batch in [true, false] {
            let folder = try StoreFolder()
            let us = try folder.author()
            if batch {
                _ = try append(
                    [(sealed("a"), 11), (sealed("b"), hash), (clear("c"), 13), (NewEntry(body: erasure), 0)], nil, us)
            } else {
                _ = try append([(sealed("a"), 11), (sealed("b"), hash), (clear("c"), 13)], nil, us)
                let next = "us.example/krus/2"
                try us.createLog(
                    origin: next, node: "us.example", community: "krus", isOwn: true, verifierKey: "key")
                try us.append([erasure], to: next)
            }
            #expect(try unknown(us) == [1], "\(batch)")
            #expect(!liesInFiles(folder), "\(batch)")
        }
    }

    @Test("Hashes computed before the erasure are not put in after it")
    func notBroughtBack() throws {
        let folder = try StoreFolder()
        let us = try author(folder)
        try us.append([erasure])
        try us.forgetDoubleHashes(of: logID)
        try us.addDoubleHashes([0: 11, 1: hash, 2: 13], of: logID)
        #expect(try unknown(us) == [1])
    }

    @Test("What an earlier release left of erased records goes when the database is opened")
    func leftByEarlierReleases() throws {
        let folder = try StoreFolder()
        do {
            let us = try author(folder)
            try us.append([erasure])
            try us.execute(
                "UPDATE double_hash SET hashes = x'000000000000000b9b1d52c7e0a43f68000000000000000d0000000000000000'")
            #expect(try unknown(us).isEmpty)
        }
        #expect(try unknown(folder.open()) == [1])
        #expect(!liesInFiles(folder))
    }

    @Test("An older copy of the database loses it again when it is opened")
    func restoredCopy() throws {
        let folder = try StoreFolder()
        let copy = try StoreFolder()
        do {
            let us = try author(folder)
            _ = try us.pragmas("wal_checkpoint(TRUNCATE)")
        }
        folder.copy(["node.sqlite", "node.sqlite-wal"], to: copy)
        do {
            try folder.open().append([erasure])
        }
        copy.copy(["node.sqlite", "node.sqlite-wal"], to: folder)
        unlink("\(folder.path)/node.sqlite-shm")
        #expect(liesInFiles(folder))
        #expect(try unknown(folder.open()) == [1])
        #expect(!liesInFiles(folder))
    }

    @Test("An importer that had the hash in memory follows, another process' erasure too")
    func filterFollows() throws {
        let folder = try StoreFolder()
        let us = try author(folder)
        let filter = DoubleFilter()
        #expect(try append([(clear("b"), hash)], filter, us) == [1])
        try folder.open().append([erasure])
        #expect(try append([(clear("a"), 11), (clear("b"), hash), (clear("c"), 13)], filter, us) == [0, nil, 2])
        #expect(try append([(clear("b"), hash)], filter, us) == [4])
    }

    @Test("Of two records that say the same the other one is known still")
    func another() throws {
        let folder = try StoreFolder()
        let us = try author(folder)
        _ = try append([(clear("again"), hash)], nil, us)
        let filter = DoubleFilter()
        #expect(try append([(clear("b"), hash)], filter, us) == [1])
        try us.append([erasure])
        #expect(try append([(clear("b"), hash)], filter, us) == [3])
    }

    @Test("Trying out what an import would do counts what it would add, and follows an erasure")
    func triedOut() throws {
        let folder = try StoreFolder()
        let us = try author(folder)
        let filter = DoubleFilter()
        func tryOut(_ hashes: UInt64...) throws -> [Bool] {
            try us.doubles(of: hashes.map { NewEntry(body: [1], doubleHash: $0) }, in: origin, filter: filter)
                .map { $0 != nil }
        }
        #expect(try tryOut(11, 77, 77, hash) == [true, false, true, true])
        #expect(try tryOut(77, 78) == [true, false])
        try us.append([erasure])
        #expect(try tryOut(77, hash, 13, 78, hash) == [true, false, true, true, true])
    }

    @Test("What none of the keys that are left opens is not known any more; the rest stays")
    func unreadable() throws {
        let folder = try StoreFolder()
        let us = try author(folder)
        let key = try #require(SHA256Digest([UInt8](repeating: 0, count: 32)))
        try us.forgetDoubleHashes(sealedToNoneOf: [key])
        #expect(try unknown(us).isEmpty)
        let filter = DoubleFilter()
        #expect(try append([(clear("a"), 11)], filter, us) == [0])
        try us.forgetDoubleHashes(sealedToNoneOf: [SHA256.hash("another key")])
        #expect(try unknown(us) == [0, 1])
        #expect(!liesInFiles(folder))
        #expect(try append([(clear("a"), 11), (clear("c"), 13)], filter, us) == [nil, 2])
    }
}
