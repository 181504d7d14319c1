public import Cryptography
import Glibc
public import Home
import LogStore
import MutualTLS
import Records
import TransparencyLog

extension Node {
    /// What a new home is made of.
    public struct Founding: Sendable {
        public var node: String
        public var communities: [String]
        /// Which log of this node in a community is the first of this home, where it is not the first of all: one behind
        /// those whose keys were lost.
        public var generations: [String: UInt64]
        public var listen: HostAndPort
        public var endpoint: HostAndPort?
        public var author: String
        /// Encrypts the private keys; without one they are plain files.
        public var passphrase: SecretBytes?

        public init(
            node: String, communities: [String], generations: [String: UInt64] = [:], listen: HostAndPort,
            endpoint: HostAndPort?, author: String, passphrase: SecretBytes? = nil
        ) {
            self.node = node
            self.communities = communities
            self.generations = generations
            self.listen = listen
            self.endpoint = endpoint
            self.author = author
            self.passphrase = passphrase
        }
    }

    /// Makes a home: folders, keys, certificate, databases with the first `members` record of each log, and at last
    /// node.yaml, with which the home counts as finished.
    public static func found(_ founding: Founding, at path: String) throws -> Node {
        let configuration = NodeConfiguration(
            node: founding.node, listen: founding.listen, endpoint: founding.endpoint,
            communities: founding.communities.map { CommunityConfiguration(name: $0, members: [founding.node]) })
        try configuration.validate()
        if let passphrase = founding.passphrase { try Passphrase.checkNew(passphrase) }
        let home = try HomeFolder.create(path)
        let unlocker = KeyUnlocker.plainOnly
        let keystore = try Keystore(home, node: founding.node, unlocker: unlocker)
        // Before there is a key: none is ever on the disk in clear.
        if let passphrase = founding.passphrase { try keystore.protect(with: passphrase) }
        _ = try keystore.createMirrorKey()
        try home.noteMirrorKey(keystore.mirrorCardKey().text)
        _ = try keystore.createSealingKey(epoch: 1)
        _ = try keystore.createDoublesKey()
        _ = try keystore.blindIndexKey()
        try makeCertificate(home, keystore, node: founding.node)
        for community in founding.communities {
            _ = try keystore.createLogKey(community: community, generation: founding.generations[community] ?? 1)
        }
        try home.write(configuration)
        let node = try open(path, unlocker: unlocker)
        for community in configuration.communities {
            try node.createOwnLog(community.name)
            try node.publishMembers(of: community.name, author: founding.author, time: Clock.timestamp)
        }
        return node
    }

    /// The log of this node in a community, without entries yet where it is new.
    public func createOwnLog(_ community: String) throws {
        try store.createLog(
            origin: origin(of: community), node: name, community: community, isOwn: true,
            verifierKey: logCardKey(community: community).text)
    }

    /// Self-signed, valid from a day ago, for partners' clocks, and for ten years.
    private static func makeCertificate(_ home: HomeFolder, _ keystore: Keystore, node: String) throws {
        let now = Int64(time(nil))
        var generated = try TLSIdentity.selfSigned(
            dns: node, validFrom: now - 86_400, validUntil: now + 10 * 365 * 86_400)
        try keystore.storeTLSKey(pem: SecretBytes(wiping: &generated.privateKeyPEM))
        try home.writeCertificate(generated.certificatePEM)
    }
}
