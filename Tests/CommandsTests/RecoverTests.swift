import Foundation
import Glibc
import Testing

/// Restored copies and lost homes, with the real program.
@Suite(.serialized) struct RecoverTests {
    private static let databases = ["node.sqlite", "node.sqlite-wal", "node.sqlite-shm"]
    private static let marks = ["signed.sqlite", "signed.sqlite-wal", "signed.sqlite-shm"]
    private static let origin = "us.example/krus"

    @Test func aRestoredDatabaseIsNoticedByItsMarksAndRecoveredFromBothPartners() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        try place.submit("us", "first")
        place.save("us", Self.databases)
        try place.submit("us", "second", "third")
        place.serveAll("kr", "jp")
        try place.must("us", "sync")
        place.restore("us", Self.databases)

        let refused = try place.trySubmit("us")
        #expect(refused.status == 77)
        #expect(refused.errors.contains("entente recover"))
        #expect(try place.alarms("us").contains { $0.contains(Self.origin) && $0.contains("entente recover") })
        #expect(try place.run("us", "status", "--check").status == 1)

        let report = try #require(try place.must("us", "recover", "--json").objects.first)
        #expect(report["complete"] as? Bool == true)
        let log = try #require((report["logs"] as? [[String: Any]])?.first)
        #expect(log["state"] as? String == "own")
        let answered = (log["answered"] as? [[String: Any]])?.map { "\($0["node"] ?? "") \($0["size"] ?? 0)" }
        #expect(answered == ["jp.example 6", "kr.example 6"])
        #expect(try place.alarms("us") == [])
        try place.checkAllHoldTheSame(after: "fourth")
    }

    @Test func aLostKeyOfDoublesIsMadeAnewAndDoublesAreKnownAgain() throws {
        let place = try Place()
        try place.federate("us")
        let rows = (1...3).map { number in
            #"{"type":"attribution","subject":{"chain":"eip155:1","address":"0x098b716b8aaf21512996dc57eb0615e2383e2f9"#
                + #"\#(number)"},"label":"x","victim":"v"}"# + "\n"
        }
        let file = try place.file("rows.jsonl", rows.joined())
        try place.must("us", "import", file)
        try FileManager.default.removeItem(atPath: "\(place.path)/us/keys/doubles.key")
        let refused = try place.trySubmit("us")
        #expect(refused.status == 66 && refused.errors.contains("`entente recover`"), "\(refused.errors)")
        refused.expectOneLine()
        #expect(try place.alarms("us").contains { $0.hasPrefix("keys/doubles.key is gone") })
        try place.must("us", "recover")
        #expect(try place.alarms("us") == [])
        let again = try place.must("us", "import", file, "--json").objects.first
        #expect(again?["imported"] as? Int == 0 && again?["duplicates"] as? Int == 3, "\(again ?? [:])")
        #expect(try place.trySubmit("us").status == 0)
        try place.expectSound("us")
    }

    @Test func aWholeHomeRestoredIsNoticedByThePartnerThatHoldsMore() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.submit("us", "first")
        place.save("us", Self.databases + Self.marks)
        try place.submit("us", "second")
        place.serveAll("kr")
        try place.must("us", "sync")
        place.restore("us", Self.databases + Self.marks)
        #expect(try place.alarms("us") == [])

        let noticed = try place.run("us", "sync", "--json").objects.first
        let findings = (noticed?["refused"] as? [String])?.joined() ?? ""
        #expect(findings.contains("more than are here") && findings.contains("entente recover"))
        #expect(try place.trySubmit("us").status == 77)
        #expect(try place.alarms("us").contains { $0.contains("being recovered") })
        try place.must("us", "recover")
        try place.checkAllHoldTheSame(after: "third", "us", "kr")
    }

    @Test func oneMemberThatIsDownKeepsTheLogClosedUntilItHasAnswered() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        try place.submit("us", "first")
        place.save("us", Self.databases + Self.marks)
        try place.submit("us", "second")
        place.serveAll("kr")
        try place.must("us", "sync", "kr.example")
        place.restore("us", Self.databases + Self.marks)

        for _ in 0..<2 {
            let outcome = try place.run("us", "recover", "--json")
            #expect(outcome.status == 69)
            #expect(outcome.objects.first?["complete"] as? Bool == false)
            #expect(outcome.objects.first?["missing"] as? [String] == ["jp.example"])
            #expect(try place.trySubmit("us").status == 77)
        }
        let text = try place.run("us", "recover")
        #expect(text.errors.contains("jp.example must answer") && text.errors.contains("community successor"))
        place.serveAll("jp")
        // kr has answered before, and need not be there again.
        place.stop("kr")
        try place.must("us", "recover")
        place.serveAll("kr")
        try place.checkAllHoldTheSame(after: "third")
    }

    @Test func aCopyThatNothingShowsToBeOldIsRecoveredWhenTheOperatorSaysSo() throws {
        let place = try Place()
        try place.federate("us", "kr")
        #expect(try place.run("us", "recover").status == 69)
        // Without a sign of loss appending goes on; with the operator's word it waits for the members.
        try place.submit("us", "first")
        #expect(try place.run("us", "recover", "--restored").status == 69)
        #expect(try place.trySubmit("us").status == 77)
        place.serveAll("kr")
        try place.must("us", "recover")
        try place.checkAllHoldTheSame(after: "second", "us", "kr")
        #expect(try place.run("us", "recover", "--listen", "127.0.0.1:1").status == 64)
    }

    @Test func lostDatabasesAreNoticedAndComeBackWhateverMomentTheProgramIsKilledAt() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let bodies = try place.file("bodies.jsonl", Entente.run(["bench", "bodies", "--records", "6000"]).output)
        try place.must("us", "import", bodies)
        place.serveAll("kr")
        try place.must("us", "sync")
        for name in try FileManager.default.contentsOfDirectory(atPath: "\(place.path)/us")
        where name.contains(".sqlite") {
            try FileManager.default.removeItem(atPath: "\(place.path)/us/\(name)")
        }
        let refused = try place.trySubmit("us")
        #expect(refused.status == 77 && refused.errors.contains("entente recover"))
        #expect(try place.alarms("us").contains { $0.contains("entente recover") })
        for milliseconds in [30, 100, 250] {
            let (process, _, _) = try Entente.start(["--home", "\(place.path)/us", "recover"])
            usleep(UInt32(milliseconds) * 1_000)
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            #expect(try place.must("us", "verify", "--json").objects.first?["ok"] as? Bool == true)
            // On a quick machine it may have come to its end.
            let isOpen = try place.alarms("us").isEmpty
            #expect(try place.trySubmit("us").status == (isOpen ? 0 : 77))
        }
        try place.must("us", "recover")
        try place.checkAllHoldTheSame(after: "after", "us", "kr")
        let again = try place.must("us", "import", bodies, "--json").objects.first
        #expect(again?["duplicates"] as? Int == 6_000)
    }

    @Test func aRunningNodeRecoversByItself() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.submit("us", "first")
        place.save("us", Self.databases)
        try place.submit("us", "second")
        place.serveAll("kr")
        try place.must("us", "sync")
        place.restore("us", Self.databases)
        place.serveAll("us")
        var isOpen = false
        for _ in 0..<200 where !isOpen {
            isOpen = try place.alarms("us").isEmpty
            usleep(50_000)
        }
        #expect(isOpen)
        try place.submit("us", "third")
    }

    @Test func aHomeLostButForKeysAndPeersComesBackWhole() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let secret = try place.file("victim.txt", "Sky Mavis, Incheon branch")
        let sealed = try #require(
            place.must(
                "us", "submit", "attribution", "--field", "chain=ETH", "--field", "address=\(Self.address)", "--field",
                "label=thief", "--field", "victim=@\(secret)", "--to", "kr.example", "--json"
            ).objects.first?["ref"] as? String)
        let lines = try place.file("plain.jsonl", Self.importable)
        try place.must("us", "import", lines, "--to", "kr.example")
        try place.submit("kr", "of kr")
        let card = try place.must("us", "identity").output
        place.serveAll("kr", "jp")
        try place.must("us", "sync")

        let port = try place.keepOnlyKeysAndPeers("us")
        #expect(try place.run("us", "status").status == 66)
        let report = try #require(
            try place.must("us", "recover", "--listen", "127.0.0.1:\(port)", "--json").objects.first)
        #expect(report["complete"] as? Bool == true && report["rebuilt"] as? Bool == true)

        let shown = try place.must("us", "show", sealed, "--json").objects.first
        #expect((shown?["opened"] as? [String: Any])?["victim"] as? String == "Sky Mavis, Incheon branch")
        #expect(try place.must("us", "identity").output == card)
        #expect(!FileManager.default.fileExists(atPath: "\(place.path)/us/members.derived"))
        let again = try place.must("us", "import", lines, "--json").objects.first
        #expect(again?["imported"] as? Int == 0 && again?["duplicates"] as? Int == 3)
        #expect(try place.alarms("us") == [])
        try place.checkAllHoldTheSame(after: "new")
    }

    @Test func aLostHomeTakesItsMembersFromItsOwnRecordAndNotFromCards() throws {
        let place = try Place()
        try place.federate("us", "kr")
        // The card of zz names the community, and zz admits us to it; us has not admitted zz.
        try place.found("zz")
        let card = try String(contentsOfFile: "\(place.path)/zz.yaml", encoding: .utf8)
        try place.must("zz", "peer", "add", "\(place.path)/us.yaml")
        place.serveAll("kr", "zz")
        try place.must("us", "sync")
        let port = try place.keepOnlyKeysAndPeers("us")
        _ = try place.file("us/peers/zz.example.yaml", card)
        let listen = "127.0.0.1:\(port)"
        place.stop("kr")
        #expect(try place.run("us", "recover", "--listen", listen).status == 69)
        let text = try String(contentsOfFile: "\(place.path)/us/node.yaml", encoding: .utf8)
        #expect(text.contains("zz.example"))
        place.serveAll("kr")
        try place.must("us", "recover")
        let adopted = try String(contentsOfFile: "\(place.path)/us/node.yaml", encoding: .utf8)
        #expect(adopted.contains("kr.example") && !adopted.contains("zz.example"))
        try place.checkAllHoldTheSame(after: "new", "us", "kr")
        let atZZ = try place.must("zz", "status", "--json").objects.first?["logs"] as? [[String: Any]]
        #expect(atZZ?.contains { $0["origin"] as? String == Self.origin && $0["size"] as? Int == 0 } == true)
    }

    private static let address = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96"
    private static let importable = (0..<3).map {
        """
        {"v":1,"type":"attribution","time":"2025-01-0\($0 + 1)T00:00:00Z","author":"x","tlp":"green",\
        "subject":{"chain":"eip155:1","address":"\(address)"},"label":"number \($0)"\($0 == 2 ? ",\"note\":\"quiet\"" : "")}

        """
    }.joined()
}

