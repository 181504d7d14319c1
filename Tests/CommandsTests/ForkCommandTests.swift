import Foundation
import Testing

/// A node that was copied, and of which both copies went on, as its partners and its owner see it.
@Suite(.serialized) struct ForkCommandTests {
    private static let address = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"

    private func submit(_ place: Place, _ home: String, _ label: String) throws -> Entente.Outcome {
        try place.run(
            home, "submit", "attribution", "--field", "chain=BTC", "--field", "address=\(Self.address)", "--field",
            "label=\(label)")
    }

    @Test func aForkIsEvidenceAndItsOwnerGoesOnInASuccessor() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        #expect(try submit(place, "us", "both").status == 0)
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/copy")
        #expect(try submit(place, "us", "one").status == 0)
        #expect(try submit(place, "copy", "other").status == 0)

        let us = try place.serve("us")
        try place.must("kr", "sync", "us.example")
        us.terminate()
        us.waitUntilExit()
        let copy = try place.serve("copy")
        try place.must("jp", "sync", "us.example")
        copy.terminate()
        copy.waitUntilExit()

        // kr and jp meet: the log is frozen on both sides, everything else goes on.
        let jp = try place.serve("jp")
        let met = try place.run("kr", "sync", "jp.example")
        #expect(met.status == 1, "\(met.errors)")
        let status = try place.run("kr", "status", "--json", "--check")
        #expect(status.status == 1)
        let alarm = try #require((status.objects.first?["alarms"] as? [String])?.first { $0.contains("frozen") })
        #expect(alarm.contains("us.example/krus") && alarm.contains("is the first that differs"))
        let logs = status.objects.first?["logs"] as? [[String: Any]]
        #expect(logs?.first { $0["origin"] as? String == "us.example/krus" }?["state"] as? String == "frozen")
        #expect(try submit(place, "kr", "goes on").status == 0)
        #expect(try place.run("kr", "sync", "jp.example").status == 0)

        // A third party checks the file by itself.
        let file = "\(place.path)/kr/evidence/us.example_krus.fork"
        let key = try #require(
            (place.must("us", "community", "list", "--json").objects.first?["vkey"]) as? String)
        let checked = try Entente.run(["verify", file, "--json", "--vkey", key])
        #expect(checked.status == 0 && checked.objects.first?["ok"] as? Bool == true, "\(checked.errors)")
        #expect(checked.objects.first?["vkey"] as? String == key)
        // Without a key that is known anybody could have written it: nobody is accused.
        let unknown = try Entente.run(["verify", file])
        #expect(unknown.status == 1 && !unknown.output.contains("its owner"), "\(unknown.output)")
        #expect(unknown.output.contains("not proved: that the key in it is the log's"))
        // Of many keys the one of this log counts.
        let other = try #require(
            (place.must("jp", "community", "list", "--json").objects.first?["vkey"]) as? String)
        #expect(try Entente.run(["verify", file, "--vkey", other, "--vkey", key]).status == 0)
        #expect(try Entente.run(["verify", file, "--vkey", other]).status == 1)
        #expect(try Entente.run(["verify", file, "--vkey", key + "x"]).status == 64)
        var bytes = try Data(contentsOf: URL(fileURLWithPath: file))
        bytes[bytes.count - 60] ^= 1
        #expect([1, 65].contains(try Entente.run(["verify", place.file("bad.fork", bytes)]).status))

        // The owner hears of it, and its log never grows again under this origin.
        #expect(try place.run("us", "sync", "jp.example").status == 1)
        let refused = try submit(place, "us", "never")
        #expect(refused.status == 77, "\(refused.errors)")
        #expect(try place.run("kr", "community", "successor", "krus").status == 77)

        let opened = try place.must("us", "community", "successor", "krus", "--json").objects.first
        #expect(opened?["origin"] as? String == "us.example/krus/2")
        #expect(opened?["vkey"] as? String != key)
        #expect(try place.run("us", "community", "successor", "krus").status == 77)
        #expect(try submit(place, "us", "afterwards").status == 0)
        let first = try place.must("us", "show", "us.example/krus/2#0", "--json").objects.first
        let predecessor = (first?["record"] as? [String: Any])?["predecessor"] as? [String: Any]
        #expect(predecessor?["origin"] as? String == "us.example/krus")
        #expect((predecessor?["evidence"] as? [String])?.count == 2)

        // Partners take the new card, and have the successor log.
        let card = try place.file("us-2.yaml", place.must("us", "identity").output)
        for node in ["kr", "jp"] { try place.must(node, "peer", "add", card, "--replace") }
        jp.terminate()
        jp.waitUntilExit()
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        let found = try place.must("kr", "search", "afterwards", "--json").objects
        #expect(found.map { $0["ref"] as? String } == ["us.example/krus/2#1"])
        #expect(try place.run("kr", "verify", "--log", "us.example/krus/2").status == 0)

        // A recovery has nothing to say against a log that forked and has a successor.
        place.stop("us")
        place.serveAll("kr", "jp")
        let recovered = try place.must("us", "recover")
        #expect(recovered.errors.contains("us.example/krus/2 goes on in its place"), "\(recovered.errors)")
        #expect(!recovered.errors.contains("community successor"))
    }
}
