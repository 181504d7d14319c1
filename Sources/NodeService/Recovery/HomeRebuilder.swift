import Cryptography
import Glibc
public import Home
import LogStore
import MutualTLS
import TransparencyLog

extension Node {
    /// What a lost `node.yaml` said that neither keys nor cards say.
    public struct Rebuilding: Sendable {
        /// `nil` takes the name that the key files have.
        public var node: String?
        public var listen: HostAndPort
        public var endpoint: HostAndPort?

        public init(node: String? = nil, listen: HostAndPort, endpoint: HostAndPort? = nil) {
            self.node = node
            self.listen = listen
            self.endpoint = endpoint
        }
    }

    /// Makes a home again of which keys/ and peers/ are left: the communities are those of the log keys, their members
    /// those whose cards name them, and every own log is one that is being recovered. `node.yaml` comes last: after a
    /// crash before it, all of this is simply done again.
    public static func rebuild(
        _ rebuilding: Rebuilding, at path: String, unlocker: KeyUnlocker = .plainOnly
    ) throws {
        let home = try HomeFolder.reopenLost(path)
        let name = try rebuilding.node ?? Keystore.nodeName(in: home)
        let keystore = try Keystore(home, node: name, unlocker: unlocker)
        // What is not there is made later (``Node/rotateMirrorKey(isStolen:author:time:)``).
        if try keystore.hasMirrorKey { _ = try keystore.mirrorKey() } else { try keystore.checkPassphrase() }
        let cards = try PeerDirectory(home).all().cards
        let keys = try keystore.logGenerations()
        guard !cards.isEmpty, !keys.isEmpty else {
            throw HomeError(
                .noInput, "has no \(cards.isEmpty ? "peer cards in peers/" : "log keys in keys/"); put them back first",
                path: home.path)
        }
        let communities = Set(keys.map(\.community)).sorted().map { community in
            CommunityConfiguration(
                name: community,
                members: [name] + cards.filter { $0.communities.contains(community) }.map(\.node).sorted())
        }
        let configuration = NodeConfiguration(
            node: name, listen: rebuilding.listen, endpoint: rebuilding.endpoint, communities: communities)
        try configuration.validate()
        try keepOrMakeCertificate(home, keystore, node: name)
        let store = try SQLiteLogStore(path: home.nodeDatabase, signedPath: home.signedDatabase, node: name)
        for key in keys { try makeLostLog(key, keystore, node: name, store) }
        try home.setDerivedMembers(true)
        try home.write(configuration)
    }

    /// A certificate that is there may be one that an authority has issued.
    private static func keepOrMakeCertificate(_ home: HomeFolder, _ keystore: Keystore, node: String) throws {
        let now = Int64(time(nil))
        let made = try keystore.tlsKey().withUnsafeBytes { key -> [UInt8]? in
            if let kept = try? home.certificate(), (try? TLSIdentity(certificatePEM: kept, privateKeyPEM: key)) != nil {
                return nil
            }
            return try TLSIdentity.selfSigned(
                dns: node, privateKeyPEM: key, validFrom: now - 86_400, validUntil: now + 10 * 365 * 86_400)
        }
        if let made { try home.writeCertificate(made) }
    }

    /// An own log that is not there, ready to come back; one that is there stays as it is.
    static func makeLostLog(
        _ key: (community: String, generation: UInt64), _ keystore: Keystore, node: String, _ store: SQLiteLogStore
    ) throws {
        let card = try keystore.logCardKey(community: key.community, generation: key.generation)
        guard try store.log(card.name) == nil else { return }
        try store.createLostLog(origin: card.name, node: node, community: key.community, verifierKey: card.text)
    }
}
