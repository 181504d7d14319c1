import Logging
import MutualTLS
package import NIOCore
import NIOHTTP1
import NIOPosix
import NodeService
import TransparencyLog

/// What a server does with requests.
struct RequestService: Sendable {
    /// The longest body that a request may have; 0 where none has any.
    var maximumBodyByteCount = 0
    /// Whether whoever connects has to have proved who it is.
    var needsIdentity = true
    /// Refuses a request by its head, before anything else of it is waited for.
    var refusal: @Sendable (HTTPRequestHead) -> WebAnswer? = { _ in nil }
    /// Answers a request with its body, on a thread that may block.
    var answer: @Sendable (HTTPRequestHead, _ body: [UInt8], PeerIdentity?) -> WebAnswer
}

/// What one client may take of a server.
package struct ServerLimits: Sendable {
    /// A request has to be there this long after the connection stands, or after the answer before it.
    package var requestTime = TimeAmount.seconds(60)
    /// Its body has to be there this long after its head.
    package var bodyTime = TimeAmount.seconds(10)
    /// An answer has to be made and taken within this time.
    package var answerTime = TimeAmount.seconds(120)
    /// Connections at once, of one peer and of all. Whoever proved nothing is known by its address.
    package var maximumPerPeer = 16
    package var maximumConnections = 128

    package init() {}
}

/// One client's connection: takes requests one at a time, has each answered on a thread that may block, and ends where
/// the client is slower than it may be. Confined to its event loop.
final class RequestConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let service: RequestService
    private let gate: ConnectionGate
    private let limits: ServerLimits
    private let logger: Logger
    private var peer: PeerIdentity?
    /// By what the gate knows the client, once it is let in.
    private var client: String?
    private var request: (head: HTTPRequestHead, body: [UInt8], isRefused: Bool)?
    private var deadline: Scheduled<Void>?

    init(service: RequestService, gate: ConnectionGate, limits: ServerLimits, logger: Logger) {
        self.service = service
        self.gate = gate
        self.limits = limits
        self.logger = logger
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
        if let client { gate.leave(client) }
        client = nil
        peer = nil
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event as? TLSEvent {
        case .handshakeCompleted(let peer, _):
            self.peer = peer
            enter(context, peer.node)
        case .anonymousHandshakeCompleted: enter(context, context.remoteAddress?.client ?? "unknown")
        case .accepted, nil: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func enter(_ context: ChannelHandlerContext, _ name: String) {
        guard gate.enter(name) else {
            logger.warning("too many connections", metadata: ["peer": "\(name)"])
            return context.close(promise: nil)
        }
        client = name
        expire(context, after: limits.requestTime)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            let refusal = refusal(head)
            request = (head, [], refusal != nil)
            if let refusal { return answer(context, head, refusal, keepAlive: false) }
            guard RequestConnection.hasBody(head) else { return }
            expire(context, after: limits.bodyTime)
            if head.headers[canonicalForm: "expect"].contains(where: { $0.lowercased() == "100-continue" }) {
                context.writeAndFlush(
                    wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))), promise: nil)
            }
        case .body(let part):
            guard let (head, body, isRefused) = request, !isRefused else { return }
            guard body.count + part.readableBytes <= service.maximumBodyByteCount else {
                request?.isRefused = true
                return answer(context, head, tooLong, keepAlive: false)
            }
            request?.body += part.readableBytesView
        case .end:
            guard let (head, body, isRefused) = request, !isRefused else { return }
            request = nil
            serve(context, head, body)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        logger.debug("connection of a client failed", metadata: ["reason": "\(error)"])
        context.close(promise: nil)
    }

    // MARK: Requests

    private static func hasBody(_ head: HTTPRequestHead) -> Bool {
        head.headers.contains(name: "transfer-encoding")
            || head.headers[canonicalForm: "content-length"].contains { $0 != "0" }
    }

    private func refusal(_ head: HTTPRequestHead) -> WebAnswer? {
        if let refusal = service.refusal(head) { return refusal }
        guard RequestConnection.hasBody(head) else { return nil }
        // A body that nobody takes would only be waited for.
        guard service.maximumBodyByteCount > 0 else { return .plain(400, "a request has no body here") }
        let length = head.headers[canonicalForm: "content-length"].compactMap { Int($0) }.max() ?? 0
        return length > service.maximumBodyByteCount ? tooLong : nil
    }

    private var tooLong: WebAnswer { .plain(413, "a request has at most \(service.maximumBodyByteCount) bytes") }

    private func serve(_ context: ChannelHandlerContext, _ head: HTTPRequestHead, _ body: [UInt8]) {
        guard let client, peer != nil || !service.needsIdentity else { return context.close(promise: nil) }
        expire(context, after: limits.answerTime)
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        NIOThreadPool.singleton.runIfActive(eventLoop: context.eventLoop) { [service, peer] in
            service.answer(head, body, peer)
        }.whenComplete { result in
            let (connection, context) = bound.value
            guard context.channel.isActive, case .success(let answer) = result else {
                return context.close(promise: nil)
            }
            connection.logger.debug(
                "answered", metadata: ["peer": "\(client)", "target": "\(head.uri)", "status": "\(answer.status)"])
            connection.answer(context, head, answer, keepAlive: head.isKeepAlive)
        }
    }

    private func answer(
        _ context: ChannelHandlerContext, _ head: HTTPRequestHead, _ answer: WebAnswer, keepAlive: Bool
    ) {
        var headers = HTTPHeaders(answer.headers.map { ($0.name, $0.value) })
        if let length = answer.contentLength { headers.add(name: "Content-Length", value: "\(length)") }
        if !keepAlive { headers.add(name: "Connection", value: "close") }
        context.write(
            wrapOutboundOut(
                .head(HTTPResponseHead(version: .http1_1, status: .init(statusCode: answer.status), headers: headers))),
            promise: nil)
        if !answer.body.isEmpty {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: answer.body)))), promise: nil)
        }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { result in
            let (connection, context) = bound.value
            guard keepAlive, case .success = result else { return context.close(promise: nil) }
            connection.expire(context, after: connection.limits.requestTime)
        }
    }

    /// Ends the connection unless what is waited for is over by then.
    private func expire(_ context: ChannelHandlerContext, after time: TimeAmount) {
        deadline?.cancel()
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        deadline = context.eventLoop.scheduleTask(in: time) { bound.value.close(promise: nil) }
    }
}
