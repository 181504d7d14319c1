import Cryptography
import GRDB
import LogStore
import Testing
import TransparencyLog

/// What freezes a log in the store, and what a frozen log still does.
@Suite("Frozen logs") struct FreezingTests {
    private let signer: NoteSigner
    private let folder: StoreFolder
    private let store: SQLiteLogStore

    init() throws {
        signer = try NoteSigner(name: origin, privateKey: Ed25519.PrivateKey())
        folder = try StoreFolder()
        store = try folder.open()
    }

    private func create(isOwn: Bool, in store: SQLiteLogStore? = nil) throws {
        try (store ?? self.store).createLog(
            origin: origin, node: "us.example", community: "krus", isOwn: isOwn, verifierKey: signer.verifierKey.text)
    }

    @discardableResult
    private func append(_ count: Range<Int>, seed: String = "a", to store: SQLiteLogStore? = nil) throws -> SignedHead {
        try (store ?? self.store).append(
            makeBodies(count, seed: seed).map { NewEntry(body: $0) }, to: origin,
            options: AppendOptions { [signer] size, root in
                try Checkpoint(origin: origin, size: size, root: root).sign(with: signer).serialized
            }
        ).head
    }

    /// Evidence of two roots at a size, with or without the first entry that differs, which is entry 0.
    private func evidence(_ size: Int = 5, by other: NoteSigner? = nil, complete: Bool = false) throws -> ForkEvidence {
        let signer = other ?? signer
        let hasher = MerkleHasher()
        let edges = ["a", "b"].map { seed -> TreeEdge in
            var edge = TreeEdge()
            _ = edge.append(leafHashes: makeBodies(0..<size, seed: seed).map { hasher.leaf($0) }, hasher: hasher)
            return edge
        }
        let notes = try edges.map {
            try Checkpoint(origin: signer.verifierKey.name, size: UInt64(size), root: $0.root(hasher: hasher))
                .sign(with: signer)
        }
        let leaves = ["a", "b"].map { hasher.leaf(makeBodies(0..<1, seed: $0)[0]) }
        // Of trees with one entry the proof is empty.
        let difference = ForkEvidence.Difference(
            index: 0, leaves: leaves, proofs: [RangeProof(hashes: []), RangeProof(hashes: [])])
        return try ForkEvidence(
            key: signer.verifierKey, notes[0], notes[1], prefix: [], difference: complete ? difference : nil)
    }

    @Test("A frozen log takes no entries, no checkpoint and no cosignature, at its owner's either; others go on")
    func nothingGrows() throws {
        try create(isOwn: true)
        try append(0..<5)
        #expect(try store.freeze(logID, evidence: evidence(), reason: "forked", time: 7))
        #expect(try store.log(origin)?.frozen == "forked")
        #expect(throws: StoreError.self) { try append(5..<6) }
        let head = try #require(try store.log(origin)?.head)
        #expect(throws: StoreError.frozen(origin: origin, reason: "forked")) {
            try store.markCosigned(head, of: logID, time: 10)
        }
        #expect(throws: StoreError.self) { try store.beginRecovery(of: logID, signed: 9) }
        try store.createOwn("us.example/other")
        try store.append(makeBodies(0..<3), to: "us.example/other")
        // It stays so, also for whoever opens the store anew.
        let again = try folder.open()
        #expect(throws: StoreError.self) { try append(5..<6, to: again) }
        #expect(try again.forks().map(\.found) == [7])
        try checkInvariants(again)
    }

    @Test("A transfer that is under way ends where the log is frozen")
    func transfers() throws {
        let source = try StoreFolder(node: "us.example")
        let us = try source.open()
        try create(isOwn: true, in: us)
        let head = try append(0..<700, to: us)
        try create(isOwn: false)
        try store.pin(head, of: logID)
        let verifier = try store.verifier(of: logID)
        try store.commit(try verifier.verify(us.arriving(0..<256, of: 700)))
        let next = try verifier.verify(us.arriving(256..<512, of: 700))
        try store.freeze(logID, evidence: evidence(), reason: "forked", time: 7)
        #expect(throws: StoreError.frozen(origin: origin, reason: "forked")) { try store.commit(next) }
        #expect(throws: StoreError.frozen(origin: origin, reason: "forked")) { try store.pin(head, of: logID) }
        // What was proved before stays readable.
        #expect(try store.log(origin)?.size == 256)
        #expect(try store.body(of: logID, at: 255) != nil)
    }

    @Test("Nothing freezes a log but a fork that its own key has signed")
    func foreignEvidence() throws {
        try create(isOwn: false)
        let forger = try NoteSigner(name: origin, privateKey: Ed25519.PrivateKey())
        let neighbour = try NoteSigner(name: "us.example/other", privateKey: Ed25519.PrivateKey())
        for signer in [forger, neighbour] {
            let evidence = try evidence(by: signer)
            #expect(throws: ForkError.differentLogs) {
                try store.freeze(logID, evidence: evidence, reason: "forked", time: 7)
            }
        }
        #expect(try store.log(origin)?.frozen == nil)
        #expect(try store.forks().isEmpty)
        #expect(throws: StoreError.self) {
            try store.freeze(SHA256.hash("unknown"), evidence: evidence(), reason: "forked", time: 7)
        }
    }

    @Test("Evidence is replaced only by such as says more")
    func betterEvidence() throws {
        try create(isOwn: false)
        let bare = try evidence(1)
        let complete = try evidence(1, complete: true)
        #expect(try store.freeze(logID, evidence: bare, reason: "bare", time: 7))
        #expect(try !store.freeze(logID, evidence: evidence(4), reason: "another", time: 8))
        #expect(try store.freeze(logID, evidence: complete, reason: "complete", time: 9))
        #expect(try !store.freeze(logID, evidence: bare, reason: "bare", time: 10))
        #expect(try !store.freeze(logID, evidence: complete, reason: "again", time: 11))
        let kept = try #require(try store.fork(of: logID))
        #expect(try ForkEvidence(parsing: kept.evidence) == complete)
        // Found when it was first found.
        #expect(kept.found == 7)
        #expect(try store.log(origin)?.frozen == "complete")
    }
}
