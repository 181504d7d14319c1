public import Logging
public import MutualTLS
import NIOCore
import Reconciliation
import Records

/// A partner's address.
public struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    public let host: String
    public let port: Int

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Opens a connection to one partner and runs a session on it.
public struct PeerClient: Sendable {
    /// The application protocol that two nodes agree on in the handshake (ALPN).
    public static let applicationProtocol = "entente/1"

    private let context: SyncContext
    private let tls: TLSContext
    private let newest: @Sendable () -> TLSContext
    private let log: Logger
    package var pace = SessionPace()

    public init(context: SyncContext, tls: TLSContext, logger: Logger) {
        self.init(context: context, tls: { tls }, logger: logger)
    }

    /// `tls` is asked for the connection, and again when it stands: the partner may have been removed meanwhile.
    public init(context: SyncContext, tls: @escaping @Sendable () -> TLSContext, logger: Logger) {
        self.context = context
        self.tls = tls()
        newest = tls
        log = logger
    }

    /// Connects, reconciles, and tells what came of it. Never throws: the report says why.
    public func synchronise(
        with node: String, at endpoint: Endpoint, once: Bool,
        progress: (@Sendable (SyncProgress) -> Void)? = nil
    ) async -> SessionReport {
        let begin = ContinuousClock.now
        do {
            // The handshake is known to the caller before the handlers behind it have heard of it.
            let (ready, announce) = AsyncStream.makeStream(of: SessionStarter.Connection.self)
            _ = try await SecureConnector.connect(
                host: endpoint.host, port: endpoint.port, context: tls, expecting: node
            ) { channel in
                try channel.pipeline.syncOperations.addHandler(
                    SessionStarter(onReady: { announce.yield($0) }, onEnd: { announce.finish() }))
            }
            guard let started = await ready.first(where: { _ in true }) else {
                throw TLSError(.closedDuringHandshake, "the connection to \(node) ended with its handshake")
            }
            let report = await SessionRunner(
                context: context,
                configuration: SessionConfiguration(
                    node: context.federation.value.node, peer: node,
                    communities: context.communities(admitting: node), isInitiator: true, once: once),
                counter: started.counter, pace: pace, logger: log,
                isTrusted: { [newest] in newest().configuration.trust.names(started.peer) }, progress: progress
            ).run(started.frames)
            return explained(report)
        } catch {
            var report = SessionReport(peer: node)
            report.error = SessionFailure(error, peer: node)
            report.seconds = Double((ContinuousClock.now - begin) / .microseconds(1)) / 1_000_000
            return report
        }
    }

    /// A partner that turns this node away says no more than "refused": where the reason is plain from here, it is
    /// told.
    private func explained(_ report: SessionReport) -> SessionReport {
        let identity = tls.configuration.identity
        let now = Int64(clamping: Clock.now())
        guard let error = report.error, error.kind == .notPermitted, report.bytesIn == 0,
            identity.notAfter < now || identity.notBefore > now
        else { return report }
        var report = report
        let name = context.federation.value.node
        let (word, moment) = identity.notAfter < now ? ("expired", identity.notAfter) : ("begins", identity.notBefore)
        let day = Timestamp(seconds: moment)?.text.prefix(10) ?? "an unreadable date"
        report.error = SessionFailure(
            .notPermitted,
            "\(report.peer): certificate of \(name), this node, \(word) on \(day); the partner refuses it")
        return report
    }
}
