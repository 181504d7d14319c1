import Foundation
import Testing

/// What nodes exchange of a log whose key is stolen, where some hold what the thief wrote behind the owner's entries.
@Suite(.serialized) struct OwnersPartTests {
    private static let log = LogTheft.log

    private func victim(_ theft: LogTheft, at node: String) throws -> String? {
        let view = try theft.place.must(node, "show", theft.sealed, "--json").objects.first
        return (view?["opened"] as? [String: Any])?["victim"] as? String
    }

    @Test func aNodeWithAThiefsEntriesPassesOnTheOwnersAndGetsSealedParts() throws {
        let theft = try LogTheft(partners: ["kr"])
        let place = theft.place
        try theft.deceive("kr", "a lie", "another")
        let held = try place.size(of: Self.log, at: "kr")
        #expect(held > theft.size)
        try theft.takeCard("kr")
        try place.must("us", "grant", theft.sealed, "--to", "kr.example")
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        #expect(try victim(theft, at: "kr") == LogTheft.secret)
        place.stop("us")
        // jp knows the owner by its new card, and only kr is there.
        try theft.takeCard("jp")
        try place.serve("kr")
        try place.must("jp", "sync", "kr.example")
        #expect(try place.size(of: Self.log, at: "jp") == theft.size)
        #expect(try place.size(of: Self.log, at: "kr") == held)
        #expect(try place.size(of: "\(Self.log)/2", at: "jp") > 0)
        for node in ["kr", "jp"] { try place.expectSound(node) }
        // A second time nothing is left to say.
        let again = try place.must("jp", "sync", "kr.example", "--json").objects.first
        #expect(again?["received"] as? Int == 0, "\(again ?? [:])")
        #expect(again?["refused"] as? [String] == [], "\(again ?? [:])")
    }

    /// The thief has brought the owner's last entry along with its own: kr never had a checkpoint that ends with it.
    @Test func theOwnersLastCheckpointIsTakenWhereItsEntriesAreHereAlready() throws {
        let theft = try LogTheft(partners: ["kr"], unseen: "four")
        let place = theft.place
        try theft.deceive("kr", "a lie")
        try theft.takeCard("kr")
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        place.stop("us")
        try theft.takeCard("jp")
        try place.serve("kr")
        try place.must("jp", "sync", "kr.example")
        #expect(try place.size(of: Self.log, at: "jp") == theft.size)
        for node in ["us", "kr", "jp"] { try place.expectSound(node) }
    }

    @Test(arguments: [1, 2]) func aThiefsOtherHistoryBelowTheEndIsSeen(lies: Int) throws {
        let theft = try LogTheft(partners: ["kr"], unseen: "four", copiesUnseen: false)
        let place = theft.place
        for number in 0..<lies { try place.submit("thief", "lie \(number)") }
        try theft.deceive("kr")
        #expect(try place.size(of: Self.log, at: "kr") == theft.size + lies - 1)
        try theft.takeCard("kr")
        try place.serve("us")
        let synced = try place.run("kr", "sync", "us.example")
        let alarms = try place.alarms("kr")
        #expect(alarms.contains { $0.contains("is frozen: its owner signed") }, "\(alarms) \(synced.output)")
        #expect(try place.log(Self.log, at: "kr")?["state"] as? String == "frozen")
        // Without that it is told apart by what the successor says of the owner's entries.
        try DatabaseFile("\(place.path)/kr/node.sqlite").execute("UPDATE log SET frozen = NULL")
        let told = try place.alarms("kr")
        #expect(told.contains { $0.contains("not what us.example says it had written") }, "\(told)")
        let audit = try place.run("kr", "verify")
        #expect(audit.output.contains("are not what its owner says"), "\(audit.output)")
    }

    /// us lost its database after the theft, and kr gave back what it had, the thief's entries among it.
    @Test func whatARecoveryBroughtIsCountedAsTheOwnersOnlyByItsWord() throws {
        let theft = try LogTheft(partners: ["kr"], isNoticed: false)
        let place = theft.place
        try theft.deceive("kr", "a lie", "another")
        place.loseDatabase("us")
        // jp has nothing of it, and answers so.
        try place.serve("jp")
        #expect(try place.run("us", "recover").status != 0)
        place.stop("jp")
        try place.serve("kr")
        try place.must("us", "recover")
        let held = try place.size(of: Self.log, at: "us")
        #expect(held > theft.size)
        let refused = try place.run("us", "key", "stolen", "log", "--yes")
        #expect(refused.status == 77, "\(refused.status)")
        #expect(refused.errors.contains("from #\(theft.size) on"), "\(refused.errors)")
        #expect(refused.errors.contains("--size \(theft.size)") && refused.errors.contains("--size \(held)"))
        refused.expectOneLine()
        let absent = try place.run("us", "key", "stolen", "log", "--yes", "--size", "\(held + 1)")
        #expect(absent.status == 64 && absent.errors.contains("only \(held)"), "\(absent.errors)")
        let given = try place.must("us", "key", "stolen", "log", "--yes", "--size", "\(theft.size)", "--json")
        #expect(given.objects.first?["ends_at"] as? Int == theft.size)
        let first = try place.must("us", "show", "\(Self.log)/2#0", "--raw").output
        #expect(first.contains("\"size\":\(theft.size)") && first.contains("\"root\":"), "\(first)")
        try place.expectSound("us")
        // The owner itself holds the thief's entries: partners get the part that is its own from it all the same.
        try theft.takeCard("kr")
        try place.must("us", "sync", "kr.example")
        place.stop("kr")
        try theft.takeCard("jp")
        try place.serve("us")
        try place.must("jp", "sync", "us.example")
        #expect(try place.size(of: Self.log, at: "jp") == theft.size)
        for node in ["us", "kr", "jp"] { try place.expectSound(node) }
    }

