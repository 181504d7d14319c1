import Cryptography
import Glibc
import LogStore
import MutualTLS
import NIOCore
import NodeService
import Reconciliation
import Testing

/// Peers that take their time, that do not listen, or that come too often.
@Suite("Hostile pace", .serialized) struct HostilePaceTests {
    enum Delay: CaseIterable {
        case noHello
        case dripsHello
        case dripsFrame
        case silent
        case bringsNothing
        case bringsHalf
        case chatters

        var words: String {
            switch self {
            case .noHello: "what was asked for did not come in"
            case .dripsHello, .dripsFrame: "it began a frame and did not end it in"
            case .silent: "nothing heard for"
            case .bringsNothing, .bringsHalf, .chatters: "what was asked for did not come in"
            }
        }
    }

    @Test("Whoever keeps a connection and brings nothing is left", arguments: Delay.allCases)
    func delays(_ delay: Delay) async throws {
        let xx = try HostilePeer()
        let scene = try await HostileScene(xx)
        let report = try await scene.attack(keeping: delay == .bringsHalf ? 256 : 0) { line in
            switch delay {
            case .noHello: break
            case .dripsHello, .dripsFrame:
                if delay == .dripsFrame { try await line.meet() }
                line.say([0, 0, 0xFF, 0xFF, 0])
                while !line.isClosed {
                    line.say([0])
                    try await Task.sleep(for: .milliseconds(50))
                }
            case .silent: try await line.meet()
            case .bringsNothing, .bringsHalf, .chatters:
                try await line.meet([xx.head(300)])
                try line.say(xx.offer(300))
                _ = try await line.hear("a request") { if case .request = $0 { true } else { false } }
                if delay == .bringsHalf { try line.say(.entries(xx.entries(0..<256, treeSize: 300))) }
                while !line.isClosed {
                    try line.say(.ping(nonce: 1, isReply: false))
                    if delay == .chatters {
                        // Some kilobytes a second, all of it allowed.
                        let strange = CosignatureLine(cosigner: "nobody", size: 1, time: 1, line: "nothing")
                        try line.say(
                            .heads(community: "krus", [xx.head(300)], complete: false, settled: false),
                            .offer(Offer(log: SHA256.hash("nowhere"), checkpoint: "", fromSize: 0, proof: [])),
                            .cosignatures(scene.us.log.id, [strange]), .unknown([SHA256.hash("nowhere")]))
                    }
                    try await Task.sleep(for: .milliseconds(50))
                }
            }
            try await line.closed()
        }
        expect(report, .unreachable, delay.words)
        await scene.end()
    }

    /// Entries that do not get smaller on the way: one mebibyte.
    private static func large(_ us: TestNode) throws {
        try us.append((0..<64).map { _ in RandomBytes.make(count: 16_384) })
    }

    /// More than the system keeps for a connection that is not read, and far less than was asked for.
    private static let heldForDeaf = 24 << 20

    @Test("Whoever asks for everything and reads nothing is left, and little is held for it")
    func deaf() async throws {
        let scene = try await HostileScene(HostilePeer(), prepare: HostilePaceTests.large)
        let log = scene.us.log.id
        let report = try await scene.attack(memory: 96 << 20) { line in
            try await line.meet()
            try await line.deafen()
            try line.say(
                Array(
                    repeating: Message.request(RangeRequest(log: log, start: 300, end: 364, treeSize: 364)), count: 60))
        }
        expect(report, .unreachable, "it took nothing of what it was sent in")
        #expect(report.bytesOut < HostilePaceTests.heldForDeaf, "\(report.bytesOut)")
        await scene.end()
    }

