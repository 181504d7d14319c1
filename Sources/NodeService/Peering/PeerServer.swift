public import Logging
public import MutualTLS
public import NIOCore
import Reconciliation

/// Listens for partners and runs a session on each connection.
public final class PeerServer: Sendable {
    /// Connections of one partner at once; further ones are closed.
    private static let maximumPerPeer = 4

    private let listener: SecureListener
    private let sessions: Guarded<[String: Int]>

    /// Where it listens.
    public var address: SocketAddress? { listener.localAddress }
    /// The port that it listens on.
    public var port: Int { listener.localAddress?.port ?? 0 }

    private init(listener: SecureListener, sessions: Guarded<[String: Int]>) {
        self.listener = listener
        self.sessions = sessions
    }

    /// Binds and accepts. `tls` is asked for each connection, so that a reloaded context counts from then on;
    /// `onReport` hears how each session ended, `onRefusal` why a connection was turned away before that. A connection
    /// beyond those that a partner may have is closed and logged, but no session that ended.
    public static func listen(
        at endpoint: Endpoint, context: SyncContext, tls: @escaping @Sendable () -> TLSContext, logger: Logger,
        onRefusal: @escaping @Sendable (TLSError) -> Void = { _ in },
        onReport: @escaping @Sendable (SessionReport) -> Void = { _ in }
    ) async throws -> PeerServer {
        try await listen(
            at: endpoint, context: context, tls: tls, pace: SessionPace(), logger: logger, onRefusal: onRefusal,
            onReport: onReport)
    }

    /// The same, with another patience.
    package static func listen(
        at endpoint: Endpoint, context: SyncContext, tls: @escaping @Sendable () -> TLSContext, pace: SessionPace,
        logger: Logger, onRefusal: @escaping @Sendable (TLSError) -> Void = { _ in },
        onReport: @escaping @Sendable (SessionReport) -> Void = { _ in }
    ) async throws -> PeerServer {
        let sessions = Guarded<[String: Int]>([:])
        let listener = try await SecureListener.listen(
            host: endpoint.host, port: endpoint.port, context: tls,
            onRefusal: { error, address in
                logger.notice(
                    "connection refused",
                    metadata: ["from": "\(address.map { "\($0)" } ?? "unknown")", "reason": "\(error)"])
                onRefusal(error)
            }
        ) { channel in
            try channel.pipeline.syncOperations.addHandler(
                SessionStarter { connection in
                    let peer = connection.peer.node
                    let isAllowed = sessions.update { sessions in
                        guard sessions[peer, default: 0] < maximumPerPeer else { return false }
                        sessions[peer, default: 0] += 1
                        return true
                    }
                    Task {
                        guard isAllowed else { return await turnAway(connection, logger) }
                        let report = await serve(connection, context, tls, pace, logger)
                        sessions.update { sessions in
                            let rest = sessions[peer, default: 1] - 1
                            sessions[peer] = rest > 0 ? rest : nil
                        }
                        onReport(report)
                    }
                })
        }
        return PeerServer(listener: listener, sessions: sessions)
    }

    private static func turnAway(_ connection: SessionStarter.Connection, _ logger: Logger) async {
        logger.warning("too many connections", metadata: ["peer": "\(connection.peer.node)"])
        try? await connection.frames.executeThenClose { _, _ in }
    }

    private static func serve(
        _ connection: SessionStarter.Connection, _ context: SyncContext, _ tls: @escaping @Sendable () -> TLSContext,
        _ pace: SessionPace, _ logger: Logger
    ) async -> SessionReport {
        let peer = connection.peer.node
        let communities = context.communities(admitting: peer)
        guard !communities.isEmpty else {
            // It was removed while it shook hands.
            logger.notice("connection refused", metadata: ["peer": "\(peer)", "reason": "it is in no community"])
            try? await connection.frames.executeThenClose { _, _ in }
            var report = SessionReport(peer: peer)
            report.error = SessionFailure(.notPermitted, "\(peer) is in no community of this node")
            return report
        }
        return await SessionRunner(
            context: context,
            configuration: SessionConfiguration(
                node: context.federation.value.node, peer: peer, communities: communities, isInitiator: false,
                once: false),
            counter: connection.counter, pace: pace, logger: logger,
            isTrusted: { tls().configuration.trust.names(connection.peer) }
        ).run(connection.frames)
    }

    /// Stops accepting; sessions under way go on until they are told to end.
    public func close() async throws {
        try await listener.close()
    }
}
