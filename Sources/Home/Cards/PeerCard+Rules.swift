import Cryptography

extension PeerCard {
    /// Where in a card a rule is broken.
    enum Place: Hashable {
        case node, endpoint, trust, pin(Int), mirrorKey, sealingKeys, sealingKey(Int), logs, log(Int)
    }

    struct Problem {
        let place: Place
        let message: String

        init(_ place: Place, _ message: String) {
            self.place = place
            self.message = message
        }
    }

    /// The first rule that the card breaks, whoever made it.
    func firstProblem() -> Problem? {
        guard Names.isNode(node) else {
            return Problem(.node, "\(Display.quoted(node)) is no node name; \(Names.nodeRule)")
        }
        if let endpoint, endpoint.isWildcard || endpoint.port == 0 {
            return Problem(
                .endpoint, "nobody can connect to the endpoint \(endpoint); name the address partners reach, or none")
        }
        return trustProblem() ?? mirrorProblem() ?? sealingProblem() ?? logProblem() ?? sharedKeyProblem()
    }

    private func trustProblem() -> Problem? {
        switch trust {
        case .pins(let pins):
            guard 1...PeerCard.maximumPinCount ~= pins.count else {
                return Problem(.trust, "tls_pins must have 1 to \(PeerCard.maximumPinCount) pins")
            }
            return repetition(in: pins).map { Problem(.pin($0), "this pin stands twice; remove one") }
        case .authority(let name, let file):
            guard HostAndPort(host: name) != nil else {
                return Problem(.trust, "the name in tls_ca is no DNS name; give the one in the node's certificate")
            }
            guard Names.isFile(file) else {
                return Problem(.trust, "the file in tls_ca must be the plain name of a file in certs/, without a path")
            }
            return nil
        }
    }

    private func mirrorProblem() -> Problem? {
        guard mirrorKey.kind == .mirror else {
            return Problem(.mirrorKey, "mirror_key is of type \(mirrorKey.kind.rawValue) instead of 4")
        }
        guard mirrorKey.name == node else {
            return Problem(
                .mirrorKey,
                "mirror_key is named \(Display.quoted(mirrorKey.name)); its name must be the node's, \(node)")
        }
        return nil
    }

    private func sealingProblem() -> Problem? {
        guard 1...PeerCard.maximumSealingKeyCount ~= sealingKeys.count else {
            return Problem(.sealingKeys, "sealing_keys must have 1 to \(PeerCard.maximumSealingKeyCount) keys")
        }
        for (index, sealingKey) in sealingKeys.enumerated() {
            guard sealingKey.epoch > 0 else { return Problem(.sealingKey(index), "epochs count from 1") }
            guard let probe = try? SecretBytes.random(count: 1), (try? sealingKey.key.seal(probe)) != nil else {
                return Problem(
                    .sealingKey(index), "nothing can be sealed to this key, which is not a proper X25519 key")
            }
        }
        if let index = repetition(in: sealingKeys.map(\.epoch)) {
            return Problem(
                .sealingKey(index), "the epoch \(sealingKeys[index].epoch) stands twice; keep one key for it")
        }
        return repetition(in: sealingKeys.map(\.key)).map {
            Problem(.sealingKey($0), "this sealing key stands twice, under different epochs; keep one")
        }
    }

    private func logProblem() -> Problem? {
        guard 1...PeerCard.maximumLogCount ~= logs.count else {
            return Problem(.logs, "logs must have 1 to \(PeerCard.maximumLogCount) logs")
        }
        for (index, log) in logs.enumerated() {
            guard Names.isCommunity(log.community) else {
                return Problem(
                    .log(index), "\(Display.quoted(log.community)) is no community name; \(Names.communityRule)")
            }
            guard PeerCard.isOrigin(log.origin, node: node, community: log.community) else {
                return Problem(
                    .log(index),
                    "the origin \(Display.quoted(log.origin)) is not this node's log in this community, which is "
                        + "\(node)/\(log.community)")
            }
            guard log.key.kind == .log else {
                return Problem(.log(index), "the vkey is of type \(log.key.kind.rawValue) instead of 1")
            }
            guard log.key.name == log.origin else {
                return Problem(
                    .log(index),
                    "the vkey is named \(Display.quoted(log.key.name)); its name must be the origin, \(log.origin)")
            }
        }
        return repetition(in: logs.map(\.community)).map {
            Problem(.log($0), "the community \(logs[$0].community) stands twice; keep its newest log")
        }
    }

    /// No key may have two roles.
    private func sharedKeyProblem() -> Problem? {
        var seen: Set<Ed25519.PublicKey> = [mirrorKey.publicKey]
        for (index, log) in logs.enumerated() where !seen.insert(log.key.publicKey).inserted {
            return Problem(
                .log(index), "this key has another role in the card; every log and the mirror need their own")
        }
        return nil
    }

    private func repetition(in values: [some Hashable]) -> Int? {
        var seen: Set<AnyHashable> = []
        return values.firstIndex { !seen.insert(AnyHashable($0)).inserted }
    }

    /// Whether the text is `node/community`, or `node/community/n` with n from 2.
    static func isOrigin(_ text: String, node: String, community: String) -> Bool {
        let first = "\(node)/\(community)"
        if text.utf8.elementsEqual(first.utf8) { return true }
        guard text.utf8.starts(with: "\(first)/".utf8) else { return false }
        let generation = Names.number(text.utf8.dropFirst(first.utf8.count + 1), maximum: 9_007_199_254_740_991)
        return (generation ?? 0) >= 2
    }
}
