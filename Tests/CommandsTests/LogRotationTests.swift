import Foundation
import Glibc
import Testing

/// New log keys for old, with the real program.
@Suite(.serialized) struct LogRotationTests {
    private static let origin = "us.example/krus"

    private static func rotate(_ place: Place) throws -> [String: Any] {
        try #require(place.must("us", "key", "rotate", "log", "--json").objects.first)
    }

    private static func sizes(_ place: Place, _ node: String) throws -> UInt64 {
        let status = try place.must(node, "status", "--json").objects.first
        let logs = status?["logs"] as? [[String: Any]] ?? []
        return UInt64(logs.first { $0["origin"] as? String == origin }?["size"] as? Int ?? 0)
    }

    private static func isSound(_ place: Place, _ nodes: String...) throws {
        for node in nodes {
            let report = try place.must(node, "verify", "--json").objects.first
            #expect(report?["ok"] as? Bool == true, "\(node): \(report ?? [:])")
            #expect((report?["unproved"] as? [String])?.isEmpty == true, "\(node): \(report?["unproved"] ?? "")")
            #expect(try place.alarms(node) == [], "\(node)")
        }
    }

    @Test func aPartnerThatWasAwayDuringThreeRotationsFollowsByItself() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let us = try place.serve("us")
        defer { us.terminate() }
        try place.submit("us", "first")
        for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
        var keys: Set<String> = []
        for number in 1...3 {
            let rotation = try Self.rotate(place)
            #expect(keys.insert(try #require(rotation["vkey"] as? String)).inserted)
            try place.submit("us", "after \(number)")
            // One is there all the time.
            try place.must("jp", "sync", "us.example")
            try Self.isSound(place, "jp")
        }
        let report = try place.must("kr", "sync", "us.example", "--json").objects.first
        #expect(report?["ok"] as? Bool == true && (report?["refused"] as? [String])?.isEmpty == true)
        #expect(try Self.sizes(place, "kr") == Self.sizes(place, "us"))
        try Self.isSound(place, "us", "kr", "jp")
        let current = try #require(try Self.current(place, "us"))
        #expect(try place.must("us", "identity").output.contains(current))
    }

    @Test func whoComesLaterWithANewCardGetsTheLogAndCanLeadOthersOn() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let us = try place.serve("us")
        try place.submit("us", "first")
        try place.must("kr", "sync", "us.example")
        _ = try Self.rotate(place)
        try place.submit("us", "second")
        _ = try Self.rotate(place)
        try place.submit("us", "third")
        // jp has the newest card only, and nothing of the log yet.
        let card = try place.file("us-new.yaml", try place.must("us", "identity").output)
        try place.must("jp", "peer", "add", card, "--replace")
        try place.must("jp", "sync", "us.example")
        #expect(try Self.sizes(place, "jp") == Self.sizes(place, "us"))
        try Self.isSound(place, "jp")
        // kr knows the first key only, and hears from jp, which has got the stepping stones by now.
        us.terminate()
        us.waitUntilExit()
        try place.serve("jp")
        let report = try place.must("kr", "sync", "jp.example", "--json").objects.first
        #expect((report?["refused"] as? [String])?.isEmpty == true, "\(report ?? [:])")
        #expect(try Self.sizes(place, "kr") == Self.sizes(place, "us"))
        try Self.isSound(place, "kr")
        // The new card says nothing that kr did not know.
        try place.must("kr", "peer", "add", card, "--replace")
        try Self.isSound(place, "kr")
    }

    private static func current(_ place: Place, _ node: String) throws -> String? {
        try place.must(node, "key", "list", "--json").objects
            .first { $0["role"] as? String == "log" && $0["state"] as? String == "current" }?["public_key"] as? String
    }

    @Test func aRotationThatWasBrokenOffBeforeTheRecordLeavesTheOldKeyAndIsCompleted() throws {
        let place = try Place()
        try place.found("us")
        let before = try Self.current(place, "us")
        // As a crash leaves it: the next key is made, the record is not written.
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/copy")
        try place.must("copy", "key", "rotate", "log")
        try FileManager.default.copyItem(
            atPath: "\(place.path)/copy/keys/log-krus.key", toPath: "\(place.path)/us/keys/log-krus.next.key")
        #expect(try place.alarms("us").contains { $0.contains("key rotate log") })
        #expect(try Self.current(place, "us") == before)
        try place.submit("us", "by the old key")
        let rotation = try Self.rotate(place)
        #expect(rotation["resumed"] as? Bool == false)
        #expect(rotation["previous_vkey"] as? String == before)
        #expect(!FileManager.default.fileExists(atPath: "\(place.path)/us/keys/log-krus.next.key"))
        try place.submit("us", "by the new key")
        try Self.isSound(place, "us")
    }

    @Test func aRotationThatWasBrokenOffBehindTheRecordSignsWithTheNewKeyAndIsCompleted() throws {
        let place = try Place()
        try place.found("us")
        let old = try Data(contentsOf: URL(fileURLWithPath: "\(place.path)/us/keys/log-krus.key"))
        let rotation = try Self.rotate(place)
        // As a crash leaves it: the record is written, the files are not renamed.
        let keys = "\(place.path)/us/keys"
        try FileManager.default.moveItem(atPath: "\(keys)/log-krus.key", toPath: "\(keys)/log-krus.next.key")
        #expect(FileManager.default.createFile(atPath: "\(keys)/log-krus.key", contents: old))
        chmod("\(keys)/log-krus.key", 0o600)
        #expect(try place.alarms("us").contains { $0.contains("key rotate log") })
        #expect(try Self.current(place, "us") == rotation["vkey"] as? String)
        try place.submit("us", "by the new key")
        let again = try Self.rotate(place)
        #expect(again["resumed"] as? Bool == true)
        #expect(again["vkey"] as? String == rotation["vkey"] as? String)
        try place.submit("us", "later")
        try Self.isSound(place, "us")
    }

    @Test func killedAtAnyMomentARotationIsDoneOrNotAndTheSameCommandCompletesIt() throws {
        let place = try Place()
        try place.found("us")
        var delay: UInt32 = 2_000
        var killed = 0
        for _ in 0..<12 {
            let (process, _, _) = try Entente.start(["--home", "\(place.path)/us", "key", "rotate", "log", "--json"])
            usleep(delay)
            delay += 4_000
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            if process.terminationReason == .uncaughtSignal { killed += 1 }
            try place.submit("us", "meanwhile \(delay)")
            _ = try Self.rotate(place)
            try place.submit("us", "then \(delay)")
            try Self.isSound(place, "us")
        }
        #expect(killed > 0)
    }

    @Test func aCheckpointByAKeyOutsideTheChainIsRefusedAndAnAlarm() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.submit("us", "first")
        // A thief goes on from a copy of the home, with a log key of its own and the TLS key of us.example.
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/thief")
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        place.stop()
        try place.found("other", named: "us")
        let keys = "\(place.path)/thief/keys"
        try FileManager.default.removeItem(atPath: "\(keys)/log-krus.key")
        try FileManager.default.copyItem(
            atPath: "\(place.path)/other/keys/log-krus.key", toPath: "\(keys)/log-krus.key")
        let refused = try place.trySubmit("thief")
        #expect(refused.status == 77)
        // The program does not help: the key is put into the database, too.
        let vkey = try #require(try Self.current(place, "other"))
        try DatabaseFile("\(place.path)/thief/node.sqlite").execute("UPDATE log SET verifier_key = '\(vkey)' WHERE own")
        try place.submit("thief", "forged")
        let size = try Self.sizes(place, "kr")
        try place.serve("thief")
        let report = try place.run("kr", "sync", "us.example", "--json").objects.first
        #expect(
            (report?["refused"] as? [String])?.contains { $0.contains("signed by a key") } == true, "\(report ?? [:])")
        #expect(try Self.sizes(place, "kr") == size)
        let alarms = try place.alarms("kr")
        #expect(alarms.contains { $0.contains("us.example/krus") && $0.contains("which the records of that log") })
        #expect(try place.run("kr", "status", "--check").status == 1)
    }

    @Test func aLostHomeComesBackAfterRotationsAndLeadsOnWhoWasAway() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        try place.serve("us")
        try place.submit("us", "first")
        for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
        _ = try Self.rotate(place)
        try place.submit("us", "second")
        _ = try Self.rotate(place)
        try place.submit("us", "third")
        try place.must("kr", "sync", "us.example")
        place.stop("us")
        for name in try FileManager.default.contentsOfDirectory(atPath: "\(place.path)/us")
        where name != "keys" && name != "peers" {
            try FileManager.default.removeItem(atPath: "\(place.path)/us/\(name)")
        }
        place.serveAll("kr", "jp")
        let port = try Place.freePort()
        let report = try place.run(
            "us", "recover", "--listen", "127.0.0.1:\(port)", "--endpoint", "127.0.0.1:\(port)", "--json")
        #expect(report.status == 0, "\(report.errors)")
        try place.submit("us", "fourth")
        try Self.isSound(place, "us")
        // jp was away during both rotations, and hears of them from the owner alone.
        place.stop()
        try place.serve("jp")
        try place.must("us", "sync", "jp.example")
        #expect(try Self.sizes(place, "jp") == Self.sizes(place, "us"))
        try Self.isSound(place, "jp")
    }

    /// Each command replaces the key that the one before has made, or says that it is to be run again.
    @Test(arguments: ["log", "sealing"]) func commandsAtOnceReplaceAKeyOneAfterTheOther(role: String) throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.submit("us", "first")
        let before = try place.size(of: Self.origin, at: "us")
        for _ in 0..<3 {
            let started = try (0..<4).map { _ in
                try Entente.start(["--home", "\(place.path)/us", "key", "rotate", role])
            }
            for (process, _, errors) in started {
                let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
                process.waitUntilExit()
                #expect(process.terminationStatus == 0, "\(said)")
            }
            try Self.isSound(place, "us")
        }
        try place.submit("us", "second")
        let rotations = 12
        if role == "log" {
            // One record more, and one for each rotation.
            #expect(try place.size(of: Self.origin, at: "us") == before + 1 + rotations)
        } else {
            let keys = try place.must("us", "key", "list", "--json").objects.filter {
                $0["role"] as? String == "sealing"
            }
            #expect(
                keys.compactMap { ($0["name"] as? String).flatMap { Int($0) } }.sorted() == Array(1...(rotations + 1)))
        }
        let status = try place.must("us", "status", "--json").objects.first
        #expect((status?["alarms"] as? [Any])?.isEmpty == true, "\(status?["alarms"] ?? "")")
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        try Self.isSound(place, "kr")
    }

    @Test func aLogWhoseKeyIsStolenIsGivenUpForASuccessor() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.submit("us", "first")
        #expect(try place.run("us", "key", "stolen", "log").status == 64)
        let size = try Self.sizes(place, "us")
        let given = try place.must("us", "key", "stolen", "log", "--yes", "--json").objects.first
        #expect(given?["given_up"] as? String == Self.origin)
        #expect(given?["origin"] as? String == "us.example/krus/2")
        try place.submit("us", "second")
        #expect(try Self.sizes(place, "us") == size)
        let card = try place.file("us-new.yaml", try place.must("us", "identity").output)
        try place.must("kr", "peer", "add", card, "--replace")
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        let status = try place.must("kr", "status", "--json").objects.first
        let logs = (status?["logs"] as? [[String: Any]])?.compactMap { $0["origin"] as? String } ?? []
        #expect(logs.contains("us.example/krus/2"))
        // The successor's key is rotated like any other.
        try place.must("us", "key", "rotate", "log")
        try place.submit("us", "third")
        try place.must("kr", "sync", "us.example")
        #expect(try place.must("kr", "verify", "--json").objects.first?["ok"] as? Bool == true)
    }
}
