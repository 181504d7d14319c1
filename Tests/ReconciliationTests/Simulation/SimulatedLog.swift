import Cryptography
import Reconciliation
import TransparencyLog

/// The entries of a log with all the hashes of its tree.
struct SimulatedLog: NodeSource {
    private(set) var bodies: [[UInt8]] = []
    /// The perfect nodes of each height, from left to right.
    private var levels: [[SHA256Digest]] = [[]]
    let hasher: MerkleHasher

    init(hasher: MerkleHasher) {
        self.hasher = hasher
    }

    var size: UInt64 { UInt64(bodies.count) }

    mutating func append(_ body: [UInt8]) {
        bodies.append(body)
        levels[0].append(hasher.leaf(body))
        var height = 0
        while levels[height].count.isMultiple(of: 2) {
            if levels.count == height + 1 { levels.append([]) }
            let pair = levels[height].suffix(2)
            levels[height + 1].append(hasher.node(pair[pair.startIndex], pair[pair.startIndex + 1]))
            height += 1
        }
    }

    /// The first entries alone.
    func prefix(_ size: UInt64) -> SimulatedLog {
        var log = SimulatedLog(hasher: hasher)
        for body in bodies.prefix(Int(size)) { log.append(body) }
        return log
    }

    func root(at size: UInt64) throws -> SHA256Digest {
        try CompactRange(begin: 0, end: size, from: self).root(hasher: hasher) ?? .zero
    }

    func hashes(at coordinates: [NodeCoordinate]) throws -> [SHA256Digest] {
        try coordinates.map { node in
            guard node.level < levels.count, node.index < UInt64(levels[node.level].count) else {
                throw SimulatedError("no node \(node.index) on level \(node.level)")
            }
            return levels[node.level][Int(node.index)]
        }
    }

    /// Whether this is the beginning of the other.
    func isBeginning(of other: SimulatedLog) throws -> Bool {
        guard size <= other.size else { return false }
        return size == 0 ? true : try root(at: size) == other.root(at: size)
    }
}

/// What goes wrong inside a simulated node.
struct SimulatedError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// A checkpoint with its signed note.
struct SimulatedHead: Hashable {
    let size: UInt64
    let root: SHA256Digest
    let note: String

    func head(of log: LogID) -> Head { Head(log: log, size: size, root: root) }
}
