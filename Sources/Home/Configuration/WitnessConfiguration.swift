public import TransparencyLog

/// Which logs of others this node cosigns as their witness, and where it answers them.
public struct WitnessConfiguration: Sendable, Hashable {
    /// The port unless another is given.
    public static let defaultPort: UInt16 = 7964
    /// The most keys of logs.
    public static let maximumLogCount = 1_024

    /// One key of a log.
    public struct Log: Sendable, Hashable {
        public let key: VerifierKey
        /// The first line of the log's checkpoints.
        public let origin: String

        public init(key: VerifierKey, origin: String? = nil) {
            self.key = key
            self.origin = origin ?? key.name
        }

        /// Whether the origin is said apart from the key.
        var namesOrigin: Bool { !origin.utf8.elementsEqual(key.name.utf8) }
    }

    public var listen: HostAndPort
    /// In the order of the file. A log whose key was replaced may have several.
    public var logs: [Log]

    public init(listen: HostAndPort, logs: [Log] = []) {
        self.listen = listen
        self.logs = logs
    }

    /// The log of this origin with its keys; `nil` where this node does not witness it.
    public func log(_ origin: String) -> WitnessedLog? {
        let keys = logs.filter { $0.origin.utf8.elementsEqual(origin.utf8) }.map(\.key)
        return try? WitnessedLog(origin: origin, keys: keys)
    }

    /// Every origin once, in the order of the file.
    public var origins: [String] {
        var seen: Set<[UInt8]> = []
        return logs.map(\.origin).filter { seen.insert(Array($0.utf8)).inserted }
    }
}

// How `witness` stands in node.yaml.
extension WitnessConfiguration {
    init(parsing value: YAMLValue, of source: YAMLSource, _ lines: inout [NodeConfiguration.Place: Int]) throws {
        var mapping = try YAMLMapping(value, of: source, what: "witness")
        let listen = try mapping.endpoint(mapping.require("listen"), "witness.listen")
        self.init(listen: listen)
        let list = try mapping.require("logs")
        for item in try mapping.list(list, "witness.logs", limit: WitnessConfiguration.maximumLogCount) {
            lines[.witnessed(logs.count)] = item.line
            logs.append(try Log(parsing: item, of: source))
        }
        try mapping.finish()
    }

    /// The lines of the file, without the key `witness` itself.
    func lines() -> [String] {
        var lines = ["  listen: \(PlainScalar.write(listen.description))"]
        lines.append(logs.isEmpty ? "  logs: []" : "  logs:")
        for log in logs {
            lines.append("    - vkey: \(PlainScalar.write(log.key.text))")
            if log.namesOrigin { lines.append("      origin: \(PlainScalar.write(log.origin))") }
        }
        return lines
    }

    /// What is wrong with it, in the node of this name.
    func firstProblem(node: String) -> NodeConfiguration.Problem? {
        guard logs.count <= WitnessConfiguration.maximumLogCount else {
            return NodeConfiguration.Problem(
                .witness, "at most \(WitnessConfiguration.maximumLogCount) keys of logs are accepted")
        }
        var seen: Set<[UInt8]> = []
        for (index, log) in logs.enumerated() {
            let place = NodeConfiguration.Place.witnessed(index)
            guard log.key.algorithm == .ed25519, (try? WitnessedLog(origin: log.origin, keys: [log.key])) != nil else {
                return NodeConfiguration.Problem(
                    place, "\(Display.quoted(log.origin)) with its key is no log that can be witnessed")
            }
            guard !log.origin.utf8.starts(with: "\(node)/".utf8) else {
                return NodeConfiguration.Problem(
                    place, "\(Display.quoted(log.origin)) is this node's own; another node has to witness it")
            }
            guard seen.insert(Array("\(log.key.text)\n\(log.origin)".utf8)).inserted else {
                return NodeConfiguration.Problem(
                    place, "this key of \(Display.quoted(log.origin)) stands twice; remove one")
            }
        }
        return nil
    }
}

extension WitnessConfiguration.Log {
    fileprivate init(parsing value: YAMLValue, of source: YAMLSource) throws {
        var mapping = try YAMLMapping(value, of: source, what: "a log")
        let vkey = try mapping.require("vkey")
        let text = try mapping.text(vkey, "vkey")
        let key: VerifierKey
        do {
            key = try VerifierKey(parsing: text)
        } catch let error as NoteError {
            throw source.error("vkey is no key of a log: \(error); copy it again", line: vkey.line)
        }
        guard key.algorithm == .ed25519 else {
            throw source.error("vkey is a witness' key; a log's is of type 1", line: vkey.line)
        }
        self.init(key: key, origin: try mapping.take("origin").map { try mapping.text($0, "origin") })
        try mapping.finish()
    }
}
