public import Cryptography

// What travels while two nodes find out where their copies of a log part.

/// Asks what the first `size` entries are in the tree of `treeSize` that the other side holds.
public struct PrefixRequest: Sendable, Hashable {
    public let log: LogID
    public let size: UInt64
    public let treeSize: UInt64

    public init(log: LogID, size: UInt64, treeSize: UInt64) {
        self.log = log
        self.size = size
        self.treeSize = treeSize
    }
}

/// Asks for the nodes four levels below a perfect subtree, or its leaves where it is lower.
public struct SubtreeRequest: Sendable, Hashable {
    /// Levels between the node that is asked about and those of the answer, at most.
    public static let depth = 4

    public let log: LogID
    /// 0 for a leaf.
    public let level: Int
    public let index: UInt64

    public init(log: LogID, level: Int, index: UInt64) {
        self.log = log
        self.level = level
        self.index = index
    }
}
