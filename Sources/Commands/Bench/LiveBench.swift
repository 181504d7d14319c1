import LogStore
import NodeService

/// From an append on one node to the moment its connected partner has verified and committed it, and through a relay.
/// All nodes are in this process, over mutual TLS on loopback, so that one clock measures.
struct LiveBench {
    let bench: Bench
    private static let rounds = 201

    func measure() async throws {
        let federation = BenchFederation(folder: bench.folder)
        try federation.writeIdentities()
        try federation.write(origins: [BenchFederation.origin])
        let us = try federation.context("us")
        try bench.append(1_000, to: us.store)
        let kr = try federation.context("kr")
        let jp = try federation.context("jp")
        let servers = try await [serve(us, "us", federation), serve(kr, "kr", federation)]
        let sessions = try [
            connect(kr, "kr", to: "us", servers[0].port, federation),
            connect(jp, "jp", to: "kr", servers[1].port, federation),
        ]
        let atPartner = SizeWatch(kr), throughRelay = SizeWatch(jp)
        try await throughRelay.wait(for: 1_000)
        var direct: [Double] = []
        var relayed: [Double] = []
        for round in 1...LiveBench.rounds {
            let size = UInt64(1_000 + round)
            let begin = ContinuousClock.now
            try bench.append(1, to: us.store)
            us.announceChanges()
            try await atPartner.wait(for: size)
            direct.append(Double((ContinuousClock.now - begin) / .microseconds(1)) / 1_000)
            try await throughRelay.wait(for: size)
            relayed.append(Double((ContinuousClock.now - begin) / .microseconds(1)) / 1_000)
            // Receipts go back before the next one.
            try await Task.sleep(for: .milliseconds(20))
        }
        bench.tell("append to visible on the connected partner, median", direct.sorted()[LiveBench.rounds / 2], "ms")
        bench.tell(
            "append to visible on the connected partner, 95th percentile", direct.sorted()[LiveBench.rounds * 95 / 100],
            "ms")
        bench.tell("append to visible through a relay, median", relayed.sorted()[LiveBench.rounds / 2], "ms")
        bench.tell(
            "append to visible through a relay, 95th percentile", relayed.sorted()[LiveBench.rounds * 95 / 100], "ms")
        sessions.forEach { $0.cancel() }
        for server in servers { try await server.close() }
    }

    private func serve(_ context: SyncContext, _ name: String, _ federation: BenchFederation) async throws -> PeerServer
    {
        let tls = try federation.tls(name)
        return try await PeerServer.listen(
            at: Endpoint(host: "127.0.0.1", port: 0), context: context, tls: { tls }, logger: BenchFederation.logger)
    }

    private func connect(
        _ context: SyncContext, _ name: String, to peer: String, _ port: Int, _ federation: BenchFederation
    ) throws -> Task<Void, Never> {
        let client = PeerClient(context: context, tls: try federation.tls(name), logger: BenchFederation.logger)
        return Task {
            _ = await client.synchronise(
                with: "\(peer).example", at: Endpoint(host: "127.0.0.1", port: port), once: false)
        }
    }
}

/// Waits until a node holds a log up to a size.
private struct SizeWatch {
    private let context: SyncContext
    private let changes: AsyncStream<Void>

    init(_ context: SyncContext) {
        self.context = context
        let (changes, feed) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        self.changes = changes
        context.onChange { feed.yield() }
    }

    func wait(for size: UInt64) async throws {
        if try context.store.log(BenchFederation.origin)?.size ?? 0 >= size { return }
        for await _ in changes where try context.store.log(BenchFederation.origin)?.size ?? 0 >= size { return }
    }
}
