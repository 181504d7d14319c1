import Foundation
import Glibc
import Testing

/// The same with a link that the kernel makes, where it lets us: TCP's own timers and losses are part of it.
@Suite(
    .serialized, .enabled(if: Namespaces.isPossible, "skipped: \(Namespaces.obstacle ?? "")"))
struct NamespaceTests {
    @Test(.enabled(if: Namespaces.hasNetem, "skipped: this kernel has no sch_netem (tc qdisc add … netem)"))
    func twoHundredMillisecondsAndTwoPercentLost() throws {
        let net = try Namespaces()
        let size = try net.place.fill("us", records: 3_000)
        try net.shape("netem", "delay", "100ms", "loss", "2%")
        try net.serve("us")
        try expectSync(net, size)
    }

    @Test(.enabled(if: Namespaces.hasRates, "skipped: this kernel has no sch_tbf (tc qdisc add … tbf)"))
    func aNarrowLink() throws {
        let net = try Namespaces()
        let size = try net.place.fill("us", records: 1_000)
        try net.shape("tbf", "rate", "256kbit", "burst", "4kb", "latency", "400ms")
        try net.serve("us")
        try expectSync(net, size)
    }

    @Test func aLinkThatIsDownAndUpAgain() throws {
        let net = try Namespaces()
        try net.serve("us")
        try net.serve("kr")
        let first = try net.place.fill("us", records: 1_000)
        #expect(try arrives(net, first))
        try net.setLink("kr", up: false)
        // A record more, which cannot get through.
        let submitted = try net.place.run(
            "us", "submit", "attribution", "--field", "chain=BTC", "--field",
            "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=during")
        #expect(submitted.status == 0, "\(submitted.errors)")
        let attempt = try net.run("kr", "sync", "us.example")
        #expect(attempt.status == 69, "\(attempt.errors)")
        #expect(attempt.errors.contains("us.example"), "\(attempt.errors)")
        attempt.expectOneLine()
        #expect(try net.place.size(of: "us.example/krus", at: "kr") == first)
        try net.setLink("kr", up: true)
        #expect(try arrives(net, first + 1))
        try net.place.expectSound("kr")
    }

    private func arrives(_ net: Namespaces, _ size: Int) throws -> Bool {
        try Entente.waits { try net.place.size(of: "us.example/krus", at: "kr") == size }
    }

    private func expectSync(_ net: Namespaces, _ size: Int) throws {
        let outcome = try net.run("kr", "sync", "us.example", "--json")
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.objects.first?["received"] as? Int == size, "\(outcome.output)")
        #expect(try net.place.size(of: "us.example/krus", at: "kr") == size)
        try net.place.expectSound("kr")
    }
}
