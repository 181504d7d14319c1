import Glibc
import NodeService
import Records

/// The other processes of a measurement: one that serves what us.example holds, and one that catches up and tells what
/// that took.
enum BenchPeer {
    /// Serves until it is stopped. Its first line is the port.
    static func serve(folder: String) async throws {
        let federation = BenchFederation(folder: folder)
        let context = try federation.context("us")
        let tls = try federation.tls("us")
        let server = try await PeerServer.listen(
            at: Endpoint(host: "127.0.0.1", port: 0), context: context, tls: { tls }, logger: BenchFederation.logger)
        Output.line("\(server.port)")
        try await Task.sleep(for: .seconds(3_600))
        try await server.close()
    }

    /// Catches up once as kr.example, and prints one JSON object.
    static func receive(folder: String, port: Int) async throws {
        let federation = BenchFederation(folder: folder)
        let context = try federation.context("kr")
        let client = PeerClient(context: context, tls: try federation.tls("kr"), logger: BenchFederation.logger)
        // From before the connection to after it: the report's own time leaves out the handshakes.
        let begin = ContinuousClock.now
        let report = await client.synchronise(
            with: "us.example", at: Endpoint(host: "127.0.0.1", port: port), once: true)
        let microseconds = Int64((ContinuousClock.now - begin) / .microseconds(1))
        if let error = report.error { throw error }
        Output.json([
            JSONMember("received", .integer(Int64(report.received))),
            JSONMember("bytes_in", .integer(Int64(report.bytesIn))),
            JSONMember("bytes_out", .integer(Int64(report.bytesOut))),
            JSONMember("round_trips", .integer(Int64(report.roundTrips))),
            JSONMember("microseconds", .integer(microseconds)),
            JSONMember("peak_kib", .integer(Int64(peakKiB(of: "self")))),
        ])
    }

    /// What a receiving process told.
    struct Result {
        let received: Int
        let bytesIn: Int
        let bytesOut: Int
        let roundTrips: Int
        let seconds: Double
        let peakMiB: Double
    }

    /// Runs a receiving process to its end.
    static func run(folder: String, port: Int) throws -> Result {
        let text = try ChildProcess.run(["bench", "sync", "--serve", folder, "--port", "\(port)"])
        let value = try JSONScanner.scan(text: text)
        func number(_ name: String) -> Int { value[name]?.integer.map { Int($0) } ?? 0 }
        return Result(
            received: number("received"), bytesIn: number("bytes_in"), bytesOut: number("bytes_out"),
            roundTrips: number("round_trips"), seconds: Double(number("microseconds")) / 1_000_000,
            peakMiB: Double(number("peak_kib")) / 1_024)
    }

    /// The most memory that a process has held so far, in KiB (`VmHWM` of proc(5)).
    static func peakKiB(of process: String) -> Int {
        guard let bytes = try? InputFile.read("/proc/\(process)/status") else { return 0 }
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") where line.hasPrefix("VmHWM:") {
            return line.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) } ?? 0
        }
        return 0
    }
}
