public import NIOCore
public import NIOPosix
import Synchronization

/// Accepts connections.
public final class SecureListener: Sendable {
    /// The listening channel.
    public let channel: any Channel
    private let waiting: Handshakes

    private init(channel: any Channel, waiting: Handshakes) {
        self.channel = channel
        self.waiting = waiting
    }

    /// Where it listens.
    public var localAddress: SocketAddress? { channel.localAddress }
    /// Connections whose handshake is going on.
    public var handshaking: Int { waiting.count }

    /// Binds and accepts until `close`.
    ///
    /// - Parameters:
    ///   - port: 0 takes a free one, see `localAddress`.
    ///   - maximumHandshakes: further connections are closed at once while so many have not proved who they are. One
    ///     client (`SocketAddress.client`) gets half of them (16 at least), so that nobody keeps the others out by
    ///     itself.
    ///   - context: asked for each connection, so that a reloaded context counts from then on.
    ///   - onRefusal: told every failed connection, for logs and counters; called on an event loop, so be quick.
    ///   - initializer: adds the caller's handlers, on the channel's event loop, behind the TLS handler.
    /// - Throws: `TLSError` with code `badConfiguration` when the address cannot be bound.
    public static func listen(
        host: String, port: Int, group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        maximumHandshakes: Int = 256, context: @escaping @Sendable () -> TLSContext,
        onRefusal: @escaping @Sendable (TLSError, SocketAddress?) -> Void = { _, _ in },
        initializer: @escaping @Sendable (any Channel) throws -> Void
    ) async throws -> SecureListener {
        let waiting = Handshakes(limit: maximumHandshakes)
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.recvAllocator, value: SecureChannelOptions.receive)
            .childChannelOption(.writeBufferWaterMark, value: SecureChannelOptions.waterMark)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let address = channel.remoteAddress?.client ?? ""
                    guard waiting.enter(address) else {
                        onRefusal(TLSError(.closed, "too many TLS handshakes at once"), channel.remoteAddress)
                        throw ChannelError.ioOnClosedChannel
                    }
                    let watch = HandshakeWatch(waiting: waiting, address: address, onRefusal: onRefusal)
                    do {
                        let handler = try MutualTLSHandler(context: context(), role: .server)
                        try channel.pipeline.syncOperations.addHandlers(handler, watch)
                        try initializer(channel)
                    } catch {
                        watch.leave()
                        throw error
                    }
                }
            }
        do {
            return SecureListener(channel: try await bootstrap.bind(host: host, port: port).get(), waiting: waiting)
        } catch {
            if let error = error as? IOError, error.errnoCode == EADDRINUSE {
                throw TLSError(
                    .addressInUse,
                    "cannot listen on \(printable(host.utf8)):\(port): another process does; stop it or change "
                        + "`listen` in node.yaml")
            }
            throw TLSError(.badConfiguration, "cannot listen on \(printable(host.utf8)):\(port): \(error)")
        }
    }

    /// Stops accepting. Connections that were accepted go on.
    public func close() async throws {
        try await channel.close().get()
    }
}

/// How many connections have not proved who they are yet, across event loops.
private final class Handshakes: Sendable {
    private struct Current {
        var count = 0
        var byAddress: [String: Int] = [:]
    }

    private let limit: Int
    private let limitOfOne: Int
    private let current = Mutex(Current())

    init(limit: Int) {
        self.limit = limit
        limitOfOne = max(limit / 2, min(limit, 16))
    }

    var count: Int { current.withLock { $0.count } }

    func enter(_ address: String) -> Bool {
        current.withLock { current in
            let ofOne = current.byAddress[address, default: 0]
            guard current.count < limit, ofOne < limitOfOne else { return false }
            current.count += 1
            current.byAddress[address] = ofOne + 1
            return true
        }
    }

    func leave(_ address: String) {
        current.withLock { current in
            current.count -= 1
            let ofOne = current.byAddress[address, default: 1] - 1
            current.byAddress[address] = ofOne > 0 ? ofOne : nil
        }
    }
}

/// Stands right behind the TLS handler: counts the handshake as over, and reports failures. Confined to its loop.
private final class HandshakeWatch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let waiting: Handshakes
    private let address: String
    private let onRefusal: @Sendable (TLSError, SocketAddress?) -> Void
    private var isWaiting = true

    init(
        waiting: Handshakes, address: String, onRefusal: @escaping @Sendable (TLSError, SocketAddress?) -> Void
    ) {
        self.waiting = waiting
        self.address = address
        self.onRefusal = onRefusal
    }

    func leave() {
        guard isWaiting else { return }
        isWaiting = false
        waiting.leave(address)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        leave()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event as? TLSEvent {
        case .handshakeCompleted, .anonymousHandshakeCompleted: leave()
        case .accepted, nil: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? TLSError {
            onRefusal(error, context.channel.remoteAddress)
        }
        context.fireErrorCaught(error)
    }
}
