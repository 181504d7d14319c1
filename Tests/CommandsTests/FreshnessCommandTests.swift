import Foundation
import LogStore
import NodeService
import Testing
import TransparencyLog

/// `status` tells a log of which nothing new comes from one whose owner is gone, and that from one that is withheld.
@Suite(.serialized) struct FreshnessCommandTests {
    /// us.example has kr.example's log by a session, and knows when it was dated.
    private func scene() throws -> Place {
        let place = try Place()
        try place.federate("us", "kr")
        try place.serve("kr")
        try place.must("us", "sync")
        place.stop()
        return place
    }

    private static let hour = 3_600

    /// Makes a log's newest date in us.example's home one of the past, signed by its owner as it would have been then,
    /// and what was heard of the owner likewise.
    private func turnBack(
        _ place: Place, dated: Int, heard: (from: Int, to: Int)?, owner: String = "kr", isSigned: Bool = true
    ) throws {
        let now = Int(Clock.now())
        let node = try Node.open("\(place.path)/\(owner)")
        let log = try #require(try node.store.log("\(owner).example/krus"))
        let head = try #require(log.head)
        let checkpoint = try Checkpoint(origin: log.origin, size: head.size, root: head.root)
        let line = try node.cosigner().cosign(checkpoint, time: UInt64(now - dated - (isSigned ? 0 : 1))).line
        let row = "(SELECT id FROM log WHERE origin = '\(log.origin)')"
        let file = try DatabaseFile("\(place.path)/us/node.sqlite")
        for table in ["cosignature", "latest_cosignature"] {
            try file.execute(
                """
                UPDATE \(table) SET time = \(now - dated), line = '\(line)'
                WHERE log = \(row) AND cosigner = '\(owner).example'
                """)
        }
        try file.execute("DELETE FROM log_contact; DELETE FROM contact")
        let times = heard.map { "\(now - $0.from), \(now - $0.to)" } ?? "NULL, NULL"
        try file.execute("INSERT INTO log_contact VALUES (\(row), \(now - 100 * Self.hour), \(times), 0, 0)")
    }

    private func log(_ place: Place, _ origin: String = "kr.example/krus") throws -> (
        log: [String: Any], alarms: [String]
    ) {
        let status = try #require(place.must("us", "status", "--json").objects.first)
        let log = (status["logs"] as? [[String: Any]])?.first { $0["origin"] as? String == origin }
        return (try #require(log), status["alarms"] as? [String] ?? [])
    }

    private func state(_ place: Place) throws -> String {
        let (log, alarms) = try log(place)
        return "\(log["freshness"] ?? "")" + (alarms.isEmpty ? "" : " \(alarms.count)")
    }

    @Test func aLogThatWasDatedAMomentAgoIsFresh() throws {
        let place = try scene()
        let (log, alarms) = try log(place)
        #expect(log["freshness"] as? String == "fresh" && alarms.isEmpty)
        let dated = try #require((log["dated"] as? String).flatMap { ISO8601DateFormatter().date(from: $0) })
        #expect(abs(dated.timeIntervalSinceNow) < 120)
        #expect(try place.run("us", "status", "--check").status == 0)
        for command in [["status"], ["log", "list"]] {
            let output = try Entente.run(["--home", "\(place.path)/us"] + command).output
            #expect(output.contains("DATED") && output.contains(" s ago"), "\(output)")
        }
        #expect(try place.must("us", "log", "show", "kr.example/krus").output.contains("dated        "))
    }

    @Test func silentAndStalledAreToldApartAndAreAlarms() throws {
        let place = try scene()
        let hour = Self.hour
        // Nothing was heard for five hours.
        try turnBack(place, dated: 5 * hour, heard: (90 * hour, 5 * hour))
        #expect(try state(place) == "silent 1")
        let silent = try place.run("us", "status", "--check")
        #expect(silent.status == 1)
        #expect(silent.output.contains("5 h ago, SILENT") && silent.output.contains("not heard") == false)
        #expect(
            silent.output.contains("ALARM  kr.example/krus is silent, stale_after is 3 h: nothing was heard of kr."))
        // It is heard all the time, and does not date.
        try turnBack(place, dated: 5 * hour, heard: (90 * hour, 60))
        #expect(try state(place) == "stalled 1")
        let stalled = try place.run("us", "status", "--check")
        #expect(stalled.status == 1 && stalled.output.contains("5 h ago, STALLED"))
        #expect(stalled.output.contains("ALARM  kr.example/krus is stalled, dated by its owner 5 h ago"))
        let listed = try place.must("us", "log", "list", "--json").objects.first {
            $0["node"] as? String == "kr.example"
        }
        #expect(listed?["freshness"] as? String == "stalled")
        // A longer limit.
        let yaml = "\(place.path)/us/node.yaml"
        let text = try String(contentsOfFile: yaml, encoding: .utf8)
        #expect(text.contains("stale_after: 3h\n"))
        try text.replacingOccurrences(of: "stale_after: 3h", with: "stale_after: 6 h").write(
            toFile: yaml, atomically: false, encoding: .utf8)
        #expect(try state(place) == "fresh")
    }

