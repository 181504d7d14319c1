package import Cryptography

/// Finds out in which logs two nodes differ. Both run the same exchange; nothing is asked, each tells.
///
/// Where both remember the same of last time, each sends the heads that changed, if any did. Otherwise, and wherever the digests
/// of the hello do not bear out what was told, each sends its nodes of the heads tree for every range in which the
/// two differ: children of inner nodes, heads of leaves. A side that has a leaf where the other has an inner node
/// gets all heads of that range. A node is only taken where one is due, and only if it has the hash that was claimed
/// for it, so a descent follows this side's own tree and ends with it.
package struct HeadsExchange {
    /// A range of one community.
    package struct Place: Hashable {
        let community: String
        let range: IDRange
    }

    /// What is due for a range from the peer.
    private struct Due {
        /// What the node must hash to.
        let hash: SHA256Digest
        /// The peer has shown an inner node where this side has a leaf: all of its heads follow.
        var isListing = false
        var listed: [Head] = []
    }

    /// What this side has said it holds, by its hello and since.
    package private(set) var told: HeadsView
    /// What the peer has said it holds; of what the digests show to be equal, what this side holds.
    package private(set) var heard = HeadsView()
    package private(set) var isComplete = false
    private let isFirst: Bool
    private var memory: SessionMemory?
    /// The communities of both sides.
    private(set) var common: [String] = []
    private var claimed: [String: SHA256Digest] = [:]
    private var trees: [String: HeadsTree] = [:]
    private var due: [Place: Due] = [:]
    /// Whether the peer's list of changes has not come yet.
    private var awaitsChanges = false
    /// Heads that came while they were awaited.
    private var changes = 0
    private var descended: Set<String> = []
    /// Logs of which the peer has told something newer than its tree, which it made for the hello.
    private var toldSince: Set<LogID> = []
    private let maximumLogs: Int
    /// Heads in lists that have not ended yet.
    private var listed = 0

    /// - Parameters:
    ///   - isFirst: whether this node's name sorts before the peer's.
    ///   - maximumLogs: the most logs that a peer may speak of.
    package init(own heads: [(community: String, head: Head)], memory: SessionMemory?, isFirst: Bool, maximumLogs: Int)
    {
        told = HeadsView()
        for (community, head) in heads { told.set(head, community: community) }
        self.memory = memory
        self.isFirst = isFirst
        self.maximumLogs = maximumLogs
    }

    /// For the hello.
    package func digests(of communities: [String]) -> [CommunityDigest] {
        let trees = told.trees(communities)
        return communities.map { CommunityDigest(name: $0, digest: trees[$0]?.root ?? .zero) }
    }

    // MARK: The hello

    /// Takes in the peer's hello. Answers what to send.
    package mutating func receive(_ hello: Hello, communities: [String]) -> [HeadsPart] {
        claimed = Dictionary(
            hello.communities.map { ($0.name, $0.digest) }, uniquingKeysWith: { first, _ in first })
        common = communities.filter { claimed[$0] != nil }.sorted()
        let all = told.heads.values.map { ($0, told.communities[$0.log] ?? "") }
        for (head, community) in all where claimed[community] == nil {
            told.set(Head(log: head.log, size: 0, root: .zero), community: community)
        }
        trees = told.trees(common)
        guard let memory, hello.memory == memory.digest else {
            self.memory = nil
            return descend(into: common)
        }
        // Everything is as it was last time, until the peer's changes say otherwise.
        for entry in memory.entries.values where common.contains(entry.community) {
            if let head = entry.heard { heard.set(head, community: entry.community) }
        }
        let changes = ownChanges(since: memory)
        let trees = heard.trees(common)
        let peerChanged = common.contains { trees[$0]?.root != claimed[$0] }
        // A side that has not changed has nothing to tell, and the other sees that by its digest.
        awaitsChanges = peerChanged
        isComplete = !peerChanged
        return changes.isEmpty ? [] : HeadsPart.changes(changes)
    }

    private func ownChanges(since memory: SessionMemory) -> [(community: String, head: Head)] {
        var changes: [(community: String, head: Head)] = []
        for (log, head) in told.heads where memory.entries[log]?.told != head.settled {
            changes.append((told.communities[log] ?? "", head))
        }
        for (log, entry) in memory.entries
        where entry.told != nil && told[log] == nil && common.contains(entry.community) {
            changes.append((entry.community, Head(log: log, size: 0, root: .zero)))
        }
        return changes.sorted { ($0.community, $0.head.log) < ($1.community, $1.head.log) }
    }

    // MARK: Changes

    /// Takes in heads that the peer tells: the changes since last time, or what changed in this session.
    package mutating func receive(
        _ heads: [Head], community: String, isLast: Bool
    ) throws -> [HeadsPart] {
        guard heads.isEmpty || claimed[community] != nil, heads.isEmpty || common.contains(community) else {
            throw ProtocolViolation("heads of a community that is not shared")
        }
        if awaitsChanges {
            changes += heads.count
            guard changes <= 2 * maximumLogs else { throw ProtocolViolation("a list of changes that does not end") }
        }
        for head in heads {
            try hear(head, community)
            noteUpdate(of: head.log)
        }
        guard isLast else { return [] }
        guard awaitsChanges else { throw ProtocolViolation("a list of changes that was not due") }
        awaitsChanges = false
        let trees = heard.trees(common)
        let wrong = common.filter { trees[$0]?.root != claimed[$0] && !descended.contains($0) }
        let parts = descend(into: wrong)
        finish()
        return parts
    }

    private mutating func hear(_ head: Head, _ community: String) throws {
        heard.set(head, community: community)
        guard heard.heads.count <= maximumLogs else {
            throw ProtocolViolation("more than \(maximumLogs) logs")
        }
    }

    /// Until all of the peer's tree has come, what it says of a log beside the tree is the newer word.
    private mutating func noteUpdate(of log: LogID) {
        if !isComplete, toldSince.count < maximumLogs { toldSince.insert(log) }
    }

    /// Notes what this side tells after the hello.
    mutating func tell(_ head: Head, community: String) {
        told.set(head, community: community)
    }

    /// Notes what an offer of the peer's says it holds.
    mutating func hear(offered head: Head, community: String) {
        noteUpdate(of: head.log)
        heard.set(
            Head(log: head.log, size: head.size, root: head.root, beside: heard[head.log]?.beside ?? .zero),
            community: community)
    }

    /// Notes what an offer of this side says it holds.
    mutating func tell(offered head: Head, community: String) {
        told.set(
            Head(log: head.log, size: head.size, root: head.root, beside: told[head.log]?.beside ?? .zero),
            community: community)
    }

    // MARK: Descent

    private mutating func descend(into communities: [String]) -> [HeadsPart] {
        var parts: [HeadsPart] = []
        for community in communities {
            let place = Place(community: community, range: IDRange())
            descended.insert(community)
            guard let claim = claimed[community], let tree = trees[community], claim != tree.root else {
                assumeEqual(place)
                continue
            }
            // What was remembered of this community was wrong: it is told anew.
            forget(place)
            parts += show(place, hash: claim)
        }
        finish()
        return parts
    }

    /// Tells this side's node of a range, and waits for the peer's.
    private mutating func show(_ place: Place, hash: SHA256Digest) -> [HeadsPart] {
        due[place] = Due(hash: hash)
        guard let tree = trees[place.community] else { return [] }
        if let children = tree.children(of: place.range) {
            return [.node(RangeNode(community: place.community, range: place.range, content: .children(children)))]
        }
        return HeadsPart.list(place, Array(tree.heads(in: place.range)))
    }

    /// Takes in a node of the peer's tree. Answers what to send.
    package mutating func receive(_ node: RangeNode) throws -> [HeadsPart] {
        let place = Place(community: node.community, range: node.range)
        var parts: [HeadsPart] = []
        // The peer found its memory to be wrong where this side had no reason to.
        if due[place] == nil, node.range.depth == 0, common.contains(node.community),
            descended.insert(node.community).inserted
        {
            guard let claim = claimed[node.community] else { return [] }
            isComplete = false
            forget(place)
            parts = show(place, hash: claim)
        }
        guard var expected = due[place] else { throw ProtocolViolation("a range of heads that was not due") }
        switch node.content {
        case .children(let children):
            guard !expected.isListing, HeadsTree.hash(children: children) == expected.hash else {
                throw ProtocolViolation("ranges of heads that do not add up")
            }
            parts += compare(children, at: place, &expected)
        case .heads(let heads, let hasMore):
            // Or a list could go on for ever, and bring nothing.
            guard !hasMore || !heads.isEmpty else {
                throw ProtocolViolation("a part of a list of heads without a head in it")
            }
            expected.listed += heads
            listed += heads.count
            guard heard.heads.count + listed <= maximumLogs else {
                throw ProtocolViolation("more than \(maximumLogs) logs")
            }
            due[place] = expected
            if hasMore { return parts }
            parts += try take(expected, at: place)
        }
        finish()
        return parts
    }

    private mutating func compare(_ children: [SHA256Digest], at place: Place, _ expected: inout Due) -> [HeadsPart] {
        guard let own = trees[place.community]?.children(of: place.range) else {
            expected.isListing = true
            due[place] = expected
            return []
        }
        due[place] = nil
        var parts: [HeadsPart] = []
        for digit in 0..<HeadsTree.fanOut {
            let below = Place(community: place.community, range: place.range.child(digit))
            if own[digit] == children[digit] {
                assumeEqual(below)
            } else {
                parts += show(below, hash: children[digit])
            }
        }
        return parts
    }

    /// All heads of a range have come.
    private mutating func take(_ expected: Due, at place: Place) throws -> [HeadsPart] {
        due[place] = nil
        listed -= expected.listed.count
        let sorted = expected.listed.sorted { $0.log < $1.log }
        guard HeadsTree(sorted).hash(of: place.range) == expected.hash,
            expected.isListing || sorted.count <= HeadsTree.leafSize || place.range.depth == IDRange.maximumDepth,
            zip(sorted, sorted.dropFirst()).allSatisfy({ $0.log != $1.log })
        else { throw ProtocolViolation("heads that do not add up") }
        for head in sorted where !toldSince.contains(head.log) { try hear(head, place.community) }
        guard !expected.isListing, let tree = trees[place.community], tree.children(of: place.range) != nil else {
            return []
        }
        // The peer has a leaf where this side has ranges below: it gets all of them as a list.
        return HeadsPart.list(place, Array(tree.heads(in: place.range)))
    }

    private mutating func assumeEqual(_ place: Place) {
        guard let tree = trees[place.community] else { return }
        for head in tree.heads(in: place.range) where !toldSince.contains(head.log) {
            heard.set(head.settled, community: place.community)
        }
    }

    private mutating func forget(_ place: Place) {
        for (log, community) in heard.communities where community == place.community && !toldSince.contains(log) {
            heard.set(Head(log: log, size: 0, root: .zero), community: community)
        }
    }

    private mutating func finish() {
        guard due.isEmpty, !awaitsChanges else { return }
        isComplete = true
        toldSince = []
    }

    /// The digest for both sides to remember, as of now.
    package var agreement: SHA256Digest {
        SessionMemory.digest(told: told, heard: heard, isFirst: isFirst)
    }
}

