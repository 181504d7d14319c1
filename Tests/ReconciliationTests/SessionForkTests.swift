import Cryptography
import Reconciliation
import Testing
import TransparencyLog

/// What a session does about a signed checkpoint that does not continue what is held: who is convicted, and of what.
@Suite("Forks in a session") struct SessionForkTests {
    private let signer: NoteSigner
    private let id: LogID

    init() throws {
        signer = try NoteSigner(name: "us.example/krus", privateKey: Ed25519.PrivateKey())
        id = SHA256.hash("us.example/krus")
    }

    // MARK: One root, two histories

    @Test(
        "Two roots of one size freeze the log at once; the first entry that differs is found and told",
        arguments: [(1, 0), (2, 1), (7, 3), (256, 0), (300, 299), (5_000, 4_321)])
    func equalSizes(size: Int, difference: Int) throws {
        let (ours, theirs) = (Leaves(size), Leaves(size, differentFrom: difference))
        var (kr, first) = try met([log(ours)], [log(theirs)])
        // Each shows its own checkpoint; nothing is frozen on the peer's word.
        #expect(first.contains(.offer(id, fromSize: UInt64(size), pushing: false)))
        #expect(freezes(first).isEmpty && !kr.isConverged && kr.isOwed)
        let actions = drive(&kr, kr.handle(.received(try offer(theirs))), ours, theirs)
        let found = freezes(actions)
        #expect(found.count == 2)
        #expect(found[0].difference == nil && found[0].prefix.isEmpty)
        #expect(found[1].difference?.index == UInt64(difference))
        try check(found, ours, theirs)
        #expect(actions.last { if case .sendEvidence = $0 { true } else { false } } == .sendEvidence(id))
        #expect(isDone(actions) && kr.end == nil)
    }

