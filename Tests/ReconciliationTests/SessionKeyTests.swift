import Cryptography
import Reconciliation
import Testing
import TransparencyLog

/// How a session leads a partner over several changes of a log's key.
@Suite("Sessions about a log whose key was replaced") final class SessionKeyTests {
    private static let origin = "n0.example/krus"
    private let id = SHA256.hash(SessionKeyTests.origin)
    private let clock = VirtualClock(random: SplitMix64(1))
    private let invariants = Invariants()
    private let hasher = MerkleHasher()
    private var nodes: [SimulatedNode] = []
    private var connections: [SimulatedConnection] = []

    deinit { nodes.forEach { $0.crash() } }

    /// Nodes that know each other; the first one owns the log.
    ///
    /// - Parameter cards: the generation of the log's key on the owner's card, as each node got it.
    private func create(cards: [Int]) throws {
        nodes = try cards.indices.map { index in
            let node = SimulatedNode(index, settings: SimulatedSettings(), clock: clock, invariants: invariants)
            node.members = ["krus": Set(cards.indices)]
            node.cards = Set(cards.indices).subtracting([index])
            try node.store.create(
                SessionKeyTests.origin, owner: 0, community: "krus", generation: cards[index], hasher: hasher)
            return node
        }
    }

    /// The log as it was with one entry, and then after each of so many changes of its key, which one more entry follows.
    private func write(changes: Int) throws -> [SimulatedReplica] {
        let owner = nodes[0]
        owner.append([SimulatedBody.plain.bytes(number: 0)], to: "krus")
        var stages = [try owner.store.log(id)]
        for number in 1...UInt64(changes) {
            owner.rotate(number: number, in: "krus")
            stages.append(try owner.store.log(id))
            owner.append([SimulatedBody.plain.bytes(number: 100 + number)], to: "krus")
        }
        return stages
    }

    /// - Parameter generation: of the one key whose signature the node got with the checkpoint, if not all.
    private func bring(
        _ stage: SimulatedReplica, to node: SimulatedNode, signedBy generation: Int? = nil
    ) throws {
        var head = try #require(stage.head)
        if let generation {
            let key = try SimulatedKeys.signer(SessionKeyTests.origin, generation).verifierKey
            let note = try SignedNote(parsing: head.note).signedOnly(by: [key])
            head = SimulatedHead(size: head.size, root: head.root, note: note.serialized)
        }
        try node.store.pin(head, of: id)
        let start = try node.store.log(id).tree.size
        _ = try node.store.commit(.init(log: id, start: start, tree: stage.tree, target: head))
    }

    private func connect(_ first: Int, _ second: Int) -> SimulatedConnection {
        let connection = SimulatedConnection(clock, delay: 1_000...1_000)
        let ends = [(first, second), (second, first)].enumerated().map { place, pair in
            SimulatedSession(
                UInt64(2 * connections.count + place), of: nodes[pair.0], with: nodes[pair.1], over: connection,
                isInitiator: place == 0, once: false)
        }
        connections.append(connection)
        connection.connect(ends[0], ends[1])
        while clock.step() {}
        return connection
    }

    private func expectAll(_ changes: Int) throws {
        #expect(invariants.failure == nil)
        let size = UInt64(1 + 2 * changes)
        for node in nodes {
            let log = try node.store.log(id)
            #expect(log.head?.size == size, "\(node.name)")
            #expect(log.keys.current == (try SimulatedKeys.signer(SessionKeyTests.origin, changes).verifierKey))
            #expect(log.stones.count == changes, "\(node.name)")
        }
    }

