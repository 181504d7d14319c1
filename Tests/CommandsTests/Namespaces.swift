import Foundation
import Glibc
import Testing

/// us and kr, each in a network namespace of its own, joined by a pair of virtual interfaces. Needs root; the names are
/// this test's alone, and nothing of it stays.
final class Namespaces {
    /// Why such tests cannot run here; `nil` where they can.
    static let obstacle: String? = {
        guard geteuid() == 0 else { return "network namespaces need root" }
        let name = unique("probe")
        guard tool("ip", "netns", "add", name).status == 0 else { return "no network namespaces here (ip netns add)" }
        defer { tool("ip", "netns", "delete", name) }
        guard tool("ip", "-n", name, "link", "add", "probe0", "type", "veth", "peer", "name", "probe1").status == 0
        else {
            return "no virtual interfaces here (ip link add type veth)"
        }
        return nil
    }()

    static let isPossible = obstacle == nil
    static let hasNetem = isPossible && shapes("netem", "delay", "100ms", "loss", "2%")
    static let hasRates = isPossible && shapes("tbf", "rate", "256kbit", "burst", "4kb", "latency", "400ms")

    let place: Place
    private let names: [String: String]
    private static let addresses = ["us": "10.79.62.1", "kr": "10.79.62.2"]

    init() throws {
        place = try Place()
        names = ["us": Self.unique("us"), "kr": Self.unique("kr")]
        for name in names.values { try Self.must("ip", "netns", "add", name) }
        try Self.must(
            "ip", "link", "add", "link0", "netns", name("us"), "type", "veth", "peer", "name", "link0", "netns",
            name("kr"))
        for node in ["us", "kr"] {
            try Self.must("ip", "-n", name(node), "address", "add", "\(Self.addresses[node] ?? "")/24", "dev", "link0")
            try Self.must("ip", "-n", name(node), "link", "set", "lo", "up")
            try setLink(node, up: true)
            try place.must(
                node, "init", "--node", "\(node).example", "--community", "krus", "--listen",
                "\(Self.addresses[node] ?? ""):7962", "--endpoint", "\(Self.addresses[node] ?? ""):7962")
            _ = try place.file("\(node).yaml", try place.must(node, "identity").output)
        }
        try place.must("us", "peer", "add", "\(place.path)/kr.yaml")
        try place.must("kr", "peer", "add", "\(place.path)/us.yaml")
    }

    private var running: [Process] = []

    deinit {
        for process in running where process.isRunning {
            process.terminate()
            process.waitUntilExit()
        }
        for name in names.values { Self.tool("ip", "netns", "delete", name) }
    }

    private func name(_ node: String) -> String { names[node] ?? "" }

    /// Gives both ends of the link a queueing discipline of tc(8).
    func shape(_ discipline: String...) throws {
        for node in ["us", "kr"] {
            try Self.must(["tc", "-n", name(node), "qdisc", "replace", "dev", "link0", "root"] + discipline)
        }
    }

    func setLink(_ node: String, up: Bool) throws {
        try Self.must("ip", "-n", name(node), "link", "set", "link0", up ? "up" : "down")
    }

    /// Runs a command of a node inside its namespace.
    func run(_ node: String, _ arguments: String...) throws -> Entente.Outcome {
        try Entente.run(["--home", "\(place.path)/\(node)"] + arguments, inside: name(node))
    }

    func serve(_ node: String) throws {
        let (process, output, _) = try Entente.start(
            ["--home", "\(place.path)/\(node)", "run", "--json"], inside: name(node))
        running.append(process)
        #expect(String(decoding: output.fileHandleForReading.availableData, as: UTF8.self).contains("listening"))
    }

    // MARK: Tools

    private static func unique(_ what: String) -> String {
        "entente-\(what)-\(UUID().uuidString.prefix(8).lowercased())"
    }

    private static func shapes(_ discipline: String...) -> Bool {
        let name = unique("probe")
        defer { tool("ip", "netns", "delete", name) }
        return tool("ip", "netns", "add", name).status == 0
            && tool(["tc", "-n", name, "qdisc", "add", "dev", "lo", "root"] + discipline).status == 0
    }

    private static func must(_ words: String..., at location: SourceLocation = #_sourceLocation) throws {
        try must(words, at: location)
    }

    private static func must(_ words: [String], at location: SourceLocation = #_sourceLocation) throws {
        let (status, text) = tool(words)
        try #require(status == 0, "\(words.joined(separator: " ")): \(text)", sourceLocation: location)
    }

    @discardableResult
    private static func tool(_ words: String...) -> (status: Int32, text: String) { tool(words) }

    private static func tool(_ words: [String]) -> (status: Int32, text: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = words
        process.environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]
        let errors = Pipe()
        process.standardOutput = FileHandle.nullDevice
        process.standardError = errors
        guard (try? process.run()) != nil else { return (127, "cannot be run") }
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }
}