    @Test func aNodeThatWasAwayForAWeekIsNotAlarmedBeforeItHasListened() throws {
        let place = try scene()
        try turnBack(place, dated: 168 * Self.hour, heard: (200 * Self.hour, 168 * Self.hour))
        #expect(try state(place) == "silent 1")
        // Its partner is heard, and what it says has not come yet.
        let us = try Node.open("\(place.path)/us")
        let now = Clock.now()
        try us.store.note(PeerContact(peer: "kr.example", lastHeard: now))
        try us.noteLogContacts(now: now)
        #expect(try state(place) == "catching_up")
        // It goes on like that for longer than the limit.
        for minutes in stride(from: UInt64(0), through: 190, by: 10) {
            try us.store.note(PeerContact(peer: "kr.example", lastHeard: now + minutes * 60))
            try us.noteLogContacts(now: now + minutes * 60)
        }
        let replica = try #require(try us.store.log("kr.example/krus"))
        let later = try FreshnessBook(node: us, now: now + 190 * 60).freshness(of: replica)
        #expect(later.state == .stalled && later.isAlarm)
        // The real thing: the partner is there again.
        try place.serve("kr")
        try place.must("us", "sync")
        #expect(try state(place) == "fresh")
    }

    @Test func whatTheOwnerSignedOfOthersLogsTellsThatItIsThere() throws {
        let place = try scene()
        try turnBack(place, dated: 30 * Self.hour, heard: nil)
        #expect(try state(place) == "silent 1")
        let us = try Node.open("\(place.path)/us")
        let own = try #require(try us.store.log("us.example/krus"))
        let now = Clock.now()
        // A relay brings, hour by hour, what kr.example says of another log.
        for hour in UInt64(0)...4 {
            let time = now - (4 - hour) * 3_600
            try us.store.store(
                StoredCosignature(cosigner: "kr.example", size: own.size, time: time, line: "-"), of: own.id)
            try DatabaseFile("\(place.path)/us/node.sqlite").execute(
                "UPDATE latest_cosignature SET time = \(time) WHERE cosigner = 'kr.example' AND line = '-'")
            try us.noteLogContacts(now: time)
        }
        #expect(try state(place) == "stalled 1")
    }

    @Test func aDateThatItsOwnerHasNotSignedDoesNotCount() throws {
        let place = try scene()
        try turnBack(place, dated: 60, heard: (90 * Self.hour, 60), isSigned: false)
        let (log, alarms) = try log(place)
        #expect(log["dated"] is NSNull && log["freshness"] as? String == "stalled" && alarms.count == 1)
        #expect(try place.must("us", "status").output.contains("never, STALLED"))
    }

    @Test func anOwnLogThatIsNotDatedIsAnAlarm() throws {
        let place = try scene()
        try turnBack(place, dated: 5 * Self.hour, heard: nil, owner: "us")
        let (log, alarms) = try log(place, "us.example/krus")
        #expect(log["freshness"] as? String == "undated")
        #expect(alarms.contains { $0.contains("us.example/krus was dated by this node 5 h ago") }, "\(alarms)")
        // `run` dates it.
        try place.serve("us")
        #expect(try self.log(place, "us.example/krus").log["freshness"] as? String == "fresh")
    }

    @Test func aLogThatNobodyFollowsIsNoAlarm() throws {
        let place = try scene()
        try turnBack(place, dated: 50 * Self.hour, heard: nil)
        #expect(try state(place) == "silent 1")
        try place.must("us", "peer", "remove", "kr.example")
        #expect(try log(place).log["freshness"] as? String == "ended")
        #expect(try log(place).alarms.contains { $0.contains("silent") } == false)
    }
}
