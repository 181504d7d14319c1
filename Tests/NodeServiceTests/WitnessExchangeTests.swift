import Cryptography
import LogStore
import NodeService
import Testing
import TransparencyLog

/// What the answers of a witness come to.
@Suite struct WitnessExchangeTests {
    private static let now: UInt64 = 1_764_000_000
    private let cosigner: Cosigner
    private let checkpoint: Checkpoint

    init() throws {
        cosigner = try WitnessExchangeTests.cosigner("w.example", 7)
        checkpoint = try Checkpoint(origin: "us.example/krus", size: 10, root: SHA256.hash([1]))
    }

    private static func cosigner(_ name: String, _ seed: UInt8) throws -> Cosigner {
        var seed = [UInt8](repeating: seed, count: 32)
        return try Cosigner(name: name, privateKey: Ed25519.PrivateKey(seed: SecretBytes(wiping: &seed)))
    }

    private func exchange(oldSize: UInt64 = 4) -> WitnessExchange {
        WitnessExchange(key: cosigner.verifierKey, checkpoint: checkpoint, oldSize: oldSize)
    }

    private func answer(_ cosigners: [Cosigner], on checkpoint: Checkpoint? = nil, time: UInt64 = now) throws
        -> AddCheckpointAnswer
    {
        .cosigned(
            try cosigners.map { try $0.cosign(checkpoint ?? self.checkpoint, time: time).noteSignature })
    }

    private func reason(_ step: WitnessExchange.Step) -> WitnessFailure.Reason? {
        if case .failed(let failure) = step { failure.reason } else { nil }
    }

    @Test func aCosignatureByTheKnownKeyIsTaken() throws {
        var exchange = exchange()
        let other = try WitnessExchangeTests.cosigner("other.example", 8)
        guard case .cosigned(let given) = exchange.take(try answer([other, cosigner]), now: Self.now) else {
            Issue.record("not taken")
            return
        }
        #expect(given.time == Self.now)
        try given.verify(checkpoint, by: cosigner.verifierKey)
    }

