import LogStore
import NodeService

/// Many logs between two processes: what it costs to find those that differ.
struct ReconcileBench {
    let bench: Bench

    /// 10,000 logs of a record each; then one log of 100 behind by a hundredth of `records`.
    func measure(_ records: Int) throws {
        try manyLogs(10_000)
        try oneOfMany(logs: 100, records: records)
    }

    private func manyLogs(_ count: Int) throws {
        let folder = try bench.subfolder("many")
        let federation = BenchFederation(folder: folder)
        try federation.writeIdentities()
        let origins = (0..<count).map { "us.example/log-\($0)" }
        try federation.write(origins: origins)
        let store = try federation.store("us")
        for origin in origins { try bench.append(1, to: store, origin: origin) }
        let server = try ChildProcess(["bench", "sync", "--serve", folder], showsErrors: true)
        defer { server.stop() }
        guard let served = Int(server.firstLine()) else { return }
        let (port, link) = try bench.link(to: served)
        defer { link?.stop() }
        func tell(_ what: String) throws {
            let result = try BenchPeer.run(folder: folder, port: port)
            bench.tell("\(what): time", result.seconds * 1_000, "ms")
            bench.tell("\(what): bytes in, above TLS", Double(result.bytesIn), "bytes")
            bench.tell("\(what): bytes out, above TLS", Double(result.bytesOut), "bytes")
            bench.tell("\(what): round trips", Double(result.roundTrips), "")
        }
        try tell("\(grouped(count)) logs, all new")
        try tell("\(grouped(count)) logs, nothing new")
        for changed in [1, 10, 100, 1_000] {
            for position in 0..<changed { try bench.append(1, to: store, origin: origins[position * 7 % count]) }
            try tell("\(grouped(count)) logs, \(grouped(changed)) changed")
        }
        try tell("\(grouped(count)) logs, nothing new again")
    }

    private func oneOfMany(logs: Int, records: Int) throws {
        let folder = try bench.subfolder("one")
        let federation = BenchFederation(folder: folder)
        try federation.writeIdentities()
        let origins = (0..<logs).map { "us.example/log-\($0)" }
        try federation.write(origins: origins)
        let store = try federation.store("us")
        for origin in origins { try bench.append(records / logs, to: store, origin: origin) }
        let server = try ChildProcess(["bench", "sync", "--serve", folder], showsErrors: true)
        defer { server.stop() }
        guard let served = Int(server.firstLine()) else { return }
        let (port, link) = try bench.link(to: served)
        defer { link?.stop() }
        let cold = try BenchPeer.run(folder: folder, port: port)
        bench.tell("\(logs) logs of \(grouped(records)) records in all, cold", cold.seconds, "s")
        let behind = max(1, records / 100)
        try bench.append(behind, to: store, origin: origins[logs / 3])
        let result = try BenchPeer.run(folder: folder, port: port)
        let what = "one log of \(logs) behind by \(grouped(behind)) of \(grouped(records))"
        bench.tell("\(what): time", result.seconds * 1_000, "ms")
        bench.tell("\(what): bytes in, above TLS", Double(result.bytesIn), "bytes")
        bench.tell("\(what): bytes out, above TLS", Double(result.bytesOut), "bytes")
        bench.tell("\(what): round trips", Double(result.roundTrips), "")
    }
}
