public import Logging
import MutualTLS
import NIOCore
import NIOHTTP1
public import NodeService

/// Serves the logs of a running node as tiles over HTTPS, to those who may see them by their certificate.
public final class TileServer: Sendable {
    package typealias Limits = ServerLimits

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
        let contexts = WebContexts(newest: publishing.tls)
        let first = try contexts.context()
        let service = RequestService { head, _, peer in answer(head, peer, publishing, logger) }
        return TileServer(
            listener: try await WebListener.listen(
                at: endpoint, context: { (try? contexts.current(logger: logger)) ?? first }, service: service,
                limits: limits, logger: logger))
    }

    private static func answer(
        _ head: HTTPRequestHead, _ peer: PeerIdentity?, _ publishing: Publishing, _ logger: Logger
    ) -> WebAnswer {
        let method: FileRequest.Method = head.method == .GET ? .get : head.method == .HEAD ? .head : .other
        let tags = head.headers[canonicalForm: "if-none-match"]
        let request = FileRequest(
            method: method, target: head.uri, ifNoneMatch: tags.isEmpty ? nil : tags.joined(separator: ","))
        return WebAnswer(to: request) { path in
            guard let peer else { return nil }
            do {
                return try publishing.content(at: path, for: peer)
            } catch {
                logger.error("a published file cannot be read", metadata: ["error": "\(error)"])
                throw error
            }
        }
    }

    /// Stops accepting.
    public func close() async throws {
        try await listener.close()
    }
}
