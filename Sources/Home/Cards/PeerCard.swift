public import Cryptography

/// What a partner must know of a node for given communities: its name, where it listens, its public keys and how its
/// TLS certificate is recognised. Written as one YAML file; it holds nothing secret.
public struct PeerCard: Sendable, Hashable {
    /// The version of the format that this program reads and writes.
    public static let version: UInt64 = 1
    /// The longest card read, in bytes.
    public static let maximumByteCount = 262_144
    public static let maximumPinCount = 8
    public static let maximumSealingKeyCount = 64
    public static let maximumLogCount = 1_024

    /// How the node's TLS certificate is recognised.
    public enum TLSTrust: Sendable, Hashable {
        /// SHA-256 of the SubjectPublicKeyInfo of each certificate that the node may show, 1 to 8.
        case pins([SHA256Digest])
        /// A certificate with this DNS name, issued under a CA in this file of `certs/`.
        case authority(name: String, file: String)
    }

    /// A public X25519 key to which fields are sealed for this node.
    public struct SealingKey: Sendable, Hashable {
        /// Counts up from 1 with every replacement.
        public let epoch: UInt32
        public let key: SealedBox.PublicKey

        public init(epoch: UInt32, key: SealedBox.PublicKey) {
            self.epoch = epoch
            self.key = key
        }
    }

    /// A log of the node.
    public struct Log: Sendable, Hashable {
        public let community: String
        /// `<node>/<community>`, or `<node>/<community>/<n>` for the successor of a forked log.
        public let origin: String
        public let key: CardKey

        public init(community: String, origin: String, key: CardKey) {
            self.community = community
            self.origin = origin
            self.key = key
        }
    }

    public let node: String
    /// Where partners connect to; a node that only connects to others has none.
    public let endpoint: HostAndPort?
    public let trust: TLSTrust
    public let mirrorKey: CardKey
    public let sealingKeys: [SealingKey]
    public let logs: [Log]

    /// A card that keeps every rule, or the first it breaks as a ``HomeError`` (`badInput`).
    public init(
        node: String, endpoint: HostAndPort?, trust: TLSTrust, mirrorKey: CardKey, sealingKeys: [SealingKey],
        logs: [Log]
    ) throws {
        self.init(
            unchecked: node, endpoint: endpoint, trust: trust, mirrorKey: mirrorKey, sealingKeys: sealingKeys,
            logs: logs)
        if let problem = firstProblem() { throw HomeError(.badInput, "peer card: \(problem.message)") }
    }

    init(
        unchecked node: String, endpoint: HostAndPort?, trust: TLSTrust, mirrorKey: CardKey,
        sealingKeys: [SealingKey], logs: [Log]
    ) {
        self.node = node
        self.endpoint = endpoint
        self.trust = trust
        self.mirrorKey = mirrorKey
        self.sealingKeys = sealingKeys
        self.logs = logs
    }

    /// The communities of the card's logs, in its order.
    public var communities: [String] { logs.map(\.community) }

    /// The card without the logs of other communities, as one shows it to partners who must not know of those.
    /// Throws `usage` for a community of which the card has no log.
    public func limited(to communities: some Collection<String>) throws -> PeerCard {
        for community in communities where !self.communities.contains(community) {
            throw HomeError(.usage, "\(node) has no log in the community \(Display.quoted(community))")
        }
        return try PeerCard(
            node: node, endpoint: endpoint, trust: trust, mirrorKey: mirrorKey, sealingKeys: sealingKeys,
            logs: logs.filter { communities.contains($0.community) })
    }

    /// The card with another endpoint; its fingerprint stays.
    public func with(endpoint: HostAndPort?) throws -> PeerCard {
        try PeerCard(
            node: node, endpoint: endpoint, trust: trust, mirrorKey: mirrorKey, sealingKeys: sealingKeys, logs: logs)
    }
}
