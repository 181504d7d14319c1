public import Cryptography

/// What `node.yaml` says: the node's name, addresses, communities with their members, and defaults.
public struct NodeConfiguration: Sendable, Hashable {
    /// The version of the format that this program reads and writes.
    public static let version: UInt64 = 1
    /// The longest file read, in bytes.
    public static let maximumByteCount = 1_048_576
    public static let maximumCommunityCount = 1_024
    /// The longest pause between two attempts to reconcile, in seconds.
    public static let maximumSyncInterval: UInt64 = 86_400

    public let node: String
    public var listen: HostAndPort
    /// What the peer card says; without one, partners cannot open connections to this node.
    public var endpoint: HostAndPort?
    /// Where this node serves its logs as tiles over HTTPS; without one it does not.
    public var tiles: HostAndPort?
    /// Whose logs this node cosigns as a witness; `nil` for nobody's.
    public var witness: WitnessConfiguration?
    /// Seconds between reconciliations with a partner that is not connected, 1 to 86,400.
    public var syncInterval: UInt64
    public var sealing: SealingDefaults
    /// In the order of the file.
    public var communities: [CommunityConfiguration]
    /// Who reads logs as tiles without being a partner.
    public var auditors: [AuditorConfiguration] = []

    public init(
        node: String, listen: HostAndPort, endpoint: HostAndPort? = nil, syncInterval: UInt64 = 30,
        sealing: SealingDefaults = SealingDefaults(), communities: [CommunityConfiguration] = []
    ) {
        self.node = node
        self.listen = listen
        self.endpoint = endpoint
        self.syncInterval = syncInterval
        self.sealing = sealing
        self.communities = communities
    }

    /// The community of this name, `nil` where this node is in none.
    public func community(_ name: String) -> CommunityConfiguration? {
        communities.first { $0.name == name }
    }
}

/// One community of this node.
public struct CommunityConfiguration: Sendable, Hashable {
    /// The most members of a community.
    public static let maximumMemberCount = 1_024
    /// Three times the hour after which a node dates its logs anew: one dating may be missed.
    public static let defaultStaleAfter: UInt64 = 10_800
    /// Less than two hours would take a node that works for one that does not.
    public static let staleAfterRange: ClosedRange<UInt64> = 7_200...31_622_400

    /// Who keeps a copy of sealed parts.
    public enum CarrySealed: String, Sendable, Hashable, CaseIterable {
        /// Only the nodes they are sealed to.
        case recipients
        /// Every member, readable or not, so that a recipient can get them from any.
        case members
    }

    public let name: String
    /// The nodes that may hold this node's log of the community, this node among them.
    public var members: [String]
    public var carrySealed: CarrySealed
    /// Seconds after which a log whose owner has not dated it anew is stale.
    public var staleAfter: UInt64 = CommunityConfiguration.defaultStaleAfter
    /// Who is asked to cosign this node's log of the community.
    public var witnesses: [CommunityWitness] = []
    /// How many of them are to have cosigned; `nil` for all.
    public var quorum: Int?

    public init(name: String, members: [String], carrySealed: CarrySealed = .recipients) {
        self.name = name
        self.members = members
        self.carrySealed = carrySealed
    }
}

/// Somebody who may read this node's logs and replicas of some communities as tiles, and nothing else: no partner.
public struct AuditorConfiguration: Sendable, Hashable {
    public static let maximumCount = 256

    public let name: String
    /// SHA-256 of the SubjectPublicKeyInfo of the certificate that the auditor shows.
    public let pin: SHA256Digest
    /// The communities whose logs it may read.
    public var communities: [String]

    public init(name: String, pin: SHA256Digest, communities: [String]) {
        self.name = name
        self.pin = pin
        self.communities = communities
    }
}
