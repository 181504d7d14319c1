import Cryptography
import Foundation
import Glibc
import LogStore
import Logging
import MutualTLS
import NIOCore
import NodeService
import Reconciliation
import Synchronization
import Testing
import TransparencyLog

/// A real node that listens over TLS, an honest partner of it, and a hostile one.
final class HostileScene: Sendable {
    let us: TestNode
    let kr: TestNode
    let xx: HostilePeer
    let usTLS: TLSName
    private let krTLS: TLSName
    private let server: PeerServer

    /// What must be as it was when an attack is over.
    private struct State: Equatable {
        var logs: [String]
        var hostileSize: UInt64
        var frozen: [String]
        var cosignatures: [String]
    }

    /// Quick enough for tests, patient enough for a machine that is busy.
    static var pace: SessionPace {
        var pace = SessionPace()
        pace.tick = .milliseconds(100)
        pace.pingTicks = 10
        pace.idleTicks = 40
        pace.stuckTicks = 30
        pace.waitTicks = 40
        return pace
    }

    init(_ xx: HostilePeer, entries: Int = 300, now: Moment? = nil, prepare: (TestNode) throws -> Void = { _ in })
        async throws
    {
        us = try TestNode("us.example", partners: ["kr.example", HostilePeer.name], now: now)
        kr = try TestNode("kr.example", partners: ["us.example"])
        self.xx = xx
        (usTLS, krTLS) = (try TLSName("us.example"), try TLSName("kr.example"))
        try us.know(kr)
        try kr.know(us)
        try us.store.createLog(
            origin: xx.origin, node: HostilePeer.name, community: "krus", isOwn: false,
            verifierKey: xx.signer.verifierKey.text)
        us.context.know(xx.cosigner.verifierKey)
        try us.append(entries)
        try kr.append(40)
        try prepare(us)
        let tls = try usTLS.context(trusting: [krTLS, xx.tls])
        let reported = Reported()
        server = try await PeerServer.listen(
            at: Endpoint(host: "127.0.0.1", port: 0), context: us.context, tls: { tls }, pace: HostileScene.pace,
            logger: HostileScene.quiet, onReport: { reported.add($0) })
        self.reported = reported
    }

    private let reported: Reported

    private final class Reported: Sendable {
        let all = Mutex<[SessionReport]>([])
        func add(_ report: SessionReport) { all.withLock { $0.append(report) } }
    }

    static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    var port: Int { server.port }

    func connect() async throws -> HostileLine {
        try await HostileLine.connect(xx, to: port, trusting: usTLS)
    }

    func end() async {
        try? await server.close()
    }

    // MARK: Attacks

    /// Lets the hostile peer do its worst while an honest partner catches up; waits for the node's report of it.
    ///
    /// Whatever the peer does, the node stores nothing of it, freezes nothing, holds little memory, and the honest
    /// partner gets all there is, during the attack and after it.
    @discardableResult
    func attack(
        keeping hostileSize: UInt64 = 0, memory: Int = 256 << 20,
        _ script: @escaping @Sendable (HostileLine) async throws -> Void
    ) async throws -> SessionReport {
        try await withNothingStored(keeping: hostileSize, memory: memory) {
            let line = try await connect()
            defer { line.channel.close(promise: nil) }
            try await script(line)
            return try await report(of: HostilePeer.name)
        }
    }

    /// The same for a session that the node opens, to reconcile once.
    @discardableResult
    func attackDialler(
        _ script: @escaping @Sendable (HostileLine) async throws -> Void
    ) async throws -> SessionReport {
        try await withNothingStored {
            let (lines, accept) = AsyncStream.makeStream(of: HostileLine.self)
            let tls = try xx.tls.context(trusting: [usTLS])
            let listener = try await SecureListener.listen(host: "127.0.0.1", port: 0, context: { tls }) { channel in
                accept.yield(try HostileLine.accepted(channel))
            }
            var client = PeerClient(
                context: us.context, tls: try usTLS.context(trusting: [xx.tls]), logger: HostileScene.quiet)
            client.pace = HostileScene.pace
            async let report = client.synchronise(
                with: HostilePeer.name,
                at: Endpoint(host: "127.0.0.1", port: listener.localAddress?.port ?? 0), once: true)
            if let line = await lines.first(where: { _ in true }) { try await script(line) }
            let ended = await report
            try await listener.close()
            return ended
        }
    }