    @Test("Whoever asks for everything again and again, without reading, is told apart from a slow reader")
    func greedy() async throws {
        let scene = try await HostileScene(HostilePeer(), prepare: HostilePaceTests.large)
        let log = scene.us.log.id
        let report = try await scene.attack(memory: 96 << 20) { line in
            try await line.meet()
            // What the honest partner brings is told to this peer too: that is over before it goes deaf.
            _ = try await within("the honest partner is done") {
                try scene.us.store.cosignatures(of: log).contains { $0.size == 864 } ? true : nil
            }
            try line.say(.ping(nonce: 99, isReply: false))
            _ = try await line.hear("an answer") { $0 == .ping(nonce: 99, isReply: true) }
            try await line.deafen()
            let all = Message.request(RangeRequest(log: log, start: 0, end: 364, treeSize: 364))
            try line.say(Array(repeating: all, count: 60))
            // By then nothing more goes out, neither entries nor the words of the end; it is no matter if not.
            try await Task.sleep(for: .seconds(1))
            try line.say(Array(repeating: all, count: 5_000))
        }
        expect(report, .violation, "too many requests at once")
        #expect(report.bytesOut < HostilePaceTests.heldForDeaf, "\(report.bytesOut)")
        await scene.end()
    }

    @Test("A flood of messages is read no faster than its answers are")
    func flood() async throws {
        let scene = try await HostileScene(HostilePeer())
        let heads = (0..<400).map { Head(log: SHA256.hash("\($0)"), size: 1, root: SHA256.hash("root \($0)")) }
        let flood = try HostileLine.bytes(.heads(community: "krus", heads, complete: false, settled: true))
        let report = try await scene.attack { line in
            try await line.meet()
            try await line.deafen()
            for _ in 0..<2_000 { line.say(flood) }
        }
        expect(report, .unreachable, "it took nothing of what it was sent in")
        #expect(report.bytesIn < HostilePaceTests.heldForDeaf, "\(report.bytesIn)")
        #expect(report.bytesOut < HostilePaceTests.heldForDeaf, "\(report.bytesOut)")
        await scene.end()
    }

    @Test("In a storm of connections a partner has four, and the others are served")
    func storm() async throws {
        let xx = try HostilePeer()
        let scene = try await HostileScene(xx)
        let memory = ProcessMemory.begin()
        // Connections from another address that never begin a handshake.
        let mute = (0..<200).compactMap { _ in connected(to: scene.port, from: "127.0.0.2") }
        #expect(mute.count == 200)
        async let beside: Void = scene.expectHonestSync()
        let lines = await withTaskGroup(of: HostileLine?.self) { group in
            for _ in 0..<60 {
                group.addTask {
                    guard let line = try? await scene.connect() else { return nil }
                    try? line.greet(digest: .zero)
                    return line
                }
            }
            return await group.reduce(into: [HostileLine]()) { if let line = $1 { $0.append(line) } }
        }
        try await beside
        _ = try await within("all but four are closed") { lines.filter { !$0.isClosed }.count <= 4 ? true : nil }
        #expect(lines.filter { !$0.isClosed }.count == 4)
        #expect(scene.reports(of: HostilePeer.name).isEmpty)
        try scene.us.append(7)
        try await scene.expectHonestSync()
        #expect(ProcessMemory.peak() - memory < 256 << 20)
        for line in lines { line.channel.close(promise: nil) }
        for descriptor in mute { close(descriptor) }
        // Each of the four is told of, and their places are free again.
        _ = try await within("four sessions have ended") {
            scene.reports(of: HostilePeer.name).count == 4 ? true : nil
        }
        let again = try await scene.connect()
        try await again.meet()
        again.channel.close(promise: nil)
        await scene.end()
    }
}

/// A plain connection to a port of 127.0.0.1, from another address of this machine.
private func connected(to port: Int, from address: String) -> Int32? {
    // In bytes: which C module the struct belongs to depends on what was compiled before.
    func socketAddress(_ address: String, _ port: Int) -> [UInt8] {
        let family = withUnsafeBytes(of: sa_family_t(AF_INET)) { Array($0) }
        let numbers = address.split(separator: ".").compactMap { UInt8($0) }
        return family + [UInt8(port >> 8), UInt8(port & 255)] + numbers + [UInt8](repeating: 0, count: 8)
    }
    func isDone(_ call: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32, _ address: [UInt8]) -> Bool {
        address.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return false }
            return call(descriptor, start.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count)) == 0
        }
    }
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    let isBound = isDone(bind, socketAddress(address, 0))
    let isConnected = isDone(connect, socketAddress("127.0.0.1", port))
    guard isBound, isConnected else {
        close(descriptor)
        return nil
    }
    return descriptor
}
