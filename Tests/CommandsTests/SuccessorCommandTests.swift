import Foundation
import Testing

/// What an owner can still do with the records of a log that it gave up, with the real program.
@Suite(.serialized) struct SuccessorCommandTests {
    private static let secret = "Sky Mavis, Incheon branch"

    private func submit(_ place: Place) throws -> String {
        let file = try place.file("victim.txt", Self.secret)
        let outcome = try place.must(
            "us", "submit", "attribution", "--field", "chain=BTC", "--field",
            "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=x", "--field", "victim=@\(file)", "--to",
            "kr.example", "--json")
        return try #require(outcome.objects.first?["ref"] as? String)
    }

    private func show(_ place: Place, _ node: String, _ reference: String) throws -> [String: Any] {
        try #require(place.must(node, "show", reference, "--json").objects.first)
    }

    private func victim(_ view: [String: Any]) -> String? {
        (view["opened"] as? [String: Any])?["victim"] as? String
    }

    /// us gives up its log, and all know the successor.
    private func giveUp(_ place: Place) throws {
        try place.must("us", "key", "stolen", "log", "--yes")
        let card = try place.file("us-new.yaml", try place.must("us", "identity").output)
        for node in ["kr", "jp"] { try place.must(node, "peer", "add", card, "--replace") }
    }

    @Test func aSealedPartOfALogThatWasGivenUpIsOpenedAndErasedInItsSuccessor() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let reference = try submit(place)
        try place.serve("us")
        for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
        #expect(try victim(show(place, "kr", reference)) == Self.secret)
        #expect(try show(place, "jp", reference)["sealed_part"] as? String == "not_for_this_node")
        try giveUp(place)