    /// jp was away between two thefts, and gets nothing of the log between: its new card names the newest alone.
    @Test func aLaterSuccessorSaysAgainWhereTheLogsBeforeEnd() throws {
        let theft = try LogTheft()
        let place = theft.place
        try place.must("us", "key", "stolen", "log", "--yes")
        let first = try place.must("us", "show", "\(Self.log)/3#0", "--raw").output
        #expect(first.contains("\"earlier\":[{\"origin\":\"\(Self.log)\""), "\(first)")
        try theft.takeCard("jp")
        try place.serve("us")
        try place.must("jp", "sync", "us.example")
        place.stop("us")
        #expect(try place.log(Self.log, at: "jp")?["state"] as? String == "given_up")
        try place.must("thief", "withdraw", "\(Self.log)#3", "--reason", "gone")
        try place.serve("jp")
        _ = try place.run("thief", "sync", "jp.example")
        #expect(try place.size(of: Self.log, at: "jp") == theft.size)
        for node in ["us", "jp"] { try place.expectSound(node) }
    }

    /// A partner that says, truly or not, that there is a later log does not decide where this one ends.
    @Test func aPartnersWordOfALaterLogDoesNotTakeTheEndAway() throws {
        let theft = try LogTheft(isNoticed: false)
        let place = theft.place
        try DatabaseFile("\(place.path)/us/node.sqlite").execute(
            "INSERT INTO later_log (partner, origin) VALUES ('kr.example', '\(Self.log)/2')")
        let refused = try place.run("us", "key", "stolen", "log", "--yes")
        #expect(refused.status == 77 && refused.errors.contains("--size \(theft.size)"), "\(refused.errors)")
        let given = try place.must("us", "key", "stolen", "log", "--yes", "--size", "\(theft.size)", "--json")
        #expect(given.objects.first?["ends_at"] as? Int == theft.size, "\(given.output)")
        #expect(try place.log(Self.log, at: "us")?["state"] as? String == "given_up")
        let first = try place.must("us", "show", "\(Self.log)/3#0", "--raw").output
        #expect(first.contains("\"earlier\":[{"), "\(first)")
        try place.expectSound("us")
    }

    /// A node that came back from a backup beside a thief's entries is told by the owner what was erased, as others are.
    @Test func aHolderOfAThiefsEntriesThatCameFromABackupIsHeard() throws {
        let theft = try LogTheft(partners: ["kr"])
        let place = theft.place
        try theft.deceive("kr", "a lie")
        try theft.takeCard("kr")
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        let backup = "\(place.path)/kr.backup"
        try place.must("kr", "backup", backup)
        place.loseDatabase("kr")
        try place.must("kr", "restore", backup)
        #expect(try place.alarms("kr").contains { $0.hasPrefix("\(Self.log) came back with") })
        try place.must("kr", "sync", "us.example")
        #expect(try !place.alarms("kr").contains { $0.hasPrefix("\(Self.log) came back with") })
    }

    /// The thief brought another log key below the end: the owner's last checkpoint is by one that was replaced here.
    @Test func aThiefsRotationBelowTheEndIsSeenAsAFork() throws {
        let theft = try LogTheft(partners: ["kr"], unseen: "four", copiesUnseen: false, isNoticed: false)
        let place = theft.place
        try place.submit("us", "five")
        try place.must("us", "key", "stolen", "log", "--yes")
        try place.must("thief", "key", "rotate", "log")
        try theft.deceive("kr")
        try theft.takeCard("kr")
        try place.serve("us")
        for _ in 0..<2 { _ = try place.run("kr", "sync", "us.example") }
        #expect(try place.log(Self.log, at: "kr")?["state"] as? String == "frozen")
    }

    /// The owner took the thief's entries in a recovery, and is being recovered again.
    @Test func aRaisedMarkDoesNotSayWhereALogEndsThatIsBeingRecovered() throws {
        let theft = try LogTheft(partners: ["kr"], isNoticed: false)
        let place = theft.place
        try theft.deceive("kr", "a lie", "another")
        for node in ["kr", "jp"] { try place.serve(node) }
        place.loseDatabase("us")
        try place.must("us", "recover")
        place.stop()
        // Lost once more, and nobody answers now.
        place.loseDatabase("us")
        #expect(try place.run("us", "recover").status != 0)
        let refused = try place.run("us", "key", "stolen", "log", "--yes")
        #expect(refused.status == 77 && refused.errors.contains("--size \(theft.size)"), "\(refused.errors)")
    }
}
