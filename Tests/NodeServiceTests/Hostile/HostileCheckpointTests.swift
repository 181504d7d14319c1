import Cryptography
import LogStore
import NodeService
import Reconciliation
import Testing
import TransparencyLog

/// Checkpoints that its owner did sign, used for what they do not say.
@Suite("Hostile checkpoints", .serialized) struct HostileCheckpointTests {
    @Test("Old checkpoints offered again and again end the session, and take nothing back", arguments: [200, 300])
    func replays(size: Int) async throws {
        let xx = try HostilePeer()
        let scene = try await HostileScene(xx)
        let report = try await scene.attack(keeping: 300) { line in
            try await line.bring(xx)
            let offer =
                size == 300
                ? Message.offer(Offer(log: xx.log, checkpoint: try xx.checkpoint(300), fromSize: 300, proof: []))
                : try xx.offer(size)
            for _ in 0..<65 { try line.say(offer) }
            _ = try await line.heardClose()
        }
        expect(
            report, .violation,
            "xx.example/krus offered from size \(size == 300 ? 300 : 0) again and again, where this node holds 300")
        #expect(try scene.us.store.log(xx.origin)?.head?.size == 300)
        await scene.end()
    }

    @Test("A checkpoint that is smaller than what it is said to continue ends the session")
    func backwards() async throws {
        let xx = try HostilePeer()
        let scene = try await HostileScene(xx)
        let report = try await scene.attack { line in
            try await line.meet([xx.head(300)])
            try line.say(.offer(Offer(log: xx.log, checkpoint: xx.checkpoint(5), fromSize: 10, proof: [])))
        }
        expect(report, .violation, "an offer of 5 entries from size 10")
        await scene.end()
    }

    enum Answer: CaseIterable {
        case nothing
        case otherHashes
        case honest
        case unknown
    }

    @Test("A consistency proof that fails convicts whoever sent it, and freezes nothing", arguments: Answer.allCases)
    func inconsistent(_ answer: Answer) async throws {
        let xx = try HostilePeer(entries: 400)
        let scene = try await HostileScene(xx)
        let report = try await scene.attack(keeping: 300) { line in
            try await line.bring(xx)
            try line.say(
                .offer(
                    Offer(
                        log: xx.log, checkpoint: xx.checkpoint(400), fromSize: 300,
                        proof: Array(repeating: .zero, count: 9))))
            let asked = try await line.hear("a question") { if case .prefixRequest = $0 { true } else { false } }
            guard case .prefixRequest(let request) = asked else { return }
            switch answer {
            case .nothing:
                while !line.isClosed {
                    try line.say(.ping(nonce: 1, isReply: false))
                    try await Task.sleep(for: .milliseconds(50))
                }
            case .otherHashes: try line.say(.prefix(request, Array(repeating: .zero, count: 9)))
            case .honest:
                try line.say(
                    .prefix(
                        request,
                        ForkEvidence.makePrefix(size: 300, treeSize: 400, from: xx.tree, hasher: MerkleHasher())))
            case .unknown: try line.say(.unknown([xx.log]), .close(reason: "done", memory: nil))
            }
        }
        switch answer {
        case .nothing: expect(report, .unreachable, "what was asked for did not come in")
        case .otherHashes: expect(report, .violation, "the beginning of a log that is not under its checkpoint")
        case .honest: expect(report, .violation, "a proof that fails for a log that only grew")
        case .unknown:
            #expect(report.error == nil)
            #expect(report.refused.first == "xx.example/krus: its proof fails, and the partner does not say why")
        }
        #expect(try scene.us.store.forks().isEmpty)
        await scene.end()
    }

    @Test("Evidence of a fork that proves none ends the session", arguments: [true, false])
    func evidence(isDocument: Bool) async throws {
        let xx = try HostilePeer()
        let scene = try await HostileScene(xx)
        let report = try await scene.attack(keeping: 300) { line in
            try await line.bring(xx)
            var bytes: [UInt8] = [1, 2, 3]
            if isDocument {
                // Good for its own log, told of another.
                let other = try xx.note(origin: xx.origin, size: 300, root: SHA256.hash("x"), by: xx.signer)
                let evidence = try ForkEvidence(
                    key: xx.signer.verifierKey, SignedNote(parsing: xx.checkpoint(300)), other, prefix: [],
                    difference: nil)
                bytes = Array(evidence.serialized.utf8)
            }
            try line.say(.fork(scene.us.log.id, evidence: bytes))
        }
        expect(report, .violation, "us.example/krus: evidence of a fork that proves none")
        await scene.end()
    }

    @Test("Proposals of what to remember, as many as fit the line, end the session")
    func proposals() async throws {
        let scene = try await HostileScene(HostilePeer())
        let report = try await scene.attack { line in
            try await line.meet()
            try line.say((0..<200).map { _ in Message.agree(.zero) })
        }
        expect(report, .violation, "too many proposals at once")
        await scene.end()
    }
}
