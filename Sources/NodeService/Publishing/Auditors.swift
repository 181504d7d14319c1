public import Cryptography
package import Home
import LogStore
import MutualTLS

/// Who reads logs as tiles without being a partner, as node.yaml says at one moment.
package struct Auditors: Sendable, Hashable {
    private let all: [AuditorConfiguration]

    package init(_ all: [AuditorConfiguration]) {
        self.all = all
    }

    /// What trust calls an auditor: no node can have a name with a space in it.
    private static func label(_ auditor: AuditorConfiguration) -> String { "auditor \(auditor.name)" }

    /// The same trust with the auditors' keys in it. A partner's key stays the partner's.
    func joining(_ trust: PeerTrust) -> PeerTrust {
        var trust = trust
        for auditor in all {
            if let pin = Pin(auditor.pin.bytes), trust.pins[pin] == nil { trust.pins[pin] = Auditors.label(auditor) }
        }
        return trust
    }

    /// Whether an auditor may read a log, own or replica: whether it was let in to the log's community. `nil` for
    /// whoever is no auditor.
    func admits(_ peer: String, to log: StoredLog, _ federation: Federation) -> Bool? {
        guard let auditor = all.first(where: { Auditors.label($0) == peer }) else { return nil }
        return auditor.communities.contains(log.community) && federation.members[log.community] != nil
    }
}

extension Node {
    /// The partner that has this TLS key, if there is one; this node itself among them.
    public func partner(withPin pin: SHA256Digest) throws -> String? {
        try identityPin() == pin ? name : pinBook().pins[pin]
    }

    package var auditors: Auditors { Auditors(configuration.auditors) }

    /// Certificate, key, and whoever may read this node's logs as tiles: partners and auditors.
    func readersTLS() throws -> TLSContext {
        var configuration = try tls().configuration
        configuration.trust = auditors.joining(configuration.trust)
        configuration.applicationProtocols = []
        return try TLSContext(configuration)
    }
}
