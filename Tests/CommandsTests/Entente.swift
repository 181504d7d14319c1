import Foundation
import Glibc
import Testing

/// The real program, run as a user runs it.
struct Entente {
    struct Outcome {
        let status: Int32
        let output: String
        let errors: String

        /// Standard output as JSON objects, one a line.
        var objects: [[String: Any]] {
            output.split(separator: "\n").compactMap {
                (try? JSONSerialization.jsonObject(with: Data($0.utf8))) as? [String: Any]
            }
        }
    }

    /// The binary stands beside the test binary.
    static let path: String = {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return (own as NSString).deletingLastPathComponent + "/entente"
    }()

    /// Starts the program; nothing is inherited that would find a home by itself.
    ///
    /// - Parameter namespace: the network namespace that it lives in, of those that ip-netns(8) names.
    static func start(_ arguments: [String], input: String? = nil, inside namespace: String? = nil) throws
        -> (Process, Pipe, Pipe)
    {
        let process = Process()
        if let namespace {
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = ["ip", "netns", "exec", namespace, path] + arguments
        } else {
            process.executableURL = URL(fileURLWithPath: path)
            process.arguments = arguments
        }
        process.environment = [
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/nonexistent", "SWIFT_BACKTRACE": "enable=no",
        ]
        let output = Pipe()
        let errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        if let input {
            let file = NSTemporaryDirectory() + "entente-input-\(UUID().uuidString)"
            try Data(input.utf8).write(to: URL(fileURLWithPath: file))
            process.standardInput = FileHandle(forReadingAtPath: file)
            unlink(file)
        } else {
            process.standardInput = FileHandle.nullDevice
        }
        try process.run()
        return (process, output, errors)
    }

    /// Runs the program to its end.
    @discardableResult
    static func run(_ arguments: [String], input: String? = nil, inside namespace: String? = nil) throws -> Outcome {
        let (process, output, errors) = try start(arguments, input: input, inside: namespace)
        // What goes to standard error is a few lines: it fits the pipe until the output is read.
        let out = output.fileHandleForReading.readDataToEndOfFile()
        let err = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let status =
            process.terminationReason == .uncaughtSignal ? 128 + process.terminationStatus : process.terminationStatus
        return Outcome(
            status: status, output: String(decoding: out, as: UTF8.self), errors: String(decoding: err, as: UTF8.self))
    }
}

/// A temporary folder with homes in it.
final class Place {
    let path: String
    private var running: [(node: String, process: Process)] = []

    init() throws {
        path = NSTemporaryDirectory() + "ent-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        for (_, process) in running where process.isRunning {
            process.terminate()
            process.waitUntilExit()
        }
        try? FileManager.default.removeItem(atPath: path)
    }

    func file(_ name: String, _ text: String) throws -> String {
        try file(name, Data(text.utf8))
    }

    func file(_ name: String, _ data: Data) throws -> String {
        try data.write(to: URL(fileURLWithPath: "\(path)/\(name)"))
        return "\(path)/\(name)"
    }

    @discardableResult
    func run(_ node: String, _ arguments: String...) throws -> Entente.Outcome {
        try Entente.run(["--home", "\(path)/\(node)"] + arguments)
    }

    /// Runs a command that must work; its output.
    @discardableResult
    func must(_ node: String, _ arguments: String..., at location: SourceLocation = #_sourceLocation) throws
        -> Entente.Outcome
    {
        let outcome = try Entente.run(["--home", "\(path)/\(node)"] + arguments)
        #expect(outcome.status == 0, "\(arguments): \(outcome.errors)", sourceLocation: location)
        return outcome
    }

    /// All that `status` says of a node, but for how long something has lasted.
    func state(_ node: String) throws -> String {
        try must(node, "status", "--json").output.replacingOccurrences(
            of: #""lag_seconds":[0-9]+"#, with: #""lag_seconds":0"#, options: .regularExpression)
    }

    /// Makes a node that partners reach at a free port.
    func found(_ folder: String, named name: String? = nil, port: Int? = nil) throws {
        let port = try port ?? Place.freePort()
        let name = name ?? folder
        try must(
            folder, "init", "--node", "\(name).example", "--community", "krus", "--listen", "127.0.0.1:\(port)",
            "--endpoint", "127.0.0.1:\(port)")
        _ = try file("\(name).yaml", try must(folder, "identity").output)
    }

    /// Makes nodes that know each other.
    func federate(_ names: String...) throws {
        for name in names { try found(name) }
        for one in names {
            for other in names where other != one { try must(one, "peer", "add", "\(path)/\(other).yaml") }
        }
    }

    /// Starts `run` and waits until it listens.
    @discardableResult
    func serve(_ node: String, inside namespace: String? = nil) throws -> Process {
        let (process, output, _) = try Entente.start(
            ["--home", "\(path)/\(node)", "run", "--json"], inside: namespace)
        running.append((node, process))
        let first = output.fileHandleForReading.availableData
        #expect(String(decoding: first, as: UTF8.self).contains("listening"))
        return process
    }

    /// The `run` of a node that was started last.
    func lastRun(of node: String) -> Process? { running.last { $0.node == node }?.process }

    /// A process to end with this place.
    func keep(_ node: String, _ process: Process) {
        running.append((node, process))
    }

    /// Ends every `run` that was started, or those of one node.
    func stop(_ node: String? = nil) {
        for (name, process) in running where name == node ?? name {
            process.terminate()
            process.waitUntilExit()
        }
        running.removeAll { $0.node == node ?? $0.node }
    }

    static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let found = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        try #require(found)
        return Int(UInt16(bigEndian: address.sin_port))
    }

    /// The checkout's example records.
    static let examples: String = {
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { url.deleteLastPathComponent() }
        return url.appendingPathComponent("Examples").path
    }()
}
