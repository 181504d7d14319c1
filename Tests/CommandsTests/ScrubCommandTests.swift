import Cryptography
import Foundation
import LogStore
import Testing

/// Damage on the command line: found, shown, mended from partners.
@Suite(.serialized) struct ScrubCommandTests {
    private static let origin = "us.example/krus"
    private static let log = SHA256.hash(origin)

    /// us and kr with 1,500 records of us in both.
    private func partners() throws -> Place {
        let place = try Place()
        try place.federate("us", "kr")
        let bodies = try Entente.run(["bench", "bodies", "--records", "1500"]).output
        try place.must("us", "import", place.file("bodies.jsonl", bodies))
        try place.serve("us")
        try place.serve("kr")
        try place.must("kr", "sync")
        return place
    }

    /// Opens the logs of a home as a failing disk sees them.
    private func store(_ node: String, in place: Place) throws -> SQLiteLogStore {
        let home = "\(place.path)/\(node)"
        return try SQLiteLogStore(
            path: home + "/node.sqlite", signedPath: home + "/signed.sqlite", node: "\(node).example")
    }

    @Test(arguments: ["kr", "us"])
    func damageIsListedAlarmedAndMended(node: String) throws {
        let place = try partners()
        #expect(try place.must(node, "scrub", "--json").objects.first?["ok"] as? Bool == true)
        let store = try store(node, in: place)
        let sound = try store.bundles(of: Self.log, entries: 0..<1_500)
        try store.flip(.bundle(2), of: Self.log, byte: 100)
        try store.lose(.bundle(5), of: Self.log)
        try store.lose(.tile(level: 1, number: 0), of: Self.log)

        // A running partner may mend it at any moment; while nobody runs, it stays.
        place.stop()
        let found = try place.run(node, "scrub", "--json")
        #expect(found.status == 1)
        #expect(found.objects.first?["damaged"] as? [String] == ["\(Self.origin)#512-767", "\(Self.origin)#1280-1501"])
        #expect(found.objects.first?["repaired"] as? [String] == ["\(Self.origin)#0-1501"])
        #expect(try place.run(node, "status", "--check").status == 1)
        #expect(try place.run(node, "status").output.contains("\(Self.origin)#512-767"))
        let people = try place.run(node, "scrub")
        #expect(people.status == 1 && people.output.contains("\(Self.origin)#1280-1501"))
        // Nobody to ask: it says so, and what cannot be mended is listed.
        let alone = try place.run(node, "scrub", "--repair", "--json")
        #expect(alone.status == 1 && (alone.objects.first?["damaged"] as? [String])?.count == 2)
        #expect(alone.errors.contains("example"))

        try place.serve(node == "kr" ? "us" : "kr")
        let mended = try place.must(node, "scrub", "--repair", "--json").objects.first
        #expect(mended?["damaged"] as? [String] == [])
        #expect(mended?["repaired"] as? [String] == ["\(Self.origin)#512-767", "\(Self.origin)#1280-1501"])
        #expect(try place.must(node, "verify", "--json").objects.first?["ok"] as? Bool == true)
        #expect(try place.run(node, "status", "--check").status == 0)
        #expect(try store.bundles(of: Self.log, entries: 0..<1_500) == sound)
    }

    /// A sealed part that is damaged is asked for, and no more once its author has had it erased.
    @Test func whatWasErasedIsNotMended() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let reference = try place.submitSealed("us", "Incheon branch", to: "kr.example")
        try place.must("us", "grant", reference, "--to", "jp.example")
        try place.serve("us")
        for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
        let index = try #require(UInt64(reference.split(separator: "#").last ?? ""))
        try store("kr", in: place).flip(.blob(entry: index), of: Self.log, byte: 100)
        let found = try place.run("kr", "scrub", "--json")
        #expect(found.status == 1 && (found.objects.first?["damaged"] as? [String])?.count == 1)
        try place.must("us", "erase", reference, "--yes")
        try place.must("kr", "sync", "us.example")
        place.stop("us")
        // jp has it whole, and has not heard.
        #expect(try place.sealedBytesLie(in: ["jp"]) == ["jp"])
        try place.serve("jp")
        let mended = try place.must("kr", "scrub", "--repair", "--json").objects.first
        #expect(mended?["damaged"] as? [String] == [])
        let view = try place.must("kr", "show", reference, "--json").objects.first
        #expect(view?["sealed_part"] as? String == "erased")
        #expect(try place.sealedBytesLie(in: ["us", "kr"]) == [])
        try place.expectSound("kr")
    }

    @Test func theNextSyncMendsWhatAScrubHasFound() throws {
        let place = try partners()
        place.stop()
        try store("kr", in: place).flip(.bundle(0), of: Self.log, byte: 50)
        #expect(try place.run("kr", "scrub").status == 1)
        try place.serve("us")
        let report = try place.must("kr", "sync", "--json").objects.first
        #expect(report?["ok"] as? Bool == true && report?["repaired"] as? Int == 1)
        #expect(try place.must("kr", "scrub").status == 0)
    }

    @Test func aRunningNodeMendsWhatAScrubBesideItHasFound() throws {
        let place = try partners()
        try store("kr", in: place).lose(.bundle(1), of: Self.log)
        // The scrub may end before the running node has mended it or after.
        _ = try place.run("kr", "scrub")
        var isMended = false
        for _ in 0..<200 where !isMended {
            isMended = try place.run("kr", "status", "--check").status == 0
            if !isMended { usleep(50_000) }
        }
        #expect(isMended)
        #expect(try place.must("kr", "verify", "--json").objects.first?["ok"] as? Bool == true)
    }

    /// Rows that a log can be read without, but not trusted: which keys sign it, and who may hold it.
    @Test(arguments: ["us", "kr"])
    func whatTheLogSaysOfKeysAndMembersIsKeptAgainWhereItIsGone(node: String) throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.serve("us")
        for command in [["sealing"], ["log"], ["mirror"], ["tls", "--finish"], ["log"]] {
            let rotated = try Entente.run(["--home", "\(place.path)/us", "key", "rotate"] + command)
            #expect(rotated.status == 0, "\(rotated.errors)")
            // A new TLS key is refused until the record of it has come.
            try place.must("us", "identity")
            try place.must("kr", "peer", "add", place.file("us.yaml", place.must("us", "identity").output), "--replace")
            try place.must("kr", "sync", "us.example")
        }
        place.stop()
        let keys = try place.must(node, "key", "list", "--json").output
        for statement in [
            "DELETE FROM published_key", "DELETE FROM published_key WHERE role = 'log'",
            "DELETE FROM published_key WHERE role = 'mirror'",
            "UPDATE published_key SET epoch = 9 WHERE role = 'sealing'",
            "UPDATE published_key SET valid_until = 1 WHERE role = 'mirror'", "DELETE FROM membership",
            "UPDATE membership SET members = 'us.example'",
        ] {
            try DatabaseFile("\(place.path)/\(node)/node.sqlite").execute(statement)
            #expect(try place.run(node, "verify").status == 1, "\(statement)")
            let scrub = try place.run(node, "scrub", "--json")
            #expect(scrub.status == 0, "\(statement): \(scrub.output)")
            try place.expectSound(node)
            #expect(try place.must(node, "key", "list", "--json").output == keys)
            #expect(try place.alarms(node) == [], "\(statement)")
        }
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        place.stop()
    }
}
