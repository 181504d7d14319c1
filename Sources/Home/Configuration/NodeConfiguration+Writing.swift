import Cryptography

extension NodeConfiguration {
    /// The text of `node.yaml`, with a comment at every key; always the same for the same configuration. Reading it
    /// back gives the configuration.
    public func text() -> String {
        var lines = [
            "# This node of Entente. Commands rewrite this file, so comments of your own do not last.",
            "version: \(NodeConfiguration.version)",
            "node: \(PlainScalar.write(node))",
            "",
            "# Where this node listens, host:port. Port 0 takes any free one.",
            "listen: \(PlainScalar.write(listen.description))",
            "# Where partners reach it, as its peer card says. Without one, only this node opens connections.",
            endpoint.map { "endpoint: \(PlainScalar.write($0.description))" } ?? "# endpoint: node.us.example:7962",
            "# Where partners and auditors read the logs as tiles over HTTPS. Without one, nowhere.",
            tiles.map { "tiles: \(PlainScalar.write($0.description))" } ?? "# tiles: 0.0.0.0:7963",
            "# Whose logs outside the communities this node cosigns as their witness, and where it answers them over",
            "# HTTPS; `entente witness add` adds one. Without this, nobody's.",
        ]
        lines += witness.map { ["witness:"] + $0.lines() } ?? ["# witness:", "#   listen: 0.0.0.0:7964"]
        lines += [
            "",
            "# Seconds between attempts to reconcile with a partner that is not connected.",
            "sync_interval: \(syncInterval)",
            "",
            "# What is sealed, to whom, and how records are marked, unless a command says otherwise.",
            "sealing:",
        ]
        lines += sealing.lines()
        lines += [
            "",
            "# The groups this node shares records with. Members, this node among them, may hold its log there.",
            "# carry_sealed: recipients (sealed parts go only to those who can open them) or members (to all).",
            "# stale_after: how old the owner's last dated signature on a log may be before `status` raises an alarm.",
            "# witnesses: who is asked to cosign this node's log, by `entente community witness`; quorum: how many must.",
        ]
        lines.append(communities.isEmpty ? "communities: []" : "communities:")
        for community in communities {
            lines.append("  - name: \(PlainScalar.write(community.name))")
            lines.append("    carry_sealed: \(community.carrySealed.rawValue)")
            lines.append("    stale_after: \(TimeSpan.text(community.staleAfter))")
            lines += NodeConfiguration.list(community.members, key: "members", indentation: "    ")
            if !community.witnesses.isEmpty {
                lines.append("    witnesses:")
                lines += community.witnesses.flatMap { $0.lines(indentation: "      ") }
            }
            if let quorum = community.quorum { lines.append("    quorum: \(quorum)") }
        }
        lines += [
            "",
            "# Who reads the logs of communities as tiles (`tiles` above) and is no partner: a name, the SHA-256 of the key",
            "# of the certificate that it shows, the communities. See `entente auditor --help`.",
        ]
        lines.append(auditors.isEmpty ? "auditors: []" : "auditors:")
        for auditor in auditors {
            lines.append("  - name: \(PlainScalar.write(auditor.name))")
            lines.append("    pin: sha256:\(auditor.pin.hex)")
            lines += NodeConfiguration.list(auditor.communities, key: "communities", indentation: "    ")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    static func list(_ items: [String], key: String, indentation: String) -> [String] {
        if items.isEmpty { return ["\(indentation)\(key): []"] }
        return ["\(indentation)\(key):"] + items.map { "\(indentation)  - \(PlainScalar.write($0))" }
    }
}