    @Test func whatTheKeyHasNotSignedIsNotTaken() throws {
        let other = try WitnessExchangeTests.cosigner("w.example", 8)
        var exchange = exchange()
        #expect(reason(exchange.take(try answer([other]), now: Self.now)) == .otherKey)
        #expect(reason(exchange.take(try answer([]), now: Self.now)) == .otherKey)
        let elsewhere = try Checkpoint(origin: "us.example/krus", size: 11, root: SHA256.hash([1]))
        #expect(reason(exchange.take(try answer([cosigner], on: elsewhere), now: Self.now)) == .badSignature)
        // One good line does not make up for a forged one.
        let good = try cosigner.cosign(checkpoint, time: Self.now).noteSignature
        let bad = try cosigner.cosign(elsewhere, time: Self.now).noteSignature
        #expect(reason(exchange.take(.cosigned([good, bad]), now: Self.now)) == .badSignature)
        #expect(
            reason(exchange.take(try answer([cosigner], time: Self.now + 301), now: Self.now)) == .dated(ahead: 301))
        guard case .cosigned = exchange.take(try answer([cosigner], time: Self.now + 300), now: Self.now) else {
            Issue.record("five minutes are no reason")
            return
        }
    }

    @Test func aSizeThatItTellsIsTriedOnce() throws {
        var exchange = exchange(oldSize: 0)
        guard case .again(oldSize: 6) = exchange.take(.conflict(size: 6), now: Self.now) else {
            Issue.record("not tried again")
            return
        }
        #expect(exchange.oldSize == 6)
        #expect(reason(exchange.take(.conflict(size: 7), now: Self.now)) == .conflictsAgain(size: 7))
        // It may have lost what it had.
        var lost = self.exchange(oldSize: 4)
        guard case .again(oldSize: 0) = lost.take(.conflict(size: 0), now: Self.now) else {
            Issue.record("not tried again")
            return
        }
        // The size that was asked from is no news.
        var same = self.exchange(oldSize: 4)
        #expect(reason(same.take(.conflict(size: 4), now: Self.now)) == .conflictsAgain(size: 4))
        // More than there is cannot be asked from.
        #expect(self.exchange(oldSize: 99).oldSize == 10)
    }

    @Test func whatContradictsTheDatabaseIsToldApartFromOtherRefusals() throws {
        let cases: [(AddCheckpointAnswer, AskedWitness.Failure, String)] = [
            (.conflict(size: 11), .contradicts, "it has cosigned 11 entries of us.example/krus, and 10 are here"),
            (.unproved(reason: "no"), .contradicts, "does not continue what it has cosigned (“no”)"),
            (.unknownLog(reason: ""), .refused, "ask its operator to add it"),
            (.notSigned(reason: "x"), .refused, "another key for us.example/krus (“x”)"),
            (.malformed(reason: "y"), .refused, "malformed (“y”)"),
            (.failed(status: 500, reason: "z"), .unavailable, "answered 500 (“z”)"),
            (.failed(status: 302, reason: ""), .unavailable, "sends elsewhere (302), which is not followed"),
        ]
        for (answer, kind, text) in cases {
            var exchange = exchange()
            guard case .failed(let failure) = exchange.take(answer, now: Self.now) else {
                Issue.record("\(answer)")
                continue
            }
            #expect(failure.failure == kind, "\(answer)")
            #expect(
                failure.text(origin: "us.example/krus").contains(text), "\(failure.text(origin: "us.example/krus"))")
        }
    }

    @Test func aWitnessIsAskedWhenTheLogGrowsAndEveryHour() {
        var plan = WitnessPlan()
        #expect(plan.isDue(size: 1, now: 1_000))
        plan.begin(now: 1_000)
        #expect(!plan.isDue(size: 1, now: 1_004))
        plan.succeeded(size: 1)
        #expect(!plan.isDue(size: 2, now: 1_004))
        #expect(plan.isDue(size: 2, now: 1_005))
        #expect(!plan.isDue(size: 1, now: 1_060))
        #expect(!plan.isDue(size: 1, now: 4_599))
        #expect(plan.isDue(size: 1, now: 4_600))
    }

    @Test func aWitnessThatFailsIsAskedLessAndLessOften() {
        var plan = WitnessPlan()
        var now: UInt64 = 1_000
        var pauses: [UInt64] = []
        for _ in 0..<70 {
            plan.begin(now: now)
            plan.failed()
            let pause = (1...4_000).first { plan.isDue(size: 1, now: now + $0) } ?? 0
            pauses.append(pause)
            now += pause
        }
        #expect(Array(pauses.prefix(8)) == [30, 60, 120, 240, 480, 960, 1_920, 3_600])
        #expect(pauses.last == 3_600)
        plan.begin(now: now)
        plan.succeeded(size: 1)
        #expect(plan.isDue(size: 2, now: now + 5))
        // A clock that was put back does not stop it.
        #expect(plan.isDue(size: 2, now: 10))
    }

    private func quorum(
        _ needed: Int, _ given: [(key: String, size: UInt64, ago: UInt64)], size: UInt64 = 10, since: UInt64? = nil
    ) -> WitnessQuorum {
        WitnessQuorum(
            needed: needed, keys: ["a", "b", "c"], size: size,
            cosignatures: given.map {
                WitnessCosignature(key: $0.key, size: $0.size, time: Self.now - $0.ago, line: "")
            }, since: since.map { Self.now - $0 }, limit: 10_800, now: Self.now)
    }

    @Test func aQuorumIsMetByWitnessesThatCountOnOneCheckpoint() {
        let met = quorum(2, [("a", 10, 60), ("b", 10, 90), ("x", 10, 1)])
        #expect(met.isMet && met.count == 2 && met.met == .init(size: 10, time: Self.now - 90) && !met.isLate)
        // Two sizes are two checkpoints, and a stranger or a larger size count for nothing.
        let apart = quorum(2, [("a", 10, 60), ("b", 9, 90), ("x", 10, 1), ("c", 11, 1)])
        #expect(!apart.isMet && apart.count == 1 && apart.met == nil)
        let earlier = quorum(2, [("a", 10, 60), ("a", 9, 70), ("b", 9, 90)])
        #expect(!earlier.isMet && earlier.met == .init(size: 9, time: Self.now - 90))
    }

    @Test func aQuorumIsLateWhenItWasMetLongAgoOrNeverSinceTheFirstWasAsked() {
        #expect(!quorum(1, [("a", 10, 10_800)]).isLate)
        #expect(quorum(1, [("a", 10, 10_801)]).isLate)
        // The newer of two is enough for one, not for two.
        #expect(!quorum(1, [("a", 10, 90_000), ("b", 10, 60)]).isLate)
        #expect(quorum(2, [("a", 10, 90_000), ("b", 10, 60)]).isLate)
        #expect(!quorum(1, []).isLate)
        #expect(!quorum(1, [], since: 10_800).isLate)
        #expect(quorum(1, [], since: 10_801).isLate)
    }
}
