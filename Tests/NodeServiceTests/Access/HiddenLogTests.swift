import Cryptography
import LogStore
import NodeService
import Reconciliation
import Testing
import TransparencyLog

/// What a peer may not see and what does not exist are the same to it.
@Suite struct HiddenLogTests {
    /// All that out.example hears while it asks about hidden logs, fetches one that it may see, and stays while the
    /// others change.
    private func conversation(_ scene: AccessScene, isInside: Bool = true) async throws -> [[UInt8]] {
        let outsider = try await Conversation.begin(with: scene.us, as: isInside ? "out.example" : "far.example")
        let hello = try await outsider.meet(
            as: isInside ? "out.example" : "far.example", in: isInside ? ["krus", "secret"] : ["secret"])
        #expect(hello.communities.map(\.name) == (isInside ? ["krus"] : []))
        for origin in AccessScene.origins where isInside {
            for probe in Probe.all(of: AccessScene.id(origin), shared: "krus") {
                let answers = try await outsider.ask(probe.messages, count: probe.answer.count)
                #expect(answers == probe.answer, "\(probe.name) of \(origin)")
            }
        }
        let range = RangeRequest(log: scene.us.log.id, start: 0, end: 700, treeSize: 700)
        // Entries are read behind the session: their place among other answers would be chance.
        try await outsider.say(.request(range))
        let answer = try await outsider.hear()
        if case .entries(let found)? = answer {
            #expect(isInside && found.range == range)
        } else {
            #expect(!isInside && answer == .unknown([range.log]))
        }
        // Whatever goes on in the hidden community, this peer hears nothing of it.
        if try scene.us.store.log("us.example/secret") != nil {
            try scene.appendSecretly(3)
            scene.us.context.announceChanges()
        }
        #expect(try await outsider.ask() == [])
        try await outsider.end()
        return outsider.heard
    }

    @Test("All that a peer hears is the same to the byte, whatever the node holds of a community that it is not in")
    func conversationsAreEqual() async throws {
        var heard: [[[UInt8]]] = []
        for hidden in AccessScene.Hidden.allCases { heard.append(try await conversation(AccessScene(hidden))) }
        #expect(heard[0].count > 40)
        #expect(heard[1] == heard[0])
        #expect(heard[2] == heard[0])
    }

    @Test func soItIsForAPeerThatSharesNoCommunity() async throws {
        var heard: [[[UInt8]]] = []
        for hidden in AccessScene.Hidden.allCases {
            heard.append(try await conversation(AccessScene(hidden), isInside: false))
        }
        #expect(heard[1] == heard[0])
        #expect(heard[2] == heard[0])
    }

    /// Rows that cannot be read fail whoever reads them.
    @Test func nothingThatIsStoredOfAHiddenCommunityIsReadForThePeer() async throws {
        let absent = try await conversation(AccessScene(.absent))
        let scene = try await AccessScene(.little)
        try scene.us.store.execute("PRAGMA ignore_check_constraints = 1")
        try scene.us.store.execute(
            """
            UPDATE blob SET sha256 = x'00', data = NULL
            WHERE log IN (SELECT id FROM log WHERE community = 'secret')
            """)
        try scene.us.store.execute("UPDATE fork SET evidence = x'00'")
        try scene.us.store.execute("UPDATE checkpoint SET root = x'00' WHERE log IN (SELECT log FROM fork)")
        // Somebody who is inside notices.
        let inside = try await Conversation.begin(with: scene.us, as: "kr.example")
        #expect(try await inside.hear() == nil)
        #expect(try await inside.end().error != nil)
        #expect(try await conversation(scene) == absent)
    }

    @Test("Of a log that its owner does not open to a member, the member hears what it hears of no log")
    func theOwnersListHides() async throws {
        let names = ["us.example", "kr.example", "jp.example"]
        let us = try TestNode("us.example", partners: ["kr.example", "jp.example"])
        let kr = try TestNode("kr.example", partners: ["us.example", "jp.example"])
        try us.know(kr)
        try kr.know(us)
        try kr.append([membersRecord(["us.example", "kr.example"])])
        try kr.append(300)
        let blob = try kr.appendSealed("secret", to: ["us.example", "jp.example"])
        #expect(try await synchronise(us, kr).0.error == nil)
        #expect(try us.store.blob(blob) != nil && names.count == 3)
        let note = try #require(try us.store.log(kr.log.origin)?.head?.note)
        let absent = SHA256.hash("no.example/krus")

        var heard: [[[UInt8]]] = []
        for id in [kr.log.id, absent] {
            let jp = try await Conversation.begin(with: us, as: "jp.example")
            try await jp.meet(as: "jp.example", in: ["krus"])
            let key = BlobKey(log: id, index: blob.index, sha256: blob.sha256)
            for probe in Probe.all(of: id, shared: "krus", note: note, blob: key) {
                let answers = try await jp.ask(probe.messages, count: probe.answer.count)
                #expect(answers == probe.answer, "\(probe.name)")
            }
            // The hello has a digest, which is that of what both may see; the answers differ in the id alone.
            #expect(jp.heard.allSatisfy { !$0.contains(id.bytes) || id == absent || $0.count < 200 })
            heard.append(jp.heard.map { $0.replacing(id.bytes, with: absent.bytes) })
            try await jp.end()
        }
        #expect(heard[0] == heard[1])
    }

    @Test func everyRefusalIsLoggedWithItsReason() async throws {
        let scene = try await AccessScene(.little)
        let hidden = AccessScene.id("us.example/secret")
        for (id, reason) in [
            (hidden, "log=us.example/secret peer=out.example reason=the peer is not admitted to secret"),
            (SHA256.hash("none"), "log=\(SHA256.hash("none").hex) peer=out.example reason=no such log here"),
        ] {
            for probe in Probe.all(of: id, shared: "krus") where !probe.answer.isEmpty {
                let notebook = Notebook()
                let outsider = try await Conversation.begin(
                    with: scene.us, as: "out.example", logger: notebook.logger)
                try await outsider.meet(as: "out.example", in: ["krus"])
                _ = try await outsider.ask(probe.messages, count: probe.answer.count)
                try await outsider.end()
                #expect(notebook.text.contains { $0.contains(reason) }, "\(probe.name): \(notebook.text)")
            }
        }
    }

    @Test func aPeerThatAsksForMuchFillsNoLog() async throws {
        let scene = try await AccessScene(.absent)
        let notebook = Notebook()
        let outsider = try await Conversation.begin(with: scene.us, as: "out.example", logger: notebook.logger)
        try await outsider.meet(as: "out.example", in: ["krus"])
        for index in UInt64(0)..<400 {
            let key = BlobKey(log: scene.us.log.id, index: index, sha256: SHA256.hash("\(index)"))
            _ = try await outsider.ask(.blobRequest(key), count: 1)
        }
        try await outsider.end()
        #expect(notebook.text.count { $0.contains("sealed part not sent") } == 256)
        #expect(notebook.text.count { $0.contains("no record held here names it") } == 256)
        #expect(notebook.text.count { $0.contains("further refusals") } == 1)
    }
}
