import Cryptography
import LogStore
import NodeService
import Reconciliation
import Testing
import TransparencyLog

/// Who gets a log: whom both its owner and the sender admit.
@Suite struct AdmissionTests {
    private func federation(_ node: TestNode, _ members: [String], knowing others: [TestNode]) -> Federation {
        Federation(
            node: node.name, members: ["krus": members],
            mirrorKeys: Dictionary(
                others.map { ($0.name, $0.context.cosigner.verifierKey) }, uniquingKeysWith: { first, _ in first }))
    }

    @Test(
        "A partner admitted later gets everything from the first entry on, from the owner and from a relay",
        arguments: [false, true])
    func admittedLater(throughRelay: Bool) async throws {
        let us = try TestNode("us.example", partners: ["kr.example"])
        let kr = try TestNode("kr.example", partners: ["us.example"])
        let jp = try TestNode("jp.example", partners: ["us.example", "kr.example"])
        for (one, other) in [(us, kr), (kr, us), (us, jp), (kr, jp), (jp, us), (jp, kr)] { try one.know(other) }
        for node in [us, kr] {
            try node.append([membersRecord(["us.example", "kr.example"])])
            try node.append(600)
        }
        // Both agree, so that later sessions tell only what has changed; jp is turned away and agrees to that too.
        for _ in 0..<2 {
            #expect(try await synchronise(us, kr).0.error == nil)
            _ = try await synchronise(jp, us)
            _ = try await synchronise(jp, kr)
        }
        #expect(try [us, kr].allSatisfy { try jp.store.log(id: $0.log.id)?.size == 0 })

        let all = ["us.example", "kr.example", "jp.example"]
        for node in [us, kr] {
            _ = node.context.obey(federation(node, all, knowing: [us, kr, jp]))
            try node.append([membersRecord(all)])
        }
        #expect(try await synchronise(us, kr).0.error == nil)
        #expect(try await synchronise(jp, throughRelay ? kr : us).0.error == nil)
        for node in [us, kr] {
            let there = try #require(try jp.store.log(id: node.log.id))
            #expect(there.head == (try node.store.log(id: node.log.id)?.head))
            #expect(there.size == 602)
            for index in [UInt64(0), 1, 255, 256, 601] {
                #expect(try jp.store.body(of: node.log.id, at: index) == node.store.body(of: node.log.id, at: index))
            }
        }
    }

    @Test("A relay gives a log only to whom both its own list and the owner's name", arguments: [true, false])
    func bothListsDecide(ownerAdmits: Bool) async throws {
        let all = ["us.example", "kr.example", "jp.example"]
        let us = try TestNode("us.example", partners: ["kr.example", "jp.example"])
        let kr = try TestNode("kr.example", partners: ownerAdmits ? ["us.example"] : ["us.example", "jp.example"])
        let jp = try TestNode("jp.example", partners: ["us.example", "kr.example"])
        for (one, other) in [(us, kr), (kr, us), (us, jp), (kr, jp), (jp, us), (jp, kr)] { try one.know(other) }
        try us.append([membersRecord(ownerAdmits ? all : ["us.example", "kr.example"])])
        try us.append(20)
        try kr.append(5)
        #expect(try await synchronise(us, kr).0.error == nil)
        let (report, _) = try await synchronise(jp, kr)
        #expect(try jp.store.log(id: us.log.id)?.size == 0)
        // What the relay writes itself goes to whom its own list names.
        #expect(try jp.store.log(id: kr.log.id)?.size == (ownerAdmits ? 0 : 5))
        #expect(report.received == (ownerAdmits ? 0 : 5))
        // Where both agree, it flows.
        _ = kr.context.obey(federation(kr, all, knowing: [us, kr, jp]))
        if !ownerAdmits { try us.append([membersRecord(all)]) }
        #expect(try await synchronise(us, kr).0.error == nil)
        #expect(try await synchronise(jp, kr).0.error == nil)
        #expect(try jp.store.log(id: us.log.id)?.head == us.store.log(id: us.log.id)?.head)
    }

