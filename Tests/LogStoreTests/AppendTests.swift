import Cryptography
import LogStore
import Testing
import TransparencyLog

@Suite("Appending to an own log")
struct AppendTests {
    @Test(
        "Every entry is provable from stored tiles, at every size around the edges of tiles",
        arguments: [1, 2, 255, 256, 257, 511, 512, 513, 1_000])
    func everyEntryIsProvable(size: Int) throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        let bodies = makeBodies(0..<size)
        let head = try store.append(bodies)
        let hasher = MerkleHasher()
        #expect(head.size == UInt64(size))
        for (index, body) in bodies.enumerated() {
            let proof = try InclusionProof.make(
                index: UInt64(index), size: head.size, from: store.nodes(), hasher: hasher)
            try proof.verify(
                leafHash: hasher.leaf(body), index: UInt64(index), size: head.size, root: head.root, hasher: hasher)
        }
        try checkInvariants(store, bodies: bodies)
    }

    @Test(
        "What the entries were made from is checked when nobody else can write, and nothing is appended where it fails")
    func checked() throws {
        struct Changed: Error {}
        let folder = try StoreFolder()
        let store = try folder.author()
        try store.append(makeBodies(0..<3))
        let other = try folder.open(busySeconds: 0)
        let entry = NewEntry(body: [UInt8]("{}".utf8))
        for isRefused in [true, false] {
            let options = AppendOptions(
                check: { size in
                    // It may read, and sees what another process has written before.
                    #expect(try size == 3 && store.log(origin)?.size == 3)
                    #expect(throws: StoreError.self) { try other.append([[1]]) }
                    if isRefused { throw Changed() }
                }, sign: sign)
            if isRefused {
                #expect(throws: Changed.self) { try store.append([entry], to: origin, options: options) }
            } else {
                #expect(try store.append([entry], to: origin, options: options).head.size == 4)
            }
            try checkInvariants(store)
        }
    }

    @Test("A log grown one entry at a time is the log appended at once, at every size")
    func growsOneByOne() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        let bodies = makeBodies(0..<530)
        try store.append(Array(bodies[..<250]))
        for count in 251...530 {
            let head = try store.append([bodies[count - 1]])
            #expect(head.size == UInt64(count))
        }
        try checkInvariants(store, bodies: bodies)
        let other = try StoreFolder()
        let atOnce = try other.open()
        try atOnce.createOwn()
        try atOnce.append(bodies)
        #expect(try store.bundles(of: logID, entries: 0..<530) == atOnce.bundles(of: logID, entries: 0..<530))
    }

    @Test("The second level of tiles begins at 65,536 entries", arguments: [65_535, 65_536, 65_537])
    func secondLevel(size: Int) throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        let bodies = makeBodies(0..<size)
        try store.append(Array(bodies[..<65_000]))
        try store.append(Array(bodies[65_000...]))
        try checkInvariants(store, bodies: bodies)
        let hasher = MerkleHasher()
        let head = try #require(try store.log(origin)?.head)
        for index in [0, 255, 256, 32_767, 65_279, 65_280, size - 1] {
            let proof = try InclusionProof.make(
                index: UInt64(index), size: head.size, from: store.nodes(), hasher: hasher)
            try proof.verify(
                leafHash: hasher.leaf(bodies[index]), index: UInt64(index), size: head.size, root: head.root,
                hasher: hasher)
        }
    }

    @Test("The answer names index and leaf hash of every entry, and bodies are read back as they were")
    func answers() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        let bodies = makeBodies(0..<300)
        try store.append(Array(bodies[..<10]))
        let result = try store.append(bodies[10...].map { NewEntry(body: $0) }, to: origin, options: plainOptions)
        let hasher = MerkleHasher()
        #expect(
            result.outcomes == (10..<300).map { .appended(index: UInt64($0), leafHash: hasher.leaf(bodies[$0])) })
        for (index, body) in bodies.enumerated() { #expect(try store.body(of: logID, at: UInt64(index)) == body) }
        for index in [300, 511, 512, UInt64(Int64.max), .max] { #expect(try store.body(of: logID, at: index) == nil) }
    }

    @Test("A body of 16,384 bytes goes in; an empty or a longer one is refused with the whole batch")
    func bodyLimits() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        let largest = [UInt8](repeating: 7, count: 16_384)
        try store.append([largest])
        for count in [0, 16_385, 65_535, 65_536] {
            #expect(throws: StoreError.bodySize(count)) {
                try store.append([[1], [UInt8](repeating: 7, count: count)])
            }
        }
        try checkInvariants(store, bodies: [largest])
        // The largest bundle there can be, of content that does not compress.
        var state: UInt64 = 1
        let noise = (0..<255).map { _ in
            (0..<16_384).map { _ -> UInt8 in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return UInt8(truncatingIfNeeded: state >> 56)
            }
        }
        try store.append(noise)
        let bundle = try #require(try store.bundles(of: logID, entries: 0..<256).first)
        #expect(try store.raw(bundle).count == 256 * 16_386)
        try checkInvariants(store, bodies: [largest] + noise)
    }

    @Test("An empty batch changes nothing")
    func emptyBatch() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        let head = try store.append(makeBodies(0..<3))
        #expect(try store.append([]) == head)
        #expect(try store.checkpoints(of: logID) == [head])
    }

    @Test("Nothing is appended where signing fails, to a partner's log, or to none")
    func refusals() throws {
        struct NoKey: Error {}
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        try store.createReplica("kr.example/krus")
        let head = try store.append(makeBodies(0..<3))
        #expect(throws: NoKey.self) {
            try store.append([NewEntry(body: [1])], to: origin, options: AppendOptions { _, _ in throw NoKey() })
        }
        #expect(throws: StoreError.notOwn(origin: "kr.example/krus")) {
            try store.append([[1]], to: "kr.example/krus")
        }
        #expect(throws: StoreError.unknownLog("de.example/krus")) { try store.append([[1]], to: "de.example/krus") }
        #expect(try store.log(origin)?.head == head)
        try checkInvariants(store, bodies: makeBodies(0..<3))
    }

    @Test("What is signed is the size and the root of the log with the batch, once")
    func signsOnce() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        var signed: [UInt64] = []
        let options = AppendOptions { size, root in
            signed.append(size)
            return sign(size, root)
        }
        for _ in 0..<3 {
            _ = try store.append([NewEntry(body: [1]), NewEntry(body: [2])], to: origin, options: options)
        }
        #expect(signed == [2, 4, 6])
        #expect(
            try store.checkpoints(of: logID).map(\.note) == store.checkpoints(of: logID).map { sign($0.size, $0.root) })
    }

    @Test("A log is made once; another key or owner under its origin is refused")
    func createOnce() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        let log = try store.createOwn()
        #expect(try store.createOwn() == log)
        #expect(throws: StoreError.self) { try store.createReplica() }
        #expect(throws: StoreError.self) {
            try store.createLog(
                origin: origin, node: "us.example", community: "krus", isOwn: true, verifierKey: "another")
        }
        #expect(try store.logs() == [log])
    }
}
