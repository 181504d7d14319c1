import Cryptography
import TransparencyLog

/// What the rows of a log say of its tree, each for itself, and which of them the signed root bears out.
///
/// The bodies, the leaf hashes and the tile above them each give a hash for every 256 entries. Where they differ one of
/// them is wrong; the choice under which the tree has the root that its owner signed is the right one, and proved.
struct TreeEvidence {
    /// The hash over the entries of one bundle, as three rows have it; `nil` where the row is missing or unreadable.
    struct Unit {
        /// From the bodies themselves.
        var bodies: SHA256Digest?
        /// From the tile of leaf hashes.
        var leaves: SHA256Digest?
        /// From the tile above it; the last bundle has none while it is not full.
        var above: SHA256Digest?
    }

    var units: [Unit] = []

    /// The hashes of all bundles that have this root together; `nil` where no choice has it.
    func truth(root: SHA256Digest) -> [SHA256Digest]? {
        let hasher = MerkleHasher()
        let choices: [(Unit) -> SHA256Digest?] = [
            { $0.agreed ?? $0.above ?? $0.leaves ?? $0.bodies },
            { $0.agreed ?? $0.above ?? $0.bodies ?? $0.leaves },
            { $0.agreed ?? $0.leaves ?? $0.bodies ?? $0.above },
            { $0.agreed ?? $0.bodies ?? $0.leaves ?? $0.above },
            { $0.above ?? $0.leaves ?? $0.bodies },
            { $0.above ?? $0.bodies ?? $0.leaves },
        ]
        for choose in choices {
            let chosen = units.map { choose($0) ?? .zero }
            if hasher.root(of: chosen) == root { return chosen }
        }
        return nil
    }

    /// The tiles above the leaves, from the proved hashes of the bundles; the last one counts only if it is full.
    static func upperTiles(_ hashes: [SHA256Digest], size: UInt64) -> [Tile] {
        let hasher = MerkleHasher()
        var tiles: [Tile] = []
        var nodes = Array(hashes.prefix(Int(size / UInt64(Tile.fullWidth))))
        var level = 1
        while !nodes.isEmpty {
            var above: [SHA256Digest] = []
            for (number, first) in stride(from: 0, to: nodes.count, by: Tile.fullWidth).enumerated() {
                let part = nodes[first..<min(nodes.count, first + Tile.fullWidth)]
                if part.count == Tile.fullWidth { above.append(hasher.root(of: part)) }
                if let place = try? TileCoordinate(level: level, number: UInt64(number), width: part.count),
                    let tile = try? Tile(coordinate: place, hashes: Array(part))
                {
                    tiles.append(tile)
                }
            }
            nodes = above
            level += 1
        }
        return tiles
    }
}

extension TreeEvidence.Unit {
    /// What two of the three rows say.
    fileprivate var agreed: SHA256Digest? {
        if let bodies, bodies == leaves || bodies == above { return bodies }
        if let leaves, leaves == above { return leaves }
        return nil
    }
}
