import Logging
import MutualTLS
import NIOCore
import NIOHTTP1
import NodeService
import Synchronization

/// Accepts HTTP/1.1 behind the project's own TLS handler: docs/decisions/0002-what-serves-http.md says why.
enum WebListener {
    static func listen(
        at endpoint: Endpoint, context: @escaping @Sendable () -> TLSContext, service: RequestService,
        limits: ServerLimits, logger: Logger
    ) async throws -> SecureListener {
        let gate = ConnectionGate(maximumPerPeer: limits.maximumPerPeer, maximum: limits.maximumConnections)
        return try await SecureListener.listen(
            host: endpoint.host, port: endpoint.port, context: context,
            onRefusal: { error, address in
                // Clients come and go as they like; whoever is turned away is told of.
                let isEnd = error.code == .truncated || error.code == .closed
                logger.log(
                    level: isEnd ? .debug : .notice, isEnd ? "client gone" : "client refused",
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
            try pipeline.addHandler(RequestConnection(service: service, gate: gate, limits: limits, logger: logger))
        }
    }
}

/// The TLS contexts of a server, made anew whenever the node has a new one: the same identity, but no application
/// protocol, since not every HTTP client names one.
final class WebContexts: Sendable {
    private let newest: @Sendable () -> TLSContext
    private let change: @Sendable (inout TLSConfiguration) -> Void
    private let made = Mutex<(of: TLSContext, context: TLSContext)?>(nil)

    /// - Parameter change: what else is different from the node's own.
    init(
        newest: @escaping @Sendable () -> TLSContext,
        change: @escaping @Sendable (inout TLSConfiguration) -> Void = { _ in }
    ) {
        self.newest = newest
        self.change = change
    }

    func context() throws -> TLSContext {
        let newest = newest()
        return try made.withLock { made in
            if let made, made.of === newest { return made.context }
            var configuration = newest.configuration
            configuration.applicationProtocols = []
            change(&configuration)
            let context = try TLSContext(configuration)
            made = (newest, context)
            return context
        }
    }

    /// Where no new one can be made the last one stays. Where none was made, there is none.
    func current(logger: Logger) throws -> TLSContext {
        do {
            return try context()
        } catch {
            guard let last = made.withLock({ $0?.context }) else { throw error }
            logger.error("no new TLS context for a server", metadata: ["error": "\(error)"])
            return last
        }
    }
}

/// Counts connections of clients that are known, by their certificate or address.
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