    @Test(
        "A larger checkpoint is held against its own beginning before the log is frozen",
        arguments: [(1, 2, 0), (4, 5, 2), (8, 16, 7), (255, 256, 100), (300, 1_000, 299), (1_024, 5_000, 0)])
    func largerSize(size: Int, larger: Int, difference: Int) throws {
        let (ours, theirs) = (Leaves(size), Leaves(larger, differentFrom: difference))
        var (kr, _) = try met([log(ours)], [log(theirs)])
        let asked = kr.handle(.received(try offer(theirs, from: size)))
        #expect(freezes(asked).isEmpty)
        #expect(
            sent(asked).contains(
                .prefixRequest(PrefixRequest(log: id, size: UInt64(size), treeSize: UInt64(larger)))))
        let found = freezes(drive(&kr, asked, ours, theirs))
        #expect(found.count == 2 && found.last?.difference?.index == UInt64(difference))
        try check(found, ours, theirs)
        #expect(kr.end == nil)
    }

    @Test("The pinned checkpoint of one peer is held against what another one shows")
    func pinned() throws {
        let (one, other) = (Leaves(300), Leaves(300, differentFrom: 120))
        // Ten entries are held, a transfer to 300 was interrupted.
        let receiving = log(Leaves(10), pinned: one)
        var (kr, _) = try met([receiving], [log(other)])
        let actions = kr.handle(.received(try offer(other)))
        #expect(freezes(actions).map(\.base.root) == [one.root])
        #expect(freezes(actions).first?.base.size == 300)
        // The head counts as well while something larger is pinned.
        let small = Leaves(10, differentFrom: 3)
        var (second, _) = try met([receiving], [log(small)])
        #expect(freezes(second.handle(.received(try offer(small)))).map(\.base.size) == [10])
        #expect(second.end == nil)
    }

    // MARK: Liars

    @Test("A proof that fails for a log that only grew convicts whoever sent it")
    func honestLog() throws {
        let (ours, theirs) = (Leaves(300), Leaves(1_000))
        for lie in Lie.allCases {
            var (kr, _) = try met([log(ours)], [log(theirs)])
            let request = PrefixRequest(log: id, size: 300, treeSize: 1_000)
            var actions = kr.handle(.received(try offer(theirs, from: 300, badProof: true)))
            #expect(kr.end == nil && freezes(actions).isEmpty)
            actions = kr.handle(.received(.prefix(request, try lie.answer(ours, theirs))))
            #expect(freezes(actions).isEmpty, "\(lie)")
            guard case .violation = kr.end else {
                Issue.record("\(lie): \(String(describing: kr.end))")
                continue
            }
        }
    }

    private enum Lie: CaseIterable {
        case truth, nothing, tooFew, tooMany, otherHistory, oneWrong

        func answer(_ ours: Leaves, _ theirs: Leaves) throws -> [SHA256Digest] {
            let truth = try theirs.prefix(300)
            return switch self {
            case .truth: truth
            case .nothing: []
            case .tooFew: Array(truth.dropLast())
            case .tooMany: truth + [truth[0]]
            case .otherHistory: try Leaves(1_000, differentFrom: 7).prefix(300)
            case .oneWrong: [SHA256.hash("lie")] + truth.dropFirst()
            }
        }
    }

    @Test("Nodes that do not add up on the way down convict the peer; what was proved before stays")
    func lyingDescent() throws {
        let (ours, theirs) = (Leaves(600), Leaves(700, differentFrom: 444))
        var (kr, _) = try met([log(ours)], [log(theirs)])
        let asked = kr.handle(.received(try offer(theirs, from: 600)))
        let actions = drive(&kr, asked, ours, theirs) { hashes in [SHA256.hash("lie")] + hashes.dropFirst() }
        #expect(freezes(actions).count == 1)
        guard case .violation = kr.end else {
            Issue.record("the lie was believed")
            return
        }
    }

    @Test("Answers to questions that nobody asked are a violation")
    func unasked() throws {
        let tree = Leaves(300)
        for message in [
            Message.prefix(PrefixRequest(log: id, size: 300, treeSize: 300), try tree.prefix(300)),
            .nodes(SubtreeRequest(log: id, level: 4, index: 0), Array(tree.leaves.prefix(16))),
        ] {
            var (kr, _) = try met([log(tree)], [log(tree)])
            _ = kr.handle(.received(message))
            guard case .violation = kr.end else {
                Issue.record("\(message) was taken")
                continue
            }
        }
    }

    // MARK: Silence

    @Test("A peer that does not answer proves nothing: the log is left out, and an answer that comes late is dropped")
    func refusal() throws {
        let (ours, theirs) = (Leaves(300), Leaves(1_000, differentFrom: 5))
        let request = PrefixRequest(log: id, size: 300, treeSize: 1_000)
        for refusal in [Message.unknown([id]), .logRefusal(id, reason: "cannot be read now")] {
            var (kr, _) = try met([log(ours)], [log(theirs)])
            _ = kr.handle(.received(try offer(theirs, from: 300)))
            let actions = kr.handle(.received(refusal))
            #expect(freezes(actions).isEmpty && isDone(actions) && kr.end == nil)
            let reasons = findings(actions).map { if case .badOffer = $0 { true } else { false } }
            #expect(reasons.contains(true))
            #expect(freezes(kr.handle(.received(.prefix(request, try theirs.prefix(300))))).isEmpty)
            #expect(kr.end == nil)
        }
    }

    @Test("What was proved is told, even where the peer does not help to find the difference")
    func refusalAfterProof() throws {
        let (ours, theirs) = (Leaves(300), Leaves(300, differentFrom: 5))
        var (kr, _) = try met([log(ours)], [log(theirs)])
        #expect(freezes(kr.handle(.received(try offer(theirs)))).count == 1)
        let actions = kr.handle(.received(.unknown([id])))
        #expect(actions.contains(.sendEvidence(id)) && isDone(actions) && kr.end == nil)
    }

    @Test("Where this side's own tree is damaged the search ends, and nobody is convicted of that")
    func ownDamage() throws {
        let (ours, theirs) = (Leaves(300), Leaves(300, differentFrom: 5))
        var (kr, _) = try met([log(ours)], [log(theirs)])
        let asked = kr.handle(.received(try offer(theirs)))
        // The subtrees are ours, but everything below them reads as the peer's does.
        let actions = drive(&kr, asked, ours, theirs, readBelow: theirs)
        #expect(freezes(actions).count == 1)
        #expect(actions.contains(.sendEvidence(id)) && kr.end == nil)
    }

    @Test("At most 64 contradictions are asked about at once; the others are left out")
    func bounded() throws {
        let names = (0..<70).map { $0 == 0 ? "us.example/krus" : "us.example/krus/\($0 + 1)" }
        let key = try Ed25519.PrivateKey()
        let signers = try names.map { try NoteSigner(name: $0, privateKey: key) }
        let (ours, theirs) = (Leaves(5), Leaves(9, differentFrom: 2))
        var (kr, _) = try met(
            signers.map { log(ours, signer: $0) }, signers.map { log(theirs, signer: $0) })
        var actions: [SessionAction] = []
        for signer in signers { actions += kr.handle(.received(try offer(theirs, from: 5, signer: signer))) }
        #expect(sent(actions).count { if case .prefixRequest = $0 { true } else { false } } == 64)
        #expect(findings(actions).count == 6 && kr.end == nil)
    }

    // MARK: Evidence

    @Test("The session does not end before a peer's evidence is judged, and each judgement has its consequence")
    func judgements() throws {
        let tree = Leaves(300)
        for judgement in [EvidenceJudgement.holds, .provesNothing, .otherKey, .failed("no room")] {
            var (kr, _) = try met([log(tree)], [])
            let asked = kr.handle(.received(.fork(id, evidence: [1, 2, 3])))
            #expect(asked.contains(.judgeEvidence(id, [1, 2, 3])))
            #expect(!isDone(kr.handle(.received(.unknown([id])))))
            // The same again is not judged again.
            #expect(kr.handle(.received(.fork(id, evidence: [1, 2, 3]))).isEmpty)
            let actions = kr.handle(.evidenceJudged(id, judgement))
            let isConflict = findings(actions).contains { if case .conflict = $0 { true } else { false } }
            #expect(isConflict == (judgement == .holds))
            if judgement == .provesNothing {
                #expect(kr.end != nil)
            } else {
                // Every other log goes on.
                #expect(kr.end == nil && isDone(actions))
            }
        }
        // Of a log that this side does not have nothing is judged.
        var (kr, _) = try met([log(tree)], [log(tree)])
        #expect(kr.handle(.received(.fork(SHA256.hash("other"), evidence: [1]))).isEmpty)
    }

    @Test("A fork that another session has found is told to a peer that holds the log, and to nobody outside")
    func foundElsewhere() throws {
        let tree = Leaves(300)
        var (kr, _) = try met([log(tree)], [log(tree)])
        let actions = kr.handle(.frozen(id))
        #expect(actions.contains(.sendEvidence(id)))
        #expect(!kr.handle(.frozen(id)).contains(.sendEvidence(id)))

        // The peer may not see this log: it is frozen here while the session runs, and the peer names it all the same.
        var (other, _) = try met([], [log(tree)])
        #expect(other.handle(.frozen(id)).isEmpty)
        let answer = other.handle(.received(try offer(tree)))
        #expect(sent(answer).contains(.unknown([id])))
        #expect(!answer.contains(.sendEvidence(id)))
    }
}

