import Cryptography
import LogStore
import NodeService
import Testing
import TransparencyLog

/// Two histories of one log, signed by one key, met by real nodes over real connections.
@Suite("Forks") struct ForkTests {
    /// us.example twice, with one key: a node that was copied, and both went on. kr and jp hold one history each.
    private struct Scene {
        let us: TestNode
        let twin: TestNode
        let kr: TestNode
        let jp: TestNode

        init(common: Int, us usMore: Int, twin twinMore: Int) async throws {
            us = try TestNode("us.example", partners: ["kr.example", "jp.example"])
            twin = try TestNode("us.example", partners: ["kr.example", "jp.example"], signer: us.signer)
            kr = try TestNode("kr.example", partners: ["us.example", "jp.example"])
            jp = try TestNode("jp.example", partners: ["us.example", "kr.example"])
            for (one, other) in [(us, kr), (us, jp), (kr, us), (kr, jp), (jp, us), (jp, kr), (twin, jp), (twin, kr)] {
                try one.know(other)
            }
            for node in [us, twin] { try node.append(common, text: "common") }
            try us.append(usMore, text: "us")
            try twin.append(twinMore, text: "twin")
            #expect(try await synchronise(kr, us).0.error == nil)
            #expect(try await synchronise(jp, twin).0.error == nil)
        }
    }

    private func finding(_ node: TestNode, _ origin: String = "us.example/krus") throws -> ForkEvidence.Finding? {
        guard let fork = try node.store.forks().first(where: { $0.origin == origin }) else { return nil }
        return try ForkEvidence(parsing: fork.evidence).verify()
    }

    @Test(
        "Two partners that hold different histories freeze the log, find the first entry that differs, and tell its owner",
        arguments: [(5, 3, 3), (300, 1, 1), (256, 700, 3), (1, 1, 40), (700, 300, 1)])
    func partners(common: Int, usMore: Int, twinMore: Int) async throws {
        let scene = try await Scene(common: common, us: usMore, twin: twinMore)
        try scene.kr.append(4, text: "kr")
        let (atKR, _) = try await synchronise(scene.kr, scene.jp)
        // Exit status 1 of `sync`: the answer is no.
        #expect(atKR.error?.kind == .fork, "\(atKR.error?.description ?? "none")")
        for node in [scene.kr, scene.jp] {
            let finding = try #require(try finding(node))
            #expect(finding.firstDifference == UInt64(common))
            #expect(finding.sizes.sorted() == [UInt64(common + usMore), UInt64(common + twinMore)].sorted())
            #expect(try node.store.log("us.example/krus")?.frozen != nil)
        }
        // Every other log goes on.
        #expect(try scene.jp.store.log("kr.example/krus")?.size == 4)

        // The owner hears of it from whom it meets, and its log never grows again.
        let (atUS, _) = try await synchronise(scene.us, scene.kr)
        #expect(atUS.error?.kind == .fork)
        #expect(try finding(scene.us) != nil)
        #expect(throws: StoreError.self) { try scene.us.append(1, text: "more") }
        #expect(throws: StoreError.self) {
            try scene.kr.store.pin(
                SignedHead(size: 100_000, root: .zero, note: ""), of: scene.us.log.id)
        }
        // Both know now: the next session says nothing of it.
        let (again, _) = try await synchronise(scene.kr, scene.jp)
        #expect(again.error == nil)
    }

    @Test("An owner that lost its mark and signed anew convicts itself as soon as it meets a partner")
    func owner() async throws {
        let scene = try await Scene(common: 20, us: 10, twin: 3)
        let (atTwin, _) = try await synchronise(scene.twin, scene.kr)
        #expect(atTwin.error?.kind == .fork)
        #expect(try finding(scene.twin)?.firstDifference == 20)
        #expect(try finding(scene.kr)?.firstDifference == 20)
    }

    @Test("A relay whose copy was edited freezes nothing: its proofs fail, and it is what is refused")
    func lyingRelay() async throws {
        let us = try TestNode("us.example", partners: ["kr.example", "jp.example"])
        let kr = try TestNode("kr.example", partners: ["us.example", "jp.example"])
        let jp = try TestNode("jp.example", partners: ["us.example", "kr.example"])
        for (one, other) in [(us, kr), (us, jp), (kr, us), (kr, jp), (jp, us), (jp, kr)] { try one.know(other) }
        try us.append(300, text: "honest")
        #expect(try await synchronise(kr, us).0.error == nil)
        #expect(try await synchronise(jp, us).0.error == nil)
        try us.append(200, text: "more")
        #expect(try await synchronise(kr, us).0.error == nil)
        // Tiles that say something else than what was signed: consistency proofs from them fail.
        try kr.store.execute("UPDATE tile SET data = zeroblob(length(data)) WHERE level = 0 AND number = 1")
        let (atJP, _) = try await synchronise(jp, kr)
        #expect(atJP.error?.kind == .violation, "\(atJP.error?.description ?? "none")")
        for node in [us, kr, jp] {
            #expect(try node.store.forks().isEmpty)
            #expect(try node.store.log("us.example/krus")?.frozen == nil)
        }
        #expect(try await synchronise(jp, us).0.error == nil)
        #expect(try jp.store.log("us.example/krus")?.size == 500)
    }
}
