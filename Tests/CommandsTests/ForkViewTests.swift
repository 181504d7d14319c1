import Foundation
import Testing

/// What the operator sees of a fork, and what a forked node can still do.
@Suite(.serialized) struct ForkViewTests {
    private static let origin = "us.example/krus"

    /// us and a copy of it that both went on; kr has met both.
    private func forked() throws -> Place {
        let place = try Place()
        try place.federate("us", "kr")
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/copy")
        for (home, label) in [("us", "one"), ("copy", "other"), ("copy", "more")] {
            try place.must(
                home, "submit", "attribution", "--field", "chain=BTC", "--field",
                "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=\(label)")
        }
        try place.serve("us")
        try place.must("kr", "sync")
        place.stop()
        try place.serve("copy")
        let met = try place.run("kr", "sync")
        #expect(met.status == 1, "\(met.errors)")
        place.stop()
        return place
    }

    @Test func statusNamesTheForkForEverAndKeepsItsEvidenceAsAFile() throws {
        let place = try forked()
        for home in ["kr", "copy"] {
            let fork = try #require(try place.log(Self.origin, at: home)?["fork"] as? [String: Any])
            let size = try place.size(of: Self.origin, at: "copy")
            #expect(fork["sizes"] as? [Int] == [size - 1, size])
            #expect(fork["first_difference"] as? Int == size - 2)
            #expect((fork["roots"] as? [String])?.count == 2)
            let file = try #require(fork["evidence"] as? String)
            let evidence = try Data(contentsOf: URL(fileURLWithPath: file))
            let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            // As after a crash between the database and the file.
            try FileManager.default.removeItem(atPath: file)
            #expect(try place.run(home, "status").output.contains(file))
            #expect(try Data(contentsOf: URL(fileURLWithPath: file)) == evidence)
            #expect(try place.run(home, "status", "--check").status == 1)
        }
    }

    @Test func evidenceIsHeldAgainstTheKeyThatIsKnown() throws {
        let place = try forked()
        let file = "\(place.path)/kr/evidence/us.example_krus.fork"
        let known = try place.must("kr", "verify", file, "--json").objects.first
        #expect(known?["ok"] as? Bool == true && (known?["unproved"] as? [String])?.isEmpty == true)
        #expect((known?["logs"] as? [[String: Any]])?.count == 2)
        let alone = try Entente.run(["verify", file, "--json"])
        #expect(alone.status == 0 && (alone.objects.first?["unproved"] as? [String])?.isEmpty == false)
        #expect(try Entente.run(["verify", file]).output.contains("first that differs"))
        // Another log's key, on the command line.
        let other = try #require(try place.must("kr", "community", "list", "--json").objects.first?["vkey"] as? String)
        let refused = try Entente.run(["verify", file, "--vkey", other, "--json"])
        #expect(refused.status == 1 && refused.objects.first?["ok"] as? Bool == false)
        refused.expectOneLine()
        // A node that knows the log under another key.
        try place.must(
            "stranger", "init", "--node", "us.example", "--community", "krus", "--listen", "127.0.0.1:0")
        #expect(try place.run("stranger", "verify", file).status == 1)
        let broken = try place.file("broken.fork", "entente-fork/1\nkey nothing\n")
        let malformed = try Entente.run(["verify", broken])
        #expect(malformed.status == 65)
        malformed.expectOneLine()
        // No home is needed, but one that is named has to be there.
        #expect(try place.run("nowhere", "verify", file).status == 66)
    }

    @Test func anOwnerWhoseLogForkedStillTakesPartnersIn() throws {
        let place = try forked()
        try place.found("jp")
        try place.must("copy", "peer", "add", "\(place.path)/jp.yaml")
        let refused = try place.run("copy", "import", "\(Place.examples)/lazarus-ofac.tagpack.yaml")
        #expect(refused.status == 77, "\(refused.errors)")
        #expect(refused.errors.contains("community successor krus"))
        // The successor admits whoever is a member now.
        try place.must("copy", "community", "successor", "krus")
        let first = try place.must("copy", "show", "us.example/krus/2#0", "--json").objects.first
        let members = (first?["record"] as? [String: Any])?["members"] as? [String]
        #expect(members == ["jp.example", "kr.example", "us.example"])
        #expect(try place.must("copy", "identity").output.contains("origin: us.example/krus/2"))
        #expect(try place.run("copy", "status", "--check").status == 1)
    }
}