    @Test func aMemberThatTheOwnerTakesOffItsListHearsOfTheLogNoMoreInTheSessionUnderWay() async throws {
        let us = try TestNode("us.example", partners: ["kr.example"])
        let kr = try TestNode("kr.example", partners: ["us.example", "jp.example"])
        try us.know(kr)
        try kr.know(us)
        try us.append([membersRecord(["us.example", "kr.example", "jp.example"])])
        let blob = try us.appendSealed("for jp", to: ["us.example", "kr.example", "jp.example"])
        #expect(try await synchronise(us, kr).0.error == nil)
        let jp = try await Conversation.begin(with: kr, as: "jp.example")
        try await jp.meet(as: "jp.example", in: ["krus"])
        let key = BlobKey(log: us.log.id, index: blob.index, sha256: blob.sha256)
        try await jp.say(.blobRequest(key))
        #expect(try await jp.hear() == .blob(key, [UInt8]("for jp".utf8)))

        // The owner takes it off; the relay hears of that while it talks with jp.
        try us.append([membersRecord(["us.example", "kr.example"])])
        try us.append(3)
        #expect(try await synchronise(us, kr).0.error == nil)
        #expect(try kr.store.log(id: us.log.id)?.size == 6)
        var heard: [Message] = []
        while heard.last != .unknown([us.log.id]) { heard.append(try #require(try await jp.hear())) }
        for case .heads(_, let heads, _, _) in heard {
            #expect(heads.allSatisfy { $0.log != us.log.id || $0.size == 0 })
        }
        #expect(!heard.contains { if case .offer = $0 { true } else { false } })
        for probe in Probe.all(of: us.log.id, shared: "krus", blob: key) {
            let answers = try await jp.ask(probe.messages, count: probe.answer.count)
            #expect(answers == probe.answer, "\(probe.name)")
        }
        try await jp.end()
    }

    @Test("A sealed part goes to its recipients only; to members where the log says that they carry it")
    func sealedParts() async throws {
        let names = ["us.example", "kr.example", "jp.example", "in.example"]
        for carrySealed in [false, true] {
            let us = try TestNode("us.example", partners: ["kr.example", "jp.example", "in.example"])
            let kr = try TestNode("kr.example", partners: ["us.example", "jp.example", "in.example"])
            let jp = try TestNode("jp.example", partners: ["us.example", "kr.example", "in.example"])
            for (one, other) in [(us, kr), (kr, us), (us, jp), (kr, jp), (jp, us), (jp, kr)] { try one.know(other) }
            // jp is a recipient, kr a member, in is let in by kr and us but not by the log, far is nobody.
            let members = names.filter { $0 != "in.example" }
            try us.append([membersRecord(members, carrySealed: carrySealed)])
            let blob = try us.appendSealed("for jp", to: ["us.example", "jp.example", "in.example", "far.example"])
            #expect(try await synchronise(kr, us).0.error == nil)
            #expect(try (kr.store.blob(blob) != nil) == carrySealed)
            #expect(try kr.store.wantedBlobs(of: us.log.id).isEmpty)
            // The relay brings it to the recipient where it carries it.
            #expect(try await synchronise(jp, kr).0.error == nil)
            #expect(try (jp.store.blob(blob) != nil) == carrySealed)
            #expect(try await synchronise(jp, us).0.error == nil)
            #expect(try jp.store.blob(blob) != nil)

            // Whoever asks for it all the same is answered as if there were none.
            let key = BlobKey(log: us.log.id, index: blob.index, sha256: blob.sha256)
            let none = BlobKey(log: us.log.id, index: 0, sha256: blob.sha256)
            for holder in carrySealed ? [us, kr, jp] : [us, jp] {
                for peer in names + ["far.example"] where peer != holder.name {
                    let conversation = try await Conversation.begin(with: holder, as: peer)
                    try await conversation.meet(as: peer, in: ["krus"])
                    try await conversation.say(.blobRequest(key))
                    let mayHave = peer == "us.example" || peer == "jp.example" || (peer == "kr.example" && carrySealed)
                    #expect(
                        try await conversation.hear()
                            == (mayHave ? .blob(key, [UInt8]("for jp".utf8)) : .blobRefusal(key)),
                        "\(peer) at \(holder.name), carried: \(carrySealed)")
                    try await conversation.say(.blobRequest(none))
                    #expect(try await conversation.hear() == .blobRefusal(none))
                    try await conversation.end()
                }
            }
        }
    }

    @Test func whatCouldNotBeJudgedWithoutACardComesOnceThereIsOne() async throws {
        let us = try TestNode("us.example", partners: ["kr.example", "jp.example"])
        let kr = try TestNode("kr.example", partners: ["us.example", "jp.example"])
        let jp = try TestNode("jp.example", partners: ["us.example", "kr.example"])
        for (one, other) in [(us, kr), (us, jp), (kr, us), (jp, us)] { try one.know(other) }
        try us.append(20)
        for _ in 0..<2 {
            #expect(try await synchronise(us, jp).0.error == nil)
            #expect(try await synchronise(us, kr).0.error == nil)
        }
        let cosigners = { try kr.store.cosignatures(of: us.log.id).map(\.cosigner) }
        #expect(try cosigners() == ["kr.example"])
        // They have agreed on what kr cannot judge: it is not said again.
        let (quiet, _) = try await synchronise(us, kr)
        #expect(quiet.roundTrips == 1 && quiet.bytesIn + quiet.bytesOut <= 800)

        // A session that is under way when the card comes ends, and keeps nothing of what it passed over.
        let live = try await Conversation.begin(with: kr, as: "us.example")
        try await live.meet(as: "us.example", in: ["krus"])
        let changed = kr.context.obey(
            federation(kr, ["us.example", "kr.example", "jp.example"], knowing: [us, kr, jp]))
        #expect(changed == ["us.example", "jp.example"])
        try kr.context.forgetAgreements()
        kr.context.disconnect(changed)
        while try await live.hear() != nil {}
        #expect(try await live.end().error?.kind == .notPermitted)
        #expect(try kr.store.agreement(with: "us.example") == nil)
        #expect(try await synchronise(us, kr).0.error == nil)
        #expect(try cosigners() == ["jp.example", "kr.example"])
    }

    @Test func aSessionThatBeginsWithAnOlderViewOfItsPeerEndsAtOnce() async throws {
        let us = try TestNode("us.example", partners: ["kr.example"])
        try us.append(5)
        // Admitted when the connection was made, and removed before the session stood.
        let kr = try await Conversation.begin(with: us, as: "kr.example") {
            _ = us.context.obey(Federation(node: "us.example", members: ["krus": ["us.example"]], mirrorKeys: [:]))
        }
        var heard: [Message] = []
        while let message = try await kr.hear() { heard.append(message) }
        #expect(heard.allSatisfy { if case .hello = $0 { true } else { false } })
        #expect(try await kr.end().error?.kind == .notPermitted)
    }
}
