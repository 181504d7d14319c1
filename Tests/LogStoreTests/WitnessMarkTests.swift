import Cryptography
import LogStore
import Testing
import TransparencyLog

/// What a witness writes down before it answers.
@Suite("Marks of a witness")
struct WitnessMarkTests {
    private static let origin = "log.example/one"
    private static let leaves = (0..<20).map { SHA256.hash("leaf \($0)") }
    private let log: NoteSigner
    private let key: Ed25519.PublicKey

    init() throws {
        log = try NoteSigner(name: Self.origin, privateKey: Ed25519.PrivateKey())
        key = try Ed25519.PrivateKey().publicKey
    }

    private func store(_ folder: StoreFolder) throws -> SQLiteLogStore {
        let store = try folder.open()
        try store.noteWitnessKey(key)
        return store
    }

    /// A checkpoint of the first entries, or of others.
    private func admitted(_ size: Int, old: Int, other: Bool = false) throws -> AdmittedCheckpoint {
        let hasher = MerkleHasher()
        let leaves = other ? Self.leaves.reversed() : Self.leaves
        let checkpoint = try Checkpoint(
            origin: Self.origin, size: UInt64(size), root: hasher.root(of: leaves.prefix(size)))
        // The proof of one more entry behind a perfect tree, or of nothing.
        let hashes = old > 0 && old < size ? [hasher.root(of: leaves[old..<size])] : []
        let request = try AddCheckpointRequest(
            oldSize: UInt64(old), proof: ConsistencyProof(hashes: hashes), note: checkpoint.sign(with: log))
        let known = try WitnessedLog(origin: Self.origin, keys: [log.verifierKey])
        guard case .admitted(let admitted) = WitnessedLog.admit(request, log: { _ in known }) else {
            throw AddCheckpointError.badLine(number: 0)
        }
        return admitted
    }

    private func witness(
        _ store: SQLiteLogStore, _ size: Int, old: Int, other: Bool = false, time: UInt64 = 1_000,
        key: Ed25519.PublicKey? = nil
    ) throws -> WitnessOutcome {
        try store.witness(admitted(size, old: old, other: other), key: key ?? self.key, time: time) { last in
            [UInt8](last.serialized.utf8)
        }
    }

    @Test("What was cosigned is there for whoever opens the file next, and is never lowered")
    func persistence() throws {
        let folder = try StoreFolder()
        #expect(try witness(store(folder), 8, old: 0) == .cosigned(time: 1_000))
        let store = try folder.open()
        let head = try #require(try store.witnessed().first)
        #expect(head.origin == Self.origin && head.size == 8 && head.time == 1_000 && head.evidence == nil)
        #expect(try head.note == admitted(8, old: 0).note.serialized)
        #expect(try witness(store, 8, old: 0) == .refused(.conflict(size: 8)))
        #expect(try witness(store, 4, old: 4) == .refused(.conflict(size: 8)))
        #expect(try witness(store, 16, old: 8) == .cosigned(time: 1_000))
        #expect(try witness(store, 16, old: 16) == .cosigned(time: 1_000))
        #expect(try witness(store, 8, old: 8) == .refused(.conflict(size: 16)))
        #expect(try store.witnessed().map(\.size) == [16])
    }

    @Test("Times never decrease, and a clock far behind cosigns nothing")
    func time() throws {
        let store = try store(StoreFolder())
        #expect(try witness(store, 8, old: 0, time: 10_000) == .cosigned(time: 10_000))
        #expect(try witness(store, 8, old: 8, time: 9_700) == .cosigned(time: 10_000))
        #expect(try witness(store, 8, old: 8, time: 9_699) == .clockBehind(last: 10_000))
        #expect(try witness(store, 16, old: 8, time: 1) == .clockBehind(last: 10_000))
        #expect(try store.witnessed().map(\.size) == [8])
        #expect(try witness(store, 8, old: 8, time: 10_001) == .cosigned(time: 10_001))
    }

    @Test("Two roots for one size are kept as they were shown first, and end it")
    func fork() throws {
        let store = try store(StoreFolder())
        #expect(try witness(store, 8, old: 0) == .cosigned(time: 1_000))
        guard case .forked(.unproved, isNews: true) = try witness(store, 8, old: 8, other: true) else {
            return #expect(Bool(false), "another root")
        }
        let kept = try #require(try store.witnessed().first)
        #expect(try kept.evidence == [UInt8](admitted(8, old: 0).note.serialized.utf8) && kept.size == 8)
        // However it is asked for.
        guard case .forked(.conflict(size: 8), isNews: false) = try witness(store, 8, old: 0, other: true) else {
            return #expect(Bool(false), "another root, another old size")
        }
        for (size, old) in [(8, 8), (16, 8)] {
            guard case .refused(.unproved) = try witness(store, size, old: old) else {
                return #expect(Bool(false), "the first history")
            }
        }
        #expect(try store.witnessed().first == kept)
    }

    @Test("A key that these marks do not know cosigns nothing")
    func strangeKey() throws {
        let folder = try StoreFolder()
        let store = try store(folder)
        let other = try Ed25519.PrivateKey().publicKey
        #expect(try !store.isWitnessKeyNoted(other) && store.isWitnessKeyNoted(key))
        #expect(try witness(store, 8, old: 0, key: other) == .unknownKey)
        #expect(try store.witnessed().isEmpty)
    }

    @Test("Of many that arrive at once over several connections one is cosigned")
    func atOnce() async throws {
        for _ in 0..<5 {
            let folder = try StoreFolder()
            #expect(try witness(store(folder), 8, old: 0) == .cosigned(time: 1_000))
            let stores = try (0..<4).map { _ in try folder.open() }
            let outcomes = try await withThrowingTaskGroup(of: WitnessOutcome.self) { group in
                for number in 0..<8 {
                    group.addTask { try self.witness(stores[number / 2], 9 + number, old: 8) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.count { $0 == .cosigned(time: 1_000) } == 1)
            let size = try #require(try stores[0].witnessed().first).size
            #expect(outcomes.count { $0 == .refused(.conflict(size: size)) } == 7)
        }
    }
}
