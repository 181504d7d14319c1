import Cryptography
import Home
import LogStore
import MutualTLS
public import Records

/// Waits until named nodes have cosigned a checkpoint that covers a record. The running node of the home brings it to
/// them; where none runs, this process synchronises itself with the partners that have an endpoint.
public struct DeliveryWait: Sendable {
    private let node: Node
    private let reference: Reference

    public init(node: Node, reference: Reference) {
        self.node = node
        self.reference = reference
    }

    /// Refuses, before anything is appended, nodes that could never be heard to hold it.
    public static func check(_ names: [String], community: String, node: Node) throws {
        let members = node.configuration.community(community)?.members ?? []
        for name in names {
            guard name != node.name else {
                throw HomeError(.usage, "--wait \(name) is this node itself, which holds what it appends")
            }
            guard members.contains(name) else {
                throw HomeError(
                    .usage,
                    "--wait \(name) is no member of \(community); members are \(members.joined(separator: ", "))")
            }
            guard node.cards.contains(where: { $0.node == name }) else {
                throw HomeError(
                    .noInput, "no peer card of \(name), so its cosignature cannot be checked; see `entente peer add`")
            }
        }
    }

    /// Waits for all of these nodes, at most so many seconds. Answers who has not said to hold the record, and why as
    /// far as is known.
    ///
    /// - Parameter progress: hears who is still missing, and how long it has been, whenever it has looked.
    public func wait(
        for names: [String], seconds: Double, progress: (_ missing: [String], _ elapsed: Double) -> Void
    ) async throws -> [Delivery.Missing] {
        guard let log = try node.store.log(reference.origin.text) else {
            throw HomeError(.noInput, "no log \(reference.origin.text) here")
        }
        var keys = CosignerKeys(node)
        let begin = ContinuousClock.now
        var pause = 0.01
        var nextRing = 0.0
        var attempts: [Task<Void, Never>] = []
        defer { attempts.forEach { $0.cancel() } }
        while true {
            let holders = try node.store.firstCosignatures(
                of: log.id, covering: reference.index, counting: keys.counts)
            let missing = Set(names).subtracting(holders.keys).sorted()
            let elapsed = (ContinuousClock.now - begin) / .milliseconds(1) / 1_000
            progress(missing, elapsed)
            if missing.isEmpty { return [] }
            guard elapsed < seconds else {
                return try Delivery(node: node).record(of: log, at: reference.index, blob: nil).missing
                    .filter { missing.contains($0.node) }
            }
            if elapsed >= nextRing {
                nextRing = elapsed + 1
                // A node may have a new key since.
                keys = CosignerKeys(node)
                if attempts.isEmpty, !NodeBell.ring(node.home) { attempts = try synchronise() }
            }
            try await Task.sleep(for: .seconds(min(pause, max(0.001, seconds - elapsed))))
            pause = min(pause * 1.5, 0.2)
        }
    }

    /// Keeps synchronising with every partner that has an endpoint: those that are missing may be reached through
    /// any of them.
    private func synchronise() throws -> [Task<Void, Never>] {
        let context = try node.synchronisation()
        _ = try context.dateOwnHeads()
        let client = PeerClient(context: context, tls: try node.tls(), logger: node.logger)
        return try node.partners().map { partner in
            let endpoint = Endpoint(partner.endpoint)
            return Task { [node] in
                var pause = 1.0
                while !Task.isCancelled {
                    let report = await client.synchronise(with: partner.node, at: endpoint, once: true)
                    // Who gave up waiting is no news of the partner.
                    guard !Task.isCancelled else { return }
                    try? node.noteContact(report)
                    pause = report.error == nil ? 1 : min(pause * 2, 8)
                    try? await Task.sleep(for: .seconds(pause))
                }
            }
        }
    }
}
