import Home
import LogStore

/// Brings this node and its partners to the same state, with one session each that ends when both have all.
public protocol Synchroniser: Sendable {
    /// What is due before partners are asked. Answers what the operator should know of it.
    func prepare() throws -> [String]
    /// Never throws: the report says why.
    func synchronise(
        with partner: Node.Partner, progress: @escaping @Sendable (SyncProgress) -> Void
    ) async -> SessionReport
}

extension Node {
    /// Sessions need the TLS key and the mirror key: they are held by this process, or by the running node where the
    /// keys are open only there.
    public func synchroniser() throws -> any Synchroniser {
        if let agent = try privateKeys as? AgentKeys { return agent }
        return try OwnSessions(self)
    }
}

/// Sessions of this process.
private struct OwnSessions: Synchroniser {
    private let context: SyncContext
    private let client: PeerClient

    init(_ node: Node) throws {
        context = try node.synchronisation()
        client = PeerClient(context: context, tls: try node.tls(), logger: node.logger)
    }

    func prepare() throws -> [String] {
        try context.giveMissingReceipts()
        return try context.dateOwnHeads().problems
    }

    func synchronise(
        with partner: Node.Partner, progress: @escaping @Sendable (SyncProgress) -> Void
    ) async -> SessionReport {
        await client.synchronise(
            with: partner.node, at: Endpoint(partner.endpoint), once: true, progress: progress)
    }
}

extension Endpoint {
    init(_ address: HostAndPort) {
        self.init(host: address.host, port: Int(address.port))
    }
}

/// Sessions of the running node.
extension AgentKeys: Synchroniser {
    /// A running node gives receipts and dates its checkpoints by itself.
    func prepare() throws -> [String] { [] }

    func synchronise(
        with partner: Node.Partner, progress: @escaping @Sendable (SyncProgress) -> Void
    ) async -> SessionReport {
        let report = Guarded(SessionReport(peer: partner.node))
        await onThread {
            do {
                report.value = try follow(partner.node, progress: progress)
            } catch {
                report.value.error = SessionFailure(.notPermitted, "\(error)")
            }
        }
        return report.value
    }
}
