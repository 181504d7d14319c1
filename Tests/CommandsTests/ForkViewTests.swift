import Foundation
import Glibc
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

    @Test func evidenceThatIsKeptIsCheckedAgainByEveryAudit() throws {
        let place = try forked()
        let home = "\(place.path)/kr"
        let file = "\(home)/evidence/us.example_krus.fork"
        for path in [[], [home]] {
            let sound = try Entente.run(["--home", home, "verify", "--json"] + path)
            let evidence = try #require((sound.objects.first?["evidence"] as? [[String: Any]])?.first)
            #expect(evidence["file"] as? String == file && evidence["ok"] as? Bool == true, "\(sound.output)")
            #expect(AuditScene.problems(sound).isEmpty)
        }
        #expect(try place.run("kr", "verify").output.contains("\(file): us.example/krus its owner signed"))
        let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
        for place in stride(from: 5, to: bytes.count, by: bytes.count / 20) {
            var changed = bytes
            changed[place] ^= 1
            try changed.write(to: URL(fileURLWithPath: file))
            let outcome = try Entente.run(["--home", home, "verify", "--json"])
            #expect(outcome.status == 1 && AuditScene.problems(outcome).contains { $0.hasPrefix(file) }, "\(place)")
        }
        try bytes.write(to: URL(fileURLWithPath: file))
        // That in the database counts as well.
        try DatabaseFile("\(home)/node.sqlite").execute(
            "UPDATE fork SET evidence = CAST(replace(CAST(evidence AS TEXT), '1', '2') AS BLOB)")
        let outcome = try place.run("kr", "verify", "--json")
        #expect(AuditScene.problems(outcome).contains { $0.contains("the evidence of its fork that is kept") })
    }

    @Test func evidenceIsHeldAgainstTheKeyThatIsKnown() throws {
        let place = try forked()
        let file = "\(place.path)/kr/evidence/us.example_krus.fork"
        let known = try place.must("kr", "verify", file, "--json").objects.first
        #expect(known?["ok"] as? Bool == true && (known?["unproved"] as? [String])?.isEmpty == true)
        #expect((known?["logs"] as? [[String: Any]])?.count == 2)
        let alone = try Entente.run(["verify", file, "--json"])
        #expect(alone.status == 1 && (alone.objects.first?["unproved"] as? [String])?.isEmpty == false)
        #expect(try Entente.run(["verify", file]).output.contains("first that differs"))
        // Another log's key, on the command line.
        let other = try #require(try place.must("kr", "community", "list", "--json").objects.first?["vkey"] as? String)
        let refused = try Entente.run(["verify", file, "--vkey", other, "--json"])
        #expect(refused.status == 1 && refused.objects.first?["ok"] as? Bool == false)
        #expect((refused.objects.first?["unproved"] as? [String])?.isEmpty == false)
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

    @Test func aSuccessorThatIsGoneFromTheDatabaseIsNotBegunASecondTime() throws {
        let place = try forked()
        let home = "\(place.path)/copy"
        let files = ["node.sqlite", "node.sqlite-wal", "signed.sqlite", "signed.sqlite-wal"]
        let kept = files.map { FileManager.default.contents(atPath: "\(home)/\($0)") }
        try place.must("copy", "community", "successor", "krus")
        // Both databases are restored from before; the key of the successor is there.
        for (name, data) in zip(files, kept) {
            try? FileManager.default.removeItem(atPath: "\(home)/\(name)")
            try data?.write(to: URL(fileURLWithPath: "\(home)/\(name)"))
            chmod("\(home)/\(name)", 0o600)
        }
        try? FileManager.default.removeItem(atPath: "\(home)/node.sqlite-shm")
        try? FileManager.default.removeItem(atPath: "\(home)/signed.sqlite-shm")
        let refused = try place.run("copy", "community", "successor", "krus")
        #expect(refused.status == 77 && refused.errors.contains("recover"), "\(refused.errors)")
        #expect(try place.log("us.example/krus/2", at: "copy") == nil)
        let alarms = try place.must("copy", "status", "--json").objects.first?["alarms"] as? [String]
        #expect(alarms?.contains { $0.contains("us.example/krus/2") } == true)
        // It can be given up for yet another one.
        try place.must("copy", "community", "successor", "krus", "--abandon")
        #expect(try place.size(of: "us.example/krus/3", at: "copy") == 1)
    }

    @Test func aRunningNodePassesOnWhatACommandHasFound() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.found("jp")
        // jp knows us and cannot reach it.
        try place.must("jp", "peer", "add", "\(place.path)/us.yaml", "--endpoint", "127.0.0.1:1")
        try place.must("jp", "peer", "add", "\(place.path)/kr.yaml")
        for node in ["us", "kr"] { try place.must(node, "peer", "add", "\(place.path)/jp.yaml") }
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/copy")
        let body = ["--field", "chain=BTC", "--field", "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"]
        for (home, label) in [("us", "one"), ("copy", "other")] {
            let outcome = try Entente.run(
                ["--home", "\(place.path)/\(home)", "submit", "attribution", "--field", "label=\(label)"] + body)
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
        let us = try place.serve("us")
        try place.must("kr", "sync", "us.example")
        us.terminate()
        us.waitUntilExit()
        try place.serve("kr")
        try place.serve("jp")
        let size = try place.size(of: Self.origin, at: "kr")
        #expect(try Entente.waits { try place.size(of: Self.origin, at: "jp") == size })
        // The other history reaches kr, by its running node or by the command, and jp hears of it.
        try place.serve("copy")
        try place.run("kr", "sync", "us.example")
        for node in ["kr", "jp", "copy"] {
            let isFrozen = try Entente.waits { try place.log(Self.origin, at: node)?["state"] as? String == "frozen" }
            #expect(isFrozen, "\(node)")
        }
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