    private func withNothingStored(
        keeping hostileSize: UInt64 = 0, memory: Int = 256 << 20, _ attack: () async throws -> SessionReport
    ) async throws -> SessionReport {
        var expected = try HostileScene.state(of: us, xx)
        expected.hostileSize = hostileSize
        let memoryBefore = ProcessMemory.begin()
        try us.append(500, text: "during")
        async let beside: Void = expectHonestSync()
        let report = try await attack()
        try await beside
        #expect(ProcessMemory.peak() - memoryBefore < memory)
        try us.append(5, text: "after")
        try await expectHonestSync()
        #expect(try HostileScene.state(of: us, xx) == expected)
        return report
    }

    /// What the node says of its session with a peer, once it is over.
    func report(of peer: String, number: Int = 0) async throws -> SessionReport {
        try await within("the session with \(peer) ends") {
            let all = reported.all.withLock { $0.filter { $0.peer == peer } }
            return all.count > number ? all[number] : nil
        }
    }

    func reports(of peer: String) -> [SessionReport] {
        reported.all.withLock { $0.filter { $0.peer == peer } }
    }

    /// An honest partner connects, gets everything and ends well.
    func expectHonestSync(location: SourceLocation = #_sourceLocation) async throws {
        let client = PeerClient(
            context: kr.context, tls: try krTLS.context(trusting: [usTLS]), logger: HostileScene.quiet)
        let report = await client.synchronise(
            with: "us.example", at: Endpoint(host: "127.0.0.1", port: port), once: true)
        #expect(report.error == nil, sourceLocation: location)
        let held = try kr.store.log(us.log.origin)
        #expect(held?.head == (try us.store.log(us.log.origin))?.head, sourceLocation: location)
        #expect(held?.frozen == nil, sourceLocation: location)
    }

    private static func state(of node: TestNode, _ xx: HostilePeer) throws -> State {
        let logs = try node.store.logs()
        return State(
            logs: logs.map(\.origin).sorted(), hostileSize: try node.store.log(xx.origin)?.size ?? 0,
            frozen: logs.filter { $0.frozen != nil }.map(\.origin),
            cosignatures: try logs.flatMap { log in
                try node.store.cosignatures(of: log.id).map(\.cosigner).filter { $0 != "kr.example" && $0 != node.name }
            })
    }
}

/// Bytes of memory that this process holds.
enum ProcessMemory {
    /// Forgets the peak. Answers what is held now.
    static func begin() -> Int {
        // Where the kernel does not let us, the peak is that of the process so far, and the bound says less.
        if let file = FileHandle(forWritingAtPath: "/proc/self/clear_refs") {
            try? file.write(contentsOf: [UInt8(ascii: "5")])
            try? file.close()
        }
        return read("VmHWM:")
    }

    /// The most that was held since.
    static func peak() -> Int { read("VmHWM:") }

    private static func read(_ name: String) -> Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix(name) }
        return line.flatMap { $0.split(separator: " ").compactMap { Int($0) }.first }.map { $0 << 10 } ?? 0
    }
}

/// The report convicts the peer, in these words.
func expect(
    _ report: SessionReport, _ kind: SessionFailure.Kind, _ words: String,
    location: SourceLocation = #_sourceLocation
) {
    #expect(report.error?.kind == kind, "\(report.error?.description ?? "none")", sourceLocation: location)
    #expect(
        report.error?.description.contains(words) == true, "\(report.error?.description ?? "none")",
        sourceLocation: location)
}
