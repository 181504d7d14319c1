public import NIOCore

/// What the handler tells the handlers behind it, as user inbound events.
public enum TLSEvent: Sendable, Hashable {
    /// The peer proved who it is. On a client the server may still refuse us: see `accepted`.
    case handshakeCompleted(peer: PeerIdentity, applicationProtocol: String?)
    /// The handshake is over on a server that asks nobody who it is.
    case anonymousHandshakeCompleted(applicationProtocol: String?)
    /// Clients only: the server's first bytes arrived, so it has accepted our certificate.
    case accepted
}

/// What a handshake came to.
public struct TLSHandshake: Sendable, Hashable {
    /// Who the peer proved to be.
    public let peer: PeerIdentity
    /// The application protocol both agreed on.
    public let applicationProtocol: String?
    /// The key exchange group both agreed on, as OpenSSL names it.
    public let keyExchangeGroup: String?
}

/// TLS 1.3 with certificates on both sides, as a channel handler: `ByteBuffer` in and out.
///
/// Errors reach the handlers behind it as `TLSError` through `errorCaught`, once, and then the channel closes. Writes
/// before the handshake are kept, up to `maximumEarlyBytes`; later ones are encrypted as long as the channel is
/// writable. With `allowRemoteHalfClosure` set on the channel, the peer's close_notify arrives as
/// `ChannelEvent.inputClosed` and writing goes on; without, the channel closes. `close(mode: .output)` sends
/// close_notify and leaves reading open.
///
/// The state lives in this file, bytes in and out in its extensions. Confined to its event loop.
public final class MutualTLSHandler: ChannelDuplexHandler {
    public typealias InboundIn = ByteBuffer
    public typealias InboundOut = ByteBuffer
    public typealias OutboundIn = ByteBuffer
    public typealias OutboundOut = ByteBuffer

    enum State {
        /// The channel is not active yet.
        case idle
        case handshaking
        case active
        /// `close` was asked for: what was flushed still goes out, then close_notify, then the peer's is awaited.
        case closing
        /// Nothing is sent or delivered any more.
        case closed
    }

    enum Output {
        case open
        /// `close(mode: .output)` waits for what was flushed before.
        case closing(EventLoopPromise<Void>?)
        /// close_notify is sent.
        case closed
    }

    struct PendingWrite {
        var bytes: ByteBuffer
        var promise: EventLoopPromise<Void>?
    }

    let connection: TLSConnection
    var state = State.idle
    var output = Output.open
    /// The peer's close_notify has come.
    var inputClosed = false
    var closePromise: EventLoopPromise<Void>?
    var queue = MarkedCircularBuffer<PendingWrite>(initialCapacity: 8)
    var queuedBytes = 0
    /// Where small writes are put together into one record.
    var gathered = ByteBuffer()
    var isEncrypting = false
    var isDecrypting = false
    /// Between a `channelRead` and its `channelReadComplete`: answers written meanwhile go out together.
    var isInReadCycle = false
    /// Somebody behind us asked for bytes and has had none since.
    var readRequested = false
    /// A refused peer is given time to read why.
    var isLingering = false
    /// Bytes thrown away meanwhile.
    var discardedBytes = 0

    private var context: ChannelHandlerContext?
    private var timer: Scheduled<Void>?
    private var handshakePromise: EventLoopPromise<TLSHandshake>?

    /// - Parameters:
    ///   - context: identity, trust and limits.
    ///   - role: server, or client that expects a certain node.
    ///   - handshakePromise: completed when the handshake is over or the connection is. A server that asks for no
    ///     certificate has nobody to tell of: there it fails.
    /// - Throws: `TLSError` with code `library` or `badConfiguration`; the promise is then left alone.
    public init(
        context: TLSContext, role: TLSRole, handshakePromise: EventLoopPromise<TLSHandshake>? = nil
    ) throws(TLSError) {
        connection = try TLSConnection(context: context, role: role)
        self.handshakePromise = handshakePromise
    }

    /// What the handshake came to; nil before it is over.
    public private(set) var handshake: TLSHandshake?

    /// Changes the sending keys with the next write and asks the peer to change its own. False when it cannot be asked.
    package func requestKeyUpdate() -> Bool { connection.requestKeyUpdate() }

    var configuration: TLSConfiguration { connection.context.configuration }

    // MARK: - Life in the pipeline

