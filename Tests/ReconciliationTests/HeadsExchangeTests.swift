import Cryptography
import Reconciliation
import Testing

/// Two sides of a heads exchange, whose messages pass through their encoding.
private struct Pair {
    var sides: [HeadsExchange]
    let communities: [[String]]
    let memories: [SessionMemory?]
    var rounds = 0
    var bytes = 0

    init(
        _ left: [String: [Head]], _ right: [String: [Head]], memories: [SessionMemory?] = [nil, nil]
    ) {
        communities = [left.keys.sorted(), right.keys.sorted()]
        self.memories = memories
        sides = zip([left, right], [0, 1]).map { heads, side in
            HeadsExchange(
                own: heads.flatMap { community, heads in heads.map { (community, $0) } }, memory: memories[side],
                isFirst: side == 0, maximumLogs: 100_000)
        }
    }

    mutating func run() throws {
        let hellos = (0..<2).map { side in
            Hello(
                node: "n\(side)", communities: sides[side].digests(of: communities[side]),
                memory: memories[side]?.digest, once: true, settled: true)
        }
        var waiting: [[Message]] = [[], []]
        for side in 0..<2 {
            let parts = sides[side].receive(hellos[1 - side], communities: communities[side])
            waiting[1 - side] += HeadsPart.messages(parts)
            bytes += try EncodedFrame(.hello(hellos[side])).byteCount
        }
        rounds = 1
        while !waiting[0].isEmpty || !waiting[1].isEmpty {
            rounds += 1
            try #require(rounds < 70)
            let arriving = waiting
            waiting = [[], []]
            for side in 0..<2 {
                for message in arriving[side] {
                    let frame = try EncodedFrame(message)
                    bytes += frame.byteCount
                    let parts: [HeadsPart]
                    switch try Message(payload: Array(frame.head.dropFirst(5)), kind: .control) {
                    case .heads(let community, let heads, let isLast, _):
                        parts = try sides[side].receive(heads, community: community, isLast: isLast)
                    case .ranges(let nodes, _):
                        parts = try nodes.flatMap { try sides[side].receive($0) }
                    default: parts = []
                    }
                    waiting[1 - side] += HeadsPart.messages(parts)
                }
            }
        }
    }

    /// Whether each side knows what the other holds of the communities both are in.
    func isRight(_ left: [String: [Head]], _ right: [String: [Head]]) -> Bool {
        let common = Set(left.keys).intersection(right.keys)
        func view(_ heads: [String: [Head]]) -> [LogID: Head] {
            Dictionary(
                heads.filter { common.contains($0.key) }.values.joined().filter { $0.size > 0 }.map { ($0.log, $0) },
                uniquingKeysWith: { first, _ in first })
        }
        return sides.allSatisfy(\.isComplete) && sides[0].heard.heads == view(right)
            && sides[1].heard.heads == view(left) && sides[0].agreement == sides[1].agreement
    }

    /// What both would remember.
    func memory(_ side: Int) -> SessionMemory {
        var entries: [LogID: SessionMemory.Entry] = [:]
        let exchange = sides[side]
        for log in Set(exchange.told.heads.keys).union(exchange.heard.heads.keys) {
            entries[log] = SessionMemory.Entry(
                community: "c", told: exchange.told.heads[log], heard: exchange.heard.heads[log], isUnknownThere: false)
        }
        return SessionMemory(digest: exchange.agreement, entries: entries)
    }
}

@Suite("Which logs differ")
struct HeadsExchangeTests {
    @Test("Each side learns exactly what the other holds, whatever differs", arguments: 0..<120)
    func random(seed: UInt64) throws {
        var random = SplitMix64(seed)
        let count = [0, 1, 5, 16, 17, 40, 300, 1_500].randomElement(using: &random) ?? 0
        let left = (0..<count).map { _ in random.head() }
        var right = left
        let changes = [0, 1, 3, 20, count].randomElement(using: &random) ?? 0
        for _ in 0..<changes {
            switch Int.random(in: 0..<3, using: &random) {
            case 0 where !right.isEmpty: right.remove(at: Int.random(in: 0..<right.count, using: &random))
            case 1 where !right.isEmpty:
                let position = Int.random(in: 0..<right.count, using: &random)
                right[position] = random.head(log: right[position].log)
            default: right.append(random.head())
            }
        }
        var pair = Pair(["c": left], ["c": right])
        try pair.run()
        #expect(pair.isRight(["c": left], ["c": right]))
    }

    @Test("Only the communities of both sides are spoken of")
    func communities() throws {
        var random = SplitMix64(5)
        let shared = (0..<40).map { _ in random.head() }
        let left = ["a": shared, "b": (0..<20).map { _ in random.head() }]
        let right = ["a": Array(shared.dropLast(3)), "c": (0..<30).map { _ in random.head() }]
        var pair = Pair(left, right)
        try pair.run()
        #expect(pair.isRight(left, right))
    }

    @Test("Ten thousand equal logs cost one round and less than 400 bytes in all")
    func nothingNew() throws {
        var random = SplitMix64(1)
        let heads = (0..<10_000).map { _ in random.head() }
        var pair = Pair(["krus": heads], ["krus": heads])
        try pair.run()
        #expect(pair.rounds == 1)
        #expect(pair.bytes <= 400)
    }

