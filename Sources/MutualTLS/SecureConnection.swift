import Glibc
public import NIOCore
public import NIOPosix

/// A connection whose peer has proved who it is.
public struct SecureConnection: Sendable {
    /// Its pipeline has the `MutualTLSHandler`, then what the caller added.
    public let channel: any Channel
    /// What the handshake came to.
    public let handshake: TLSHandshake
    /// Who the peer proved to be.
    public var peer: PeerIdentity { handshake.peer }
    /// The application protocol both agreed on.
    public var applicationProtocol: String? { handshake.applicationProtocol }
}

/// Opens connections.
public enum SecureConnector {
    /// Connects to `host` and returns when the node there has proved to be `expecting`.
    ///
    /// The server judges our certificate after that (TLS 1.3): a refusal reaches the caller's handlers as an error of
    /// the first read, and `TLSEvent.accepted` tells that it did not refuse.
    ///
    /// - Parameters:
    ///   - expecting: the only node that will do.
    ///   - serverName: sent unencrypted (SNI) for a proxy on the way; nil sends none.
    ///   - connectTimeout: for each address tried; the handshake has the context's own.
    ///   - initializer: adds the caller's handlers, on the channel's event loop, behind the TLS handler.
    /// - Throws: `TLSError`; code `unreachable` when there was no TCP connection.
    public static func connect(
        host: String, port: Int, context: TLSContext, expecting: String, serverName: String? = nil,
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, connectTimeout: TimeAmount = .seconds(10),
        initializer: @escaping @Sendable (any Channel) throws -> Void = { _ in }
    ) async throws -> SecureConnection {
        try await connect(
            host: host, port: port, context: context, expecting: expecting, serverName: serverName, group: group,
            connectTimeout: connectTimeout, wrapping: initializer
        ).connection
    }

    /// The same, for an initialiser that makes something of the channel, a `NIOAsyncChannel` for instance.
    public static func connect<Output: Sendable>(
        host: String, port: Int, context: TLSContext, expecting: String, serverName: String? = nil,
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, connectTimeout: TimeAmount = .seconds(10),
        wrapping: @escaping @Sendable (any Channel) throws -> Output
    ) async throws -> (connection: SecureConnection, output: Output) {
        guard (1...65_535).contains(port) else {
            throw TLSError(.unreachable, "cannot connect to \(printable(host.utf8)): port \(port) is not 1 to 65535")
        }
        let role = TLSRole.client(expecting: expecting, serverName: serverName)
        let bootstrap = ClientBootstrap(group: group)
            .connectTimeout(connectTimeout)
            .secureDefaults()
        // The initialiser may run once an address; each channel has a handshake of its own.
        let (channel, handshake, output): (any Channel, EventLoopFuture<TLSHandshake>, Output)
        do {
            (channel, handshake, output) = try await bootstrap.connect(host: host, port: port) { channel in
                let promise = channel.eventLoop.makePromise(of: TLSHandshake.self)
                do {
                    let handler = try MutualTLSHandler(context: context, role: role, handshakePromise: promise)
                    try channel.pipeline.syncOperations.addHandler(handler)
                    let output = try wrapping(channel)
                    return channel.eventLoop.makeSucceededFuture((channel, promise.futureResult, output))
                } catch {
                    promise.fail(error)
                    return channel.eventLoop.makeFailedFuture(error)
                }
            }
        } catch {
            throw failure(error, host: host, port: port)
        }
        return (SecureConnection(channel: channel, handshake: try await handshake.get()), output)
    }

    /// Errors of the caller's initialiser pass as they are.
    private static func failure(_ error: any Error, host: String, port: Int) -> any Error {
        let whole = error as? NIOConnectionError
        let first = whole?.connectionErrors.first?.error ?? whole?.dnsAError ?? whole?.dnsAAAAError ?? error
        guard first is IOError || first is ChannelError || whole != nil && !(first is TLSError) else { return first }
        let reason = (first as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(first)"
        return TLSError(.unreachable, "cannot connect to \(printable(host.utf8)):\(port): \(reason)")
    }
}

/// What both ends of a connection are set to.
struct SecureChannelOptions {
    /// Enough to read several records at a time; the sizes follow the traffic.
    static let receive = AdaptiveRecvByteBufferAllocator(minimum: 1 << 10, initial: 16 << 10, maximum: 256 << 10)
    /// What the channel holds before it says "not writable": two batches of the handler.
    static let waterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 128 << 10, high: 512 << 10)
}

extension ClientBootstrap {
    fileprivate func secureDefaults() -> ClientBootstrap {
        channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.recvAllocator, value: SecureChannelOptions.receive)
            .channelOption(.writeBufferWaterMark, value: SecureChannelOptions.waterMark)
    }
}
