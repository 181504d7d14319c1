import Cryptography
package import LogStore
public import MutualTLS
public import TransparencyLog

/// What a running node publishes of its logs, and to whom: the same logs, by the same rules, that its partners may
/// bring in over a session.
public struct Publishing: Sendable {
    private let store: SQLiteLogStore
    private let federation: @Sendable () -> Federation
    private let auditors: @Sendable () -> Auditors
    /// Certificate, key, and the partners and auditors to believe, as they are now.
    public let tls: @Sendable () -> TLSContext

    package init(
        store: SQLiteLogStore, federation: @escaping @Sendable () -> Federation,
        auditors: @escaping @Sendable () -> Auditors = { Auditors([]) },
        tls: @escaping @Sendable () -> TLSContext
    ) {
        self.store = store
        self.federation = federation
        self.auditors = auditors
        self.tls = tls
    }

    /// The file at a path such as `krus/tile/0/000` or `mirror/LOG-ID/checkpoint`. `nil` for what does not exist and
    /// for what this peer may not see: nothing tells the two apart.
    ///
    /// Blocks on the disk.
    public func content(
        at path: String, for peer: PeerIdentity
    ) throws -> (file: PublishedFile, content: PublishedContent)? {
        // It may have been removed, or known by another card, since it connected.
        guard path.utf8.count <= 512, tls().configuration.trust.names(peer) else { return nil }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let federation = federation()
        let auditors = auditors()
        for count in [1, 2] where parts.count > count {
            guard let file = try? PublishedFile(path: parts.dropFirst(count).joined(separator: "/")) else { continue }
            guard let log = try log(Array(parts.prefix(count)), federation), log.frozen == nil, log.recovering == nil,
                !log.reachesBeyondOwner,
                try auditors.admits(peer.node, to: log, federation)
                    ?? federation.admits(peer.node, to: log, membership: store.membership(of: log.id))
            else { return nil }
            let content = try Publication(log, store: store).content(of: file)
            return content == .missing ? nil : (file, content)
        }
        return nil
    }

    /// The log that stands under a prefix: `Publication.path` of it.
    private func log(_ prefix: [String], _ federation: Federation) throws -> StoredLog? {
        let found: StoredLog? =
            if prefix.count == 2, prefix[0] == "mirror", let id = SHA256Digest(hex: prefix[1]) {
                try store.log(id: id)
            } else {
                try store.log("\(federation.node)/\(prefix.joined(separator: "/"))")
            }
        guard let found, Publication(found, store: store).path == prefix.joined(separator: "/") else { return nil }
        return found
    }
}
