import Logging
import MutualTLS
import NIOCore
import NIOHTTP1
import NIOPosix
import NodeService
import TransparencyLog

/// One client's connection: takes requests one at a time, has each answered on a thread that may block, and ends where
/// the client is slower than it may be. Confined to its event loop.
final class FileConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let publishing: Publishing
    private let gate: ConnectionGate
    private let limits: TileServer.Limits
    private let logger: Logger
    private var peer: PeerIdentity?
    private var request: (head: HTTPRequestHead, isRefused: Bool)?
    private var deadline: Scheduled<Void>?

    init(publishing: Publishing, gate: ConnectionGate, limits: TileServer.Limits, logger: Logger) {
        self.publishing = publishing
        self.gate = gate
        self.limits = limits
        self.logger = logger
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
        if let peer { gate.leave(peer.node) }
        peer = nil
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSEvent.handshakeCompleted(let peer, _) = event {
            guard gate.enter(peer.node) else {
                logger.warning("too many connections", metadata: ["peer": "\(peer.node)"])
                context.close(promise: nil)
                return
            }
            self.peer = peer
            expire(context, after: limits.requestTime)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            // Nothing here takes a body: it would only be waited for.
            let hasBody =
                head.headers.contains(name: "transfer-encoding")
                || head.headers[canonicalForm: "content-length"].contains { $0 != "0" }
            request = (head, hasBody)
            if hasBody { answer(context, head, FileAnswer(refusing: "a request has no body here"), keepAlive: false) }
        case .body: break
        case .end:
            guard let (head, isRefused) = request, !isRefused else { return }
            request = nil
            serve(context, head)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        logger.debug("connection of a reader failed", metadata: ["reason": "\(error)"])
        context.close(promise: nil)
    }

    private func serve(_ context: ChannelHandlerContext, _ head: HTTPRequestHead) {
        guard let peer else { return context.close(promise: nil) }
        expire(context, after: limits.answerTime)
        let method: FileRequest.Method = head.method == .GET ? .get : head.method == .HEAD ? .head : .other
        let tags = head.headers[canonicalForm: "if-none-match"]
        let request = FileRequest(
            method: method, target: head.uri,
            ifNoneMatch: tags.isEmpty ? nil : tags.joined(separator: ","))
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        NIOThreadPool.singleton.runIfActive(eventLoop: context.eventLoop) { [publishing, logger] in
            FileAnswer(to: request) { path in
                do {
                    return try publishing.content(at: path, for: peer)
                } catch {
                    logger.error("a published file cannot be read", metadata: ["error": "\(error)"])
                    throw error
                }
            }
        }.whenComplete { result in
            let (connection, context) = bound.value
            guard context.channel.isActive, case .success(let answer) = result else {
                return context.close(promise: nil)
            }
            connection.logger.debug(
                "answered", metadata: ["peer": "\(peer.node)", "target": "\(head.uri)", "status": "\(answer.status)"])
            connection.answer(context, head, answer, keepAlive: head.isKeepAlive)
        }
    }

    private func answer(
        _ context: ChannelHandlerContext, _ head: HTTPRequestHead, _ answer: FileAnswer, keepAlive: Bool
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

extension FileAnswer {
    /// An answer to what is no proper request.
    init(refusing text: String) {
        self.init(to: FileRequest(method: .other, target: "")) { _ in nil }
        status = 400
        headers.removeAll { $0.name == "Allow" }
        body = [UInt8]("\(text)\n".utf8)
        contentLength = body.count
    }
}
