import Cryptography
import Home
import LogStore
public import TransparencyLog

/// What the keys of a home vouch for while own logs are being recovered.
///
/// A log that came back with an older copy leads to the keys that it had then, and `keys/` may have one that took their
/// place since. That such a key has not signed what is here shows nothing: until partners were asked nobody here can tell
/// it from a foreign one. So nothing is said against the log by it, nor for it, unless this node's mirror key has cosigned
/// what is here. Of any other log, and of a copy that was found somewhere, a known key that the log does not lead to is a
/// contradiction.
struct RecoveringKeys {
    /// Keys of logs, by origin.
    private(set) var logKeys: [String: [VerifierKey]]
    /// Own logs that no key of this home vouches for until they are recovered.
    private(set) var unvouched: Set<String> = []
    private(set) var unproved: [String] = []

    /// - Parameters:
    ///   - logKeys: those of the home's `keys/` and of its cards.
    ///   - mirror: the keys of this node's cosignatures, anchored in the home's `keys/`.
    init(_ logKeys: [String: [VerifierKey]], mirror: MirrorKeys?, of home: HomeFolder, in store: SQLiteLogStore) throws
    {
        self.logKeys = logKeys
        for log in try store.logs() where log.isOwn && log.node == store.node && log.recovering != nil {
            guard let known = logKeys[log.origin], let chain = try? log.keys,
                !known.contains(where: chain.keys.contains)
            else { continue }
            let isCosigned = try mirror.map { try store.isCosigned(log, by: $0, of: log.node) } ?? false
            self.logKeys[log.origin] = isCosigned ? chain.keys : nil
            if !isCosigned { unvouched.insert(log.origin) }
            unproved.append(
                "\(log.origin): that its key in \(home.keysFolder) took the place of \(chain.current.text): the log came back "
                    + "older than that key, or the key is another's; run `entente recover`"
                    + (isCosigned ? " (this node has cosigned what is here)" : ""))
        }
    }
}

extension SQLiteLogStore {
    /// Whether a node has cosigned all that is here of a log, by these keys of its.
    func isCosigned(_ log: StoredLog, by keys: MirrorKeys, of node: String) throws -> Bool {
        guard let head = log.head, head.size == log.size,
            let kept = try cosignature(of: log.id, by: node, size: head.size),
            let cosignature = try? Cosignature(parsing: kept.line), let key = keys.key(for: cosignature),
            let checkpoint = try? Checkpoint(origin: log.origin, size: head.size, root: head.root)
        else { return false }
        return (try? cosignature.verify(checkpoint, by: key)) != nil
    }
}

extension Node {
    /// The logs' keys as the cards and this node's own keys say, by origin.
    public var knownLogKeys: [String: [VerifierKey]] {
        var keys: [String: [VerifierKey]] = [:]
        let own = ((try? keystore.logGenerations()) ?? []).compactMap {
            try? keystore.logCardKey(community: $0, generation: $1)
        }
        for card in own + cards.flatMap({ $0.logs.map(\.key) }) {
            if let key = try? VerifierKey(parsing: card.text) { keys[key.name, default: []].append(key) }
        }
        return keys
    }

    /// The keys that an audit of this home holds its logs against; which own logs they say nothing of, being recovered,
    /// and what is therefore not proved.
    public func auditKeys() throws -> (logKeys: [String: [VerifierKey]], unvouched: Set<String>, unproved: [String]) {
        let keys = try RecoveringKeys(knownLogKeys, mirror: mirrorKeys[name], of: home, in: store)
        return (keys.logKeys, keys.unvouched, keys.unproved)
    }
}