        let granted = try place.must("us", "grant", reference, "--to", "jp.example", "--json").objects.first
        let by = try #require(granted?["ref"] as? String)
        #expect(by.hasPrefix("us.example/krus/2#"))
        try place.must("jp", "sync", "us.example")
        let opened = try show(place, "jp", reference)
        #expect(victim(opened) == Self.secret)
        #expect(
            (opened["granted"] as? [[String: Any]])?.map { [$0["node"] as? String, $0["by"] as? String] } == [
                ["jp.example", by]
            ])
        // It is found by its value, too.
        let value = try place.file("value.txt", Self.secret)
        #expect(try place.must("jp", "search", "--sealed", "victim=@\(value)", "--json").objects.count == 1)
        for node in ["us", "kr", "jp"] { try place.expectSound(node) }

        let erased = try place.must("us", "erase", reference, "--yes", "--json").objects.first
        let asked = try #require(erased?["ref"] as? String)
        #expect(asked.hasPrefix("us.example/krus/2#"))
        for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
        for node in ["us", "kr", "jp"] {
            let view = try show(place, node, reference)
            #expect(view["sealed_part"] as? String == "erased", "\(node)")
            #expect((view["erased"] as? [String: Any])?["by"] as? String == asked)
            #expect(try place.must(node, "search", "--sealed", "victim=@\(value)", "--json").objects.isEmpty)
            try place.expectSound(node)
        }
        // Who holds the successor's entry has deleted.
        #expect(
            try Entente.waits {
                let erased = try show(place, "us", reference)["erased"] as? [String: Any]
                let confirmed = (erased?["confirmed_by"] as? [[String: Any]] ?? []).compactMap { $0["node"] as? String }
                return Set(confirmed) == ["jp.example", "kr.example"]
            })
        let text = try place.must("kr", "show", reference).output
        #expect(text.contains("sealed part erased by \(asked)"))
        // A partner still has no say.
        let refused = try place.run("kr", "erase", reference, "--yes")
        #expect(refused.status == 77)
        refused.expectOneLine()
    }

    /// A partner may have heard of neither the erasure nor the grant in the old log: both are said again.
    @Test func whatWasSaidInALogThatWasGivenUpIsSaidAgainInItsSuccessor() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let references = [try submit(place), try submit(place)]
        try place.serve("us")
        for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
        try place.must("us", "erase", references[0], "--yes")
        try place.must("us", "grant", references[1], "--to", "jp.example")
        #expect(try place.run("us", "erase", references[0], "--yes").status == 73)
        #expect(try place.run("us", "grant", references[1], "--to", "jp.example").status == 73)
        try giveUp(place)
        let erased = try place.must("us", "erase", references[0], "--yes", "--json").objects.first
        #expect((erased?["ref"] as? String)?.hasPrefix("us.example/krus/2#") == true)
        try place.must("us", "grant", references[1], "--to", "jp.example")
        #expect(try place.run("us", "erase", references[0], "--yes").status == 73)
        #expect(try place.run("us", "grant", references[1], "--to", "jp.example").status == 73)
        for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
        for node in ["us", "kr", "jp"] {
            #expect(try show(place, node, references[0])["sealed_part"] as? String == "erased")
            try place.expectSound(node)
        }
        #expect(try victim(show(place, "jp", references[1])) == Self.secret)
        // Who came later may not hold the old log, so a grant would lead nowhere.
        try place.found("fr")
        let card = try place.file("fr.yaml", try place.must("fr", "identity").output)
        try place.must("us", "peer", "add", card)
        let refused = try place.run("us", "grant", references[1], "--to", "fr.example")
        #expect(refused.status == 77 && refused.errors.contains("submit the record again in us.example/krus/2"))
        refused.expectOneLine()
    }

    @Test func commandsAtOnceGiveUpOneLog() throws {
        let place = try Place()
        try place.federate("us")
        let started = try (0..<3).map { _ in
            try Entente.start(["--home", "\(place.path)/us", "key", "stolen", "log", "--yes"])
        }
        let statuses = started.map { process, _, errors -> Int32 in
            _ = errors.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            return process.terminationStatus
        }
        // One that comes when all is done gives up what is written then, as it says; none gives up two.
        #expect(statuses.contains(0) && statuses.allSatisfy { [0, 75].contains($0) }, "\(statuses)")
        let logs = try place.must("us", "status", "--json").objects.first?["logs"] as? [[String: Any]]
        #expect(logs?.count == 1 + statuses.count { $0 == 0 })
        try place.expectSound("us")
    }

    /// As a crash leaves it between the log and its first record.
    @Test func aLogThatIsEmptyBeginsWithItsMembers() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let reference = try submit(place)
        try place.must("us", "key", "stolen", "log", "--yes")
        for name in ["node.sqlite", "signed.sqlite"] {
            let path = "\(place.path)/us/\(name)"
            let statement =
                name == "node.sqlite"
                ? "DELETE FROM bundle WHERE log = 3; DELETE FROM tile WHERE log = 3; DELETE FROM checkpoint WHERE log = 3; "
                    + "DELETE FROM membership WHERE log = 3; DELETE FROM published_key WHERE log = 3; "
                    + "DELETE FROM double_hash WHERE log = 3; DELETE FROM cosignature WHERE log = 3; "
                    + "UPDATE log SET size = 0 WHERE id = 3"
                : "DELETE FROM mark WHERE origin = 'us.example/krus/2'"
            try DatabaseFile(path).execute(statement)
        }
        #expect(try place.size(of: "us.example/krus/2", at: "us") == 0)
        try place.must("us", "erase", reference, "--yes")
        let first = try place.must("us", "show", "us.example/krus/2#0", "--raw").output
        #expect(first.contains(#""type":"members""#) && first.contains("predecessor"), "\(first)")
        try place.expectSound("us")
    }

    /// The database of an earlier day brings nothing back: what was erased is among the marks.
    @Test func whatASuccessorHadErasedStaysErasedInAnOlderCopy() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let reference = try submit(place)
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        let home = "\(place.path)/kr"
        let kept = "\(place.path)/kept"
        try FileManager.default.createDirectory(atPath: kept, withIntermediateDirectories: false)
        let files = try FileManager.default.contentsOfDirectory(atPath: home).filter { $0.hasPrefix("node.sqlite") }
        for name in files { try FileManager.default.copyItem(atPath: "\(home)/\(name)", toPath: "\(kept)/\(name)") }
        try giveUp(place)
        try place.must("us", "erase", reference, "--yes")
        try place.must("kr", "sync", "us.example")
        #expect(try show(place, "kr", reference)["sealed_part"] as? String == "erased")
        for name in try FileManager.default.contentsOfDirectory(atPath: home) where name.hasPrefix("node.sqlite") {
            try FileManager.default.removeItem(atPath: "\(home)/\(name)")
        }
        for name in files { try FileManager.default.copyItem(atPath: "\(kept)/\(name)", toPath: "\(home)/\(name)") }
        #expect(try show(place, "kr", reference)["sealed_part"] as? String == "erased")
        #expect(try victim(show(place, "kr", reference)) == nil)
    }

    /// A backup of before the successor, on a machine that knows nothing else: the owner's old card names the old log only.
    @Test func whatASuccessorHadErasedIsGivenToNobodyFromABackupOfBeforeIt() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let reference = try submit(place)
        try place.must("us", "grant", reference, "--to", "jp.example")
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        let file = "\(place.path)/kr.entente"
        try place.must("kr", "backup", file)
        place.stop("us")
        try place.must("us", "key", "stolen", "log", "--yes")
        try place.must("us", "erase", reference, "--yes")
        try place.serve("us")
        try place.lose("kr")
        try place.must("kr", "restore", file)
        #expect(try show(place, "kr", reference)["sealed_part"] as? String == "opened")

        // us.example is asked, and says that it goes on elsewhere.
        let told = try place.run("kr", "sync", "us.example", "--json").objects.first
        let refused = try #require(told?["refused"] as? [String])
        #expect(
            refused.contains { $0.hasPrefix("us.example/krus/2: ") && $0.contains("`entente peer add") }, "\(refused)")
        try place.serve("kr")
        // jp.example may have the sealed part by all that it and kr.example know.
        try place.must("jp", "sync", "kr.example")
        #expect(try show(place, "jp", reference)["sealed_part"] as? String == "not_here_yet")
        #expect(try victim(show(place, "jp", reference)) == nil)
        let waits: (String) -> Bool = { $0.hasPrefix("us.example/krus ") && $0.hasSuffix("run `entente sync`") }
        #expect(try place.alarms("kr").contains(where: waits))

        let card = try place.file("us-new.yaml", try place.must("us", "identity").output)
        try place.must("kr", "peer", "add", card, "--replace")
        try place.must("kr", "sync", "us.example")
        #expect(try show(place, "kr", reference)["sealed_part"] as? String == "erased")
        #expect(try !place.alarms("kr").contains(where: waits))
    }

    /// A row too much, too little or other than a successor's record says would open or hide a sealed part.
    @Test(arguments: [
        ("UPDATE access_grant SET node = 'spy.example'", "of whom it opens us.example/krus#3 to is not what it says"),
        ("UPDATE access_grant SET record_log = zeroblob(32)", "which no record of a successor says"),
        ("DELETE FROM access_grant", "of whom it opens us.example/krus#3 to is not what it says"),
        ("UPDATE blob_erasure SET record = 0", "is kept as erased, which no record says"),
    ]) func anAuditHoldsWhatIsKeptAgainstTheSuccessor(statement: String, says: String) throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let references = [try submit(place), try submit(place)]
        try giveUp(place)
        try place.must("us", "grant", references[0], "--to", "jp.example")
        try place.must("us", "erase", references[1], "--yes")
        try place.expectSound("us")
        try DatabaseFile("\(place.path)/us/node.sqlite").execute(statement)
        let outcome = try place.run("us", "verify")
        #expect(outcome.status == 1)
        #expect(outcome.output.contains(says), "\(outcome.output)")
    }
}
