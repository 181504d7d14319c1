import Cryptography
import Glibc
public import Home
import MutualTLS
package import NIOCore
import NIOHTTP1
public import NodeService
public import TransparencyLog

/// Asks witnesses over HTTPS (c2sp.org/tlog-witness). Every request has a connection of its own, and ends in time.
///
/// The witness learns nothing of this node but what stands in the request: no certificate of the node is shown.
public struct WitnessClient: WitnessTransport {
    package struct Limits: Sendable {
        /// From the request to the end of the answer.
        package var answerTime = TimeAmount.seconds(10)
        /// To the connection, and as long again for its handshake.
        package var connectTime = TimeAmount.seconds(10)

        package init() {}
    }

    private let identity: TLSIdentity
    private let limits: Limits
    /// What the trust of a request calls its server.
    private static let server = "witness"

    public init() throws {
        try self.init(limits: Limits())
    }

    package init(limits: Limits) throws {
        self.limits = limits
        // A server that asks for a certificate gets one that means nothing.
        let now = Int64(clamping: Clock.now())
        var made = try TLSIdentity.selfSigned(
            dns: "nobody.invalid", validFrom: now - 86_400, validUntil: now + 366 * 86_400)
        defer {
            made.privateKeyPEM.withUnsafeMutableBytes { bytes in
                _ = bytes.baseAddress.map { explicit_bzero($0, bytes.count) }
            }
        }
        identity = try TLSIdentity(certificatePEM: made.certificatePEM, privateKeyPEM: made.privateKeyPEM)
    }

    public func add(
        _ request: AddCheckpointRequest, to witness: CommunityWitness
    ) async throws -> AddCheckpointAnswer {
        guard let address = WebAddress(witness.url) else {
            throw TLSError(.badConfiguration, "\(witness.url) is no address https://HOST[:PORT][/PATH]")
        }
        let context = try TLSContext(
            TLSConfiguration(
                identity: identity, trust: try trust(witness, address), applicationProtocols: []))
        let answer: WitnessAnswerReader.Answer
        do {
            answer = try await exchange(Array(request.serialized.utf8), address, context)
        } catch let error as TLSError where error.code == .notPinned {
            throw TLSError(.notPinned, "its server has another key than the pin in node.yaml; ask its operator")
        }
        return try AddCheckpointAnswer(
            status: answer.status, contentType: answer.contentType, body: answer.body)
    }

    private func trust(_ witness: CommunityWitness, _ address: WebAddress) throws -> PeerTrust {
        if let pin = witness.pin.flatMap({ digest in digest.withUnsafeBytes { Pin($0) } }) {
            return PeerTrust(pins: [pin: WitnessClient.server])
        }
        return try address.trust(authorities: SystemAuthorities.read(), calling: WitnessClient.server)
    }

    private func exchange(
        _ body: [UInt8], _ address: WebAddress, _ context: TLSContext
    ) async throws -> WitnessAnswerReader.Answer {
        let time = limits.answerTime
        // The initialiser runs once for each address that is tried.
        let (connection, answer) = try await SecureConnector.connect(
            host: address.host, port: address.port, context: context, expecting: WitnessClient.server,
            serverName: address.isName ? address.host : nil, connectTimeout: limits.connectTime
        ) { channel in
            var heads = NIOHTTPDecoderLimitConfiguration()
            heads.maxHeaderFieldSize = 8 << 10
            heads.maxHeaderListSize = 32 << 10
            let promise = channel.eventLoop.makePromise(of: WitnessAnswerReader.Answer.self)
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHTTPClientHandlers(decoderLimitConfiguration: heads)
            try pipeline.addHandler(WitnessAnswerReader(promise, within: time))
            return promise.futureResult
        }
        let channel = connection.channel
        defer { channel.close(promise: nil) }
        var head = HTTPRequestHead(
            version: .http1_1, method: .POST, uri: address.path + AddCheckpointRequest.path)
        head.headers.add(name: "Host", value: address.authority)
        head.headers.add(name: "User-Agent", value: "entente")
        head.headers.add(name: "Content-Type", value: "text/plain; charset=utf-8")
        head.headers.add(name: "Content-Length", value: "\(body.count)")
        head.headers.add(name: "Connection", value: "close")
        channel.write(HTTPClientRequestPart.head(head), promise: nil)
        channel.write(HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(bytes: body))), promise: nil)
        channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
        return try await answer.get()
    }
}

/// Puts the one answer of a connection together on its event loop.
private final class WitnessAnswerReader: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    struct Answer: Sendable {
        let status: Int
        let contentType: String?
        let body: [UInt8]
    }

    static let closed = TLSError(.closed, "the server closed the connection before it had answered")
    static let slow = TLSError(.unreachable, "the server took too long to answer")
    static let tooLong = TLSError(.unreachable, "the server's answer is longer than one may be")

    private var promise: EventLoopPromise<Answer>?
    private var head: HTTPResponseHead?
    private var body: [UInt8] = []
    private let time: TimeAmount
    private var deadline: Scheduled<Void>?

    init(_ promise: EventLoopPromise<Answer>, within time: TimeAmount) {
        self.promise = promise
        self.time = time
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSEvent.handshakeCompleted = event {
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            deadline = context.eventLoop.scheduleTask(in: time) {
                let (reader, context) = bound.value
                reader.end(context, .failure(WitnessAnswerReader.slow))
            }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body(let part):
            guard body.count + part.readableBytes <= AddCheckpointAnswer.maximumByteCount else {
                return end(context, .failure(WitnessAnswerReader.tooLong))
            }
            body += part.readableBytesView
        case .end:
            guard let head else { return }
            end(
                context,
                .success(
                    Answer(
                        status: Int(head.status.code), contentType: head.headers.first(name: "content-type"),
                        body: body)))
        }
    }

    /// The first end counts.
    private func end(_ context: ChannelHandlerContext, _ result: Result<Answer, any Error>) {
        guard let promise else { return }
        self.promise = nil
        deadline?.cancel()
        promise.completeWith(result)
        context.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end(context, .failure(error is HTTPParserError ? TLSError(.closed, "the server does not speak HTTP") : error))
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(context, .failure(WitnessAnswerReader.closed))
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end(context, .failure(WitnessAnswerReader.closed))
    }
}
