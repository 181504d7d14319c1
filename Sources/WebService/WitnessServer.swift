public import Logging
import MutualTLS
import NIOCore
import NIOHTTP1
public import NodeService
import TransparencyLog

/// Answers logs that ask the running node for cosignatures (c2sp.org/tlog-witness), over HTTPS. Anybody may ask: what
/// a request is worth its signatures say.
public final class WitnessServer: Sendable {
    private let listener: SecureListener
    /// What it was told to listen at.
    private let endpoint: Endpoint

    private init(listener: SecureListener, endpoint: Endpoint) {
        self.listener = listener
        self.endpoint = endpoint
    }

    /// The port that it listens on.
    public var port: Int? { listener.localAddress?.port }

    /// Binds and serves until ``close()``.
    public static func listen(
        at endpoint: Endpoint, witness: WitnessService, logger: Logger
    ) async throws -> WitnessServer {
        try await listen(at: endpoint, witness: witness, limits: ServerLimits(), logger: logger)
    }

    package static func listen(
        at endpoint: Endpoint, witness: WitnessService, limits: ServerLimits, logger: Logger
    ) async throws -> WitnessServer {
        let contexts = WebContexts(newest: witness.tls) { configuration in
            configuration.asksForClientCertificate = false
            configuration.trust = PeerTrust()
        }
        let first = try contexts.context()
        let service = RequestService(
            maximumBodyByteCount: AddCheckpointRequest.maximumByteCount, needsIdentity: false, refusal: refusal
        ) { _, body, _ in WebAnswer(witness.answer(body)) }
        return WitnessServer(
            listener: try await WebListener.listen(
                at: endpoint, context: { (try? contexts.current(logger: logger)) ?? first }, service: service,
                limits: limits, logger: logger), endpoint: endpoint)
    }

    /// There is one thing to ask for, in one way.
    @Sendable private static func refusal(_ head: HTTPRequestHead) -> WebAnswer? {
        guard head.uri == "/\(AddCheckpointRequest.path)" else { return .plain(404, "nothing here") }
        guard head.method == .POST else { return .plain(405, "only POST here", [("Allow", "POST")]) }
        return nil
    }

    /// Serves where node.yaml says, as it says at each moment, until the task is cancelled.
    ///
    /// - Parameter first: what serves already.
    public static func serve(_ witness: WitnessService, first: WitnessServer?, logger: Logger) async {
        var server = first
        var problem: String?
        while !Task.isCancelled {
            let wanted = witness.address()
            if server?.endpoint != wanted {
                try? await server?.close()
                server = nil
                do {
                    if let wanted {
                        server = try await listen(at: wanted, witness: witness, logger: logger)
                        logger.notice("witness", metadata: ["listening": "\(wanted)"])
                    }
                    problem = nil
                } catch {
                    // It may be free in a moment; it is said once.
                    if problem != "\(error)" { logger.error("witness", metadata: ["error": "\(error)"]) }
                    problem = "\(error)"
                }
            }
            try? await Task.sleep(for: .milliseconds(500))
        }
        try? await server?.close()
    }

    /// Stops accepting.
    public func close() async throws {
        try await listener.close()
    }
}
