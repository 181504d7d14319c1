import Synchronization
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Many nodes, with everything that can go wrong, in virtual time.
///
/// `ENTENTE_SIM_SEED=123 swift test --filter Simulation` replays one schedule and prints what happens in it;
/// `ENTENTE_SIM_COUNT=1000000` runs more of them, `ENTENTE_SIM_FIRST=2000` begins at another one, and with
/// `ENTENTE_SIM_ROTATE=1` half of what is written replaces a key.
@Suite("Simulation of many nodes")
struct SimulationTests {
    private static func setting(_ name: String) -> UInt64? {
        getenv(name).flatMap { UInt64(String(cString: $0)) }
    }

    @Test("Whatever happens, nothing false is held or said, and in the end all agree")
    func schedules() async throws {
        let rotatesMuch = SimulationTests.setting("ENTENTE_SIM_ROTATE") == 1
        if let seed = SimulationTests.setting("ENTENTE_SIM_SEED") {
            let simulation = try Simulation(seed: seed, rotatesMuch: rotatesMuch) { print($0) }
            #expect(simulation.run() == .passed)
            return
        }
        let count = SimulationTests.setting("ENTENTE_SIM_COUNT") ?? 2_000
        let first = SimulationTests.setting("ENTENTE_SIM_FIRST") ?? 0
        let failures = try await withThrowingTaskGroup(of: [String].self) { group in
            for lane in 0..<UInt64(2) {
                group.addTask {
                    var failures: [String] = []
                    for seed in stride(from: first + lane, to: first + count, by: 2) {
                        if case .failed(let reason) = try Simulation(seed: seed, rotatesMuch: rotatesMuch).run() {
                            failures.append("ENTENTE_SIM_SEED=\(seed): \(reason)")
                        }
                        if failures.count >= 10 { break }
                        await Task.yield()
                    }
                    return failures
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(failures.isEmpty, "\(failures.joined(separator: "\n"))")
    }
}
