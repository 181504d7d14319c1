import Foundation
import NodeService
import Testing

/// us and kr, who reach each other through a link alone: each knows the other by an end of it.
final class LongLink {
    let place: Place
    private let toUS: LinkRelay
    private let toKR: LinkRelay

    init(_ weather: LinkRelay.Weather) throws {
        place = try Place()
        try place.federate("us", "kr")
        toUS = try LinkRelay(to: place.port(of: "us"), weather: weather)
        toKR = try LinkRelay(to: place.port(of: "kr"), weather: weather)
        try place.must(
            "kr", "peer", "add", "\(place.path)/us.yaml", "--endpoint", "127.0.0.1:\(toUS.port)", "--replace")
        try place.must(
            "us", "peer", "add", "\(place.path)/kr.yaml", "--endpoint", "127.0.0.1:\(toKR.port)", "--replace")
    }

    deinit {
        place.stop()
        toUS.stop()
        toKR.stop()
    }

    func change(_ change: (inout LinkRelay.Weather) -> Void) {
        toUS.change(change)
        toKR.change(change)
    }

    /// Nothing passes any more between us and whoever connected to it.
    var isDark: Bool { toUS.weather.isDark }

    /// Ends a partition so that the connections of before are gone, as where a router has lost them.
    func heal() {
        toUS.cut()
        toKR.cut()
        change { weather in
            weather.isDark = false
            weather.darkAfter = nil
        }
    }

    /// Bytes that came over the link, both ways and whoever connected.
    var passed: Int { toUS.passed.there + toUS.passed.back + toKR.passed.there + toKR.passed.back }

    /// What kr says of one sync with us.
    func sync(at location: SourceLocation = #_sourceLocation) throws -> SyncFigures {
        let outcome = try place.must("kr", "sync", "us.example", "--json", at: location)
        return SyncFigures(try #require(outcome.objects.first, sourceLocation: location))
    }

    /// An attribution that us writes; its label tells it from others.
    func submit(_ label: String, wait: Bool = false, at location: SourceLocation = #_sourceLocation) throws {
        let fields = ["chain=BTC", "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "label=\(label)"]
        let arguments =
            ["--home", "\(place.path)/us", "submit", "attribution"] + fields.flatMap { ["--field", $0] }
            + (wait ? ["--wait", "kr.example"] : [])
        let outcome = try Entente.run(arguments)
        #expect(outcome.status == 0, "\(outcome.errors)", sourceLocation: location)
    }

    /// Waits until kr holds as much of the log of us as us does.
    func expectArrival(at location: SourceLocation = #_sourceLocation) throws {
        let size = try place.size(of: "us.example/krus", at: "us")
        let has = try Entente.waits { try place.size(of: "us.example/krus", at: "kr") == size }
        #expect(has, "us holds \(size)", sourceLocation: location)
    }

    func expectSameLog(size: Int, at location: SourceLocation = #_sourceLocation) throws {
        let logs = try ["us", "kr"].map { try place.log("us.example/krus", at: $0) }
        #expect(logs.allSatisfy { $0?["size"] as? Int == size }, "\(logs)", sourceLocation: location)
        #expect(logs[0]?["root"] as? String == logs[1]?["root"] as? String, sourceLocation: location)
        try place.expectSound("kr", at: location)
    }
}

/// The counts of a line of `sync --json`.
struct SyncFigures {
    let received: Int
    let bytesIn: Int
    let roundTrips: Int

    init(_ line: [String: Any]) {
        received = line["received"] as? Int ?? -1
        bytesIn = line["bytes_in"] as? Int ?? -1
        roundTrips = line["round_trips"] as? Int ?? -1
    }
}
