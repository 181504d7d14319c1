import Cryptography
import LogStore
import NodeService
import Reconciliation
import Testing
import TransparencyLog

/// Lies about which logs there are and what is held of them.
@Suite("Hostile heads", .serialized) struct HostileHeadsTests {
    private static let root = IDRange()

    private static func head(_ number: Int, size: UInt64 = 1) -> Head {
        Head(log: SHA256.hash("nobody.example/krus/\(number)"), size: size, root: SHA256.hash("root \(number)"))
    }

    /// Hashes below which there is, as far as they go, one more node that is all made of them.
    private static func chain(_ depth: Int) -> [[SHA256Digest]] {
        var levels = [Array(repeating: SHA256.hash("the bottom"), count: HeadsTree.fanOut)]
        for _ in 0..<depth {
            let hash = HeadsTree.hash(children: levels[levels.count - 1])
            levels.append(Array(repeating: hash, count: HeadsTree.fanOut))
        }
        return levels.reversed()
    }

    private static func node(_ range: IDRange, _ content: RangeNode.Content) -> Message {
        .ranges([RangeNode(community: "krus", range: range, content: content)], settled: true)
    }

    @Test("A tree that goes down for ever is followed no further than this node's own", arguments: [0, 40])
    func endlessDescent(ownLogs: Int) async throws {
        let chain = HostileHeadsTests.chain(70)
        let scene = try await HostileScene(HostilePeer()) { us in
            for number in 0..<ownLogs { try us.addLog("us.example/krus/\(number + 2)") }
        }
        let report = try await scene.attack { line in
            try line.greet(digest: HeadsTree.hash(children: chain[0]))
            var range = HostileHeadsTests.root
            for depth in 0..<64 where !line.isClosed {
                try line.say(HostileHeadsTests.node(range, .children(chain[depth])))
                range = range.child(0)
            }
            _ = try await line.heardClose()
        }
        // It takes no more levels than it has, one more being a list.
        #expect(
            [
                "xx.example: a range of heads that was not due", "xx.example: ranges of heads that do not add up",
            ].contains(report.error?.description), "\(report.error?.description ?? "none")")
        expect(report, .violation, "heads")
        await scene.end()
    }

    @Test("A list of heads that never ends, with nothing in it, ends the session")
    func endlessNothing() async throws {
        let scene = try await HostileScene(HostilePeer())
        let report = try await scene.attack { line in
            try line.greet(digest: SHA256.hash("any"))
            for _ in 0..<100 { try line.say(HostileHeadsTests.node(HostileHeadsTests.root, .heads([], more: true))) }
        }
        expect(report, .violation, "a part of a list of heads without a head in it")
        await scene.end()
    }

    @Test("A list of heads that never ends is given up at a hundred thousand")
    func endlessList() async throws {
        let scene = try await HostileScene(HostilePeer())
        let report = try await scene.attack { line in
            try line.greet(digest: SHA256.hash("any"))
            var number = 0
            for _ in 0..<251 {
                let heads = (number..<(number + 400)).map { HostileHeadsTests.head($0) }
                number += 400
                try line.say(HostileHeadsTests.node(HostileHeadsTests.root, .heads(heads, more: true)))
            }
        }
        expect(report, .violation, "more than 100000 logs")
        #expect(report.bytesIn < 16 << 20)
        await scene.end()
    }

    enum Lie: CaseIterable {
        case otherList
        case twice
        case otherChildren
        case notDue
        case outside
        case otherCommunity
        case changesNotDue
        case tooDeep

        var words: String {
            switch self {
            case .otherList, .twice: "heads that do not add up"
            case .otherChildren: "ranges of heads that do not add up"
            case .notDue: "a range of heads that was not due"
            case .outside: "a head outside its range"
            case .otherCommunity: "heads of a community that is not shared"
            case .changesNotDue: "a list of changes that was not due"
            case .tooDeep: "a range of depth 65 with a prefix of 33 bytes"
            }
        }
    }

    @Test("Hashes and lists that do not bear out what was claimed end the session", arguments: Lie.allCases)
    func lies(_ lie: Lie) async throws {
        let scene = try await HostileScene(HostilePeer())
        let report = try await scene.attack { line in
            let heads = (0..<5).map { HostileHeadsTests.head($0) }
            let root = HostileHeadsTests.root
            try line.greet(digest: HeadsTree(heads).root)
            switch lie {
            case .otherList:
                try line.say(HostileHeadsTests.node(root, .heads(heads + [HostileHeadsTests.head(6)], more: false)))
            case .twice: try line.say(HostileHeadsTests.node(root, .heads(heads + heads, more: false)))
            case .otherChildren:
                try line.say(
                    HostileHeadsTests.node(root, .children(Array(repeating: .zero, count: HeadsTree.fanOut))))
            case .notDue: try line.say(HostileHeadsTests.node(root.child(3).child(4), .heads([], more: false)))
            case .outside:
                let digit = (Int(heads[0].log.bytes[0] >> 4) + 1) % 16
                try line.say(HostileHeadsTests.node(root.child(digit), .heads(heads, more: false)))
            case .otherCommunity:
                try line.say(.heads(community: "secret", heads, complete: false, settled: true))
            case .changesNotDue: try line.say(.heads(community: "krus", heads, complete: true, settled: true))
            case .tooDeep:
                try line.say(
                    HostileHeadsTests.node(IDRange(digits: Array(repeating: 1, count: 65)), .heads([], more: false)))
            }
        }
        expect(report, .violation, lie.words)
        await scene.end()
    }

    @Test("Ten thousand logs that nobody knows here are answered as unknown, make no log, and stop nothing")
    func unknownLogs() async throws {
        let xx = try HostilePeer()
        let scene = try await HostileScene(xx)
        let heads = (0..<10_000).map { HostileHeadsTests.head($0) }
        let report = try await scene.attack(keeping: 300) { line in
            let all = heads + [xx.head(300)]
            try line.greet(digest: HeadsTree(all).root)
            for start in stride(from: 0, to: all.count, by: 400) {
                let piece = Array(all[start..<min(all.count, start + 400)])
                let more = start + 400 < all.count
                if start == 0 {
                    // The node holds so few logs that it waits for a list.
                    try line.say(
                        HostileHeadsTests.node(HostileHeadsTests.root, .children(HostileHeadsTests.children(all))))
                }
                try line.say(HostileHeadsTests.node(HostileHeadsTests.root, .heads(piece, more: more)))
            }
            _ = try await within("all are unknown") {
                line.heard.reduce(0) { if case .unknown(let ids) = $1 { $0 + ids.count } else { $0 } } >= 10_000
                    ? true : nil
            }
            // Offers of them, and of one that is known.
            for head in heads.prefix(200) {
                try line.say(.offer(Offer(log: head.log, checkpoint: "", fromSize: 0, proof: [])))
            }
            try line.say(xx.offer(300))
            _ = try await line.hear("a request") { if case .request = $0 { true } else { false } }
            try line.say(.entries(xx.entries(0..<300, treeSize: 300)))
            _ = try await line.hear("its head") {
                if case .heads(_, let heads, _, _) = $0 { heads.contains { $0.size == 300 } } else { false }
            }
            try line.say(.close(reason: "done", memory: nil))
        }
        #expect(report.error == nil, "\(report.error?.description ?? "")")
        #expect(report.received == 300)
        await scene.end()
    }

    private static func children(_ heads: [Head]) -> [SHA256Digest] {
        HeadsTree(heads).children(of: root) ?? []
    }

    @Test("Whoever says that it holds more and never brings it does not keep a session open that is to end")
    func neverOffered() async throws {
        let xx = try HostilePeer()
        let scene = try await HostileScene(xx)
        let report = try await scene.attackDialler { line in
            try await line.meet([xx.head(300)])
            while !line.isClosed {
                try line.say(
                    .ping(nonce: 1, isReply: false), .heads(community: "", [], complete: false, settled: true))
                try await Task.sleep(for: .milliseconds(50))
            }
        }
        expect(report, .unreachable, "neither that it is done nor what it still has")
        await scene.end()
    }
}

extension TestNode {
    /// A further own log, with one entry.
    func addLog(_ origin: String, community: String = "krus") throws {
        let signer = try NoteSigner(name: origin, privateKey: Ed25519.PrivateKey())
        try store.createLog(
            origin: origin, node: name, community: community, isOwn: true, verifierKey: signer.verifierKey.text)
        _ = try store.append(
            [NewEntry(body: [UInt8]("{}".utf8))], to: origin,
            options: AppendOptions { size, root in
                try Checkpoint(origin: origin, size: size, root: root).sign(with: signer).serialized
            })
    }
}
