import Cryptography
import Glibc
import Home
import LogStore
import NodeService
import Records

/// Records with sealed fields for three nodes, on all cores, sealed and durable.
struct SealBench {
    let bench: Bench

    /// Records of one transaction, as an import takes them.
    private static let batch = 8_192

    func measure(_ records: Int) throws {
        let nodes = BenchFederation.nodes.map { "\($0).example" }
        let keys = try nodes.map { ($0, try SealedBox.PrivateKey().publicKey) }
        let writer = try RecordWriter(
            origin: BenchFederation.origin,
            policy: SealingPolicy(
                node: nodes[0], members: nodes, defaults: SealingDefaults(readers: Array(nodes.dropFirst()))),
            sealingKeys: Dictionary(keys, uniquingKeysWith: { first, _ in first }),
            doublesKey: SecretBytes.random(count: 32))
        let store = try bench.makeStore()
        try bench.append(0, to: store)
        let options = try BenchFederation.options(BenchFederation.origin)
        var generator = BodyGenerator(seed: 1)
        var (seconds, processor) = (0.0, 0.0)
        var (done, bytes) = (0, 0)
        while done < records {
            let drafts = try (0..<min(SealBench.batch, records - done)).map { offset in
                try draft(generator.next(), number: done + offset)
            }
            let begin = SealBench.processorSeconds
            seconds += try Bench.measured {
                let entries = try AllCores.map(drafts) { try writer.prepare($0).entry }.map { try $0.get() }
                bytes += entries.reduce(0) { $0 + ($1.blob?.bytes.count ?? 0) }
                _ = try store.append(entries, to: BenchFederation.origin, options: options)
            }
            processor += SealBench.processorSeconds - begin
            done += drafts.count
        }
        bench.tell("two fields of \(grouped(records)) records sealed for three nodes, and appended", seconds, "s")
        bench.tell("processor time that took", processor, "s")
        bench.tell("records sealed a second", Double(records) / seconds, "/s")
        bench.tell("bytes of an envelope, mean", Double(bytes) / Double(records), "bytes")
    }

    private func draft(_ body: [UInt8], number: Int) throws -> RecordDraft {
        var draft = try RecordDraft(
            object: JSONScanner.scan(body), time: Clock.timestamp, author: "bench", tlp: .green)
        try draft.set("case_number", to: .string("2023-\(number)"))
        try draft.set("note", to: .string("seen in wallet \(number)"))
        return draft
    }

    private static var processorSeconds: Double {
        var usage = rusage()
        guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1_000_000 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }
}
