import Cryptography
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import NodeService
import Reconciliation
import Testing

/// A peer that says to a node's session what a test wants it to, frame by frame, and keeps what it hears.
final class Conversation {
    /// Every frame that the node has sent, as it came.
    private(set) var heard: [[UInt8]] = []
    private let channel: any Channel
    private let server: any Channel
    private let report: Task<SessionReport, Never>
    private var arriving: AsyncStream<[UInt8]>.AsyncIterator
    private var rest: [UInt8] = []
    private var nonce: UInt64 = 0

    private init(
        _ channel: any Channel, server: any Channel, report: Task<SessionReport, Never>, arriving: AsyncStream<[UInt8]>
    ) {
        self.channel = channel
        self.server = server
        self.report = report
        self.arriving = arriving.makeAsyncIterator()
        // A node that does not answer fails the test instead of holding it up.
        channel.eventLoop.scheduleTask(in: .seconds(60)) { channel.close(promise: nil) }
    }

    /// Connects to a node that takes the connection for this peer's. The node stays connected, as `run` does.
    ///
    /// - Parameter meanwhile: happens between the judgement of the peer and the beginning of its session.
    static func begin(
        with node: TestNode, as peer: String,
        logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, meanwhile: () -> Void = {}
    ) async throws -> Conversation {
        let group = MultiThreadedEventLoopGroup.singleton
        let (accepted, accept) = AsyncStream.makeStream(of: (any Channel).self)
        let server = try await ServerBootstrap(group: group).childChannelOption(.autoRead, value: false)
            .childChannelInitializer { channel in
                accept.yield(channel)
                return channel.eventLoop.makeSucceededVoidFuture()
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let configuration = SessionConfiguration(
            node: node.name, peer: peer, communities: node.context.communities(admitting: peer), isInitiator: false,
            once: false)
        meanwhile()
        let report = Task {
            for await channel in accepted {
                return await SessionRunner(context: node.context, configuration: configuration, logger: logger)
                    .run(over: channel)
            }
            return SessionReport(peer: peer)
        }
        let (arriving, arrive) = AsyncStream.makeStream(of: [UInt8].self)
        let channel = try await ClientBootstrap(group: group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Listener(arrive))
                }
            }
            .connect(to: #require(server.localAddress)).get()
        return Conversation(channel, server: server, report: report, arriving: arriving)
    }

    /// Says hello as a peer that is in these communities and holds what the node holds; the node's hello.
    @discardableResult
    func meet(as peer: String, in communities: [String]) async throws -> Hello {
        guard case .hello(let hello) = try await hear() else { throw Silence(reason: nil) }
        try await say(
            .hello(
                Hello(
                    node: peer,
                    communities: communities.sorted().map { name in
                        hello.communities.first { $0.name == name } ?? CommunityDigest(name: name, digest: .zero)
                    }, memory: nil, once: false, settled: true)))
        return hello
    }

    func say(_ message: Message) async throws {
        let frame = try EncodedFrame(message)
        try await channel.writeAndFlush(ByteBuffer(bytes: frame.head + frame.parts.flatMap { $0 }))
    }

    /// Says something, and then asks whether the node is there; what it answers to the first, `count` messages at least.
    func ask(_ messages: Message..., count: Int = 0) async throws -> [Message] {
        try await ask(messages, count: count)
    }

    /// Whether the node is settled meanwhile is left out of the answer.
    func ask(_ messages: [Message], count: Int = 0) async throws -> [Message] {
        for message in messages { try await say(message) }
        nonce += 1
        try await say(.ping(nonce: nonce, isReply: false))
        var answers: [Message] = []
        var isThere = false
        while !isThere || answers.count < count {
            switch try await hear() {
            case .ping(nonce, isReply: true): isThere = true
            case .ping, .heads("", [], complete: false, settled: _): break
            case .close(let reason, _): throw Silence(reason: reason)
            case nil: throw Silence(reason: nil)
            case let message?: answers.append(message)
            }
        }
        return answers
    }

    /// The next message; `nil` at the end of the connection.
    func hear() async throws -> Message? {
        while true {
            if rest.count >= FrameLimits.prefixSize {
                let length = rest[0..<4].reduce(0) { $0 << 8 | Int($1) }
                let end = FrameLimits.prefixSize + length
                if rest.count >= end, let kind = FrameKind(rawValue: rest[4]) {
                    let frame = Array(rest[..<end])
                    rest.removeFirst(end)
                    heard.append(frame)
                    return try Message(payload: Array(frame[FrameLimits.prefixSize...]), kind: kind)
                }
            }
            guard let more = await arriving.next() else { return nil }
            rest += more
        }
    }

    /// Closes, and waits until the node is done with it.
    @discardableResult
    func end() async throws -> SessionReport {
        try? await channel.close()
        let result = await report.value
        try await server.close()
        return result
    }

    /// The node said nothing more where it should have.
    struct Silence: Error {
        let reason: String?
    }
}

/// Hands on what comes in.
private final class Listener: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    private let arrive: AsyncStream<[UInt8]>.Continuation

    init(_ arrive: AsyncStream<[UInt8]>.Continuation) {
        self.arrive = arrive
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        arrive.yield(Array(unwrapInboundIn(data).readableBytesView))
    }

    func channelInactive(context: ChannelHandlerContext) {
        arrive.finish()
    }
}

/// Keeps what a node has written to its log.
final class Notebook: Sendable {
    private let lines = NIOLockedValueBox<[String]>([])

    var text: [String] { lines.withLockedValue { $0 } }

    var logger: Logger {
        Logger(label: "test") { [lines] _ in Handler(lines: lines) }
    }

    private struct Handler: LogHandler {
        let lines: NIOLockedValueBox<[String]>
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.notice

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let details = (event.metadata ?? [:]).map { "\($0.key)=\($0.value)" }.sorted().joined(separator: " ")
            lines.withLockedValue { $0.append("\(event.message) \(details)") }
        }
    }
}
