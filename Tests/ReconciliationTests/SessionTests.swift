import Cryptography
import Reconciliation
import Testing
import TransparencyLog

/// What one session promises about a single log, told by events and actions alone.
@Suite("A session") struct SessionTests {
    private static let origin = "n0.example/krus"
    private let id = SHA256.hash(SessionTests.origin)

    private func tree(_ size: Int) -> SimulatedLog {
        var tree = SimulatedLog(hasher: MerkleHasher())
        for number in 0..<size { tree.append(SimulatedBody.plain.bytes(number: UInt64(number))) }
        return tree
    }

    private func note(_ size: Int) throws -> String {
        let checkpoint = try Checkpoint(
            origin: SessionTests.origin, size: UInt64(size), root: tree(size).root(at: UInt64(size)))
        return try checkpoint.sign(with: SimulatedKeys.signer(SessionTests.origin)).serialized
    }

    private func log(
        _ size: Int, isOwn: Bool = false, pinned: Int? = nil, cosignatures: [CosignatureLine] = []
    ) throws -> LocalLog {
        func head(_ size: Int) throws -> Head {
            Head(log: id, size: UInt64(size), root: try tree(size).root(at: UInt64(size)))
        }
        return LocalLog(
            id: id, origin: SessionTests.origin, community: "krus", isOwn: isOwn,
            keys: LogKeyChain(anchor: try SimulatedKeys.signer(SessionTests.origin).verifierKey),
            head: size == 0 ? nil : try head(size), held: UInt64(size), pinned: try pinned.map { try head($0) },
            cosignatures: cosignatures, wantedBlobs: [])
    }

    private func head(_ id: LogID, _ size: Int) throws -> Head {
        Head(log: id, size: UInt64(size), root: try tree(size).root(at: UInt64(size)))
    }

    private func line(_ cosigner: String, size: UInt64, time: UInt64 = 7) -> CosignatureLine {
        CosignatureLine(cosigner: cosigner, size: size, time: time, line: "not looked at here")
    }

    /// Two sessions that talk without delay; what they ask of their nodes is left to the test.
    struct Pair {
        var sides: [Session]
        var actions: [[SessionAction]] = [[], []]

        init(
            _ first: [LocalLog], _ second: [LocalLog], memories: [SessionMemory?] = [nil, nil],
            communities: [[String]] = [["krus"], ["krus"]]
        ) {
            let names = ["a.example", "b.example"]
            sides = [first, second].enumerated().map { side, logs in
                Session(
                    configuration: SessionConfiguration(
                        node: names[side], peer: names[1 - side], communities: communities[side],
                        isInitiator: side == 0, once: false),
                    logs: logs, memory: memories[side])
            }
        }

        mutating func meet() {
            for side in sides.indices where actions[side].isEmpty { actions[side] += sides[side].handle(.start) }
            deliver(from: [0, 0])
        }

        mutating func feed(_ event: SessionEvent, to side: Int) {
            let before = actions.map(\.count)
            actions[side] += sides[side].handle(event)
            deliver(from: before)
        }

        /// Takes across what was said since, in order, until nobody says anything more.
        private mutating func deliver(from begin: [Int]) {
            var next = begin
            while next != actions.map(\.count) {
                for side in sides.indices {
                    let said = actions[side][next[side]...]
                    next[side] = actions[side].count
                    for case .send(let message) in said {
                        actions[1 - side] += sides[1 - side].handle(.received(message))
                    }
                }
            }
        }

        func sent(_ side: Int) -> [Message] {
            actions[side].compactMap { if case .send(let message) = $0 { message } else { nil } }
        }

        /// What a side was told to remember.
        func remembered(_ side: Int) -> SessionMemory? {
            for case .remember(let memory, _, _) in actions[side].reversed() { return memory }
            return nil
        }

        func cosignatures(_ side: Int) -> Int {
            sent(side).count { if case .cosignatures = $0 { true } else { false } }
        }
    }