// MARK: - Scenes

extension SessionForkTests {
    private func log(_ tree: Leaves, pinned: Leaves? = nil, signer: NoteSigner? = nil) -> LocalLog {
        let key = (signer ?? self.signer).verifierKey
        let id = SHA256.hash(key.name)
        return LocalLog(
            id: id, origin: key.name, community: "krus", isOwn: false, keys: LogKeyChain(anchor: key),
            head: Head(log: id, size: tree.size, root: tree.root), held: tree.size,
            pinned: pinned.map { Head(log: id, size: $0.size, root: $0.root) }, cosignatures: [], wantedBlobs: [])
    }

    private func note(_ tree: Leaves, _ signer: NoteSigner? = nil) throws -> String {
        let signer = signer ?? self.signer
        return try Checkpoint(origin: signer.verifierKey.name, size: tree.size, root: tree.root)
            .sign(with: signer).serialized
    }

    /// An offer as whoever holds this tree makes it, from a size or of the size that both hold.
    private func offer(
        _ tree: Leaves, from size: Int? = nil, badProof: Bool = false, signer: NoteSigner? = nil
    ) throws -> Message {
        let from = size.map { UInt64($0) } ?? tree.size
        var proof = try ConsistencyProof.make(from: from, to: tree.size, from: tree, hasher: MerkleHasher()).hashes
        if badProof { proof[0] = SHA256.hash("bad") }
        return .offer(
            Offer(
                log: SHA256.hash((signer ?? self.signer).verifierKey.name), checkpoint: try note(tree, signer),
                fromSize: from, proof: proof))
    }

