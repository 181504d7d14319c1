public import Cryptography

/// The Merkle tree over the heads of one community that a peer may see, by ranges of log ids with a fan-out of 16.
///
/// A range with at most ``leafSize`` heads is a leaf; any other has 16 ranges below it, one a further hexadecimal
/// digit. Logs without entries do not count. Hashes, with `||` for concatenation and integers big-endian:
///
///     leaf  = SHA-256(0x02 || for each head by log id: log id || size (8 bytes) || root || beside)
///     inner = SHA-256(0x03 || hash of range 0 || … || hash of range f)
///
/// So two sides with the same hash hold the same heads, and a side that lies about what lies below a hash is found out.
public struct HeadsTree: Sendable {
    public static let fanOut = 16
    public static let leafSize = 16

    private struct Node {
        let heads: Range<Int>
        let hash: SHA256Digest
        /// Where the first of 16 consecutive children stands; `nil` in a leaf.
        let children: Int?
    }

    /// By log id.
    private let heads: [Head]
    private var nodes: [Node] = []

    public init(_ heads: some Sequence<Head>) {
        self.heads = heads.filter { $0.size > 0 }.sorted { $0.log < $1.log }
        nodes.append(Node(heads: 0..<0, hash: .zero, children: nil))
        nodes[0] = build(0..<self.heads.count, depth: 0)
    }

    public var root: SHA256Digest { nodes[0].hash }
    public var count: Int { heads.count }

    private mutating func build(_ range: Range<Int>, depth: Int) -> Node {
        // Ids are hashes: 64 digits tell any two apart, so this ends.
        guard range.count > HeadsTree.leafSize, depth < IDRange.maximumDepth else {
            return Node(heads: range, hash: HeadsTree.hash(leaf: heads[range]), children: nil)
        }
        let first = nodes.count
        nodes += repeatElement(Node(heads: range, hash: .zero, children: nil), count: HeadsTree.fanOut)
        var begin = range.lowerBound
        for digit in 0..<HeadsTree.fanOut {
            var end = begin
            while end < range.upperBound, heads[end].log.digit(depth) == digit { end += 1 }
            nodes[first + digit] = build(begin..<end, depth: depth + 1)
            begin = end
        }
        let hashes = (0..<HeadsTree.fanOut).map { nodes[first + $0].hash }
        return Node(heads: range, hash: HeadsTree.hash(children: hashes), children: first)
    }

    /// The hash of a range; that of its content where the range lies below a leaf.
    public func hash(of range: IDRange) -> SHA256Digest {
        switch find(range) {
        case .node(let node): node.hash
        case .below(let heads): HeadsTree.hash(leaf: self.heads[heads])
        }
    }

    /// The 16 hashes below a range; `nil` where it is a leaf or lies below one.
    public func children(of range: IDRange) -> [SHA256Digest]? {
        guard case .node(let node) = find(range), let first = node.children else { return nil }
        return (0..<HeadsTree.fanOut).map { nodes[first + $0].hash }
    }

    /// The heads of a range, by log id.
    public func heads(in range: IDRange) -> ArraySlice<Head> {
        switch find(range) {
        case .node(let node): heads[node.heads]
        case .below(let range): heads[range]
        }
    }

    private enum Place {
        case node(Node)
        case below(Range<Int>)
    }

    private func find(_ range: IDRange) -> Place {
        var node = nodes[0]
        for digit in range.digits {
            guard let first = node.children else {
                let inside = node.heads.filter { range.contains(heads[$0].log) }
                return .below(
                    (inside.first ?? node.heads.lowerBound)..<((inside.last.map { $0 + 1 }) ?? node.heads.lowerBound))
            }
            node = nodes[first + Int(digit)]
        }
        return .node(node)
    }

    // MARK: Hashes

    public static func hash(leaf heads: some Collection<Head>) -> SHA256Digest {
        var bytes: [UInt8] = [0x02]
        bytes.reserveCapacity(1 + heads.count * 104)
        for head in heads {
            bytes += head.log.bytes
            bytes += bigEndian(head.size)
            bytes += head.root.bytes
            bytes += head.beside.bytes
        }
        return SHA256.hash(bytes)
    }

    public static func hash(children hashes: [SHA256Digest]) -> SHA256Digest {
        SHA256.hash([0x03] + hashes.flatMap(\.bytes))
    }
}

/// Eight bytes, most significant first.
func bigEndian(_ value: UInt64) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian) { Array($0) }
}
