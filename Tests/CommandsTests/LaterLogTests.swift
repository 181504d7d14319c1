import Foundation
import Testing

/// A node that came back as it was before its log was given up, keys and databases, with the real program: once a partner
/// has told it of the successor nothing more is written in the dead log.
@Suite(.serialized) struct LaterLogTests {
    private static let log = "us.example/krus"

    /// us has given its log up, kr has the successor and jp the old card; then all of us is as it was before.
    private struct Return {
        let place: Place
        /// Where the log ends.
        let size: Int

        init() throws {
            place = try Place()
            try place.federate("us", "kr", "jp")
            try place.submit("us", "one", "two")
            try place.serve("us")
            for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
            place.stop("us")
            try? FileManager.default.removeItem(atPath: "\(place.path)/us/node.sock")
            size = try place.size(of: LaterLogTests.log, at: "us")
            try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/old")
            try place.must("us", "backup", "\(place.path)/us.entente")
            try place.must("us", "key", "stolen", "log", "--yes")
            try place.takeCard(at: "kr")
            try place.submit("us", "in the successor")
            try place.meet("kr")
            #expect(try place.size(of: "\(LaterLogTests.log)/2", at: "kr") > 1)
            try FileManager.default.moveItem(atPath: "\(place.path)/us", toPath: "\(place.path)/newest")
        }

        /// The whole machine comes back as an old image.
        func asAnImage() throws {
            try FileManager.default.copyItem(atPath: "\(place.path)/old", toPath: "\(place.path)/us")
        }

        /// A backup of the databases, with old keys.
        func fromABackup() throws {
            try FileManager.default.createDirectory(
                atPath: "\(place.path)/us", withIntermediateDirectories: false,
                attributes: [.posixPermissions: 0o700])
            try FileManager.default.copyItem(atPath: "\(place.path)/old/keys", toPath: "\(place.path)/us/keys")
            try place.must("us", "restore", "\(place.path)/us.entente")
        }

        func putNewestKeysBack() throws {
            try FileManager.default.removeItem(atPath: "\(place.path)/us/keys")
            try FileManager.default.copyItem(atPath: "\(place.path)/newest/keys", toPath: "\(place.path)/us/keys")
        }

        /// The alarm names the successor, who has it, and both ways on; nothing is appended, and no key is made.
        func expectDead(at location: SourceLocation = #_sourceLocation) throws {
            let all = try place.alarms("us")
            let alarms = all.filter { $0.hasPrefix("\(LaterLogTests.log) was given up") }
            #expect(alarms.count == 1, "\(all)", sourceLocation: location)
            let hints = [
                "\(LaterLogTests.log)/2, which kr.example holds", "`entente recover`",
                "`entente community successor krus --abandon`",
            ]
            for hint in hints {
                #expect(alarms.first?.contains(hint) == true, "\(alarms)", sourceLocation: location)
            }
            #expect(try place.run("us", "status", "--check").status == 1, sourceLocation: location)
            let lines = try place.file("lines.jsonl", LaterLogTests.line)
            let keys = try place.keyFiles("us")
            for command in [
                ["submit", "attribution", "--field", "chain=BTC", "--field", "address=\(LaterLogTests.address)"],
                ["import", lines], ["withdraw", "\(LaterLogTests.log)#1", "--reason", "gone"],
                ["key", "rotate", "sealing"], ["key", "rotate", "log"], ["key", "rotate", "mirror"],
                ["key", "stolen", "sealing"], ["community", "successor", "krus"],
            ] {
                let refused = try Entente.run(["--home", "\(place.path)/us"] + command)
                #expect(refused.status == 77, "\(command): \(refused.output)", sourceLocation: location)
                for hint in hints {
                    #expect(refused.errors.contains(hint), "\(refused.errors)", sourceLocation: location)
                }
                refused.expectOneLine("\(command)", at: location)
            }
            #expect(try place.keyFiles("us") == keys, sourceLocation: location)
            #expect(try place.size(of: LaterLogTests.log, at: "us") == size, sourceLocation: location)
            try place.expectSound("us", at: location)
        }
    }

    private static let address = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
    private static let line = """
        {"v":1,"type":"attribution","time":"2025-01-01T00:00:00Z","author":"x","tlp":"green",\
        "subject":{"chain":"BTC","address":"\(address)"},"label":"imported"}

        """