/// Something to tell the peer about heads.
package enum HeadsPart {
    case node(RangeNode)
    case heads(community: String, [Head], isLast: Bool)

    /// The heads of a range, in parts that fit a message.
    static func list(_ place: HeadsExchange.Place, _ heads: [Head]) -> [HeadsPart] {
        pieces(of: heads).map { piece, hasMore in
            .node(
                RangeNode(
                    community: place.community, range: place.range, content: .heads(piece, more: hasMore)))
        }
    }

    /// Changes by community, the last part marked as such.
    static func changes(_ changes: [(community: String, head: Head)]) -> [HeadsPart] {
        var parts: [HeadsPart] = []
        for (community, heads) in Dictionary(grouping: changes, by: \.community).sorted(by: { $0.key < $1.key }) {
            parts += pieces(of: heads.map(\.head)).map { .heads(community: community, $0.piece, isLast: false) }
        }
        guard case .heads(let community, let heads, _) = parts.popLast() else {
            return [.heads(community: "", [], isLast: true)]
        }
        return parts + [.heads(community: community, heads, isLast: true)]
    }

    private static func pieces(of heads: [Head]) -> [(piece: [Head], hasMore: Bool)] {
        let size = FrameLimits.maximumHeadsInRanges
        guard !heads.isEmpty else { return [([], false)] }
        return stride(from: 0, to: heads.count, by: size).map { begin in
            (Array(heads[begin..<min(heads.count, begin + size)]), begin + size < heads.count)
        }
    }

    /// Messages that carry these parts, each within a frame. Whether the sender is settled is said later.
    package static func messages(_ parts: [HeadsPart]) -> [Message] {
        var messages: [Message] = []
        var nodes: [RangeNode] = []
        var cost = 0
        func flush() {
            if !nodes.isEmpty { messages.append(.ranges(nodes, settled: false)) }
            nodes = []
            cost = 0
        }
        for part in parts {
            switch part {
            case .node(let node):
                let size: Int
                switch node.content {
                case .children: size = 640
                case .heads(let heads, _): size = 80 + heads.count * 128
                }
                if cost + size > 56_000 || nodes.count == FrameLimits.maximumNodesInFrame { flush() }
                nodes.append(node)
                cost += size
            case .heads(let community, let heads, let isLast):
                flush()
                messages.append(.heads(community: community, heads, complete: isLast, settled: false))
            }
        }
        flush()
        return messages
    }
}
