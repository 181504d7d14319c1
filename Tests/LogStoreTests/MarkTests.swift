import Cryptography
import Glibc
import LogStore
import Testing
import TransparencyLog

@Suite("Marks of what was signed")
struct MarkTests {
    private static let files = ["node.sqlite", "node.sqlite-wal"]

    @Test("A database restored from an older copy refuses to append and to cosign, and loses nothing")
    func rollback() throws {
        let folder = try StoreFolder()
        let copy = try StoreFolder()
        do {
            let store = try folder.open()
            try store.createOwn()
            try store.append(makeBodies(0..<10))
            folder.copy(Self.files, to: copy)
            try store.append(makeBodies(10..<20))
        }
        for name in StoreFolder.names(in: folder.path) where name.hasPrefix("node.sqlite") {
            unlink("\(folder.path)/\(name)")
        }
        copy.copy(Self.files, to: folder)
        let store = try folder.open()
        let refusal = StoreError.rolledBack(origin: origin, signed: 20, held: 10)
        #expect(throws: refusal) { try store.append([[1]]) }
        #expect(try store.rollbacks() == [refusal])
        #expect(try store.log(origin)?.size == 10)
        #expect(try store.signedMark(of: logID)?.size == 20)
        #expect(try store.body(of: logID, at: 9) == makeBodies(9..<10)[0])
    }

    @Test("Marks that are made anew take over what the database has of this node's own cosignatures")
    func remarking() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        for range in [0..<3, 3..<5] { try store.append(makeBodies(range)) }
        for (cosigner, size, time) in [("us.example", 3, 100), ("us.example", 5, 90), ("kr.example", 5, 500)] {
            try store.store(
                StoredCosignature(cosigner: cosigner, size: UInt64(size), time: UInt64(time), line: "x"), of: logID)
        }
        #expect(try store.cosignedMark(of: logID) == nil)
        try store.remarkCosignatures()
        #expect(try store.cosignedMark(of: logID)?.size == 5)
        let heads = try [3, 5].map { try #require(try store.checkpoint(of: logID, size: $0)) }
        #expect(throws: StoreError.self) { try store.markCosigned(heads[0], of: logID, time: 200) }
        // The latest of its dates, whichever size that was of.
        #expect(try store.markCosigned(heads[1], of: logID, time: 95) == 100)
    }

    @Test("An own log that is missing altogether is told, and begins again under no circumstances")
    func missingLog() throws {
        let folder = try StoreFolder()
        do {
            let store = try folder.open()
            try store.createOwn()
            try store.append(makeBodies(0..<10))
        }
        for name in StoreFolder.names(in: folder.path) where name.hasPrefix("node.sqlite") {
            unlink("\(folder.path)/\(name)")
        }
        let store = try folder.open()
        let refusal = StoreError.rolledBack(origin: origin, signed: 10, held: 0)
        #expect(try store.rollbacks() == [refusal])
        try store.createOwn()
        #expect(throws: refusal) { try store.append([[1]]) }
        #expect(try store.rollbacks() == [refusal])
    }

    @Test("Another history is refused, at the marked size and beyond it", arguments: [10, 15])
    func otherHistory(size: Int) throws {
        let folder = try StoreFolder()
        do {
            let store = try folder.open()
            try store.createOwn()
            try store.append(makeBodies(0..<10))
        }
        let other = try StoreFolder()
        do {
            let store = try other.open()
            try store.createOwn()
            try store.append(makeBodies(0..<size, seed: "b"))
        }
        for name in StoreFolder.names(in: folder.path) where name.hasPrefix("node.sqlite") {
            unlink("\(folder.path)/\(name)")
        }
        other.copy(Self.files, to: folder)
        let refusal = StoreError.contradictsSigned(origin: origin, size: 10)
        for _ in 0..<2 {
            let store = try folder.open()
            #expect(try store.rollbacks() == [refusal])
            #expect(throws: refusal) { try store.append([[1]]) }
            #expect(try store.signedMark(of: logID)?.size == 10)
        }
    }

