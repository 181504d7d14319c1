import Cryptography
import Reconciliation
import Testing

@Suite("Who brings which entries")
struct TransferPlanTests {
    private func plan(_ size: UInt64, held: UInt64 = 0, chunk: UInt64 = 256) -> TransferPlan {
        TransferPlan(
            target: Head(log: .zero, size: size, root: .zero), held: held, chunk: chunk)
    }

    @Test("One session is asked for everything, in order, in pieces that end at multiples")
    func alone() {
        var plan = plan(1_000, held: 100)
        plan.join(1)
        #expect(plan.assign(1, ranges: 2) == [100..<256, 256..<512])
        #expect(plan.assign(1, ranges: 100) == [512..<768, 768..<1_000])
        #expect(plan.assign(1, ranges: 100).isEmpty)
        for range in [100..<256, 256..<512, 512..<768, 768..<1_000] as [Range<UInt64>] {
            #expect(plan.arrived(range, from: 1) == .now)
        }
        #expect(plan.isComplete)
    }

    @Test("Who takes no part is asked for nothing")
    func outsiders() {
        var plan = plan(1_000)
        #expect(plan.assign(9, ranges: 10).isEmpty)
    }

    @Test("What a session leaves behind is asked of others, except what it has brought")
    func leaving() {
        var plan = plan(1_000)
        plan.join(1)
        plan.join(2)
        #expect(plan.assign(1, ranges: 2) == [0..<256, 256..<512])
        #expect(plan.arrived(0..<100, from: 1) == .now)
        plan.leave(1)
        #expect(plan.assign(2, ranges: 2) == [100..<256, 256..<512])
    }

    @Test("A slow session is overtaken; what it sends afterwards is not taken twice")
    func takeOver() {
        var plan = plan(512)
        plan.join(1)
        plan.join(2)
        #expect(plan.assign(1, ranges: 1) == [0..<256])
        #expect(plan.assign(2, ranges: 1) == [256..<512])
        #expect(plan.arrived(256..<512, from: 2) == .later)
        #expect(plan.laggard == 1)
        plan.takeOver(from: 1)
        #expect(plan.assign(2, ranges: 1) == [0..<256])
        #expect(plan.arrived(0..<256, from: 1) == .now)
        #expect(plan.takeWaiting() == 256)
        #expect(plan.arrived(0..<256, from: 2) == .stale)
        #expect(plan.isComplete)
    }

    @Test("What there was no room for is not asked for again before the frontier has moved")
    func noRoom() {
        var plan = plan(1_024)
        plan.join(1)
        plan.join(2)
        #expect(plan.assign(1, ranges: 1) == [0..<256])
        #expect(plan.assign(2, ranges: 1) == [256..<512])
        #expect(plan.arrived(256..<512, from: 2) == .later)
        plan.drop(waiting: 256)
        #expect(plan.assign(2, ranges: 3).isEmpty)
        #expect(plan.arrived(0..<256, from: 1) == .now)
        #expect(plan.assign(2, ranges: 3) == [256..<512, 512..<768, 768..<1_024])
    }

    /// Sessions of all kinds work on one log; the frames are cut anywhere, lost, refused and overtaken.
    @Test("Whatever happens, every entry has its turn exactly once and in order", arguments: 0..<300)
    func random(seed: UInt64) throws {
        var random = SplitMix64(seed)
        let size = UInt64.random(in: 1...3_000, using: &random)
        var plan = plan(size, held: UInt64.random(in: 0..<size, using: &random), chunk: 256)
        var turn = plan.frontier
        var pending: [(session: UInt64, range: Range<UInt64>)] = []
        var waiting: [UInt64: Range<UInt64>] = [:]
        func take(_ range: Range<UInt64>) {
            #expect(range.lowerBound == turn)
            turn = range.upperBound
        }
        var steps = 0
        while !plan.isComplete {
            steps += 1
            try #require(steps < 20_000, "no progress")
            let session = UInt64.random(in: 1...3, using: &random)
            switch Int.random(in: 0..<20, using: &random) {
            case 0:
                plan.leave(session)
                pending.removeAll { $0.session == session }
            case 1: if let laggard = plan.laggard { plan.takeOver(from: laggard) }
            case 2...8:
                plan.join(session)
                let limit = Int.random(in: 1...4, using: &random)
                pending += plan.assign(session, ranges: limit).map { (session, $0) }
            default:
                guard let first = pending.firstIndex(where: { $0.session == session }) else { continue }
                let whole = pending[first].range
                let end = whole.lowerBound + UInt64.random(in: 1...UInt64(whole.count), using: &random)
                let part = whole.lowerBound..<end
                if end == whole.upperBound {
                    pending.remove(at: first)
                } else {
                    pending[first].range = end..<whole.upperBound
                }
                switch plan.arrived(part, from: session) {
                case .stale: break
                case .later:
                    if Int.random(in: 0..<4, using: &random) == 0 {
                        plan.drop(waiting: part.lowerBound)
                    } else {
                        waiting[part.lowerBound] = part
                    }
                case .now:
                    if Int.random(in: 0..<10, using: &random) == 0 {
                        plan.reject(part)
                    } else {
                        take(part)
                        while let start = plan.takeWaiting() {
                            let next = waiting.removeValue(forKey: start)
                            take(try #require(next))
                        }
                    }
                    waiting = waiting.filter { $0.key >= plan.frontier }
                }
                #expect(plan.frontier == turn)
            }
        }
        #expect(turn == size)
    }
}
