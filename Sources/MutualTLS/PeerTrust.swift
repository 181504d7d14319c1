/// How a peer's certificate is judged: by pinned keys, by an authority of the agencies' own, or by whichever fits.
public struct PeerTrust: Sendable {
    /// Which node holds which key. A pinned certificate may be self-signed; its dates and uses still count.
    public var pins: [Pin: String]
    /// Certificates that are not pinned are judged by this, nil refuses them.
    public var authority: Authority?

    public init(pins: [Pin: String] = [:], authority: Authority? = nil) {
        self.pins = pins
        self.authority = authority
    }

    /// Whether a peer that proved who it is, perhaps by an earlier trust, is one that this trust names too.
    public func names(_ peer: PeerIdentity) -> Bool {
        pins[peer.pin] == peer.node || authority?.names.values.contains(peer.node) == true
    }

    /// A file of trusted authorities, and the names they may vouch for.
    public struct Authority: Sendable {
        /// PEM certificates of the trusted authorities.
        public var certificatesPEM: [UInt8]
        /// Which DNS name, as a subject alternative name, stands for which node. Common names do not.
        public var names: [String: String]
        /// Whether `*.example` in a certificate stands for a name, as it does on the web. Never for a node.
        public var allowsWildcards: Bool
        /// PEM revocation lists. When given, every certificate of a chain needs a current list of its issuer:
        /// a missing or outdated list refuses all, so watch `TLSContext.revocationListNextUpdate`.
        public var revocationListsPEM: [UInt8]?

        public init(
            certificatesPEM: [UInt8], names: [String: String], allowsWildcards: Bool = false,
            revocationListsPEM: [UInt8]? = nil
        ) {
            self.certificatesPEM = certificatesPEM
            self.names = names
            self.allowsWildcards = allowsWildcards
            self.revocationListsPEM = revocationListsPEM
        }
    }
}

/// Who the peer of a connection proved to be.
public struct PeerIdentity: Sendable, Hashable {
    /// The node's name, by its pin or by its certificate's DNS name.
    public let node: String
    /// SHA-256 of its key.
    public let pin: Pin
    /// The certificate's subject on one line, printable.
    public let subject: String
    /// Unix time of the certificate's last valid second.
    public let notAfter: Int64
}

/// What a TLS context is made of. Both roles share it: a node listens and connects with one context.
public struct TLSConfiguration: Sendable {
    /// This node's certificate and key.
    public var identity: TLSIdentity
    /// Whom to believe.
    public var trust: PeerTrust
    /// Application protocols (ALPN), best first; with any, a peer must agree on one. Empty: none is negotiated.
    public var applicationProtocols: [String]
    /// Whether a server asks its clients for a certificate and takes none without. Where it does not, whoever connects
    /// stays unknown, and the context is none to connect with.
    public var asksForClientCertificate = true
    /// A handshake that takes longer is refused, milliseconds.
    public var handshakeTimeout: Int64 = 10_000
    /// After our close_notify, how long the peer may take to answer it, milliseconds.
    public var closeTimeout: Int64 = 5_000
    /// Bytes that may be written before the handshake is over.
    public var maximumEarlyBytes = 1 << 20
    /// Post-handshake messages (key updates, tickets) a peer may send; one more for every MiB it sends.
    public var maximumControlMessages = 16
    /// Records after which the sending key changes.
    package var maximumRecordsPerKey = 1 << 23

    public init(identity: TLSIdentity, trust: PeerTrust, applicationProtocols: [String]) {
        self.identity = identity
        self.trust = trust
        self.applicationProtocols = applicationProtocols
    }
}
