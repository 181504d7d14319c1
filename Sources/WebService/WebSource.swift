import Dispatch
public import MutualTLS
import NIOCore
import NIOHTTP1
import Synchronization
public import TransparencyLog

/// A published log on a server.
public struct WebSource: PublishedSource {
    private let client: WebClient
    private let prefix: String

    /// - Parameter prefix: below the client's address; empty, or ends with a slash.
    public init(_ client: WebClient, prefix: String = "") {
        self.client = client
        self.prefix = prefix
    }

    public func read(_ files: [PublishedFile], _ take: @Sendable (Int, PublishedContent) -> Void) throws {
        try client.get(files.map { (prefix + $0.path, $0.maximumByteCount) }, take)
    }
}

/// Reads files from one server, over one connection at a time with some requests under way on it. For one thread at a
/// time; it blocks, so not for an event loop or a task.
public final class WebClient: Sendable {
    /// Requests under way; no answer is longer than its file may be.
    static let window = 8
    /// From one answer to the next.
    static let answerTime = DispatchTimeInterval.seconds(60)

    public let address: WebAddress
    private let context: TLSContext
    private let server: String
    private let connection = Mutex<WebConnection?>(nil)

    /// - Parameters:
    ///   - context: whom to believe; no application protocol is negotiated.
    ///   - server: what the trust of the context calls the server.
    public init(_ address: WebAddress, context: TLSContext, server: String) {
        self.address = address
        self.context = context
        self.server = server
    }

    deinit {
        connection.withLock { $0?.close() }
    }

    /// Reads these paths below the address, each up to so many bytes, and hands each over in order.
    ///
    /// A server may end a connection after any answer; what is left is asked for again over a new one, as long as each
    /// brings at least one answer. Throws `TLSError` where there is no connection, or no answer in time.
    func get(_ files: [(path: String, limit: Int)], _ take: (Int, PublishedContent) -> Void) throws {
        var done = 0
        var asked = 0
        while done < files.count {
            let isNew = connection.withLock { $0 == nil }
            let connection = try connected()
            let before = done
            asked = done
            do {
                while done < files.count {
                    while asked < min(files.count, done + WebClient.window) {
                        connection.ask(
                            path: address.path + files[asked].path, limit: files[asked].limit,
                            authority: address.authority)
                        asked += 1
                    }
                    let content = try connection.next(within: WebClient.answerTime)
                    take(done, content)
                    done += 1
                }
            } catch {
                connection.close()
                self.connection.withLock { $0 = nil }
                // One that was kept open may have been ended by the server meanwhile: that counts as no failure.
                guard done > before || !isNew else { throw error }
            }
        }
    }

    private func connected() throws -> WebConnection {
        if let open = connection.withLock({ $0 }) { return open }
        let made = try WebConnection.open(address, context: context, server: server)
        connection.withLock { $0 = made }
        return made
    }
}

/// A connection to a server, for a thread that waits for answers.
private final class WebConnection: Sendable {
    private let channel: any Channel
    private let answers: Answers

    private init(channel: any Channel, answers: Answers) {
        self.channel = channel
        self.answers = answers
    }

    static func open(_ address: WebAddress, context: TLSContext, server: String) throws -> WebConnection {
        let answers = Answers()
        let opened = Mutex<Result<any Channel, any Error>?>(nil)
        let isOpen = DispatchSemaphore(value: 0)
        // The caller's thread is one that may block, so the task has others to run on.
        Task.detached {
            let result: Result<any Channel, any Error>
            do {
                let connection = try await SecureConnector.connect(
                    host: address.host, port: address.port, context: context, expecting: server,
                    serverName: address.isName ? address.host : nil
                ) { channel in
                    var limits = NIOHTTPDecoderLimitConfiguration()
                    limits.maxHeaderFieldSize = 16 << 10
                    limits.maxHeaderListSize = 64 << 10
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHTTPClientHandlers(decoderLimitConfiguration: limits)
                    try pipeline.addHandler(AnswerReader(answers))
                }
                result = .success(connection.channel)
            } catch {
                result = .failure(error)
            }
            opened.withLock { $0 = result }
            isOpen.signal()
        }
        isOpen.wait()
        guard let channel = try opened.withLock({ $0 })?.get() else { throw AnswerReader.closed }
        return WebConnection(channel: channel, answers: answers)
    }