    @Test(
        "With memory, k changed logs of ten thousand cost two rounds and bytes in proportion to k",
        arguments: [1, 10, 100])
    func remembered(count: Int) throws {
        var random = SplitMix64(UInt64(count))
        let before = (0..<10_000).map { _ in random.head() }
        var first = Pair(["c": before], ["c": before])
        try first.run()
        var after = before
        for position in 0..<count { after[position * 37] = random.head(log: before[position * 37].log) }
        var pair = Pair(["c": after], ["c": before], memories: [first.memory(0), first.memory(1)])
        try pair.run()
        #expect(pair.isRight(["c": after], ["c": before]))
        #expect(pair.rounds == 2)
        #expect(pair.bytes <= 300 + 120 * count)
    }

    @Test("Without memory, one changed log of ten thousand is found by descent in few kilobytes")
    func descent() throws {
        var random = SplitMix64(9)
        let before = (0..<10_000).map { _ in random.head() }
        var after = before
        after[77] = random.head(log: before[77].log)
        var pair = Pair(["c": after], ["c": before])
        try pair.run()
        #expect(pair.isRight(["c": after], ["c": before]))
        #expect(pair.rounds <= 5)
        #expect(pair.bytes <= 8_000)
    }

    @Test("A memory whose rows were changed is not believed")
    func wrongMemory() throws {
        var random = SplitMix64(13)
        let heads = (0..<500).map { _ in random.head() }
        var first = Pair(["c": heads], ["c": heads])
        try first.run()
        let memory = first.memory(0)
        var entries = memory.entries
        let lost = heads[3].log
        entries[lost] = SessionMemory.Entry(
            community: "c", told: heads[3], heard: random.head(log: lost), isUnknownThere: false)
        #expect(memory.isSound(isFirst: true))
        #expect(!SessionMemory(digest: memory.digest, entries: entries).isSound(isFirst: true))
        #expect(!memory.isSound(isFirst: false) || memory.digest == first.memory(1).digest)
    }

    @Test("Ranges and heads that do not hash to what was claimed are refused")
    func liars() throws {
        var random = SplitMix64(21)
        let heads = (0..<200).map { _ in random.head() }
        let others = (0..<200).map { _ in random.head() }
        func meet() throws -> (HeadsExchange, [HeadsPart], HeadsTree) {
            var honest = HeadsExchange(
                own: heads.map { ("c", $0) }, memory: nil, isFirst: true, maximumLogs: 1_000)
            let tree = HeadsTree(others)
            let parts = honest.receive(
                Hello(
                    node: "liar", communities: [CommunityDigest(name: "c", digest: tree.root)], memory: nil,
                    once: false,
                    settled: true), communities: ["c"])
            return (honest, parts, tree)
        }
        let range = IDRange()
        var (honest, _, tree) = try meet()
        var children = try #require(tree.children(of: range))
        children[4] = random.digest()
        #expect(throws: ProtocolViolation.self) {
            try honest.receive(RangeNode(community: "c", range: range, content: .children(children)))
        }
        (honest, _, tree) = try meet()
        // A range that is not due, in a community that is not shared.
        #expect(throws: ProtocolViolation.self) {
            try honest.receive(RangeNode(community: "x", range: range, content: .heads([], more: false)))
        }
        #expect(throws: ProtocolViolation.self) {
            try honest.receive(RangeNode(community: "c", range: range.child(3), content: .heads([], more: false)))
        }
        // The right children, and then a leaf that lies.
        _ = try honest.receive(
            RangeNode(community: "c", range: range, content: .children(try #require(tree.children(of: range)))))
        #expect(throws: ProtocolViolation.self) {
            try honest.receive(
                RangeNode(
                    community: "c", range: range.child(3),
                    content: .heads(Array(tree.heads(in: range.child(3)).dropLast()), more: false)))
        }
        // More logs than anybody has.
        (honest, _, _) = try meet()
        #expect(throws: ProtocolViolation.self) {
            for _ in 0..<10 {
                _ = try honest.receive(
                    RangeNode(
                        community: "c", range: range, content: .heads((0..<400).map { _ in random.head() }, more: true))
                )
            }
        }
        // Changes that were not due.
        (honest, _, _) = try meet()
        #expect(throws: ProtocolViolation.self) { try honest.receive([], community: "c", isLast: true) }
        #expect(throws: ProtocolViolation.self) {
            try honest.receive([random.head()], community: "y", isLast: false)
        }
    }

    @Test("What a side tells while its tree is on its way is newer than the tree")
    func newerThanTheTree() throws {
        var random = SplitMix64(11)
        let heads = (0..<3).map { _ in random.head() }
        var left = HeadsExchange(own: [], memory: nil, isFirst: true, maximumLogs: 100)
        let right = HeadsExchange(
            own: heads.map { ("krus", $0) }, memory: nil, isFirst: false, maximumLogs: 100)
        let hello = Hello(
            node: "n1", communities: right.digests(of: ["krus"]), memory: nil, once: true, settled: true)
        _ = left.receive(hello, communities: ["krus"])
        let newer = Head(log: heads[0].log, size: heads[0].size + 1, root: random.digest())
        _ = try left.receive([newer], community: "krus", isLast: false)
        #expect(!left.isComplete)
        _ = try left.receive(RangeNode(community: "krus", range: IDRange(), content: .heads(heads, more: false)))
        #expect(left.isComplete)
        #expect(left.heard.heads[newer.log] == newer)
        #expect(left.heard.heads[heads[1].log] == heads[1])
    }
}