    @Test func anOldImageWritesNothingMoreAndGoesOnInAFurtherLog() throws {
        let back = try Return()
        let place = back.place
        try back.asAnImage()
        // jp knows of no successor, so nothing is known here.
        try place.serve("jp")
        try place.must("us", "sync", "jp.example")
        #expect(try place.alarms("us") == [])
        // The partner calls, and the node that runs is told.
        try place.serve("us")
        let told = try place.must("kr", "sync", "us.example", "--json")
        #expect(told.status == 0)
        #expect(try Entente.waits { try !place.alarms("us").isEmpty })
        try back.expectDead()
        place.stop("us")
        try back.expectDead()
        // Another card of that partner's does not unsay it.
        let port = try Place.freePort()
        let card = try String(contentsOfFile: "\(place.path)/kr.yaml", encoding: .utf8)
            .replacingOccurrences(of: "127.0.0.1:\(try place.port(of: "kr"))", with: "127.0.0.1:\(port)")
        try place.must("us", "peer", "add", place.file("kr-new.yaml", card), "--replace")
        try back.expectDead()

        let given = try place.must("us", "community", "successor", "krus", "--abandon", "--json")
        #expect(given.objects.first?["origin"] as? String == "\(Self.log)/3", "\(given.output)")
        try place.submit("us", "in the further log")
        for node in ["kr", "jp"] {
            try place.takeCard(at: node)
            try place.meet(node)
            #expect(try place.size(of: "\(Self.log)/3", at: node) == place.size(of: "\(Self.log)/3", at: "us"))
        }
        for node in ["us", "kr", "jp"] {
            #expect(try place.alarms(node) == [])
            try place.expectSound(node)
        }
        #expect(try place.size(of: Self.log, at: "us") == back.size)
    }

    @Test func aBackupWithOldKeysIsRecoveredAndSaysThatItIsDead() throws {
        let back = try Return()
        let place = back.place
        try back.fromABackup()
        place.serveAll("kr", "jp")
        let recovered = try place.run("us", "recover", "--json")
        let own = (recovered.objects.first?["logs"] as? [[String: Any]])?.first
        #expect(recovered.status == 1 && own?["later_log"] as? String == "\(Self.log)/2", "\(recovered.output)")
        let people = try place.run("us", "recover")
        #expect(people.status == 1 && people.errors.contains("--abandon`"), "\(people.errors)")
        #expect(!people.output.contains("appending works"), "\(people.output)")
        try back.expectDead()
        // The newest keys are the better way.
        try back.putNewestKeysBack()
        try place.must("us", "recover")
        try place.submit("us", "after")
        try place.must("us", "sync", "kr.example")
        #expect(try place.size(of: "\(Self.log)/2", at: "kr") == place.size(of: "\(Self.log)/2", at: "us"))
        #expect(try place.size(of: Self.log, at: "us") == back.size)
        #expect(try place.alarms("us") == [])
        try place.expectSound("us")
    }

    /// A node that writes in several communities goes on in the others.
    @Test func anotherCommunityGoesOn() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.must("us", "community", "add", "asia")
        // As it is kept once kr has told of it.
        try DatabaseFile("\(place.path)/us/node.sqlite").execute(
            "INSERT INTO later_log (partner, origin) VALUES ('kr.example', '\(Self.log)/2')")
        let rotation = try place.must("us", "key", "rotate", "mirror", "--json").objects.first
        #expect(rotation?["published"] as? [String] == ["us.example/asia"], "\(rotation ?? [:])")
        // Nobody knows what it opens in the log that is not here.
        try place.must("us", "key", "rotate", "sealing")
        let kept = try place.run("us", "key", "destroy", "1", "--yes")
        #expect(kept.status == 77 && kept.errors.contains("\(Self.log) was given up"), "\(kept.errors)")
        let card = try place.must("us", "identity", "--community", "krus")
        #expect(card.errors.contains("do not give this card out: \(Self.log) was given up"), "\(card.errors)")
        try place.must("us", "community", "successor", "krus", "--abandon")
        let said = try place.keyRecords("us", "mirror", in: "\(Self.log)/3")
        #expect(said.count == 1)
        #expect(try place.alarms("us") == [])
    }

    /// What a partner says need not be so.
    @Test func aPartnerThatIsRemovedIsBelievedNoMore() throws {
        let back = try Return()
        let place = back.place
        try back.asAnImage()
        try place.serve("kr")
        let told = try place.must("us", "sync", "kr.example", "--json").objects.first
        let refused = try #require(told?["refused"] as? [String])
        #expect(refused.contains { $0.hasPrefix("\(Self.log)/2: the partner holds this log") }, "\(refused)")
        try back.expectDead()
        try place.must("us", "peer", "remove", "kr.example")
        #expect(try !place.alarms("us").contains { $0.contains("was given up") })
        try place.submit("us", "after all")
    }
}

extension Place {
    /// A partner takes the card that us has now.
    fileprivate func takeCard(at node: String) throws {
        let card = try file("us-new.yaml", try must("us", "identity").output)
        try must(node, "peer", "add", card, "--replace")
    }

    /// A partner calls us.
    fileprivate func meet(_ node: String) throws {
        try serve("us")
        for _ in 0..<2 { try must(node, "sync", "us.example") }
        stop("us")
    }

    fileprivate func keyFiles(_ node: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(path)/\(node)/keys").sorted()
    }
}