    func ask(path: String, limit: Int, authority: String) {
        var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: path)
        head.headers.add(name: "Host", value: authority)
        head.headers.add(name: "User-Agent", value: "entente")
        head.headers.add(name: "Accept-Encoding", value: "identity")
        answers.expect(limit: limit)
        channel.write(HTTPClientRequestPart.head(head), promise: nil)
        channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
    }

    func next(within time: DispatchTimeInterval) throws -> PublishedContent { try answers.next(within: time) }

    func close() { channel.close(promise: nil) }
}

/// Answers on their way from the event loop to the thread that waits for them, in order.
private final class Answers: Sendable {
    private struct State {
        var limits: [Int] = []
        var arrived: [PublishedContent] = []
        var failure: (any Error)?
    }

    private let state = Mutex(State())
    private let news = DispatchSemaphore(value: 0)

    func expect(limit: Int) { state.withLock { $0.limits.append(limit) } }

    /// The most bytes of the next answer; `nil` where none was asked for.
    func nextLimit() -> Int? { state.withLock { $0.limits.isEmpty ? nil : $0.limits.removeFirst() } }

    func arrived(_ content: PublishedContent) {
        state.withLock { $0.arrived.append(content) }
        news.signal()
    }

    /// No more will come. The first reason counts.
    func end(_ error: any Error) {
        state.withLock { if $0.failure == nil { $0.failure = error } }
        news.signal()
    }

    func next(within time: DispatchTimeInterval) throws -> PublishedContent {
        while true {
            let found = try state.withLock { state -> PublishedContent? in
                if !state.arrived.isEmpty { return state.arrived.removeFirst() }
                if let failure = state.failure { throw failure }
                return nil
            }
            if let found { return found }
            guard news.wait(timeout: .now() + time) == .success else { throw AnswerReader.slow }
        }
    }
}

/// Puts answers together on the event loop.
private final class AnswerReader: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    static let closed = TLSError(.closed, "the server closed the connection before it had answered")
    static let slow = TLSError(.unreachable, "the server took too long to answer")

    private let answers: Answers
    private var head: HTTPResponseHead?
    private var limit = 0
    private var bytes: [UInt8] = []

    init(_ answers: Answers) {
        self.answers = answers
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            guard let limit = answers.nextLimit() else { return fail(context, AnswerReader.closed) }
            self.limit = limit
            self.head = head
            bytes = []
            let length = head.headers.first(name: "content-length").flatMap { Int($0) } ?? 0
            // What is longer than it may be is not read; the rest is asked for over another connection.
            if length > max(limit, 65_536) { tooLong(context) } else { bytes.reserveCapacity(length) }
        case .body(let part):
            guard let head else { return }
            // Texts of errors are passed over.
            let isFile = head.status.code == 200
            guard bytes.count + part.readableBytes <= (isFile ? limit : 65_536) else { return tooLong(context) }
            bytes += part.readableBytesView
        case .end:
            guard let head else { return }
            self.head = nil
            switch AnswerReader.content(head, bytes) {
            case .success(let content): answers.arrived(content)
            case .failure(let error): fail(context, error)
            }
            bytes = []
        }
    }

    /// What an answer says of a file. One that says nothing of it, but of the server, is an error: it tells nobody that
    /// the log is not sound.
    private static func content(_ head: HTTPResponseHead, _ bytes: [UInt8]) -> Result<PublishedContent, TLSError> {
        switch head.status.code {
        case 200:
            guard !head.headers.contains(name: "content-encoding") else {
                return .success(.unusable("the server sends it in an encoding that was not asked for"))
            }
            return .success(.bytes(bytes))
        case 404, 410: return .success(.missing)
        case 300..<400:
            return .failure(
                TLSError(
                    .unreachable,
                    "the server sends elsewhere (\(head.status.code)), which is not followed; give the address where the log "
                        + "is"))
        case 503:
            // A node of Entente says why.
            let line = String(decoding: bytes.prefix(200), as: UTF8.self).split(separator: "\n").first
            return .success(.unusable("the server answered 503" + (line.map { ": \($0)" } ?? "")))
        default:
            return .failure(TLSError(.unreachable, "the server answered \(head.status.code); try again later"))
        }
    }

    private func tooLong(_ context: ChannelHandlerContext) {
        head = nil
        answers.arrived(.unusable("it is longer than it may be"))
        fail(context, AnswerReader.closed)
    }

    private func fail(_ context: ChannelHandlerContext, _ error: any Error) {
        answers.end(error)
        context.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let isNoAnswer = error is HTTPParserError || error is NIOHTTPDecoderError
        fail(context, isNoAnswer ? TLSError(.protocolViolation, "the server does not speak HTTP/1.1: \(error)") : error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        answers.end(AnswerReader.closed)
        context.fireChannelInactive()
    }
}
