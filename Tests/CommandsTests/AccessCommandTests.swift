import Foundation
import Glibc
import Testing

/// What commands change of who may see what, obeyed by nodes that run and are connected.
@Suite(.serialized) struct AccessCommandTests {
    private func submit(_ place: Place, _ node: String, _ label: String) throws {
        try place.must(
            node, "submit", "attribution", "--field", "chain=BTC", "--field",
            "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=\(label)")
    }

    private func status(_ place: Place, _ node: String) throws -> [String: Any] {
        try #require(place.must(node, "status", "--json").objects.first)
    }

    private func lastError(_ place: Place, of peer: String, at node: String) throws -> String? {
        let peers = try status(place, node)["peers"] as? [[String: Any]]
        return peers?.first { $0["node"] as? String == peer }?["last_error"] as? String
    }

    private func alarms(_ place: Place, _ node: String) throws -> [String] {
        try status(place, node)["alarms"] as? [String] ?? []
    }

    private func cosigners(_ place: Place, of origin: String, at node: String) throws -> [String] {
        try place.log(origin, at: node)?["cosigned_by"] as? [String] ?? []
    }

    @Test func whoLeavesACommunityComesBackToItsLog() throws {
        let place = try Place()
        try place.found("us")
        try place.must("us", "community", "add", "asia")
        let log = ["submit", "attribution", "--community", "asia", "--field", "chain=BTC", "--field"]
        let record = log + ["address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field"]
        let home = ["--home", "\(place.path)/us"]
        #expect(try Entente.run(home + record + ["label=first"]).status == 0)
        let size = try place.size(of: "us.example/asia", at: "us")
        try place.must("us", "community", "remove", "asia")
        try place.must("us", "community", "add", "asia")
        #expect(try Entente.run(home + record + ["label=second"]).status == 0)
        #expect(try place.size(of: "us.example/asia", at: "us") == size + 1)
        // After a theft it is the successor that it comes back to.
        try place.must("us", "key", "stolen", "log", "--community", "asia", "--yes")
        try place.must("us", "community", "remove", "asia")
        try place.must("us", "community", "add", "asia")
        #expect(try Entente.run(home + record + ["label=third"]).status == 0)
        #expect(try place.size(of: "us.example/asia", at: "us") == size + 1)
        try place.expectSound("us")
    }

    /// Two nodes that run, connected by the one connection that kr opens.
    private func connected() throws -> Place {
        let place = try Place()
        try place.found("us")
        try place.found("kr")
        let card = try String(contentsOfFile: "\(place.path)/kr.yaml", encoding: .utf8)
        let silent = card.split(separator: "\n").filter { !$0.hasPrefix("endpoint:") }.joined(separator: "\n") + "\n"
        try place.must("us", "peer", "add", place.file("kr.yaml", silent))
        try place.must("kr", "peer", "add", "\(place.path)/us.yaml")
        try place.serve("us")
        try place.serve("kr")
        #expect(try Entente.waits { try place.size(of: "us.example/krus", at: "kr") == 2 })
        #expect(try lastError(place, of: "us.example", at: "kr") == nil)
        return place
    }

    enum Removal: CaseIterable {
        case peer, community, certificate
    }

    @Test(
        "Who is removed, or known by another certificate, loses its connection and gets nothing more",
        arguments: Removal.allCases)
    func removal(_ removal: Removal) throws {
        let place = try connected()
        switch removal {
        case .peer:
            let removed = try place.must("us", "peer", "remove", "kr.example", "--json").objects.first
            #expect(removed?["node"] as? String == "kr.example")
            #expect(removed?["communities"] as? [String] == ["krus"])
        case .community:
            let left = try place.must("us", "community", "remove", "krus", "--json").objects.first
            #expect(left?["community"] as? String == "krus")
            #expect(left?["members"] as? [String] == ["us.example", "kr.example"])
            #expect(left?["origin"] as? String == "us.example/krus")
        case .certificate:
            let card = try String(contentsOfFile: "\(place.path)/kr.yaml", encoding: .utf8).replacingOccurrences(
                of: "sha256:[0-9a-f]{64}", with: "sha256:" + String(repeating: "ab", count: 32),
                options: .regularExpression)
            try place.must("us", "peer", "add", place.file("kr2.yaml", card), "--replace")
        }
        // kr sees the end of the connection, and is not let in again.
        #expect(try Entente.waits { try lastError(place, of: "us.example", at: "kr") != nil })
        #expect(try place.run("kr", "sync", "us.example").status == 77)
        if removal != .community {
            try submit(place, "us", "later")
            #expect(try place.run("kr", "sync", "us.example").status == 77)
            #expect(try place.size(of: "us.example/krus", at: "us") > 2)
        }
        #expect(try place.size(of: "us.example/krus", at: "kr") == 2)
        place.stop()
    }

    @Test func whoIsAdmittedToRunningNodesGetsAllThatWasEverWritten() throws {
        let place = try connected()
        for index in 0..<3 { try submit(place, "kr", "\(index)") }
        try place.found("jp")
        for node in ["us", "kr"] {
            try place.must(node, "peer", "add", "\(place.path)/jp.yaml")
            try place.must("jp", "peer", "add", "\(place.path)/\(node).yaml")
        }
        // us alone answers: kr's log comes through it, too.
        place.stop("kr")
        #expect(
            try Entente.waits {
                _ = try place.run("jp", "sync", "us.example")
                return try place.size(of: "kr.example/krus", at: "jp") == 6
            })
        #expect(try place.size(of: "us.example/krus", at: "jp") == 3)
        for origin in ["us.example/krus", "kr.example/krus"] {
            #expect(
                try place.must("jp", "show", "\(origin)#0", "--raw").output
                    == place.must("us", "show", "\(origin)#0", "--raw").output)
        }
        try place.expectSound("jp")
        place.stop()
    }

    @Test func partnersWhoseListsDifferAreNamed() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        #expect(try alarms(place, "kr").isEmpty)
        try place.must("us", "peer", "remove", "jp.example")
        try place.must("kr", "sync", "us.example")
        #expect(
            try alarms(place, "kr") == ["us.example and this node list different members of krus: jp.example"])
        #expect(try place.run("kr", "status", "--check").status == 1)
        // jp still lists both, but neither us nor its log lets it in.
        #expect(try place.run("jp", "sync", "us.example").status == 77)
        try place.must("kr", "peer", "remove", "jp.example")
        #expect(try alarms(place, "kr").isEmpty)
        place.stop()
    }

    @Test func aCardThatComesWhileNodesAreConnectedLetsThemJudgeWhatTheyPassedOver() throws {
        let place = try connected()
        try place.found("jp")
        try place.must("us", "peer", "add", "\(place.path)/jp.yaml")
        try place.must("jp", "peer", "add", "\(place.path)/us.yaml")
        #expect(try Entente.waits { try place.run("jp", "sync", "us.example").status == 0 })
        #expect(
            try Entente.waits {
                try cosigners(place, of: "us.example/krus", at: "kr") == ["kr.example"]
                    && cosigners(place, of: "us.example/krus", at: "us").contains("jp.example")
            })
        try place.must("kr", "peer", "add", "\(place.path)/jp.yaml")
        #expect(try Entente.waits { try cosigners(place, of: "us.example/krus", at: "kr").contains("jp.example") })
        place.stop()
    }
}
