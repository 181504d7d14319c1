public import Logging
import MutualTLS
package import NIOCore
import NIOHTTP1
public import NodeService
import Synchronization

/// Serves the logs of a running node as tiles over HTTPS, to those who may see them by their certificate.
///
/// HTTP/1.1 on SwiftNIO's codec behind the project's own TLS handler: docs/decisions/0002-what-serves-http.md says why.
public final class TileServer: Sendable {
    /// What one reader may take of the node.
    package struct Limits: Sendable {
        /// A request has to be there this long after the connection stands, or after the answer before it.
        package var requestTime = TimeAmount.seconds(60)
        /// An answer has to be made and taken within this time.
        package var answerTime = TimeAmount.seconds(120)
        /// Connections at once, of one peer and of all.
        package var maximumPerPeer = 16
        package var maximumConnections = 128

        package init() {}
    }

    private let listener: SecureListener

    private init(listener: SecureListener) {
        self.listener = listener
    }

    /// The port that it listens on.
    public var port: Int? { listener.localAddress?.port }

    /// Binds and serves until ``close()``.
    public static func listen(
        at endpoint: Endpoint, publishing: Publishing, logger: Logger
    ) async throws -> TileServer {
        try await listen(at: endpoint, publishing: publishing, limits: Limits(), logger: logger)
    }

    package static func listen(
        at endpoint: Endpoint, publishing: Publishing, limits: Limits, logger: Logger
    ) async throws -> TileServer {
        let gate = ConnectionGate(maximumPerPeer: limits.maximumPerPeer, maximum: limits.maximumConnections)
        let contexts = WebContexts(newest: publishing.tls)
        _ = try contexts.context()
        let listener = try await SecureListener.listen(
            host: endpoint.host, port: endpoint.port, context: { contexts.current(logger: logger) },
            onRefusal: { error, address in
                // Readers come and go as they like; whoever is turned away is told of.
                let isEnd = error.code == .truncated || error.code == .closed
                logger.log(
                    level: isEnd ? .debug : .notice, isEnd ? "reader gone" : "reader refused",
                    metadata: ["from": "\(address.map { "\($0)" } ?? "unknown")", "reason": "\(error)"])
            }
        ) { channel in
            var heads = NIOHTTPDecoderLimitConfiguration()
            heads.maxHeaderFieldSize = 8 << 10
            heads.maxHeaderListSize = 16 << 10
            heads.maxHeaderFieldCount = 64
            let pipeline = channel.pipeline.syncOperations
            try pipeline.configureHTTPServerPipeline(
                withPipeliningAssistance: true, withErrorHandling: true, withOutboundHeaderValidation: true,
                withEncoderConfiguration: .init(), withDecoderLimitConfiguration: heads)
            try pipeline.addHandler(
                FileConnection(publishing: publishing, gate: gate, limits: limits, logger: logger))
        }
        return TileServer(listener: listener)
    }

    /// Stops accepting.
    public func close() async throws {
        try await listener.close()
    }
}

/// The TLS contexts for readers, made anew whenever the node has a new one: the same identity and the same trust, but
/// no application protocol, since not every HTTP client names one.
private final class WebContexts: Sendable {
    private let newest: @Sendable () -> TLSContext
    private let made = Mutex<(of: TLSContext, context: TLSContext)?>(nil)

    init(newest: @escaping @Sendable () -> TLSContext) {
        self.newest = newest
    }

    func context() throws -> TLSContext {
        let newest = newest()
        return try made.withLock { made in
            if let made, made.of === newest { return made.context }
            var configuration = newest.configuration
            configuration.applicationProtocols = []
            let context = try TLSContext(configuration)
            made = (newest, context)
            return context
        }
    }

    /// Where no new one can be made the last one stays: every request is judged anew by the newest trust.
    func current(logger: Logger) -> TLSContext {
        do {
            return try context()
        } catch {
            logger.error("no new TLS context for readers", metadata: ["error": "\(error)"])
            return made.withLock { $0?.context } ?? newest()
        }
    }
}

/// Counts connections of peers whose certificate is known.
final class ConnectionGate: Sendable {
    private let maximumPerPeer: Int
    private let maximum: Int
    private let peers = Mutex<[String: Int]>([:])

    init(maximumPerPeer: Int, maximum: Int) {
        self.maximumPerPeer = maximumPerPeer
        self.maximum = maximum
    }

    func enter(_ peer: String) -> Bool {
        peers.withLock { peers in
            guard peers[peer, default: 0] < maximumPerPeer, peers.values.reduce(0, +) < maximum else { return false }
            peers[peer, default: 0] += 1
            return true
        }
    }

    func leave(_ peer: String) {
        peers.withLock { peers in
            let rest = peers[peer, default: 1] - 1
            peers[peer] = rest > 0 ? rest : nil
        }
    }
}