    /// What was proved is evidence to anybody.
    private func check(_ proofs: [ForkProof], _ ours: Leaves, _ theirs: Leaves) throws {
        for proof in proofs {
            let difference = try proof.difference.map { found in
                ForkEvidence.Difference(
                    index: found.index, leaves: found.leaves,
                    proofs: [
                        try RangeProof.make(
                            start: found.index, end: found.index + 1, size: ours.size, from: ours,
                            hasher: MerkleHasher()), found.proofs[1],
                    ])
            }
            let evidence = try ForkEvidence(
                key: signer.verifierKey, SignedNote(parsing: note(ours)), SignedNote(parsing: proof.note),
                prefix: proof.prefix, difference: difference)
            #expect(try evidence.verify().sizes == [ours.size, theirs.size])
        }
    }

    /// A session of kr with us, once both have said hello; what it does then.
    private func met(
        _ own: [LocalLog], _ theirs: [LocalLog]
    ) throws -> (session: Session, actions: [SessionAction]) {
        func session(_ node: String, _ peer: String, _ logs: [LocalLog]) -> Session {
            Session(
                configuration: SessionConfiguration(
                    node: node, peer: peer, communities: ["krus"], isInitiator: node == "us.example", once: true),
                logs: logs)
        }
        var kr = session("kr.example", "us.example", own)
        var us = session("us.example", "kr.example", theirs)
        var (there, here) = (kr.handle(.start), us.handle(.start))
        var actions = there
        while !sent(there).isEmpty || !sent(here).isEmpty {
            let (toUs, toKR) = (sent(there), sent(here))
            here = toUs.flatMap { us.handle(.received($0)) }
            // The peer is played by the test from here on.
            here.removeAll { if case .send(.close) = $0 { true } else { false } }
            there = toKR.flatMap { kr.handle(.received($0)) }
            actions += there
        }
        return (kr, actions)
    }

    /// Answers every question of the session, its own from one tree and the peer's from the other. All it did.
    private func drive(
        _ session: inout Session, _ first: [SessionAction], _ ours: Leaves, _ theirs: Leaves,
        readBelow: Leaves? = nil, lie: ([SHA256Digest]) -> [SHA256Digest] = { $0 }
    ) -> [SessionAction] {
        var all = first
        var position = 0
        var hasRead = false
        while position < all.count {
            switch all[position] {
            case .readNodes(let id, let nodes):
                let tree = hasRead ? readBelow ?? ours : ours
                hasRead = true
                all += session.handle(.nodes(id, (try? tree.hashes(at: nodes)) ?? []))
            case .send(.prefixRequest(let request)):
                all += session.handle(.received(.prefix(request, (try? theirs.prefix(Int(request.size))) ?? [])))
            case .send(.nodesRequest(let request)):
                let node = NodeCoordinate(level: request.level, index: request.index)
                let hashes = (try? theirs.hashes(at: ForkSearch.nodes(below: node))) ?? []
                all += session.handle(.received(.nodes(request, lie(hashes))))
            default: break
            }
            position += 1
            guard position < 1_000 else { break }
        }
        return all
    }

    private func sent(_ actions: [SessionAction]) -> [Message] {
        actions.compactMap { if case .send(let message) = $0 { message } else { nil } }
    }

    private func freezes(_ actions: [SessionAction]) -> [ForkProof] {
        actions.compactMap { if case .freeze(_, let proof) = $0 { proof } else { nil } }
    }

    private func findings(_ actions: [SessionAction]) -> [SessionFinding] {
        actions.compactMap { if case .report(let finding) = $0 { finding } else { nil } }
    }

    /// Whether the last word of the session is that it wants nothing more.
    private func isDone(_ actions: [SessionAction]) -> Bool {
        sent(actions).compactMap { if case .heads(_, _, _, let settled) = $0 { settled } else { nil } }.last ?? false
    }
}

/// A small tree by its leaves.
private struct Leaves: NodeSource {
    var leaves: [SHA256Digest]

    /// The same leaves for every size, other ones from a position on.
    init(_ count: Int, differentFrom: Int? = nil) {
        leaves = (0..<count).map { SHA256.hash("\($0 >= differentFrom ?? .max ? "other" : "leaf") \($0)") }
    }

    var size: UInt64 { UInt64(leaves.count) }
    var root: SHA256Digest { MerkleHasher().root(of: leaves) }

    func hashes(at coordinates: [NodeCoordinate]) throws -> [SHA256Digest] {
        coordinates.map { MerkleHasher().root(of: leaves[Int($0.begin)..<Int($0.end)]) }
    }

    func prefix(_ size: Int) throws -> [SHA256Digest] {
        try ForkEvidence.makePrefix(
            size: UInt64(size), treeSize: self.size, from: self, hasher: MerkleHasher())
    }
}
