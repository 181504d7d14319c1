import Foundation
import MutualTLS

/// A process of the system's `openssl` (or a script of ours), with its output; bounded in time.
final class Tool: @unchecked Sendable {
    // Unchecked: `Process` and the pipe are used from one test only.
    private let process = Process()
    private let input = Pipe()
    // A file, not a pipe: processes started at the same time inherit pipes, and their end would not be seen.
    private let folder: Folder

    init(_ executable: String, _ arguments: [String]) throws {
        folder = try Folder()
        let output = try FileHandle(forWritingTo: URL(fileURLWithPath: folder.write("output", [])))
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [executable] + arguments
        process.standardInput = input
        process.standardOutput = output
        process.standardError = output
        try process.run()
        try output.close()
    }

    var text: String { (try? folder.read("output")).map { String(decoding: $0, as: UTF8.self) } ?? "" }

    deinit { stop() }

    func type(_ line: String) {
        try? input.fileHandleForWriting.write(contentsOf: Data(line.utf8))
    }

    func endInput() { try? input.fileHandleForWriting.close() }

    /// Ends it at once, as a crash would: the system closes its sockets, TLS says nothing.
    func stop() {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }

    func wait(for text: String, seconds: Double = 10) async throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while !self.text.contains(text) {
            guard ContinuousClock.now < deadline else { throw FixtureError.timedOut("\(text): \(self.text)") }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// The exit status.
    func finished(seconds: Double = 20) async throws -> Int32 {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while process.isRunning {
            guard ContinuousClock.now < deadline else {
                stop()
                throw FixtureError.timedOut("a process: \(text)")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        return process.terminationStatus
    }
}

/// A folder that goes with the object.
final class Folder: Sendable {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("entente-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: url, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }
    func read(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: url.appendingPathComponent(name))) }

    @discardableResult
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        try Data(bytes).write(to: url.appendingPathComponent(name))
        return path(name)
    }

    /// Certificate and key as files for `openssl`: its arguments.
    func arguments(_ node: Node) throws -> [String] {
        let certificate = try write("\(node.name).pem", node.certificatePEM)
        let key = try write("\(node.name).key", node.keyPEM)
        return ["-cert", certificate, "-key", key]
    }
}

/// An authority made by `certs/make-dev-ca.sh`.
struct DevelopmentAuthority: Sendable {
    let folder: Folder

    static func make() throws -> DevelopmentAuthority { DevelopmentAuthority(folder: try Folder()) }

    func run(_ arguments: [String]) async throws {
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("certs/make-dev-ca.sh").path
        let tool = try Tool("sh", [script, "-o", folder.url.path] + arguments)
        let status = try await tool.finished()
        guard status == 0 else { throw FixtureError.setup("make-dev-ca.sh: \(status) \(tool.text)") }
    }

    func identity(_ name: String) throws -> TLSIdentity {
        try TLSIdentity(certificatePEM: folder.read("\(name).pem"), privateKeyPEM: folder.read("\(name).key"))
    }

    func trust(_ names: [String: String], checkingRevocation: Bool = false) throws -> PeerTrust {
        let lists = checkingRevocation ? try folder.read("crl.pem") : nil
        return PeerTrust(
            authority: .init(certificatesPEM: try folder.read("ca.pem"), names: names, revocationListsPEM: lists))
    }

    func context(_ name: String, trusting names: [String: String], checkingRevocation: Bool = false) throws
        -> TLSContext
    {
        try TLSContext(
            TLSConfiguration(
                identity: identity(name), trust: trust(names, checkingRevocation: checkingRevocation),
                applicationProtocols: ["entente/1"]))
    }
}
