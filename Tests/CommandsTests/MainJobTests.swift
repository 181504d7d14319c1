import Foundation
import Glibc
import Testing

/// The main job, from two empty folders to opened fields, with the real program.
@Suite(.serialized) struct MainJobTests {
    private static let ronin = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96"

    @Test func twoAgenciesShareRealRecordsAndAThirdCannotOpenWhatIsSealed() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let imported = try place.must(
            "us", "import", "\(Place.examples)/lazarus-ofac.tagpack.yaml", "\(Place.examples)/bybit-fbi-2025-02.csv",
            "\(Place.examples)/mixers-exchanges.jsonl", "--json"
        ).objects.first
        let count = try #require(imported?["imported"] as? Int)
        #expect(count > 200)
        #expect(imported?["quarantined"] as? Int == 0)

        let secret = try place.file("victim.txt", "Sky Mavis, Incheon branch\n")
        let submitted = try place.must(
            "us", "submit", "attribution", "--field", "chain=ETH", "--field", "address=\(Self.ronin)", "--field",
            "label=Ronin Bridge thief", "--field", "victim=@\(secret)", "--to", "kr.example", "--json"
        ).objects.first
        let reference = try #require(submitted?["ref"] as? String)

        try place.serve("us")
        for node in ["kr", "jp"] {
            let report = try place.must(node, "sync", "us.example", "--json").objects.first
            #expect(report?["ok"] as? Bool == true)
        }
        let atKR = try place.must("kr", "show", reference, "--json").objects.first
        #expect((atKR?["opened"] as? [String: Any])?["victim"] as? String == "Sky Mavis, Incheon branch")
        let atJP = try place.must("jp", "show", reference, "--json").objects.first
        #expect((atJP?["opened"] as? [String: Any])?.isEmpty == true)
        #expect(atJP?["sealed_part"] as? String == "not_for_this_node")
        // The plaintext is in none of jp's files, nor in those of us outside its own memory.
        for node in ["us", "kr", "jp"] {
            for file in try FileManager.default.subpathsOfDirectory(atPath: "\(place.path)/\(node)") {
                let data = FileManager.default.contents(atPath: "\(place.path)/\(node)/\(file)") ?? Data()
                #expect(data.range(of: Data("Incheon".utf8)) == nil, "\(node)/\(file)")
            }
        }
        let atUS = try place.must("us", "show", reference, "--json").objects.first
        #expect(atUS?["held_by"] as? [String] == ["jp.example", "kr.example"])

        let found = try place.must("kr", "search", "--address", Self.ronin.lowercased(), "--json").objects
        #expect(found.contains { $0["ref"] as? String == reference })
        for node in ["us", "kr", "jp"] {
            #expect(try place.must(node, "verify", "--json").objects.first?["ok"] as? Bool == true)
        }
        let proof = try place.must("us", "prove", reference).output
        #expect(proof.hasPrefix("c2sp.org/tlog-proof@v1\n"))
        #expect(proof.contains("— us.example/krus ") && proof.contains("— jp.example "))
    }

    @Test func nothingNewIsOneRoundTripOfFewBytes() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.serve("us")
        for _ in 0..<2 { try place.must("kr", "sync") }
        let report = try place.must("kr", "sync", "--json").objects.first
        #expect(report?["round_trips"] as? Int == 1)
        #expect((report?["bytes_in"] as? Int ?? .max) <= 400)
        #expect((report?["bytes_out"] as? Int ?? .max) <= 400)
    }

    @Test func aWithdrawnRecordIsHiddenAndTheViewSaysSo() throws {
        let place = try Place()
        try place.found("us")
        let reference = try #require(
            place.must(
                "us", "submit", "attribution", "--field", "chain=ETH", "--field", "address=\(Self.ronin)", "--field",
                "label=mistaken", "--json"
            ).objects.first?["ref"] as? String)
        try place.must("us", "withdraw", reference, "--reason", "wrong address")
        let outcome = try place.must("us", "search", "mistaken")
        #expect(!outcome.output.contains(reference))
        #expect(outcome.errors.contains("1 withdrawn or superseded left out"))
        #expect(try place.must("us", "search", "mistaken", "--all").output.contains("withdrawn"))
        #expect(try place.must("us", "show", reference, "--json").objects.first?["state"] as? String == "withdrawn")
    }

    @Test func aRunningNodePassesOnWhatAnotherProcessAppends() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.serve("us")
        try place.serve("kr")
        let address = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
        try place.must(
            "us", "submit", "attribution", "--field", "chain=BTC", "--field", "address=\(address)", "--field", "label=x"
        )
        var isThere = false
        for _ in 0..<100 where !isThere {
            isThere = try !place.must("kr", "search", "--address", address, "--json").objects.isEmpty
            usleep(50_000)
        }
        #expect(isThere)
    }

    @Test func killedInTheMiddleNothingIsLostAndNothingIsHalfDone() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let bodies = try Entente.run(["bench", "bodies", "--records", "20000"]).output
        let file = try place.file("bodies.jsonl", bodies)
        // Imports killed at several moments, then one that is left alone: every record is there once.
        for milliseconds in [150, 400, 800] {
            let (process, _, _) = try Entente.start(["--home", "\(place.path)/us", "import", file])
            usleep(UInt32(milliseconds) * 1_000)
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            #expect(try place.must("us", "verify", "--json").objects.first?["ok"] as? Bool == true)
        }
        let last = try place.must("us", "import", file, "--json").objects.first
        #expect((last?["imported"] as? Int ?? 0) + (last?["duplicates"] as? Int ?? 0) == 20_000)
        let status = try place.must("us", "status", "--json").objects.first
        let own = (status?["logs"] as? [[String: Any]])?.first { $0["origin"] as? String == "us.example/krus" }
        #expect(own?["size"] as? Int == 20_002)

        try place.serve("us")
        for milliseconds in [60, 120, 200] {
            let (process, _, _) = try Entente.start(["--home", "\(place.path)/kr", "sync"])
            usleep(UInt32(milliseconds) * 1_000)
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            #expect(try place.must("kr", "verify", "--json").objects.first?["ok"] as? Bool == true)
        }
        try place.must("kr", "sync")
        let logs = try place.must("kr", "verify", "--json").objects.first?["logs"] as? [[String: Any]]
        #expect(logs?.contains { $0["origin"] as? String == "us.example/krus" && $0["size"] as? Int == 20_002 } == true)
    }
}