    @Test("Whoever is several keys behind, with a transfer broken off at a stepping stone, is led on from there")
    func brokenOffAtStone() throws {
        try create(cards: [0, 0])
        let stages = try write(changes: 3)
        // Nothing of it has come but the checkpoint.
        try nodes[1].store.pin(try #require(stages[1].head), of: id)
        _ = connect(0, 1)
        try expectAll(3)
    }

    @Test("A relay that has followed all changes leads on whoever was away during several")
    func relay() throws {
        try create(cards: [0, 0, 0])
        let stages = try write(changes: 3)
        try bring(stages[0], to: nodes[1])
        try bring(stages[0], to: nodes[2])
        // The owner is gone when the third comes back.
        connect(0, 1).drop()
        while clock.step() {}
        _ = connect(2, 1)
        try expectAll(3)
    }

    @Test("Stepping stones that come to a relay after it was asked for them are passed on in the same session")
    func laterStones() throws {
        // The new card leads to the whole log at once, without its stepping stones.
        try create(cards: [0, 2, 2])
        _ = try write(changes: 2)
        let whole = try nodes[0].store.log(id)
        for node in nodes.dropFirst() { try bring(whole, to: node) }
        let connection = connect(1, 2)
        #expect(try nodes[2].store.log(id).stones.isEmpty)
        _ = connect(0, 1)
        try expectAll(2)
        #expect(connection.ends.allSatisfy { $0.session?.isOwed == false })
    }

    @Test(
        "A log that stops at a stepping stone of which the old signature is missing waits in the session until it comes"
    )
    func halfStone() throws {
        try create(cards: [0, 1, 0])
        let stages = try write(changes: 1)
        try bring(stages[0], to: nodes[2])
        // Its card names the new key: the line of the old one could not be judged.
        try bring(stages[1], to: nodes[1], signedBy: 1)
        let connection = connect(1, 2)
        #expect(invariants.failure == nil)
        #expect(try nodes[2].store.log(id).head?.size == 1)
        #expect(connection.ends.allSatisfy { $0.session?.isConverged == true })
        _ = connect(0, 1)
        try expectAll(1)
        #expect(connection.ends.allSatisfy { $0.session?.isOwed == false })
    }

    @Test("A stepping stone that only the old key's signature is kept of leads on whoever knows that key")
    func oldHalfOfStone() throws {
        try create(cards: [0, 0, 0])
        let stages = try write(changes: 1)
        for node in nodes.dropFirst() { try bring(stages[0], to: node) }
        try bring(stages[1], to: nodes[1], signedBy: 0)
        _ = connect(1, 2)
        #expect(invariants.failure == nil)
        #expect(try nodes[2].store.log(id).head?.size == 2)
    }

    @Test("Whoever went on without the new signature of a stepping stone leads on all the same")
    func behindHalfStone() throws {
        try create(cards: [0, 0, 0])
        let stages = try write(changes: 1)
        try bring(stages[0], to: nodes[2])
        try bring(stages[1], to: nodes[1], signedBy: 0)
        try bring(try nodes[0].store.log(id), to: nodes[1])
        _ = connect(1, 2)
        #expect(invariants.failure == nil)
        #expect(try nodes[2].store.log(id).head?.size == 3)
    }

    @Test("What another session pins meanwhile is no reason to say again which keys are known")
    func askedOnce() throws {
        try create(cards: [0, 0])
        let stages = try write(changes: 2)
        let newest = try #require(nodes[0].store.log(id).head)
        var pair = SessionTests.Pair([try nodes[1].store.log(id).local()], [try nodes[0].store.log(id).local()])
        pair.meet()
        let offer = SessionEvent.received(
            .offer(Offer(log: id, checkpoint: newest.note, fromSize: 0, proof: [])))
        var said = pair.sides[0].handle(offer)
        try nodes[1].store.pin(try #require(stages[1].head), of: id)
        said += pair.sides[0].handle(.changed([try nodes[1].store.log(id).local()]))
        // It was on its way.
        said += pair.sides[0].handle(offer)
        for case .send(let message) in said { _ = pair.sides[1].handle(.received(message)) }
        #expect(said.count { if case .send(.knownKeys) = $0 { true } else { false } } == 1)
        #expect(pair.sides.allSatisfy { $0.end == nil })
    }

    @Test("A peer that refuses and offers a log by turns is told once which keys are known, and then left alone")
    func refusalsByTurns() throws {
        try create(cards: [0, 0])
        let stages = try write(changes: 1)
        try bring(stages[0], to: nodes[1])
        let newest = try #require(nodes[0].store.log(id).head)
        var pair = SessionTests.Pair([try nodes[1].store.log(id).local()], [try nodes[0].store.log(id).local()])
        pair.meet()
        var said: [SessionAction] = []
        for _ in 0..<1_000 {
            said += pair.sides[0].handle(
                .received(.offer(Offer(log: id, checkpoint: newest.note, fromSize: 1, proof: []))))
            said += pair.sides[0].handle(.received(.logRefusal(id, reason: "not now")))
        }
        #expect(said.count { if case .send(.knownKeys) = $0 { true } else { false } } == 1)
        #expect(said.count { if case .report = $0 { true } else { false } } == 2)
        #expect(pair.sides[0].end == nil && pair.sides[0].footprint < 20)
    }

    @Test("Offers that were on their way when the known keys were said are no forgeries, whatever came between them")
    func onTheirWay() throws {
        try create(cards: [0, 0])
        let stages = try write(changes: 1)
        try bring(stages[0], to: nodes[1])
        let owner = try nodes[0].store.log(id)
        let (newest, stone) = (try #require(owner.head), try #require(stages[1].head))
        let proof = try ConsistencyProof.make(from: 1, to: 2, from: owner.tree, hasher: hasher).hashes
        var pair = SessionTests.Pair([try nodes[1].store.log(id).local()], [owner.local()])
        pair.meet()
        func receive(_ head: SimulatedHead, from size: UInt64, _ proof: [SHA256Digest] = []) -> [SessionAction] {
            pair.sides[0].handle(
                .received(.offer(Offer(log: id, checkpoint: head.note, fromSize: size, proof: proof))))
        }
        var said = receive(newest, from: 1)
        // One that answers an earlier question, then one that the new key alone has signed, then the answer.
        said += receive(stone, from: 0)
        said += receive(newest, from: 1)
        #expect(!said.contains { if case .report = $0 { true } else { false } })
        said = receive(stone, from: 1, proof)
        #expect(said.contains { if case .pin = $0 { true } else { false } })
    }

    @Test("An offer of what has come meanwhile leaves nothing open")
    func lateOffer() throws {
        try create(cards: [0, 0])
        let log = try #require(try write(changes: 1).first)
        let head = try #require(log.head)
        try bring(log, to: nodes[1])
        var pair = SessionTests.Pair([try nodes[1].store.log(id).local()], [log.local()])
        pair.meet()
        #expect(pair.sides[0].isConverged)
        _ = pair.sides[0].handle(
            .received(.offer(Offer(log: id, checkpoint: head.note, fromSize: 0, proof: []))))
        #expect(pair.sides[0].isConverged)
    }
}
