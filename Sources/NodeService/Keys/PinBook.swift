package import Cryptography
package import Home
package import LogStore
import MutualTLS
import Records

/// By which TLS keys partners are recognised now: those of their cards, and those that their logs have published since.
///
/// A record adds to the card of its own node or takes away from it, if it stands in a log that the card names, behind
/// what was here of that log when the card was seen first: a card that was put in its place by hand knows better than
/// what came before it. A record that publishes the key of somebody else's card says nothing.
package struct PinBook: Sendable, Equatable {
    /// Whose key it is, by its pin.
    package private(set) var pins: [SHA256Digest: String] = [:]
    /// What contradicts itself.
    package private(set) var alarms: [String] = []

    /// - Parameter published: TLS keys that replicas publish, in the order of each log.
    package init(cards: [PeerCard], published: [SQLiteLogStore.PartnerKey]) {
        let said = Dictionary(grouping: published, by: \.node)
        var listed: [SHA256Digest: String] = [:]
        for card in cards { for pin in card.pins { listed[pin] = card.node } }
        var claims: [SHA256Digest: Set<String>] = [:]
        for card in cards where !card.pins.isEmpty {
            let origins = Set(card.logs.map(\.origin))
            let keys = (said[card.node] ?? []).filter { origins.contains($0.origin) }
            let counted = Statements(keys.filter { !$0.isBeforeCard })
            for pin in card.pins where counted.retired[pin] == nil { claims[pin, default: []].insert(card.node) }
            for (pin, place) in counted.published where counted.retired[pin] == nil {
                if let owner = listed[pin], owner != card.node {
                    alarms.append(
                        "\(place) names a TLS key that the card of \(owner) has: it does not count; ask \(card.node)")
                } else {
                    claims[pin, default: []].insert(card.node)
                }
            }
            if card.pins.allSatisfy({ counted.retired[$0] != nil }),
                counted.published.allSatisfy({ counted.retired[$0.key] != nil })
            {
                alarms.append(
                    "\(card.node) has retired every TLS key of its that is known here; ask it for its new card")
            }
            tellOfEarlier(card, Statements(keys.filter(\.isBeforeCard)), counted)
        }
        for (pin, nodes) in claims {
            if let owner = nodes.first, nodes.count == 1 || listed[pin] != nil {
                pins[pin] = listed[pin] ?? owner
            } else {
                alarms.append(
                    "\(nodes.sorted().joined(separator: " and ")) publish the same TLS key: it counts for neither; ask "
                        + "them for new cards")
            }
        }
        alarms.sort()
    }

    /// Where a card that came later says something else than the records before it.
    private mutating func tellOfEarlier(_ card: PeerCard, _ before: Statements, _ counted: Statements) {
        for (pin, place) in before.retired where card.pins.contains(pin) && counted.retired[pin] == nil {
            alarms.append(
                "the card of \(card.node), which came later, has a TLS key that \(place) had retired: the card counts; "
                    + "ask \(card.node) for its newest card")
        }
        for (pin, place) in before.published
        where before.retired[pin] == nil && !card.pins.contains(pin) && counted.published[pin] == nil
            && counted.retired[pin] == nil
        {
            alarms.append(
                "\(place) names a TLS key that the card of \(card.node), which came later, has not: the card counts; ask "
                    + "\(card.node) whether its card is the newest")
        }
    }

    /// What records say of pins, each with the place where it is said.
    private struct Statements {
        var published: [SHA256Digest: String] = [:]
        var retired: [SHA256Digest: String] = [:]

        init(_ keys: [SQLiteLogStore.PartnerKey]) {
            for each in keys {
                let place = "\(each.origin)#\(each.key.entry)"
                switch each.key.action {
                case .publishes, .replaces: published[each.key.keyID] = place
                // It never comes back.
                case .retires: retired[each.key.keyID] = place
                }
            }
        }
    }
}

extension PeerCard {
    /// The pins of the card; none where it is recognised by an authority.
    fileprivate var pins: [SHA256Digest] {
        if case .pins(let pins) = trust { pins } else { [] }
    }
}

extension Node {
    /// The TLS keys of partners that are admitted to a community.
    func pinBook(withEarlier: Bool = false) throws -> PinBook {
        PinBook(
            cards: cards.filter { !configuration.communities(admitting: $0.node).isEmpty },
            published: try store.partnerKeys(role: .tls, withEarlier: withEarlier))
    }

    /// The PEM of the certificate in use. A switch moves the key first: a next certificate without a next key is it.
    func certificatePEM() throws -> [UInt8] {
        if try !keystore.hasNextTLSKey, let next = try home.nextCertificate() { return next }
        guard try home.hasCertificate else { throw lostCertificate }
        return try home.certificate()
    }

    /// The certificate and key that are to be used later; `nil` where there are none.
    func nextIdentityPin() throws -> SHA256Digest? {
        guard try keystore.hasNextTLSKey, let pem = try home.nextCertificate() else { return nil }
        return SHA256Digest(try TLSCertificate(pem: pem).subjectPublicKeyInfoPin)
    }

    func identityPin() throws -> SHA256Digest {
        guard let pin = SHA256Digest(try certificate().subjectPublicKeyInfoPin) else {
            throw HomeError(.configuration, "has no usable key", path: home.certificateFile)
        }
        return pin
    }
}
