import Cryptography
import Glibc
import LogStore
import NodeService
import Reconciliation
import Testing
import TransparencyLog

/// Receipts for sealed parts, from the node that stored them to the author, through sessions over loopback.
@Suite struct ReceiptTests {
    /// Three nodes of one community that know each other.
    private func three(_ now: Moment = Moment()) throws -> (us: TestNode, kr: TestNode, jp: TestNode) {
        let names = ["us.example", "kr.example", "jp.example"]
        let nodes = try names.map { name in try TestNode(name, partners: names.filter { $0 != name }, now: now) }
        for node in nodes { for other in nodes where other !== node { try node.know(other) } }
        return (nodes[0], nodes[1], nodes[2])
    }

    private func receipts(_ node: TestNode, of author: TestNode) throws -> [StoredReceipt] {
        try node.store.receipts(of: author.log.id, entries: 0..<1_000_000)
    }

    @Test func theReceiptComesBackToTheAuthorInTheSessionThatBringsTheBlob() async throws {
        let (us, kr, _) = try three()
        try us.append(3)
        let blob = try us.appendSealed("secret", to: ["us.example", "kr.example"])
        #expect(try await synchronise(kr, us).0.error == nil)
        #expect(try kr.store.blob(blob) != nil)
        let there = try receipts(us, of: us)
        #expect(there.map(\.holder) == ["kr.example"])
        #expect(there.map(\.index) == [3])
        #expect(try receipts(kr, of: us) == there)
        // Nothing is left to say.
        let (again, _) = try await synchronise(us, kr)
        #expect(again.roundTrips == 1)
        #expect(again.bytesIn + again.bytesOut <= 800)
    }

    @Test func manyReceiptsComeInFewMessages() async throws {
        let (us, kr, _) = try three()
        for index in 0..<300 { _ = try us.appendSealed("secret \(index)", to: ["kr.example"]) }
        #expect(try await synchronise(kr, us).0.error == nil)
        #expect(try receipts(us, of: us).count == 300)
        #expect(try us.store.receiptDigest(of: us.log.id) == kr.store.receiptDigest(of: us.log.id))
    }

    @Test func aRelayPassesReceiptsOnBothWays() async throws {
        let (us, kr, jp) = try three()
        _ = try us.appendSealed("for kr", to: ["kr.example"])
        _ = try us.appendSealed("for jp", to: ["jp.example"])
        // kr carries the log to jp, which then gets its sealed part from us alone.
        #expect(try await synchronise(us, kr).0.error == nil)
        #expect(try await synchronise(jp, kr).0.error == nil)
        #expect(try receipts(jp, of: us).map(\.holder) == ["kr.example"])
        #expect(try await synchronise(jp, us).0.error == nil)
        #expect(try receipts(us, of: us).map(\.holder) == ["kr.example", "jp.example"])
        #expect(try await synchronise(kr, jp).0.error == nil)
        #expect(try receipts(kr, of: us) == receipts(us, of: us))
    }

