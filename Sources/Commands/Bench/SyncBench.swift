import Cryptography
import Glibc
import LogStore
import Logging
import MutualTLS
import NodeService
import Records
import TransparencyLog

/// Reconciliation between two processes over mutual TLS on loopback: cold, with little new, with nothing new.
struct SyncBench {
    let bench: Bench

    func measure(_ records: Int) async throws {
        let folder = bench.folder
        let store = try bench.makeStore("us")
        let (_, bytes) = try bench.fill(store, records: records)
        for name in ["us", "kr"] { try SyncBench.writeIdentity(folder, name) }
        let server = try ChildProcess(["bench", "sync", "--serve", folder], showsErrors: true)
        defer { server.stop() }
        guard let port = Int(server.firstLine()) else {
            throw CommandFailure(.internal, "the serving process did not begin to listen")
        }
        let cold = try await run(port)
        bench.tell("cold sync of \(grouped(records)) records, verified and durable", cold.seconds, "s")
        bench.tell("records a second", Double(records) / cold.seconds, "/s")
        bench.tell("bytes received", Double(cold.bytesIn), "bytes")
        bench.tell("bytes received for each byte of the bodies", Double(cold.bytesIn) / Double(bytes), "bytes")
        bench.tell("peak memory of the receiving process, with the bench", Double(SyncBench.peakMiB), "MiB")
        let again = try await run(port)
        bench.tell("nothing new, from a fresh connection", again.seconds, "s")
        bench.tell("nothing new: bytes in and out, above TLS", Double(again.bytesIn + again.bytesOut), "bytes")
        bench.tell("nothing new: round trips", Double(again.roundTrips), "")
        try append(1_000, to: store)
        let little = try await run(port)
        bench.tell("1,000 new on \(grouped(records)), from a fresh connection", little.seconds, "s")
        bench.tell("1,000 new: bytes received", Double(little.bytesIn), "bytes")
    }

    private func append(_ count: Int, to store: SQLiteLogStore) throws {
        var generator = BodyGenerator(seed: 99)
        let key = try SyncBench.logKey(bench.folder)
        let entries = (0..<count).map { _ in NewEntry(body: generator.next()) }
        _ = try store.append(
            entries, to: Bench.origin,
            options: AppendOptions { size, root in
                try Checkpoint(origin: Bench.origin, size: size, root: root).sign(with: key).serialized
            })
    }

    private func run(_ port: Int) async throws -> SessionReport {
        let context = try SyncBench.context(bench.folder, "kr")
        let client = PeerClient(
            context: context, tls: try SyncBench.tls(bench.folder, "kr", peer: "us"), logger: SyncBench.logger)
        let report = await client.synchronise(
            with: "us.example", at: Endpoint(host: "127.0.0.1", port: port), once: true)
        if let error = report.error { throw error }
        return report
    }

    /// The other process: serves the filled store until it is stopped.
    static func serve(folder: String) async throws {
        let context = try context(folder, "us")
        let tls = try tls(folder, "us", peer: "kr")
        let server = try await PeerServer.listen(
            at: Endpoint(host: "127.0.0.1", port: 0), context: context, tls: { tls }, logger: logger)
        Output.line("\(server.port)")
        try await Task.sleep(for: .seconds(3_600))
        try await server.close()
    }

    private static let logger = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }

    private static func context(_ folder: String, _ name: String) throws -> SyncContext {
        let store = try SQLiteLogStore(
            path: "\(folder)/\(name).sqlite", signedPath: "\(folder)/\(name)-signed.sqlite", node: "\(name).example")
        if name == "kr" {
            let key = try logKey(folder).verifierKey.text
            try store.createLog(
                origin: Bench.origin, node: "us.example", community: "bench", isOwn: false, verifierKey: key)
        }
        let keys = try ["us", "kr"].map { try cosigner($0).verifierKey }
        return SyncContext(
            store: store,
            federation: Federation(
                node: "\(name).example", members: ["bench": ["us.example", "kr.example"]],
                mirrorKeys: Dictionary(keys.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })),
            cosigner: try cosigner(name), now: Clock.now)
    }

    /// Keys of a measurement are not secret: they follow from names, so that both processes have them.
    private static func seed(_ name: String) throws -> SecretBytes {
        var bytes = SHA256.hash("bench key \(name)").bytes
        return try SecretBytes(wiping: &bytes)
    }

    private static func cosigner(_ name: String) throws -> Cosigner {
        try Cosigner(name: "\(name).example", privateKey: Ed25519.PrivateKey(seed: seed(name)))
    }

    static func logKey(_ folder: String) throws -> NoteSigner {
        try NoteSigner(name: Bench.origin, privateKey: Ed25519.PrivateKey(seed: seed("log")))
    }

    private static func writeIdentity(_ folder: String, _ name: String) throws {
        let now = Int64(Clock.now())
        let made = try TLSIdentity.selfSigned(
            dns: "\(name).example", validFrom: now - 86_400, validUntil: now + 86_400)
        for (suffix, bytes) in [("pem", made.certificatePEM), ("key", made.privateKeyPEM)] {
            let descriptor = open("\(folder)/\(name).\(suffix)", O_CREAT | O_WRONLY | O_TRUNC, 0o600)
            guard descriptor >= 0, write(descriptor, bytes, bytes.count) == bytes.count else {
                throw CommandFailure(.io, "\(folder) cannot be written")
            }
            close(descriptor)
        }
    }

    private static func identity(_ folder: String, _ name: String) throws -> TLSIdentity {
        try TLSIdentity(
            certificatePEM: InputFile.read("\(folder)/\(name).pem"),
            privateKeyPEM: InputFile.read("\(folder)/\(name).key"))
    }

    private static func tls(_ folder: String, _ name: String, peer: String) throws -> TLSContext {
        var trust = PeerTrust()
        if let pin = Pin(try identity(folder, peer).subjectPublicKeyInfoPin) { trust.pins[pin] = "\(peer).example" }
        return try TLSContext(
            TLSConfiguration(
                identity: identity(folder, name), trust: trust,
                applicationProtocols: [PeerClient.applicationProtocol]))
    }

    private static var peakMiB: Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss / 1_024
    }
}
