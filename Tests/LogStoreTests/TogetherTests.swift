import LogStore
import Testing
import TransparencyLog

/// What is written together is waited for once, and each part stands or falls by itself all the same.
@Suite("Writing together")
struct TogetherTests {
    private let ownFolder: StoreFolder
    private let folder: StoreFolder
    private let source: SQLiteLogStore
    private let replica: SQLiteLogStore
    private let head: SignedHead
    private let bodies = makeBodies(0..<600)

    init() throws {
        ownFolder = try StoreFolder()
        folder = try StoreFolder(node: "kr.example")
        source = try ownFolder.open()
        replica = try folder.open()
        try source.createOwn()
        try replica.createReplica()
        head = try source.append(bodies)
        try replica.pin(head, of: logID)
    }

    private func verified(_ ranges: [Range<UInt64>]) throws -> [VerifiedRange] {
        let verifier = try replica.verifier(of: logID)
        return try ranges.map { try verifier.verify(source.arriving($0, of: head.size)) }
    }

    @Test("A refused range leaves no trace and the others their place")
    func refusals() throws {
        let ranges = try verified([0..<256, 256..<600])
        let stale = try verified([0..<300])
        let results = replica.commit([ranges[0], stale[0], ranges[1]])
        #expect(try results[0].get().size == 256)
        #expect(throws: StoreError.notContiguous(held: 256, start: 0)) { try results[1].get() }
        #expect(try results[2].get().head == head)
        try checkInvariants(replica, bodies: bodies)
    }

    @Test("An error that undoes the whole transaction undoes nothing that was answered for")
    func rollback() throws {
        try replica.execute(
            """
            CREATE TRIGGER fault BEFORE INSERT ON bundle WHEN new.number = 1
            BEGIN SELECT RAISE(ROLLBACK, 'a fault'); END
            """)
        let ranges = try verified([0..<256, 256..<512, 512..<600])
        let results = replica.commit(ranges)
        #expect(try results[0].get().size == 256)
        #expect(throws: StoreError.self) { try results[1].get() }
        #expect(throws: StoreError.notContiguous(held: 256, start: 512)) { try results[2].get() }
        try replica.execute("DROP TRIGGER fault")
        #expect(try folder.open().log(origin)?.size == 256)
        #expect(replica.commit(Array(ranges.dropFirst())).allSatisfy { (try? $0.get()) != nil })
        try checkInvariants(replica, bodies: bodies)
    }

    @Test("Where COMMIT fails, all have failed and nothing is there")
    func failingCommit() throws {
        try replica.execute("CREATE TABLE fault_parent (id INTEGER PRIMARY KEY)")
        try replica.execute(
            "CREATE TABLE fault (parent INTEGER REFERENCES fault_parent DEFERRABLE INITIALLY DEFERRED)")
        try replica.execute(
            "CREATE TRIGGER fault_trigger AFTER INSERT ON checkpoint BEGIN INSERT INTO fault VALUES (1); END")
        let ranges = try verified([0..<256, 256..<600])
        for result in replica.commit(ranges) { #expect(throws: StoreError.self) { try result.get() } }
        #expect(try replica.log(origin)?.size == 0)
        try replica.execute("DROP TRIGGER fault_trigger")
        #expect(replica.commit(ranges).allSatisfy { (try? $0.get()) != nil })
        try replica.execute("DROP TABLE fault")
        try checkInvariants(replica, bodies: bodies)
    }

    @Test("Marks are raised together, but not for what is not held")
    func marks() throws {
        _ = replica.commit(try verified([0..<600]))
        let other = SignedHead(size: 599, root: head.root, note: head.note)
        let beyond = SignedHead(size: 601, root: head.root, note: head.note)
        let results = try replica.markCosigned([(beyond, logID, 1), (head, logID, 2), (other, logID, 3)])
        #expect(throws: StoreError.notContiguous(held: 600, start: 601)) { try results[0].get() }
        #expect(try results[1].get() == 2)
        #expect(throws: StoreError.self) { try results[2].get() }
        let mark = try #require(try folder.open().cosignedMark(of: logID))
        #expect(mark.size == 600 && mark.root == head.root)
    }

    @Test("Pins that are refused leave the others pinned")
    func pins() throws {
        let smaller = SignedHead(size: 0, root: head.root, note: head.note)
        let results = replica.pin([(smaller, logID), (head, logID)])
        #expect(throws: StoreError.self) { try results[0].get() }
        #expect(try results[1].get().pending == head)
    }
}