    @Test("A crash between commit and mark is repaired at the next opening")
    func crashBeforeTheMark() throws {
        let folder = try StoreFolder()
        let old = try StoreFolder()
        let marks = ["signed.sqlite", "signed.sqlite-wal"]
        do {
            let store = try folder.open()
            try store.createOwn()
            try store.append(makeBodies(0..<10))
            folder.copy(marks, to: old)
            try store.append(makeBodies(10..<20))
        }
        for name in StoreFolder.names(in: folder.path) where name.hasPrefix("signed.sqlite") {
            unlink("\(folder.path)/\(name)")
        }
        old.copy(marks, to: folder)
        let store = try folder.open()
        #expect(try store.rollbacks().isEmpty)
        #expect(try store.signedMark(of: logID)?.size == 20)
        try store.append(makeBodies(20..<30))
        try checkInvariants(store, bodies: makeBodies(0..<30))
    }

    @Test("A cosignature goes neither back nor beside, and its time never decreases")
    func cosigning() throws {
        let folder = try StoreFolder(node: "kr.example")
        let store = try folder.open()
        try store.createOwn()
        var heads: [SignedHead] = []
        for index in 0..<3 { heads.append(try store.append(makeBodies(index..<(index + 1)))) }
        #expect(try store.lastCosigned(logID) == 0)
        #expect(try store.markCosigned(heads[1], of: logID, time: 1_000_000) == 1_000_000)
        let behind = StoreError.cosignedBeyond(origin: origin, size: 2)
        #expect(throws: behind) { try store.markCosigned(heads[0], of: logID, time: 2_000_000) }
        #expect(throws: behind) { try store.markCosigned(heads[1], of: logID, time: 999_699) }
        #expect(try store.markCosigned(heads[1], of: logID, time: 999_700) == 1_000_000)
        #expect(try store.lastCosigned(logID) == 1_000_000)
        #expect(try store.markCosigned(heads[2], of: logID, time: 1_000_001) == 1_000_001)
        #expect(throws: StoreError.cosignedBeyond(origin: origin, size: 3)) {
            try store.markCosigned(heads[1], of: logID, time: 1_000_002)
        }
    }

    @Test("Only what is held is cosigned: nothing beyond the log, and no root that its entries do not have")
    func cosigningWhatIsHeld() throws {
        let folder = try StoreFolder(node: "kr.example")
        let store = try folder.open()
        try store.createOwn()
        let head = try store.append(makeBodies(0..<5))
        let other = SignedHead(size: 5, root: SHA256.hash("another"), note: "")
        #expect(throws: StoreError.notProved(origin: origin, start: 0, end: 5)) {
            try store.markCosigned(other, of: logID, time: 1)
        }
        let beyond = SignedHead(size: 6, root: head.root, note: "")
        #expect(throws: StoreError.notContiguous(held: 5, start: 6)) {
            try store.markCosigned(beyond, of: logID, time: 1)
        }
        #expect(try store.lastCosigned(logID) == 0)
    }

    @Test("A replica restored from an older copy is not cosigned behind what was cosigned")
    func replicaRollback() throws {
        let sender = try StoreFolder()
        let source = try sender.open()
        try source.createOwn()
        let small = try source.append(makeBodies(0..<10))
        let large = try source.append(makeBodies(10..<20))
        let folder = try StoreFolder(node: "kr.example")
        let copy = try StoreFolder()
        do {
            let replica = try folder.open()
            try replica.createReplica()
            try replica.receive(small, from: source)
            folder.copy(Self.files, to: copy)
            try replica.receive(large, from: source)
            try replica.markCosigned(large, of: logID, time: 5)
        }
        for name in StoreFolder.names(in: folder.path) where name.hasPrefix("node.sqlite") {
            unlink("\(folder.path)/\(name)")
        }
        copy.copy(Self.files, to: folder)
        let replica = try folder.open()
        #expect(throws: StoreError.cosignedBeyond(origin: origin, size: 20)) {
            try replica.markCosigned(small, of: logID, time: 6)
        }
        try replica.receive(large, from: source)
        #expect(try replica.markCosigned(large, of: logID, time: 6) == 6)
    }
}
