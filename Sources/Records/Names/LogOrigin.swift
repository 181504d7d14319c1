/// The origin of a log: its node and community, and which successor it is, for example `us.example/krus` or, after a
/// fork, `us.example/krus/2`.
public struct LogOrigin: Sendable, Hashable {
    public let node: NodeName
    public let community: CommunityName
    /// 1 for the first log of a node in a community, 2 for its successor, and so on.
    public let generation: UInt64

    /// `nil` for generation 0 and beyond 2^53 − 1.
    public init?(node: NodeName, community: CommunityName, generation: UInt64) {
        guard generation >= 1, generation <= UInt64(JSONScanner.maximumInteger) else { return nil }
        self.node = node
        self.community = community
        self.generation = generation
    }

    /// The first log of a node in a community.
    public init(node: NodeName, community: CommunityName) {
        self.node = node
        self.community = community
        self.generation = 1
    }

    /// Parses `<node>/<community>` or `<node>/<community>/<generation from 2>`; `nil` for anything else.
    public init?(_ text: String) {
        guard text.utf8.count <= LogOrigin.maximumByteCount else { return nil }
        self.init(parts: text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false))
    }

    static let maximumByteCount = NodeName.maximumByteCount + 1 + CommunityName.maximumByteCount + 1 + 16

    init?(parts: [Substring.UTF8View]) {
        guard parts.count == 2 || parts.count == 3,
            let node = NodeName(String(Substring(parts[0]))),
            let community = CommunityName(String(Substring(parts[1])))
        else { return nil }
        self.init(node: node, community: community)
        guard parts.count == 3 else { return }
        guard let generation = ASCIIText.unsigned(parts[2]), generation >= 2 else { return nil }
        self.init(node: node, community: community, generation: generation)
    }

    /// The log that continues after a fork of this one; `nil` beyond 2^53 − 1.
    public var successor: LogOrigin? {
        LogOrigin(node: node, community: community, generation: generation + 1)
    }

    /// The log before this one; `nil` for the first.
    public var predecessor: LogOrigin? {
        generation > 1 ? LogOrigin(node: node, community: community, generation: generation - 1) : nil
    }

    /// The successors that are looked for: it takes a fork, a loss or a theft for each.
    public var nextSuccessors: [LogOrigin] {
        Array(sequence(first: self) { $0.successor }.dropFirst().prefix(16))
    }

    /// Whether this log has a say about the records of another: it is the same, or one of its successors. The log
    /// before a successor takes nothing more, or may be written by a thief; its owner can speak in the successor only.
    public func speaks(for other: LogOrigin) -> Bool {
        node == other.node && community == other.community && generation >= other.generation
    }

    /// The text that checkpoints carry.
    public var text: String {
        generation == 1 ? "\(node.text)/\(community.text)" : "\(node.text)/\(community.text)/\(generation)"
    }
}

extension LogOrigin: CustomStringConvertible {
    public var description: String { text }
}