    @Test func onlyThePagesThatDifferAreSent() async throws {
        let (us, kr, jp) = try three()
        // Two pages of receipts, both known to kr; jp's receipt for the last entry is news to it.
        _ = try us.appendSealed("first", to: ["kr.example"])
        for index in 0..<200 { _ = try us.appendSealed("\(index)", to: ["kr.example"]) }
        try us.append(5_000)
        _ = try us.appendSealed("last", to: ["jp.example"])
        for (one, other) in [(us, kr), (us, jp), (us, kr)] {
            #expect(try await synchronise(one, other).0.error == nil)
        }
        #expect(try receipts(kr, of: us) == receipts(us, of: us))
        #expect(try receipts(us, of: us).count == 202)
        // A receipt that us learns of by itself; the first page has 201 and stays where it is.
        let extra = try us.appendSealed("more", to: ["jp.example"])
        for (one, other) in [(us, kr), (us, jp)] { #expect(try await synchronise(one, other).0.error == nil) }
        let (report, _) = try await synchronise(us, kr)
        #expect(report.error == nil)
        #expect(report.bytesOut < 2_000)
        #expect(try receipts(kr, of: us).contains { $0.index == extra.index })
    }

    @Test func forgedForeignAndFutureReceiptsAreNotBelieved() async throws {
        let now = Moment()
        let (us, kr, jp) = try three(now)
        let blob = try us.appendSealed("for kr", to: ["us.example", "kr.example"])
        func line(
            by signer: TestNode, holder: String, index: UInt64? = nil, sha256: SHA256Digest? = nil, signed: UInt64,
            stated: UInt64? = nil
        ) throws -> ReceiptLine {
            let receipt = try BlobReceipt(
                origin: us.log.origin, index: index ?? blob.index, sha256: sha256 ?? blob.sha256)
            return ReceiptLine(
                index: receipt.index, sha256: receipt.sha256, holder: holder, time: stated ?? signed,
                line: try signer.context.cosigner.sign(receipt, time: signed).line)
        }
        let time = now.value
        let cases: [(ReceiptLine, String)] = [
            (try line(by: jp, holder: "kr.example", signed: time), "has not signed"),
            (try line(by: jp, holder: "jp.example", signed: time), "no recipient"),
            (try line(by: kr, holder: "kr.example", signed: time + 301), "future"),
            (try line(by: kr, holder: "kr.example", signed: time, stated: time - 1), "has not signed"),
            (try line(by: kr, holder: "kr.example", index: 7, signed: time), "no record"),
            (try line(by: kr, holder: "kr.example", sha256: SHA256.hash("x"), signed: time), "no record"),
            (ReceiptLine(index: 0, sha256: blob.sha256, holder: "kr.example", time: time, line: "x"), "has not signed"),
        ]
        for (line, reason) in cases {
            let judgement = try us.context.judge([line], of: us.log.id)
            #expect(judgement.accepted.isEmpty)
            #expect(judgement.refusals.first?.contains(reason) == true, "\(judgement.refusals)")
        }
        let good = try line(by: kr, holder: "kr.example", signed: time + 300)
        #expect(try us.context.judge(cases.map(\.0) + [good], of: us.log.id).accepted.map(\.time) == [time + 300])

        // What a peer has stored against the rules stays with it: the author takes only what it can check.
        #expect(try await synchronise(us, jp).0.error == nil)
        _ = try jp.store.store(cases.map { StoredReceipt($0.0) }, of: us.log.id)
        #expect(try await synchronise(jp, us).0.error == nil)
        #expect(try receipts(us, of: us).isEmpty)
    }

    @Test func anAuditChecksEveryReceipt() async throws {
        let (us, kr, jp) = try three()
        _ = try us.appendSealed("for both", to: ["kr.example", "jp.example"])
        for node in [kr, jp] { #expect(try await synchronise(node, us).0.error == nil) }
        let keys = [us, kr, jp].map(\.context.cosigner.verifierKey)
        let auditor = LogAuditor(
            store: us.store, mirrorKeys: Dictionary(uniqueKeysWithValues: keys.map { ($0.name, $0) }))
        let log = try #require(try us.store.log(id: us.log.id))
        #expect(try auditor.audit([log]).problems.isEmpty)
        try us.store.execute("UPDATE receipt SET time = time - 1 WHERE holder = 'jp.example'")
        #expect(try auditor.audit([log]).problems.map(\.text).allSatisfy { $0.contains("receipt of jp.example") })
        #expect(try auditor.audit([log]).problems.count == 1)
        try us.store.execute("UPDATE receipt SET entry = 5 WHERE holder = 'jp.example'")
        #expect(try auditor.audit([log]).problems.map(\.text).first?.contains("no record names") == true)
        let other = LogAuditor(store: us.store, mirrorKeys: [:])
        #expect(try other.audit([log]).unproved.contains { $0.contains("no key of kr.example to check its receipts") })
    }

    /// Prints what it costs to keep up with many receipts; asserts nothing about time.
    @Test(.enabled(if: getenv("ENTENTE_FIGURES") != nil, "prints figures with ENTENTE_FIGURES=1"))
    func whatManyReceiptsCost() throws {
        let (us, _, _) = try three()
        let clock = ContinuousClock()
        for first in stride(from: UInt64(0), to: 100_000, by: 1_000) {
            _ = try us.store.store(
                (first..<first + 1_000).map {
                    StoredReceipt(
                        index: $0 * 10, sha256: SHA256.hash("\($0)"), holder: "kr.example", time: $0,
                        line: String(repeating: "x", count: 120))
                }, of: us.log.id)
        }
        let all = try clock.measure { _ = try us.store.receiptDigest(of: us.log.id) }
        let known = try clock.measure { _ = try us.store.receiptDigest(of: us.log.id) }
        _ = try us.store.store(
            [StoredReceipt(index: 5, sha256: SHA256.hash("x"), holder: "kr.example", time: 1, line: "x")],
            of: us.log.id)
        let one = try clock.measure { _ = try us.store.receiptDigest(of: us.log.id) }
        let look = try clock.measure { try us.store.lookForReceipts() }
        print("100,000 receipts: first digest \(all), unchanged \(known), one page changed \(one), look \(look)")
    }

    @Test func aClockThatIsFarBehindGivesNoReceiptUntilItIsRight() async throws {
        let now = Moment()
        let (us, kr, _) = try three(now)
        try us.append(1)
        #expect(try await synchronise(us, kr).0.error == nil)
        let right = now.value
        now.value = right - 400
        let blob = try us.appendSealed("for kr", to: ["kr.example"])
        #expect(try await synchronise(us, kr).0.error == nil)
        #expect(try kr.store.blob(blob) != nil)
        #expect(try receipts(us, of: us).isEmpty)
        #expect(try kr.context.store.clockLag(of: us.log.id, now: now.value)?.contains("clock") == true)
        now.value = right
        try kr.context.giveMissingReceipts()
        #expect(try await synchronise(us, kr).0.error == nil)
        #expect(try receipts(us, of: us).map(\.holder) == ["kr.example"])
    }
}

/// An own, dated cosignature never counts as a holder, and says how fresh a log is.
@Suite struct DatingTests {
    @Test func ownCheckpointsAreDatedWhenTheyChangeAndEveryHour() throws {
        let now = Moment()
        let us = try TestNode("us.example", partners: [], now: now)
        #expect(try us.context.dateOwnHeads().dated.isEmpty)
        try us.append(2)
        #expect(try us.context.dateOwnHeads().dated == [us.log.id])
        #expect(try us.context.dateOwnHeads().dated.isEmpty)
        now.value += 3_599
        #expect(try us.context.dateOwnHeads().dated.isEmpty)
        now.value += 1
        #expect(try us.context.dateOwnHeads().dated == [us.log.id])
        try us.append(1)
        #expect(try us.context.dateOwnHeads().dated == [us.log.id])
        let own = try us.store.cosignatures(of: us.log.id)
        #expect(own.map(\.size) == [2, 3])
        #expect(own.map(\.time) == [now.value, now.value])
    }

    @Test func aClockThatIsFarBehindDatesNothingAndSaysSo() throws {
        let now = Moment()
        let us = try TestNode("us.example", partners: [], now: now)
        try us.append(1)
        _ = try us.context.dateOwnHeads()
        let last = now.value
        now.value -= 200
        try us.append(1)
        #expect(try us.context.dateOwnHeads().dated == [us.log.id])
        // Times never decrease.
        #expect(try us.store.newestCosignatures(of: us.log.id).map(\.time) == [last])
        now.value -= 200
        try us.append(1)
        let dating = try us.context.dateOwnHeads()
        #expect(dating.dated.isEmpty)
        #expect(dating.problems.first?.contains("behind the last cosignature") == true)
    }
}
