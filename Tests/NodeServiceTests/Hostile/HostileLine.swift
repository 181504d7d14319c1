import Cryptography
import MutualTLS
import NIOCore
import NIOPosix
import NodeService
import Reconciliation
import Synchronization
import Testing

/// One connection of a hostile peer to a node: says messages or plain bytes, and keeps what it hears.
final class HostileLine: Sendable {
    let channel: any Channel
    private let ear: Ear

    private init(_ channel: any Channel, _ ear: Ear) {
        self.channel = channel
        self.ear = ear
    }

    static func connect(_ peer: HostilePeer, to port: Int, trusting node: TLSName) async throws -> HostileLine {
        let ear = Ear()
        let connection = try await SecureConnector.connect(
            host: "127.0.0.1", port: port, context: peer.tls.context(trusting: [node]), expecting: node.name
        ) { channel in
            try channel.pipeline.syncOperations.addHandler(EarHandler(ear))
        }
        return HostileLine(connection.channel, ear)
    }

    /// A line that a node has opened to a hostile listener.
    static func accepted(_ channel: any Channel) throws -> HostileLine {
        let ear = Ear()
        try channel.pipeline.syncOperations.addHandler(EarHandler(ear))
        return HostileLine(channel, ear)
    }

    var isClosed: Bool { ear.state.withLock { $0.isClosed } }
    var heard: [Message] { ear.state.withLock { $0.messages } }

    // MARK: Saying

    /// Sends what an honest node would never write; bytes that the node does not read wait here.
    func say(_ bytes: [UInt8]) {
        channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
    }

    func say(_ messages: Message...) throws {
        try say(messages)
    }

    func say(_ messages: [Message]) throws {
        say(try messages.flatMap { try HostileLine.bytes($0) })
    }

    static func bytes(_ message: Message) throws -> [UInt8] {
        let frame = try EncodedFrame(message)
        return frame.parts.reduce(frame.head) { $0 + $1 }
    }

    /// The hello of a node that holds these heads, and the same as its answer to the descent.
    func meet(_ heads: [Head] = [], communities: [String] = ["krus"], once: Bool = false) async throws {
        try greet(digest: HeadsTree(heads).root, communities: communities, once: once)
        _ = try await hear("hello") { if case .hello = $0 { true } else { false } }
        try say(
            .ranges(
                [RangeNode(community: "krus", range: IDRange(), content: .heads(heads, more: false))], settled: true))
        _ = try await hear("its heads") { if case .ranges = $0 { true } else { false } }
    }

    func greet(
        digest: SHA256Digest, communities: [String] = ["krus"], node: String = HostilePeer.name, once: Bool = false
    ) throws {
        try say(
            .hello(
                Hello(
                    node: node, communities: communities.map { CommunityDigest(name: $0, digest: digest) },
                    memory: nil, once: once, settled: true)))
    }

    // MARK: Hearing

    /// From now on nothing is read any more.
    func deafen() async throws {
        try await channel.setOption(.autoRead, value: false).get()
    }

    /// Waits until a message of this kind has come, at most as long as a test may take.
    func hear(_ what: String, where matches: (Message) -> Bool) async throws -> Message {
        let found = try await within("\(what) is heard") { [ear] in
            ear.state.withLock { $0.messages.first(where: matches) ?? ($0.isClosed ? .ignored : nil) }
        }
        guard found != .ignored else { throw HostileTestError("the connection ended before \(what)") }
        return found
    }

    /// Why the node has closed, in its own words.
    func heardClose() async throws -> String {
        let close = try await hear("a close") { if case .close = $0 { true } else { false } }
        guard case .close(let reason, _) = close else { return "" }
        return reason
    }

    /// Shows signs of life until the node has closed, at most for two minutes.
    func chatUntilClosed() async throws {
        for _ in 0..<1_200 where !isClosed {
            try say(.ping(nonce: 0, isReply: true))
            try await Task.sleep(for: .milliseconds(100))
        }
        try await closed()
    }

    func closed() async throws {
        _ = try await within("the connection is closed") { [ear] in ear.state.withLock { $0.isClosed } ? true : nil }
    }
}

struct HostileTestError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Waits until there is something, at most half a minute.
func within<Found>(_ what: String, seconds: Double = 30, _ look: () throws -> Found?) async throws -> Found {
    let end = ContinuousClock.now + .seconds(seconds)
    while true {
        if let found = try look() { return found }
        guard ContinuousClock.now < end else { throw HostileTestError("not in \(Int(seconds)) s: \(what)") }
        try await Task.sleep(for: .milliseconds(5))
    }
}

/// What came over a line.
final class Ear: Sendable {
    struct State: Sendable {
        var messages: [Message] = []
        var isClosed = false
    }
    let state = Mutex(State())
}

private final class EarHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let ear: Ear
    private var rest = ByteBuffer()

    init(_ ear: Ear) {
        self.ear = ear
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        rest.writeBuffer(&bytes)
        while let length = rest.getInteger(at: rest.readerIndex, as: UInt32.self),
            let kind = rest.getInteger(at: rest.readerIndex + 4, as: UInt8.self),
            rest.readableBytes >= 5 + Int(length)
        {
            rest.moveReaderIndex(forwardBy: 5)
            guard let payload = rest.readBytes(length: Int(length)), let kind = FrameKind(rawValue: kind),
                let message = try? Message(payload: payload, kind: kind)
            else { return }
            ear.state.withLock { $0.messages.append(message) }
        }
        rest.discardReadBytes()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        ear.state.withLock { $0.isClosed = true }
        context.fireChannelInactive()
    }
}

extension HostileLine {
    /// Meets the node, offers an honest log and brings all of it.
    func bring(_ xx: HostilePeer, _ size: Int = 300) async throws {
        try await meet([xx.head(size)])
        try say(xx.offer(size))
        _ = try await hear("a request") { if case .request = $0 { true } else { false } }
        try say(.entries(xx.entries(0..<size, treeSize: size)))
        _ = try await hear("its head") {
            if case .heads(_, let heads, _, _) = $0 { heads.contains { $0.size == UInt64(size) } } else { false }
        }
    }
}
