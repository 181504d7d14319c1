import ArgumentParser
import Glibc
import NodeService
import Records

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract:
            "Measure this machine: append, sync, reconcile, live, verify, search, seal; or print generated bodies.",
        discussion: """
            One seeded generator of bodies of some 420 bytes serves all. Works in a temporary folder and removes it.

            EXAMPLES
              entente bench append --records 1000000
              entente bench sync
              entente bench sync --records 100000 --delay 200ms
              entente bench seal --records 100000
              entente bench bodies --records 10 > bodies.jsonl
            """)

    enum Subject: String, ExpressibleByArgument, CaseIterable {
        case append, sync, reconcile, live, verify, search, seal, bodies
    }

    @OptionGroup var global: GlobalOptions

    @Argument(help: "append, sync, reconcile, live, verify, search, seal or bodies")
    var subject: Subject

    @Option(help: "How many records.")
    var records = 1_000_000

    @Option(help: "The generator's seed.")
    var seed: UInt64 = 1

    @Option(help: "With sync and reconcile: a link with this round trip between the two, as in 200ms.")
    var delay: RoundTrip?

    @Option(help: .hidden)
    var serve: String?

    @Option(help: .hidden)
    var port: Int?

    func validate() throws {
        guard (1...100_000_000).contains(records) else { throw ValidationError("--records takes 1 to 100000000") }
        guard delay == nil || subject == .sync || subject == .reconcile else {
            throw ValidationError("--delay goes with sync and reconcile")
        }
    }

    func run() async throws {
        if subject == .bodies { return printBodies() }
        if let serve, let port { return try await BenchPeer.receive(folder: serve, port: port) }
        if let serve { return try await BenchPeer.serve(folder: serve) }
        var template = Array("/tmp/entente-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw CommandFailure(.io, "no temporary folder can be made") }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { ScratchFolder.remove(folder) }
        let bench = try Bench(folder: folder, seed: seed, isJSON: global.json, roundTrip: delay)
        bench.tell("fsync of 4 KiB, median", try bench.fsyncMilliseconds(), "ms")
        switch subject {
        case .append: try bench.append(records)
        case .verify: try bench.verify(records)
        case .search: try bench.search(records)
        case .seal: try SealBench(bench: bench).measure(records)
        case .sync: try SyncBench(bench: bench).measure(records)
        case .reconcile: try ReconcileBench(bench: bench).measure(records)
        case .live: try await LiveBench(bench: bench).measure()
        case .bodies: break
        }
    }

    private func printBodies() {
        var generator = BodyGenerator(seed: seed)
        var text: [UInt8] = []
        for index in 1...records {
            text += generator.next() + [0x0A]
            if text.count > 1 << 20 || index == records {
                Output.bytes(text)
                text = []
            }
        }
    }
}

/// How long a link takes there and back, in milliseconds: `200ms`.
struct RoundTrip: ExpressibleByArgument {
    let milliseconds: Int

    init?(argument: String) {
        guard argument.hasSuffix("ms"), let value = Int(argument.dropLast(2)), (1...10_000).contains(value) else {
            return nil
        }
        milliseconds = value
    }
}

/// Temporary folders of measurements.
enum ScratchFolder {
    /// Removes the files of a folder, and it.
    static func remove(_ path: String) {
        guard let directory = opendir(path) else { return }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != "..", unlink("\(path)/\(name)") != 0 { remove("\(path)/\(name)") }
        }
        closedir(directory)
        rmdir(path)
    }
}
