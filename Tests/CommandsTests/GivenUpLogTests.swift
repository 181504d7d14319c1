import Cryptography
import Foundation
import Glibc
import Testing

/// A log whose key is stolen ends where its owner's successor says so, with the real program.
@Suite(.serialized) struct GivenUpLogTests {
    private static let verifier = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../docs/examples/verify_log.py").standardized.path
    private static let hasPython: Bool = {
        let unpacks = "import shutil, importlib.util as u; assert u.find_spec('zstandard') or shutil.which('zstd')"
        return Tool.run("python3", "-c", "import cryptography; \(unpacks)")?.status == 0
    }()

    private func log(_ place: Place, _ node: String) throws -> [String: Any] {
        let logs = try place.must(node, "status", "--json").objects.first?["logs"] as? [[String: Any]]
        return try #require(logs?.first { $0["origin"] as? String == LogTheft.log })
    }

    @Test func whoKnowsTheSuccessorTakesNothingMoreOfAThief() throws {
        let theft = try LogTheft()
        let place = theft.place
        try theft.takeCard("kr")
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        let first = try place.must("kr", "show", "us.example/krus/2#0", "--raw").output
        #expect(first.contains("\"predecessor\"") && first.contains("\"size\":\(theft.size)"), "\(first)")

        // jp has the old card only, so it believes the thief.
        try place.must("thief", "withdraw", "\(LogTheft.log)#1", "--reason", "gone")
        try place.must("thief", "key", "rotate", "sealing")
        try place.must("thief", "key", "stolen", "mirror")
        try place.serve("jp")
        try place.must("thief", "sync", "jp.example")
        #expect(try place.size(of: LogTheft.log, at: "jp") > theft.size)
        for node in ["kr", "us"] {
            let told = try place.must(node, "sync", "jp.example", "--json").objects.first
            let refused = try #require(told?["refused"] as? [String])
            #expect(
                refused.contains { $0.hasPrefix("\(LogTheft.log): its owner gave it up at \(theft.size)") },
                "\(refused)")
            #expect(try place.size(of: LogTheft.log, at: node) == theft.size)
            #expect(
                try place.must(node, "show", "\(LogTheft.log)#1", "--json").objects.first?["state"] as? String
                    == "current")
            #expect(try log(place, node)["state"] as? String == "given_up")
            try place.expectSound(node)
        }
        #expect(try !place.alarms("us").contains { $0.contains("recover") })
        // Who may hold what us.example writes stands in the successor, and in the old log no more.
        for node in ["us", "kr"] { try place.must(node, "peer", "remove", "jp.example") }
        try place.must("kr", "sync", "us.example")
        for node in ["us", "kr"] {
            #expect(try !place.alarms(node).contains { $0.contains("members") && $0.contains("us.example") })
        }
        for node in ["us", "kr"] { try place.must(node, "peer", "add", "\(place.path)/jp.yaml") }
        // The owner's keys are what the owner says, and it goes on with them.
        let epochs = try place.must("us", "key", "list", "--json").objects.filter { $0["role"] as? String == "sealing" }
        #expect(epochs.count == 1)
        try place.must("us", "key", "rotate", "sealing")
        let refused = try place.run("thief", "sync", "kr.example")
        #expect(try place.size(of: LogTheft.log, at: "kr") == theft.size, "\(refused.output)")
    }

    @Test func whoBelievedTheThiefIsWarnedAndPassesNothingOn() throws {
        let theft = try LogTheft()
        let place = theft.place
        try place.must("thief", "key", "stolen", "mirror")
        try place.submit("thief", "a lie")
        try place.serve("kr")
        try place.must("thief", "sync", "kr.example")
        let size = try place.size(of: LogTheft.log, at: "kr")
        #expect(size > theft.size)
        try theft.takeCard("kr")
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        let alarm = try #require(try place.alarms("kr").first { $0.hasPrefix("\(LogTheft.log) has ") })
        #expect(alarm.contains("\(size - theft.size) entries here from #\(theft.size) on"), "\(alarm)")
        // What the thief says of keys counts no more, so what the owner cosigns does.
        try place.must("kr", "sync", "us.example")
        #expect(try !place.alarms("kr").contains { $0.contains("mirror key") })
        try place.expectSound("kr")
        let report = try place.must("kr", "verify", "--json").objects.first
        let unproved = try #require(report?["unproved"] as? [String])
        #expect(unproved.contains { $0.contains("from #\(theft.size) on are not its owner's word") }, "\(unproved)")
        if Self.hasPython {
            let keys = try place.must("us", "identity").output.split(separator: "\n")
                .filter { $0.contains("vkey: ") || $0.contains("mirror_key: ") }
                .compactMap { $0.split(separator: " ").last.map(String.init) }
            let report = try #require(
                Tool.run("python3", [Self.verifier, "\(place.path)/kr/node.sqlite"] + keys))
            #expect(report.status == 0 && !report.output.contains("had been replaced"), "\(report.output)")
            #expect(report.output.contains("; ENTRIES FROM \(theft.size) ON ARE NOT ITS OWNER'S"), "\(report.output)")
        }
        // jp gets the log from its owner, and nothing of it from kr.
        try theft.takeCard("jp")
        try place.must("jp", "sync")
        #expect(try place.size(of: LogTheft.log, at: "jp") == theft.size)
        #expect(try place.size(of: "\(LogTheft.log)/2", at: "jp") > 0)
    }

    /// As a crash leaves it: the log takes nothing more, and its successor has a key and no more.
    @Test(arguments: [false, true]) func aGivingUpThatWasBrokenOffIsCompleted(recovers: Bool) throws {
        let theft = try LogTheft()
        let place = theft.place
        let home = "\(place.path)/us"
        let key = try String(contentsOfFile: "\(home)/keys/log-krus.2.key", encoding: .utf8)
        try FileManager.default.removeItem(atPath: home)
        try FileManager.default.copyItem(atPath: "\(place.path)/thief", toPath: home)
        try key.write(toFile: "\(home)/keys/log-krus.2.key", atomically: false, encoding: .utf8)
        #expect(chmod("\(home)/keys/log-krus.2.key", 0o600) == 0)
        func id(_ origin: String) -> String { "x'\(SHA256.hash(origin).hex)'" }
        try DatabaseFile("\(home)/node.sqlite").execute(
            "INSERT INTO given_up VALUES (\(id(LogTheft.log)), \(theft.size), \(id("\(LogTheft.log)/2")))")
        try place.expectSound("us")
        #expect(try place.alarms("us").contains { $0.contains("`entente key stolen log` to complete") })
        // Meanwhile the thief writes, and kr takes it.
        try place.submit("thief", "a lie")
        try place.serve("kr")
        try place.must("thief", "sync", "kr.example")
        if recovers {
            _ = try place.run("us", "recover")
        }
        try place.must("us", "key", "stolen", "log", "--yes")
        #expect(try place.size(of: LogTheft.log, at: "us") == theft.size)
        let logs = try place.must("us", "status", "--json").objects.first?["logs"] as? [[String: Any]]
        let own = logs?.compactMap { $0["origin"] as? String }.filter { $0.hasPrefix("us.example/krus") }
        if !recovers { #expect(own == [LogTheft.log, "\(LogTheft.log)/2"]) }
        let first = try place.must("us", "show", "\(LogTheft.log)/2#0", "--raw").output
        #expect(first.contains("\"size\":\(theft.size)"), "\(first)")
        try place.expectSound("us")
    }

    @Test func whatIsKeptOfWhereALogEndsIsHeldAgainstTheSuccessor() throws {
        let theft = try LogTheft()
        let place = theft.place
        try place.expectSound("us")
        for change in ["UPDATE given_up SET size = size - 1", "UPDATE given_up SET size = size + 1"] {
            let copy = "\(place.path)/\(change.hash)"
            try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: copy)
            try DatabaseFile("\(copy)/node.sqlite").execute(change)
            let outcome = try Entente.run(["--home", copy, "verify"])
            #expect(outcome.status == 1 && outcome.output.contains("given up at"), "\(outcome.output)")
        }
        // A row that is lost is kept again.
        try DatabaseFile("\(place.path)/us/node.sqlite").execute("DELETE FROM given_up")
        try place.expectSound("us")
        #expect(try log(place, "us")["state"] as? String == "given_up")
    }

    /// Without the mark of what was signed, which is in no backup, the operator has to say it.
    @Test func withoutMarksTheOperatorSaysWhereALogEnds() throws {
        let place = try Place()
        try place.found("us")
        try place.submit("us", "one")
        let size = try place.size(of: LogTheft.log, at: "us")
        for suffix in ["", "-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: "\(place.path)/us/signed.sqlite\(suffix)")
        }
        let refused = try place.run("us", "key", "stolen", "log", "--yes")
        #expect(refused.status == 77 && refused.errors.contains("`--size \(size)`"), "\(refused.errors)")
        refused.expectOneLine()
        let given = try place.must("us", "key", "stolen", "log", "--yes", "--json", "--size", "\(size)")
        #expect(given.objects.first?["ends_at"] as? Int == size, "\(given.output)")
        try place.expectSound("us")
    }

    /// Both databases are lost, and no partner has answered.
    @Test func ofALogThatEndsNobodyKnowsWhereItIsSaidWhatFollows() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.submit("us", "one")
        place.loseDatabase("us")
        for suffix in ["", "-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: "\(place.path)/us/signed.sqlite\(suffix)")
        }
        _ = try place.run("us", "recover")
        let given = try place.must("us", "key", "stolen", "log", "--yes", "--json")
        #expect(given.objects.first?["ends_at"] is NSNull, "\(given.output)")
        for part in ["does not say where that ends", "with the new card too", "tell them by phone from which entry on"]
        {
            #expect(given.errors.contains(part), "\(given.errors)")
        }
        func warnings() throws -> [String] {
            try place.must("us", "status", "--json").objects.first?["warnings"] as? [String] ?? []
        }
        #expect(try warnings().contains { $0.hasPrefix("\(LogTheft.log), whose key is stolen") })
        #expect(try place.must("us", "status").output.contains("WARNING  \(LogTheft.log), whose key is stolen"))
        // Where it is known nothing of that is said.
        let size = try place.size(of: "kr.example/krus", at: "kr")
        let known = try place.must("kr", "key", "stolen", "log", "--yes", "--json")
        #expect(known.objects.first?["ends_at"] as? Int == size, "\(known.output)")
        #expect(!known.errors.contains("does not say where"), "\(known.errors)")
        #expect((try place.must("kr", "status", "--json").objects.first?["warnings"] as? [String]) == [])
    }

    @Test func aLogThatWasLostIsNotCutOff() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.submit("us", "one")
        try place.serve("kr")
        try place.must("us", "sync")
        try place.lose("us", keeping: ["keys", "peers", "certs", "node.yaml", "signed.sqlite"])
        place.stop()
        #expect(try place.run("us", "recover").status != 0)
        try place.must("us", "community", "successor", "krus", "--abandon")
        let first = try place.must("us", "show", "us.example/krus/2#0", "--raw").output
        #expect(first.contains("\"predecessor\"") && !first.contains("\"size\""), "\(first)")
    }
}