extension Place {
    func submit(_ node: String, _ labels: String...) throws {
        for label in labels {
            let outcome = try trySubmit(node, label)
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
    }

    func trySubmit(_ node: String, _ label: String = "x") throws -> Entente.Outcome {
        try run(
            node, "submit", "attribution", "--field", "chain=BTC", "--field",
            "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=\(label)")
    }

    func serveAll(_ nodes: String...) {
        for node in nodes { #expect(throws: Never.self) { try self.serve(node) } }
    }

    func alarms(_ node: String) throws -> [String] {
        try must(node, "status", "--json").objects.first?["alarms"] as? [String] ?? ["no status"]
    }

    /// Keeps a copy of files of a home.
    func save(_ node: String, _ files: [String]) {
        try? FileManager.default.createDirectory(atPath: "\(path)/saved", withIntermediateDirectories: true)
        for file in files {
            try? FileManager.default.copyItem(atPath: "\(path)/\(node)/\(file)", toPath: "\(path)/saved/\(file)")
        }
    }

    /// Puts the copy back in the place of what is there.
    func restore(_ node: String, _ files: [String]) {
        for file in files {
            try? FileManager.default.removeItem(atPath: "\(path)/\(node)/\(file)")
            try? FileManager.default.copyItem(atPath: "\(path)/saved/\(file)", toPath: "\(path)/\(node)/\(file)")
        }
    }

    /// Deletes everything of a home but keys/ and peers/. The port that it listened on.
    func keepOnlyKeysAndPeers(_ node: String) throws -> Int {
        let home = "\(path)/\(node)"
        let text = try String(contentsOfFile: "\(home)/node.yaml", encoding: .utf8)
        let listen = try #require(text.split(separator: "\n").first { $0.hasPrefix("listen: ") })
        let port = try #require(Int(listen.filter { $0.isNumber || $0 == ":" }.split(separator: ":").last ?? ""))
        for name in try FileManager.default.contentsOfDirectory(atPath: home) where !["keys", "peers"].contains(name) {
            try FileManager.default.removeItem(atPath: "\(home)/\(name)")
        }
        return port
    }

    /// A new record reaches everybody, and all verify all of it with the same roots.
    func checkAllHoldTheSame(
        after label: String, _ nodes: String..., at location: SourceLocation = #_sourceLocation
    ) throws {
        try submit("us", label)
        try must("us", "sync")
        var states: Set<String> = []
        for node in nodes.isEmpty ? ["us", "kr", "jp"] : nodes {
            let report = try must(node, "verify", "--json").objects.first
            #expect(report?["ok"] as? Bool == true, sourceLocation: location)
            let logs = report?["logs"] as? [[String: Any]] ?? []
            let own = logs.first { $0["origin"] as? String == "us.example/krus" }
            states.insert("\(own?["size"] ?? 0) \(own?["root"] ?? "")")
        }
        #expect(states.count == 1, "\(states)", sourceLocation: location)
    }
}