    @Test("An offer that came while this session had not heard that its transfer is complete is asked for again")
    func missedOffer() throws {
        var pair = Pair([try log(0)], [try log(3)])
        pair.meet()
        pair.feed(.received(.offer(Offer(log: id, checkpoint: try note(3), fromSize: 0, proof: []))), to: 0)
        pair.feed(.pinned(try log(0, pinned: 3)), to: 0)
        // Another task has seen the head first, the peer heard of it, and offered what it has got meanwhile.
        pair.feed(.changed([try log(3)]), to: 0)
        let proof = try ConsistencyProof.make(from: 3, to: 4, from: tree(4), hasher: MerkleHasher()).hashes
        pair.feed(.received(.offer(Offer(log: id, checkpoint: try note(4), fromSize: 3, proof: proof))), to: 0)
        let said = pair.sent(0).count
        pair.feed(.committed(try log(3)), to: 0)
        let news = pair.sent(0).dropFirst(said)
        #expect(
            news.contains { message in
                if case .heads(_, let heads, _, _) = message { heads.contains { $0.size == 3 } } else { false }
            }, "\(news)")
    }

    @Test("A proof that fails for the very checkpoint that is held convicts the peer, not the log")
    func wrongProofOfTheSame() throws {
        var pair = Pair([try log(2, pinned: 3)], [try log(2)])
        pair.meet()
        let offer = Offer(log: id, checkpoint: try note(3), fromSize: 3, proof: [.zero])
        pair.feed(.received(.offer(offer)), to: 0)
        guard case .violation = pair.sides[0].end else {
            Issue.record("the session goes on: \(String(describing: pair.sides[0].end))")
            return
        }
        #expect(!pair.actions[0].contains { if case .freeze = $0 { true } else { false } })
    }

    @Test("Cosignatures that the peer could not judge are not sent in every session")
    func strangersCosignatures() throws {
        let logs = [try log(3, cosignatures: [line("c.example", size: 3)]), try log(3)]
        var pair = Pair([logs[0]], [logs[1]])
        pair.meet()
        #expect(pair.cosignatures(0) == 1)
        pair.feed(.cosignaturesStored(logs[1]), to: 1)
        pair.feed(.tick, to: 0)
        let memories = [pair.remembered(0), pair.remembered(1)]
        #expect(memories[0] != nil && memories[0]?.digest == memories[1]?.digest)

        var second = Pair([logs[0]], [logs[1]], memories: memories)
        second.meet()
        #expect(second.cosignatures(0) == 0)
        #expect(second.sides.allSatisfy { $0.isConverged })
        // A newer one is news all the same.
        second.feed(.changed([try log(3, cosignatures: [line("c.example", size: 3, time: 8)])]), to: 0)
        #expect(second.cosignatures(0) == 1)
    }

    @Test("A log that the peer may no longer see leaves nothing to wait for on either side")
    func hidden() throws {
        var pair = Pair([try log(3, cosignatures: [line("c.example", size: 3)])], [try log(3)])
        pair.meet()
        #expect(!pair.sides[0].isConverged && !pair.sides[1].isConverged)
        pair.feed(.hidden(id), to: 1)
        #expect(pair.sides.allSatisfy { $0.isConverged })
        #expect(pair.sent(1).contains(.unknown([id])))
        pair.feed(.tick, to: 0)
        #expect(pair.remembered(0)?.digest == pair.remembered(1)?.digest)
    }

    @Test("A log hidden between the hellos is told as gone only after them")
    func hiddenEarly() throws {
        var pair = Pair([try log(3)], [try log(3)])
        pair.actions[0] += pair.sides[0].handle(.start)
        pair.actions[0] += pair.sides[0].handle(.hidden(id))
        #expect(pair.sent(0).count == 1)
        pair.meet()
        #expect(pair.sides.allSatisfy { $0.end == nil })
        #expect(pair.sent(0).contains(.unknown([id])))
    }

    @Test("Of a community that is no longer shared nothing is told, not even that its logs are gone")
    func noLongerShared() throws {
        let entry = SessionMemory.Entry(
            community: "krus", told: Head(log: id, size: 3, root: try tree(3).root(at: 3)), heard: nil,
            isUnknownThere: false)
        var before = Pair([try log(3)], [])
        before.meet()
        before.feed(.tick, to: 0)
        let memories = [before.remembered(0), before.remembered(1)]
        #expect(memories[0]?.entries[id]?.told == entry.told)
        var pair = Pair([], [], memories: memories, communities: [[], ["krus"]])
        pair.meet()
        #expect(pair.sides.allSatisfy { $0.end == nil })
        #expect(!pair.sent(0).contains { $0.mentionedLogs.contains(id) })
    }

    @Test("What is offered of a log that the peer does not have is remembered by both alike")
    func offeredToNobody() throws {
        var pair = Pair([try log(3, isOwn: true)], [])
        pair.meet()
        // Appended and offered before the peer's answer is in.
        pair.feed(
            .received(.heads(community: "krus", [Head(log: id, size: 0, root: .zero)], complete: false, settled: true)),
            to: 0)
        pair.feed(.changed([try log(4, isOwn: true)]), to: 0)
        pair.feed(.received(.offer(Offer(log: id, checkpoint: try note(4), fromSize: 0, proof: []))), to: 1)
        pair.feed(.tick, to: 0)
        #expect(pair.remembered(0) != nil)
        #expect(pair.remembered(0)?.digest == pair.remembered(1)?.digest)
    }

    @Test("An own log that a peer has more of is no loss where the news of an append was slower than the peer")
    func overtakenByAPartner() throws {
        var pair = Pair([try log(3, isOwn: true)], [try log(3)])
        pair.meet()
        // Entry 3 was appended here, and came to the peer by another way.
        pair.feed(.changed([try log(4)]), to: 1)
        let offer = Offer(log: id, checkpoint: try note(4), fromSize: 3, proof: try proof(from: 3, to: 4))
        pair.feed(.received(.offer(offer)), to: 0)
        #expect(pair.actions[0].contains(.beginRecovery(id, size: 4)))
        #expect(!pair.actions[0].contains { if case .report = $0 { true } else { false } })
        #expect(!pair.sides[0].isConverged)
        pair.feed(.changed([try log(4, isOwn: true)]), to: 0)
        #expect(pair.sides.allSatisfy { $0.isConverged })
    }

    @Test("What the owner says of a log that came back counts once the logs after it are here as well")
    func successorsFirst() throws {
        let next = SHA256.hash("n0.example/krus/2")
        func successor(_ size: Int, isOwn: Bool = false) throws -> LocalLog {
            LocalLog(
                id: next, origin: "n0.example/krus/2", community: "krus", isOwn: isOwn, keys: nil,
                head: size == 0 ? nil : try head(next, size), held: UInt64(size), pinned: nil, cosignatures: [],
                wantedBlobs: [])
        }
        let restored = LocalLog(
            id: id, origin: SessionTests.origin, community: "krus", isOwn: false, keys: nil, head: try head(id, 3),
            held: 3, pinned: nil, cosignatures: [], wantedBlobs: [], isRecovering: true, successors: [next])
        let owned = [try log(3, isOwn: true), try successor(2, isOwn: true)]
        func isAnswered(_ pair: Pair) -> Bool {
            pair.actions[1].contains { if case .noteAnswer(id, let head?) = $0 { head.size == 3 } else { false } }
        }

        var unaware = Pair(owned, [restored])
        unaware.meet()
        #expect(unaware.actions[1].contains(.lacks([next])) && !isAnswered(unaware))

        var behind = Pair(owned, [restored, try successor(0)])
        behind.meet()
        #expect(!behind.actions[1].contains(.lacks([next])) && !isAnswered(behind))
        behind.feed(.changed([try successor(1)]), to: 1)
        #expect(!isAnswered(behind))
        behind.feed(.changed([try successor(2)]), to: 1)
        #expect(isAnswered(behind))

        var level = Pair(owned, [restored, try successor(2)])
        level.meet()
        #expect(isAnswered(level))
        var alone = Pair([try log(3, isOwn: true)], [restored])
        alone.meet()
        #expect(isAnswered(alone))
    }

    private func proof(from old: UInt64, to new: UInt64) throws -> [SHA256Digest] {
        try ConsistencyProof.make(from: old, to: new, from: tree(Int(new)), hasher: MerkleHasher()).hashes
    }

    @Test("A log that froze before the hello is left out, and nobody waits for it")
    func frozenEarly() throws {
        var pair = Pair([try log(3, cosignatures: [line("c.example", size: 3)])], [try log(3)])
        pair.actions[1] += pair.sides[1].handle(.start)
        pair.actions[1] += pair.sides[1].handle(.frozen(id))
        pair.meet()
        #expect(pair.actions[1].contains(.sendEvidence(id)))
        #expect(pair.sides.allSatisfy { $0.isConverged })
    }

    @Test("Who was told of a log that froze hears why, though it holds nothing of it")
    func frozenUnderway() throws {
        var pair = Pair([try log(3)], [])
        pair.meet()
        pair.feed(.frozen(id), to: 0)
        #expect(pair.actions[0].contains(.sendEvidence(id)))
    }

    @Test("Cosignatures of a log that freezes while they are judged keep nobody waiting")
    func frozenWhileJudging() throws {
        var pair = Pair([try log(3, cosignatures: [line("c.example", size: 3)])], [try log(3)])
        pair.meet()
        pair.feed(.frozen(id), to: 1)
        pair.feed(.frozen(id), to: 0)
        #expect(pair.sides.allSatisfy { $0.isConverged })
    }

    @Test("A peer that cannot bring as much as is pinned here is not waited for")
    func pinnedBeyond() throws {
        var pair = Pair([try log(0, pinned: 5)], [try log(3)])
        pair.meet()
        pair.feed(.received(.offer(Offer(log: id, checkpoint: try note(3), fromSize: 0, proof: []))), to: 0)
        #expect(pair.sides.allSatisfy { $0.isConverged })
    }

    @Test("A second push is taken while the first waits for its checkpoint; two announced at once are not")
    func secondPush() throws {
        func push(_ from: Int, _ to: Int) throws -> Message {
            .offer(
                Offer(
                    log: id, checkpoint: try note(to), fromSize: UInt64(from),
                    proof: try proof(from: UInt64(from), to: UInt64(to)), isPushed: true))
        }
        var pair = Pair([try log(2)], [try log(2)])
        pair.meet()
        pair.feed(.received(try push(2, 3)), to: 0)
        var impatient = pair.sides[0]
        let range = RangeRequest(log: id, start: 2, end: 3, treeSize: 3)
        pair.feed(.received(.entries(EntryRange(range: range, proof: [], bundles: []))), to: 0)
        // Another session has brought the entry before the checkpoint was pinned.
        pair.feed(.changed([try log(3)]), to: 0)
        pair.feed(.received(try push(3, 4)), to: 0)
        #expect(pair.sides[0].end == nil)
        _ = impatient.handle(.received(try push(2, 3)))
        #expect(impatient.end == .violation("two pushes of one log at once"))
    }

    @Test("What the peer does not agree on is proposed once")
    func declined() throws {
        var pair = Pair([try log(3)], [try log(3)])
        pair.meet()
        let proposals = { (pair: Pair) in pair.sent(0).count { if case .agree = $0 { true } else { false } } }
        for _ in 0..<3 {
            pair.actions[0] += pair.sides[0].handle(.tick)
            _ = pair.sides[0].handle(.received(.agree(.zero)))
        }
        #expect(proposals(pair) == 1)
    }

    @Test("A peer whose offers come late each time, because another is faster, is not convicted for it")
    func lateOffers() throws {
        let begin = try log(10)
        var session = Session(
            configuration: SessionConfiguration(
                node: "a.example", peer: "b.example", communities: ["krus"], isInitiator: true, once: false),
            logs: [begin])
        _ = session.handle(.start)
        let digest = HeadsTree([try #require(begin.head)]).root
        let hello = Hello(
            node: "b.example", communities: [CommunityDigest(name: "krus", digest: digest)], memory: nil, once: false,
            settled: true)
        _ = session.handle(.received(.hello(hello)))
        for size in 11..<150 {
            _ = session.handle(.changed([try log(size)]))
            let offer = Offer(log: id, checkpoint: try note(size), fromSize: UInt64(size - 1), proof: [])
            _ = session.handle(.received(.offer(offer)))
            #expect(session.end == nil)
        }
        // What does not change here is another matter.
        for _ in 0..<64 {
            _ = session.handle(.received(.offer(Offer(log: id, checkpoint: try note(149), fromSize: 3, proof: []))))
        }
        #expect(
            session.end == .violation("n0.example/krus offered from size 3 again and again, where this node holds 149"))
    }

    @Test("What a peer says of logs that are not here is not kept without a bound")
    func bounded() throws {
        var random = SplitMix64(7)
        var pair = Pair([try log(3)], [try log(3)])
        pair.meet()
        let before = pair.sides[0].footprint
        for _ in 0..<100 {
            let head = Head(log: random.digest(), size: 0, root: .zero, pinnedSize: 5)
            _ = pair.sides[0].handle(.received(.heads(community: "krus", [head], complete: false, settled: true)))
        }
        for time in 0..<100 {
            _ = pair.sides[0].handle(
                .received(.cosignatures(id, [line("c.example", size: 3, time: UInt64(time))])))
        }
        #expect(pair.sides[0].end == nil)
        #expect(pair.sides[0].footprint <= before + 3)
        for _ in 0..<100 where pair.sides[0].end == nil {
            _ = pair.sides[0].handle(
                .received(
                    .offer(
                        Offer(log: random.digest(), checkpoint: try note(3), fromSize: 0, proof: [], isPushed: true))))
        }
        guard case .violation = pair.sides[0].end else {
            Issue.record("pushes are taken without end")
            return
        }
    }
}
