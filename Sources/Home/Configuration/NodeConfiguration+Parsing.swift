import Cryptography

extension NodeConfiguration {
    /// Reads `node.yaml` strictly: whatever is unknown, repeated, missing or of the wrong type is an error that names
    /// file and line. `version`, `node` and `listen` must be there; the rest has defaults.
    ///
    /// - Parameters:
    ///   - bytes: The YAML text in UTF-8, at most ``maximumByteCount``.
    ///   - path: What errors call the file.
    /// - Throws: ``HomeError`` of the category `configuration`.
    public init(parsing bytes: [UInt8], path: String) throws {
        let source = YAMLSource(path: path, category: .configuration, limit: NodeConfiguration.maximumByteCount)
        var root = try source.parse(bytes)
        try root.checkVersion(NodeConfiguration.version, of: "node.yaml")
        var lines: [Place: Int] = [:]

        let nodeValue = try root.require("node")
        lines[.node] = nodeValue.line
        let node = try root.text(nodeValue, "node")
        let listen = try root.endpoint(root.require("listen"), "listen")
        self.init(node: node, listen: listen)

        if let value = root.take("endpoint") {
            lines[.endpoint] = value.line
            endpoint = try root.endpoint(value, "endpoint")
        }
        if let value = root.take("tiles") {
            lines[.tiles] = value.line
            tiles = try root.endpoint(value, "tiles")
        }
        if let value = root.take("witness") {
            lines[.witness] = value.line
            witness = try WitnessConfiguration(parsing: value, of: source, &lines)
        }
        if let value = root.take("sync_interval") {
            syncInterval = try root.number(value, "sync_interval", 1...NodeConfiguration.maximumSyncInterval)
        }
        if let value = root.take("sealing") {
            lines[.sealing] = value.line
            sealing = try SealingDefaults(parsing: value, of: source, &lines)
        }
        if let value = root.take("communities") {
            lines[.communities] = value.line
            let items = try root.list(value, "communities", limit: NodeConfiguration.maximumCommunityCount)
            for (index, item) in items.enumerated() {
                lines[.community(index)] = item.line
                communities.append(try CommunityConfiguration(parsing: item, of: source, at: index, &lines))
            }
        }
        if let value = root.take("auditors") {
            lines[.auditors] = value.line
            for item in try root.list(value, "auditors", limit: AuditorConfiguration.maximumCount) {
                lines[.auditor(auditors.count)] = item.line
                auditors.append(try AuditorConfiguration(parsing: item, of: source))
            }
        }
        try root.finish()
        if let problem = firstProblem() { throw source.error(problem.message, line: lines[problem.place]) }
    }
}

extension CommunityConfiguration {
    fileprivate init(
        parsing value: YAMLValue, of source: YAMLSource, at index: Int, _ lines: inout [NodeConfiguration.Place: Int]
    ) throws {
        var mapping = try YAMLMapping(value, of: source, what: "a community")
        let name = try mapping.text(mapping.require("name"), "name")
        let list = try mapping.require("members")
        self.init(name: name, members: [])
        for item in try mapping.list(list, "members", limit: CommunityConfiguration.maximumMemberCount) {
            lines[.member(index, members.count)] = item.line
            members.append(try mapping.text(item, "a member"))
        }
        if let value = mapping.take("carry_sealed") {
            carrySealed = try mapping.choice(value, "carry_sealed")
        }
        if let value = mapping.take("stale_after") {
            lines[.staleAfter(index)] = value.line
            staleAfter = try mapping.span(value, "stale_after")
        }
        if let value = mapping.take("witnesses") {
            lines[.askedWitnesses(index)] = value.line
            let limit = CommunityConfiguration.maximumWitnessCount
            for item in try mapping.list(value, "witnesses", limit: limit) {
                lines[.askedWitness(index, witnesses.count)] = item.line
                witnesses.append(try CommunityWitness(parsing: item, of: source))
            }
        }
        if let value = mapping.take("quorum") {
            lines[.askedWitnesses(index)] = value.line
            let range = 1...UInt64(CommunityConfiguration.maximumWitnessCount)
            quorum = Int(try mapping.number(value, "quorum", range))
        }
        try mapping.finish()
    }
}

extension AuditorConfiguration {
    fileprivate init(parsing value: YAMLValue, of source: YAMLSource) throws {
        var mapping = try YAMLMapping(value, of: source, what: "an auditor")
        let name = try mapping.text(mapping.require("name"), "name")
        let pin = try mapping.require("pin")
        guard let digest = SHA256Digest(pin: try mapping.text(pin, "pin")) else {
            throw source.error("a pin must read sha256: and 64 hexadecimal digits", line: pin.line)
        }
        let list = try mapping.require("communities")
        let communities = try mapping.list(list, "communities", limit: NodeConfiguration.maximumCommunityCount)
            .map { try mapping.text($0, "a community") }
        self.init(name: name, pin: digest, communities: communities)
        try mapping.finish()
    }
}

extension SHA256Digest {
    /// A pin as it is written: `sha256:` and 64 hexadecimal digits.
    package init?(pin text: String) {
        guard text.hasPrefix("sha256:") else { return nil }
        self.init(hex: String(text.dropFirst(7)))
    }
}

extension YAMLMapping {
    /// A number of seconds, with or without a unit.
    func span(_ value: YAMLValue, _ what: String) throws -> UInt64 {
        guard case .text(let text, _) = value.content, let seconds = TimeSpan.parse(text) else {
            throw source.error("\(what) is \(TimeSpan.rule): 3h, 90 min, 10800", line: value.line)
        }
        return seconds
    }

    /// One of the words of an enumeration.
    func choice<Choice>(_ value: YAMLValue, _ what: String) throws -> Choice
    where Choice: RawRepresentable<String> & CaseIterable {
        let text = try text(value, what)
        guard let choice = Choice(rawValue: text) else {
            let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw source.error("\(what) is \(Display.quoted(text)); it can be \(words)", line: value.line)
        }
        return choice
    }
}
