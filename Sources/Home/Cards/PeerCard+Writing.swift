import Cryptography

extension PeerCard {
    /// The card as YAML, always the same text for the same card. Reading it back gives the card.
    ///
    /// Two comment lines come first: whose card it is, and the fingerprint to compare by phone.
    public func text() -> String {
        var lines = [
            "# Peer card of \(node)",
            "# Fingerprint: \(fingerprint)",
            "version: \(PeerCard.version)",
            "node: \(PlainScalar.write(node))",
        ]
        if let endpoint { lines.append("endpoint: \(PlainScalar.write(endpoint.description))") }
        switch trust {
        case .pins(let pins):
            lines.append("tls_pins:")
            lines += pins.map { "  - sha256:\($0.hex)" }
        case .authority(let name, let file):
            lines += ["tls_ca:", "  name: \(PlainScalar.write(name))", "  file: \(PlainScalar.write(file))"]
        }
        lines += ["mirror_key: \(PlainScalar.write(mirrorKey.text))", "sealing_keys:"]
        for sealingKey in sealingKeys {
            lines += [
                "  - epoch: \(sealingKey.epoch)", "    key: \(PlainScalar.write(Base64.encode(sealingKey.key.bytes)))",
            ]
        }
        lines.append("logs:")
        for log in logs {
            lines += [
                "  - community: \(PlainScalar.write(log.community))",
                "    origin: \(PlainScalar.write(log.origin))",
                "    vkey: \(PlainScalar.write(log.key.text))",
            ]
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
