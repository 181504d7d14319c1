public import Cryptography

/// What two nodes said to each other when they last agreed, as one of them remembers it. Where both still remember
/// the same, each tells only what has changed since; the digests of the hello then prove that nothing was missed.
public struct SessionMemory: Sendable, Hashable {
    /// One log, as both sides spoke of it.
    public struct Entry: Sendable, Hashable {
        public let community: String
        /// What this side said it holds, without the size of an interrupted transfer; `nil` for nothing.
        public let told: Head?
        /// What the peer said it holds.
        public let heard: Head?
        /// Whether the peer said that it has no such log for this side.
        public let isUnknownThere: Bool

        public init(community: String, told: Head?, heard: Head?, isUnknownThere: Bool) {
            self.community = community
            self.told = told
            self.heard = heard
            self.isUnknownThere = isUnknownThere
        }
    }

    /// The same on both sides where they remember the same.
    public let digest: SHA256Digest
    public let entries: [LogID: Entry]

    public init(digest: SHA256Digest, entries: [LogID: Entry]) {
        self.digest = digest
        self.entries = entries
    }
}

extension Head {
    /// Without the size of an interrupted transfer, which is nothing to compare.
    var settled: Head { Head(log: log, size: size, root: root, beside: beside) }
}

/// The heads of one side, by community.
package struct HeadsView: Sendable {
    package private(set) var heads: [LogID: Head] = [:]
    private(set) var communities: [LogID: String] = [:]

    subscript(_ log: LogID) -> Head? { heads[log] }

    /// Takes in what a side says of one log; a size of 0 says that it has none of it.
    mutating func set(_ head: Head, community: String) {
        if head.size == 0 {
            heads[head.log] = nil
            communities[head.log] = nil
        } else {
            heads[head.log] = head
            communities[head.log] = community
        }
    }

    func tree(of community: String) -> HeadsTree {
        HeadsTree(heads.values.filter { communities[$0.log] == community })
    }

    /// One tree a community.
    func trees(_ names: some Sequence<String>) -> [String: HeadsTree] {
        var parts: [String: [Head]] = [:]
        for (log, head) in heads { parts[communities[log] ?? "", default: []].append(head) }
        return Dictionary(names.map { ($0, HeadsTree(parts[$0] ?? [])) }, uniquingKeysWith: { first, _ in first })
    }
}

extension SessionMemory {
    /// `SHA-256(0x04 || for each community of which either side holds a log, by name: length of the name (1 byte) ||
    /// name || root of the side whose name sorts first || root of the other)`.
    static func digest(told: HeadsView, heard: HeadsView, isFirst: Bool) -> SHA256Digest {
        let names = Set(told.communities.values).union(heard.communities.values).sorted()
        let own = told.trees(names)
        let other = heard.trees(names)
        var bytes: [UInt8] = [0x04]
        for name in names {
            let roots = [own[name]?.root ?? .zero, other[name]?.root ?? .zero]
            bytes.append(UInt8(clamping: name.utf8.count))
            bytes += name.utf8
            bytes += (isFirst ? roots : roots.reversed()).flatMap(\.bytes)
        }
        return SHA256.hash(bytes)
    }

    /// Whether the entries are those of the digest: rows of a database may have been changed.
    package func isSound(isFirst: Bool) -> Bool {
        var told = HeadsView()
        var heard = HeadsView()
        for entry in entries.values {
            if let head = entry.told { told.set(head, community: entry.community) }
            if let head = entry.heard { heard.set(head, community: entry.community) }
        }
        return SessionMemory.digest(told: told, heard: heard, isFirst: isFirst) == digest
    }
}
