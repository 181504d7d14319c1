import LogStore
import NodeService

/// One log between two processes over mutual TLS on loopback: cold, with little new, with nothing new.
struct SyncBench {
    let bench: Bench

    func measure(_ records: Int) throws {
        let folder = bench.folder
        let federation = BenchFederation(folder: folder)
        try federation.writeIdentities()
        try federation.write(origins: [BenchFederation.origin])
        let store = try federation.store("us")
        let (_, bytes) = try bench.fill(store, records: records)
        let server = try ChildProcess(["bench", "sync", "--serve", folder], showsErrors: true)
        defer { server.stop() }
        guard let served = Int(server.firstLine()) else {
            throw CommandFailure(.internal, "the serving process did not begin to listen")
        }
        let (port, link) = try bench.link(to: served)
        defer { link?.stop() }
        let cold = try BenchPeer.run(folder: folder, port: port)
        bench.tell("cold sync of \(grouped(records)) records, verified and durable", cold.seconds, "s")
        bench.tell("cold sync: round trips", Double(cold.roundTrips), "")
        bench.tell("records a second", Double(records) / cold.seconds, "/s")
        bench.tell("bytes received", Double(cold.bytesIn), "bytes")
        bench.tell("bytes received for each byte of the bodies", Double(cold.bytesIn) / Double(bytes), "bytes")
        bench.tell("peak memory of the receiving process", cold.peakMiB, "MiB")
        bench.tell(
            "peak memory of the serving process", Double(BenchPeer.peakKiB(of: "\(server.identifier)")) / 1_024, "MiB")
        let again = try BenchPeer.run(folder: folder, port: port)
        bench.tell("nothing new, from a fresh connection", again.seconds * 1_000, "ms")
        bench.tell("nothing new: bytes in, above TLS", Double(again.bytesIn), "bytes")
        bench.tell("nothing new: bytes out, above TLS", Double(again.bytesOut), "bytes")
        bench.tell("nothing new: round trips", Double(again.roundTrips), "")
        try bench.append(1_000, to: store)
        let little = try BenchPeer.run(folder: folder, port: port)
        bench.tell("1,000 new on \(grouped(records)), from a fresh connection", little.seconds * 1_000, "ms")
        bench.tell("1,000 new: bytes received", Double(little.bytesIn), "bytes")
        bench.tell("1,000 new: round trips", Double(little.roundTrips), "")
    }
}
