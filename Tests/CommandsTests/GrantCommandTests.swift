import Foundation
import Glibc
import Testing

/// What an author does with a sealed part after the record is written, with the real program.
@Suite(.serialized) struct GrantCommandTests {
    private static let secret = "Sky Mavis, Incheon branch"
    private static let databases = ["node.sqlite", "node.sqlite-wal", "node.sqlite-shm"]

    private func submit(_ place: Place, to reader: String = "kr.example") throws -> String {
        let file = try place.file("victim.txt", Self.secret)
        let outcome = try place.must(
            "us", "submit", "attribution", "--field", "chain=BTC", "--field",
            "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=x", "--field", "victim=@\(file)", "--to",
            reader, "--json")
        return try #require(outcome.objects.first?["ref"] as? String)
    }

    private func show(_ place: Place, _ node: String, _ reference: String) throws -> [String: Any] {
        try #require(place.must(node, "show", reference, "--json").objects.first)
    }

    private func victim(_ view: [String: Any]) -> String? {
        (view["opened"] as? [String: Any])?["victim"] as? String
    }

    private func names(_ list: Any?) -> [String] {
        (list as? [[String: Any]] ?? []).compactMap { $0["node"] as? String }
    }

    @Test func aLaterReaderOpensWhatTheFirstOnesOpen() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        try place.serve("us")
        let reference = try submit(place)
        try place.must("kr", "sync", "us.example")
        try place.must("jp", "sync", "us.example")
        #expect(try show(place, "jp", reference)["sealed_part"] as? String == "not_for_this_node")