    public func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive {
            start(context)
        }
    }

    public func handlerRemoved(context: ChannelHandlerContext) {
        // Breaks the cycle of context and handler, and of the timer.
        finish(TLSError(.closed, "the connection was closed"))
        self.context = nil
    }

    public func channelActive(context: ChannelHandlerContext) {
        start(context)
        context.fireChannelActive()
    }

    public func channelInactive(context: ChannelHandlerContext) {
        connectionEnded(context, how: "the connection was closed")
        context.fireChannelInactive()
    }

    public func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is IOError || error is ChannelError {
            connectionEnded(context, how: "\(error)")
        } else {
            context.fireErrorCaught(error)
        }
    }

    private func start(_ context: ChannelHandlerContext) {
        guard case .idle = state else { return }
        state = .handshaking
        let limit = configuration.handshakeTimeout
        schedule(context, milliseconds: limit) { handler, context in
            let shown = limit % 1_000 == 0 ? "\(limit / 1_000) s" : "\(limit) ms"
            handler.fail(context, TLSError(.handshakeTimeout, "the TLS handshake took longer than \(shown)"))
        }
        advanceHandshake(context)
        context.flush()
    }

    // MARK: - Handshake

    func advanceHandshake(_ context: ChannelHandlerContext) {
        guard case .handshaking = state else { return }
        switch connection.handshake() {
        case .needsInput:
            send(context)
            // Nobody behind us knows that a handshake needs bytes.
            context.read()
        case .closed:
            fail(context, closedDuringHandshake("the peer closed TLS"))
        case .failed(let error):
            fail(context, error)
        case .done:
            let known = connection.peer
            guard known != nil || !connection.asksForCertificate else {
                return fail(context, TLSError(.noCertificate, "the peer sent no certificate"))
            }
            state = .active
            timer?.cancel()
            timer = nil
            send(context)
            let promise = handshakePromise
            handshakePromise = nil
            guard let peer = known else {
                promise?.fail(TLSError(.noCertificate, "nobody was asked for a certificate"))
                context.fireUserInboundEventTriggered(
                    TLSEvent.anonymousHandshakeCompleted(applicationProtocol: connection.applicationProtocol))
                return encrypt(context)
            }
            let result = TLSHandshake(
                peer: peer, applicationProtocol: connection.applicationProtocol, keyExchangeGroup: connection.group)
            handshake = result
            promise?.succeed(result)
            context.fireUserInboundEventTriggered(
                TLSEvent.handshakeCompleted(peer: peer, applicationProtocol: result.applicationProtocol))
            encrypt(context)
        }
    }

    // MARK: - Ends

    /// The transport is gone, or going: what that means depends on how far we were.
    func connectionEnded(_ context: ChannelHandlerContext, how: String) {
        switch state {
        case .idle, .closed:
            finish(TLSError(.closed, "the connection was closed"))
        case .handshaking:
            fail(context, closedDuringHandshake(how))
        case .active where inputClosed:
            // Not a truncation: the peer had said it was done. What it did not wait for fails by its promise.
            finish(TLSError(.closed, "the peer closed the connection before it had read everything"))
            context.close(promise: nil)
        case .active where connection.role.isClient && connection.awaitsFirstByte:
            fail(
                context,
                TLSError(
                    .truncated,
                    "the peer cut the connection right after the handshake (\(how)): it may have refused our certificate"
                ))
        case .active:
            fail(context, TLSError(.truncated, "connection cut in the middle (no close_notify): \(how)"))
        case .closing:
            finish(TLSError(.closed, "the connection was closed"))
            context.close(promise: nil)
        }
    }

    private func closedDuringHandshake(_ how: String) -> TLSError {
        if let guess = TLSFailure.notTLS(connection.transport.firstBytes) {
            return TLSError(.notTLS, guess)
        }
        return TLSError(.closedDuringHandshake, "the connection ended during the TLS handshake: \(how)")
    }

    /// A fatal error: sends the alert that OpenSSL left, tells everybody once, and closes.
    ///
    /// To close a socket with unread bytes resets the connection, and a reset can overtake the alert that says why. So
    /// our direction is closed first, and what the peer still sends is thrown away, a second and a MiB at most.
    func fail(_ context: ChannelHandlerContext, _ error: TLSError) {
        if case .closed = state { return }
        let hasAlert = connection.transport.outbound.readableBytes > 0
        // The state is set before anybody is called, since anybody may call back.
        finish(error)
        send(context)
        context.flush()
        context.fireErrorCaught(error)
        guard hasAlert, context.channel.isActive else {
            context.close(promise: nil)
            return
        }
        isLingering = true
        schedule(context, milliseconds: 1_000) { handler, context in handler.finishClose(context) }
        context.close(mode: .output, promise: nil)
        context.read()
    }

    /// Sets the state to closed and completes every promise, each once.
    func finish(_ error: TLSError) {
        state = .closed
        timer?.cancel()
        timer = nil
        connection.transport.releaseInbound()
        let waiting = queue
        queue = MarkedCircularBuffer(initialCapacity: 0)
        queuedBytes = 0
        let closing = closePromise
        closePromise = nil
        var outputPromise: EventLoopPromise<Void>?
        if case .closing(let promise) = output {
            outputPromise = promise
        }
        output = .closed
        outputPromise?.fail(error)
        for write in waiting {
            write.promise?.fail(error)
        }
        let handshaking = handshakePromise
        handshakePromise = nil
        handshaking?.fail(error)
        // Whoever asked for a close has one.
        closing?.succeed(())
    }

    /// One timer at a time: the handshake's, then the close's.
    func schedule(
        _ context: ChannelHandlerContext, milliseconds: Int64,
        _ action: @escaping (MutualTLSHandler, ChannelHandlerContext) -> Void
    ) {
        timer?.cancel()
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(milliseconds)) { [weak self] in
            guard let self, let context = self.context else { return }
            action(self, context)
        }
    }
}

@available(*, unavailable)
extension MutualTLSHandler: Sendable {}
