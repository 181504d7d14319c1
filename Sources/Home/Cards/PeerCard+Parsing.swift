import Cryptography

extension PeerCard {
    /// Reads a card strictly: whatever is unknown, missing, repeated or malformed is an error that names file and line.
    ///
    /// - Parameters:
    ///   - bytes: The YAML text in UTF-8, at most ``maximumByteCount``.
    ///   - path: What errors call the file.
    /// - Throws: ``HomeError`` of the category `badInput`.
    public init(parsing bytes: [UInt8], path: String) throws {
        let source = YAMLSource(path: path, category: .badInput, limit: PeerCard.maximumByteCount)
        var root = try source.parse(bytes)
        try root.checkVersion(PeerCard.version, of: "peer card")
        var lines: [Place: Int] = [:]

        let nodeValue = try root.require("node")
        lines[.node] = nodeValue.line
        let node = try root.text(nodeValue, "node")

        var endpoint: HostAndPort?
        if let value = root.take("endpoint") {
            lines[.endpoint] = value.line
            endpoint = try root.endpoint(value, "endpoint")
        }
        let trust = try PeerCard.trust(&root, &lines)

        let mirrorValue = try root.require("mirror_key")
        lines[.mirrorKey] = mirrorValue.line
        let mirrorKey = try root.key(mirrorValue, "mirror_key", .mirror)

        let sealingKeys = try PeerCard.sealingKeys(&root, &lines)
        let logs = try PeerCard.logs(&root, &lines)
        try root.finish()

        self.init(
            unchecked: node, endpoint: endpoint, trust: trust, mirrorKey: mirrorKey, sealingKeys: sealingKeys,
            logs: logs)
        if let problem = firstProblem() { throw source.error(problem.message, line: lines[problem.place]) }
    }

    private static func trust(_ root: inout YAMLMapping, _ lines: inout [Place: Int]) throws -> TLSTrust {
        let pinsValue = root.take("tls_pins")
        let authorityValue = root.take("tls_ca")
        switch (pinsValue, authorityValue) {
        case (let value?, nil):
            lines[.trust] = value.line
            var pins: [SHA256Digest] = []
            for (index, item) in try root.list(value, "tls_pins", limit: maximumPinCount).enumerated() {
                lines[.pin(index)] = item.line
                let text = try root.text(item, "a pin")
                guard let digest = SHA256Digest(pin: text) else {
                    throw root.source.error("a pin must read sha256: and 64 hexadecimal digits", line: item.line)
                }
                pins.append(digest)
            }
            return .pins(pins)
        case (nil, let value?):
            lines[.trust] = value.line
            var mapping = try YAMLMapping(value, of: root.source, what: "tls_ca")
            let name = try mapping.text(mapping.require("name"), "name")
            let file = try mapping.text(mapping.require("file"), "file")
            try mapping.finish()
            return .authority(name: name, file: file)
        case (nil, nil):
            throw root.source.error("neither tls_pins nor tls_ca is there; add one of them", line: root.line)
        case (_?, let value?):
            throw root.source.error("has tls_pins and tls_ca; keep the one by which it is recognised", line: value.line)
        }
    }

    private static func sealingKeys(_ root: inout YAMLMapping, _ lines: inout [Place: Int]) throws -> [SealingKey] {
        let value = try root.require("sealing_keys")
        lines[.sealingKeys] = value.line
        var keys: [SealingKey] = []
        for (index, item) in try root.list(value, "sealing_keys", limit: maximumSealingKeyCount).enumerated() {
            lines[.sealingKey(index)] = item.line
            var mapping = try YAMLMapping(item, of: root.source, what: "a sealing key")
            let epoch = try mapping.number(mapping.require("epoch"), "epoch", 1...UInt64(UInt32.max))
            let keyValue = try mapping.require("key")
            try mapping.finish()
            guard let bytes = Base64.decode(try mapping.text(keyValue, "key")) else {
                throw root.source.error("key is not base64; copy it again", line: keyValue.line)
            }
            guard let key = try? SealedBox.PublicKey(bytes) else {
                throw root.source.error(
                    "key has \(bytes.count) bytes instead of \(SealedBox.PublicKey.byteCount); copy it again",
                    line: keyValue.line)
            }
            keys.append(SealingKey(epoch: UInt32(truncatingIfNeeded: epoch), key: key))
        }
        return keys
    }

    private static func logs(_ root: inout YAMLMapping, _ lines: inout [Place: Int]) throws -> [Log] {
        let value = try root.require("logs")
        lines[.logs] = value.line
        var logs: [Log] = []
        for (index, item) in try root.list(value, "logs", limit: maximumLogCount).enumerated() {
            lines[.log(index)] = item.line
            var mapping = try YAMLMapping(item, of: root.source, what: "a log")
            let community = try mapping.text(mapping.require("community"), "community")
            let origin = try mapping.text(mapping.require("origin"), "origin")
            let key = try mapping.key(mapping.require("vkey"), "vkey", .log)
            try mapping.finish()
            logs.append(Log(community: community, origin: origin, key: key))
        }
        return logs
    }
}

extension YAMLMapping {
    /// Takes the key `version` and refuses every other version than this.
    mutating func checkVersion(_ version: UInt64, of what: String) throws {
        let value = try require("version")
        let found = try number(value, "version", 1...UInt64(Int32.max))
        guard found == version else {
            throw source.error(
                "this \(what) has version \(found), and this program reads version \(version); use a newer one",
                line: value.line)
        }
    }

    func key(_ value: YAMLValue, _ what: String, _ kind: CardKey.Kind) throws -> CardKey {
        do {
            return try CardKey(parsing: text(value, what), kind: kind)
        } catch let problem as CardKey.Problem {
            throw source.error("\(what) \(problem.message)", line: value.line)
        }
    }

    func endpoint(_ value: YAMLValue, _ what: String) throws -> HostAndPort {
        let text = try text(value, what)
        guard let endpoint = HostAndPort(text) else {
            throw source.error(
                "\(what) \(Display.quoted(text)) is no address; write host:port, for example "
                    + "node.us.example:\(HostAndPort.defaultPort)",
                line: value.line)
        }
        return endpoint
    }
}