        let granted = try place.must("us", "grant", reference, "--to", "jp.example", "--json").objects.first
        let by = try #require(granted?["ref"] as? String)
        let before = try show(place, "us", reference)
        #expect(
            (before["granted"] as? [[String: Any]])?.map { [$0["node"] as? String, $0["by"] as? String] } == [
                ["jp.example", by]
            ])
        // The new reader has not got it yet, and the view says so.
        let pending = (before["pending"] as? [[String: Any]] ?? []).filter { $0["part"] as? String == "sealed" }
        #expect(names(pending) == ["jp.example"])

        try place.must("jp", "sync", "us.example")
        let there = try show(place, "jp", reference)
        #expect(there["sealed_part"] as? String == "opened" && victim(there) == Self.secret)
        #expect(
            try Entente.waits {
                try show(place, "us", reference)["sealed_held_by"] as? [String] == ["jp.example", "kr.example"]
            })
        #expect(try place.must("us", "show", reference).output.contains("sealed part opened to jp.example by \(by)"))
        for node in ["us", "kr", "jp"] { try place.expectSound(node) }
    }

    @Test func onlyTheAuthorGrantsAndErasesAndOnlyWhoCanReadIsNamed() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        try place.serve("us")
        let reference = try submit(place)
        for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
        let size = try place.size(of: "us.example/krus", at: "us")
        let file = "\(place.path)/victim.txt"
        let cases: [(String, [String], Int32, String)] = [
            ("kr", ["grant", reference, "--to", "jp.example"], 77, "only who wrote a record opens it to others"),
            ("kr", ["erase", reference], 77, "only who wrote a record has it erased"),
            ("us", ["grant", reference, "--to", "fr.example"], 64, "name jp.example, kr.example"),
            (
                "us", ["grant", reference, "--to", "fr.example", "--to", "xx.example"], 64,
                "--to fr.example, xx.example are no members of krus; name jp.example, kr.example"
            ),
            ("us", ["grant", reference, "--to", "kr.example"], 73, "is open to kr.example already"),
            ("us", ["grant", "us.example/krus#0", "--to", "jp.example"], 64, "nothing in us.example/krus#0 is sealed"),
            ("us", ["erase", "us.example/krus#0"], 64, "nothing in us.example/krus#0 is sealed"),
            ("us", ["grant", "us.example/krus#99", "--to", "jp.example"], 1, "no record"),
            ("us", ["grant", reference], 64, "--to"),
            (
                "us",
                [
                    "submit", "attribution", "--field", "label=x", "--field", "chain=BTC", "--field",
                    "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "victim=@\(file)", "--to", "fr.example",
                ], 64, "--to fr.example is no member of krus; name jp.example, kr.example"
            ),
        ]
        for (node, arguments, status, says) in cases {
            let outcome = try Entente.run(["--home", "\(place.path)/\(node)"] + arguments)
            #expect(outcome.status == status, "\(arguments): \(outcome.errors)")
            #expect(outcome.errors.contains(says), "\(arguments): \(outcome.errors)")
            outcome.expectOneLine()
        }
        unlink("\(place.path)/us/peers/jp.example.yaml")
        let keyless = try place.run("us", "grant", reference, "--to", "jp.example")
        #expect(keyless.status == 64)
        #expect(keyless.errors.contains("no sealing key of jp.example is known here"), "\(keyless.errors)")
        #expect(try place.size(of: "us.example/krus", at: "us") == size)
    }

    @Test func anErasureReachesEveryHolderAndTheViewSaysWhoHasConfirmed() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        try place.serve("us")
        let reference = try submit(place)
        try place.must("us", "grant", reference, "--to", "jp.example")
        for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
        #expect(try place.sealedBytesLie(in: ["us", "kr", "jp"]) == ["us", "kr", "jp"])

        // Without a terminal nobody can be asked.
        let unasked = try place.run("us", "erase", reference)
        #expect(unasked.status == 64 && unasked.errors.contains("--yes"), "\(unasked.errors)")
        unasked.expectOneLine()
        #expect(try show(place, "us", reference)["sealed_part"] as? String == "opened")
        let erased = try place.must("us", "erase", reference, "--yes", "--reason", "court order", "--json").objects
            .first
        let by = try #require(erased?["ref"] as? String)
        let alone = try show(place, "us", reference)
        #expect(alone["sealed_part"] as? String == "erased" && victim(alone) == nil)
        let first = alone["erased"] as? [String: Any]
        #expect(first?["by"] as? String == by && names(first?["confirmed_by"]) == [])
        let pending = (alone["pending"] as? [[String: Any]] ?? []).filter { $0["part"] as? String == "erasure" }
        #expect(names(pending) == ["jp.example", "kr.example"])
        #expect(try place.sealedBytesLie(in: ["us", "kr", "jp"]) == ["kr", "jp"])

        try place.must("kr", "sync", "us.example")
        #expect(
            try Entente.waits {
                names((try show(place, "us", reference)["erased"] as? [String: Any])?["confirmed_by"]) == ["kr.example"]
            })
        let text = try place.must("us", "show", reference).output
        #expect(text.contains("sealed part erased by \(by)"))
        #expect(text.contains("erasure confirmed by kr.example since "))
        #expect(text.contains("erasure not yet confirmed by jp.example: "))
        #expect(try show(place, "kr", reference)["sealed_part"] as? String == "erased")
        #expect(try place.sealedBytesLie(in: ["us", "kr", "jp"]) == ["jp"])

        try place.must("jp", "sync", "us.example")
        #expect(try place.sealedBytesLie(in: ["us", "kr", "jp"]) == [])
        for node in ["us", "kr", "jp"] {
            let report = try #require(place.must(node, "verify", "--json").objects.first)
            #expect(report["ok"] as? Bool == true && (report["unproved"] as? [String])?.isEmpty == true)
            let log = (report["logs"] as? [[String: Any]])?.first { $0["origin"] as? String == "us.example/krus" }
            #expect(log?["erased"] as? Int == 1 && log?["sealed_parts"] as? Int == 0)
            let scrub = try place.must(node, "scrub", "--repair", "--json").objects.first
            #expect((scrub?["damaged"] as? [Any])?.isEmpty == true)
        }
        #expect(
            try place.must("us", "verify").output.contains("1 sealed part erased by their author; none is missing"))
        // Neither again, nor to anybody.
        #expect(try place.run("us", "erase", reference).status == 73)
        #expect(try place.run("us", "grant", reference, "--to", "jp.example").status == 66)
    }

    @Test func olderCopiesOfTheDatabaseBringNothingBack() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let reference = try submit(place)
        try place.must("us", "grant", reference, "--to", "jp.example")
        try place.serve("us")
        for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
        place.stop()
        // The author's copy, from before the erasure.
        place.save("us", Self.databases)
        try place.must("us", "erase", reference, "--yes")
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        place.stop()
        place.restore("us", Self.databases)
        #expect(try show(place, "us", reference)["sealed_part"] as? String == "erased")
        #expect(try place.sealedBytesLie(in: ["us", "kr", "jp"]) == ["jp"])
        // jp holds the sealed part and has not heard; kr has the erasure.
        place.serveAll("kr", "jp")
        try place.must("us", "recover")
        #expect(try Entente.waits { try place.sealedBytesLie(in: ["us", "kr", "jp"]) == [] })
        #expect(try show(place, "us", reference)["sealed_part"] as? String == "erased")
        place.stop()
        try place.expectSound("us")

        // All that us had, lost but for keys and cards.
        place.serveAll("kr", "jp")
        let port = try place.keepOnlyKeysAndPeers("us")
        try place.must("us", "recover", "--listen", "127.0.0.1:\(port)")
        #expect(try show(place, "us", reference)["sealed_part"] as? String == "erased")
        #expect(try place.sealedBytesLie(in: ["us", "kr", "jp"]) == [])
    }

    @Test func aHoldersOlderCopyIsErasedAgain() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let reference = try submit(place)
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        place.save("kr", Self.databases)
        try place.must("us", "erase", reference, "--yes")
        try place.must("kr", "sync", "us.example")
        place.restore("kr", Self.databases)
        #expect(try place.sealedBytesLie(in: ["kr"]) == ["kr"])
        #expect(try show(place, "kr", reference)["sealed_part"] as? String == "erased")
        #expect(try place.sealedBytesLie(in: ["us", "kr"]) == [])
        try place.must("kr", "sync", "us.example")
        try place.must("kr", "scrub", "--repair")
        #expect(try place.sealedBytesLie(in: ["us", "kr"]) == [])
        try place.expectSound("kr")
    }
}

extension Place {
    /// Which of these homes have the beginning of any sealed part in a file of their database.
    func sealedBytesLie(in nodes: [String]) throws -> [String] {
        // The suite with its length before it, and the length of the salt behind: so every sealed part begins.
        let beginning = Data([0, 0, 0, 14]) + Data("entente-seal/1".utf8) + Data([0, 0, 0, 16])
        return try nodes.filter { node in
            try FileManager.default.contentsOfDirectory(atPath: "\(path)/\(node)").contains { name in
                guard name.contains(".sqlite"),
                    let file = FileManager.default.contents(atPath: "\(path)/\(node)/\(name)")
                else { return false }
                return file.range(of: beginning) != nil
            }
        }
    }
}
