public import Cryptography
package import Home
package import LogStore
import Records

/// The sealing keys of all nodes, as their cards and their logs say: what to seal to now.
///
/// A card brings the first key; `key` records in the node's logs that it names bring those that follow, without
/// anybody's doing. Of all that are known the one of the newest epoch counts. A log that the card names no more was given
/// up: its key may be in other hands, and the keys that it tells of may be lost.
public struct SealingKeyBook: Sendable {
    public struct Entry: Sendable, Hashable {
        public let epoch: UInt32
        public let key: SealedBox.PublicKey
    }

    private var known: [String: [UInt32: SealedBox.PublicKey]] = [:]
    private var retired: [String: Set<SHA256Digest>] = [:]
    /// Two different keys of one node for one epoch: somebody is wrong, or lies.
    public private(set) var conflicts: [String] = []

    package init(cards: [PeerCard], published: [(node: String, origin: String, key: PublishedKey)]) {
        for card in cards {
            for each in card.sealingKeys { known[card.node, default: [:]][each.epoch] = each.key }
        }
        let logs = Dictionary(cards.map { ($0.node, Set($0.logs.map(\.origin))) }) { first, _ in first }
        for (node, origin, key) in published where logs[node]?.contains(origin) ?? true {
            if key.action == .retires {
                retired[node, default: []].insert(key.keyID)
                continue
            }
            guard let epoch = key.epoch, let bytes = key.publicKey.flatMap(Base64.decode),
                let publicKey = try? SealedBox.PublicKey(bytes), SealingKeyBook.isSafe(publicKey)
            else { continue }
            if let other = known[node]?[epoch], other != publicKey {
                conflicts.append(
                    "\(origin)#\(key.entry) names another sealing key of \(node) for epoch \(epoch) than is known here; "
                        + "the one known before is used: ask \(node)")
                continue
            }
            known[node, default: [:]][epoch] = publicKey
        }
    }

    /// The key to seal to, if there is one.
    public func newest(of node: String) -> Entry? {
        let gone = retired[node] ?? []
        return known[node]?.filter { !gone.contains(SHA256.hash($0.value.bytes)) }.max { $0.key < $1.key }
            .map { Entry(epoch: $0.key, key: $0.value) }
    }

    public var nodes: [String] { known.keys.sorted() }

    /// A box to a key of small order opens for anyone.
    private static func isSafe(_ key: SealedBox.PublicKey) -> Bool {
        guard let probe = try? SecretBytes.random(count: 1) else { return false }
        return (try? key.seal(probe)) != nil
    }
}

extension Node {
    /// What is known of the sealing keys of partners.
    public func sealingKeyBook() throws -> SealingKeyBook {
        // A node's keys are in its own logs only, and none of this node's is learnt from elsewhere.
        SealingKeyBook(cards: cards, published: try store.publishedKeys(role: .sealing).filter { $0.node != name })
    }
}
