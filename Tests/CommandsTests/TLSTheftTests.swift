import Foundation
import Glibc
import Testing

/// TLS keys while no own log takes entries, with the real program.
@Suite(.serialized) struct TLSTheftTests {
    private static func lose(_ place: Place) {
        for name in ["node.sqlite", "node.sqlite-wal", "node.sqlite-shm"] {
            try? FileManager.default.removeItem(atPath: "\(place.path)/us/\(name)")
        }
    }

    private static func expectRefusal(
        _ place: Place, hint: String, at location: SourceLocation = #_sourceLocation
    ) throws {
        for command in [["tls"], ["tls", "--finish"], ["sealing"], ["mirror"]] {
            let refused = try Entente.run(["--home", "\(place.path)/us", "key", "rotate"] + command)
            #expect(refused.status == 77, "\(command): \(refused.output)", sourceLocation: location)
            #expect(refused.errors.contains(hint), "\(refused.errors)", sourceLocation: location)
            refused.expectOneLine("\(command)", at: location)
        }
        let keys = try FileManager.default.contentsOfDirectory(atPath: "\(place.path)/us/keys")
        #expect(!keys.contains { $0.contains(".next.") || $0 == "sealing-2.key" }, sourceLocation: location)
    }

    private static func isStolen(_ place: Place) throws -> (pin: String, errors: String) {
        let stolen = try place.must("us", "key", "stolen", "tls", "--json")
        let result = try #require(stolen.objects.first)
        #expect(result["published"] as? [String] == [])
        return (try #require(result["key_id"] as? String), stolen.errors)
    }

    @Test func aRotationIsRefusedAndATheftIsNotWhileTheLogIsLost() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/thief")
        let serving = try place.serve("us")
        for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
        serving.terminate()
        serving.waitUntilExit()
        Self.lose(place)
        try Self.expectRefusal(place, hint: "`entente recover`")

        // It goes on, and what it says is so: nobody knows the new key but by the new card.
        let (pin, errors) = try Self.isStolen(place)
        #expect(
            errors.contains("every partner the new card") && errors.contains("`entente key rotate tls`"), "\(errors)")
        let card = try place.must("us", "identity").output
        #expect(card.contains(pin))
        try place.serve("kr")
        #expect(try place.run("us", "recover").status != 0)
        #expect(try place.run("us", "sync", "kr.example").status == 77)
        #expect(try place.run("thief", "sync", "kr.example").status == 0)
        try place.must("kr", "peer", "add", place.file("us-new.yaml", card), "--replace")
        #expect(try Entente.waits { try place.run("us", "sync", "kr.example").status == 0 })
        #expect(try Entente.waits { try place.run("thief", "sync", "kr.example").status == 77 })

        // jp is never told by hand. It has to be heard before the log goes on, so the log is given up.
        #expect(try place.alarms("us").contains { $0.contains("`entente key rotate tls` has it tell") })
        try place.must("us", "community", "successor", "krus", "--abandon")
        let told = try place.must("us", "key", "rotate", "tls", "--json").objects.first
        #expect(told?["step"] as? String == "switched" && told?["key_id"] as? String == pin)
        #expect(told?["published"] as? [String] == ["us.example/krus/2"])
        #expect(try !place.alarms("us").contains { $0.contains("TLS key") })
        place.stop()
    }

    @Test func onceALogTakesEntriesAgainItRetiresTheStolenKeyForThoseWhoHaveNoNewCard() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/thief")
        let running = try place.serve("us")
        for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
        running.terminate()
        running.waitUntilExit()
        // As in a recovery that has begun and heard of nobody yet.
        #expect(try place.run("us", "recover", "--restored").status == 69)
        try Self.expectRefusal(place, hint: "`entente recover`")
        let (pin, _) = try Self.isStolen(place)
        // A second theft before anybody was told.
        let (second, _) = try Self.isStolen(place)
        #expect(second != pin)
        let card = try place.file("us-new.yaml", place.must("us", "identity").output)
        for node in ["kr", "jp"] { try place.must(node, "peer", "add", card, "--replace") }
        for node in ["kr", "jp"] { try place.serve(node) }
        #expect(try Entente.waits { try place.run("us", "recover").status == 0 })
        // jp has the old card again, from before the theft: by hand it knows better than what it has heard so far.
        try place.must("jp", "peer", "add", "\(place.path)/us.yaml", "--replace")
        #expect(try Entente.waits { try place.run("thief", "sync", "jp.example").status == 0 })
        try place.must("us", "key", "rotate", "tls")
        try place.must("us", "sync", "kr.example")
        // By the log alone, which kr passes on.
        try place.must("jp", "sync", "kr.example")
        #expect(try Entente.waits { try place.run("thief", "sync", "jp.example").status == 77 })
        #expect(try Entente.waits { try place.run("us", "sync", "jp.example").status == 0 })
        #expect(try place.alarms("us") == [])
        place.stop()
    }

    @Test func whileTheLogIsFrozenARotationIsRefusedUntilASuccessorIsOpened() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        try place.submit("us", "both")
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/copy")
        try place.submit("us", "one")
        try place.submit("copy", "other")
        let copy = try place.serve("copy")
        try place.must("kr", "sync", "us.example")
        copy.terminate()
        copy.waitUntilExit()
        try place.serve("kr")
        #expect(try place.run("us", "sync", "kr.example").status == 1)
        try Self.expectRefusal(place, hint: "`entente community successor krus`")
        #expect(try place.must("us", "key", "stolen", "tls").output.contains("in use; no log tells partners of it"))
        try place.must("us", "community", "successor", "krus")
        try place.must("us", "key", "rotate", "tls")
        try place.must("us", "key", "rotate", "mirror")
        place.stop()
    }

    /// Files as a crash leaves them between two steps.
    @Test func aReplacementThatWasBrokenOffIsAnAlarmAndTheSameCommandCompletesIt() throws {
        let place = try Place()
        try place.federate("us", "kr")
        Self.lose(place)
        let (keys, certs) = ("\(place.path)/us/keys", "\(place.path)/us/certs")
        let before = "\(place.path)/before"
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: before)
        let (pin, _) = try Self.isStolen(place)
        let list = try String(contentsOfFile: "\(certs)/tls.replaced", encoding: .utf8)
        // Only the list was written.
        try FileManager.default.removeItem(atPath: "\(place.path)/us")
        try FileManager.default.copyItem(atPath: before, toPath: "\(place.path)/us")
        try list.write(toFile: "\(certs)/tls.replaced", atomically: false, encoding: .utf8)
        #expect(try place.alarms("us").contains { $0.contains("`entente key stolen tls` to complete") })
        let (next, _) = try Self.isStolen(place)
        #expect(next != pin && !list.contains(next))
        #expect(try String(contentsOfFile: "\(certs)/tls.replaced", encoding: .utf8) == list)
        // The key is in its place, and the certificate is not.
        let (last, _) = try Self.isStolen(place)
        #expect(rename("\(certs)/tls.pem", "\(certs)/tls.next.pem") == 0)
        try FileManager.default.copyItem(atPath: "\(before)/certs/tls.pem", toPath: "\(certs)/tls.pem")
        #expect(try place.must("us", "identity").output.contains(last))
        // It is in use then, and may be stolen by now.
        let (newest, _) = try Self.isStolen(place)
        #expect(newest != last)
        #expect(!FileManager.default.fileExists(atPath: "\(keys)/tls.next.key"))
        try place.must("us", "community", "successor", "krus", "--abandon")
        let told = try place.must("us", "key", "rotate", "tls", "--json").objects.first
        #expect(told?["key_id"] as? String == newest)
        #expect(!FileManager.default.fileExists(atPath: "\(certs)/tls.replaced"))
        #expect(try !place.alarms("us").contains { $0.contains("TLS key") })
    }

    /// As a crash leaves it while partners are waited for: the new key is announced, and what was stolen is noted.
    @Test func aTheftThatWasBrokenOffIsNoRotation() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let announced = try #require(place.must("us", "key", "rotate", "tls", "--json").objects.first)
        let list = "\(place.path)/us/certs/tls.replaced"
        let (stolen, next) = (announced["previous_key_id"] as? String, announced["key_id"] as? String)
        try "\(try #require(stolen))\n".write(toFile: list, atomically: false, encoding: .utf8)
        #expect(chmod(list, 0o600) == 0)
        #expect(try place.alarms("us").contains { $0.contains("`entente key stolen tls` to complete") })
        for more in [[], ["--finish"]] {
            let refused = try Entente.run(["--home", "\(place.path)/us", "key", "rotate", "tls"] + more)
            #expect(refused.status == 77 && refused.errors.contains("`entente key stolen tls`"), "\(refused.errors)")
        }
        let ended = try place.must("us", "key", "stolen", "tls", "--json").objects.first
        #expect(ended?["key_id"] as? String == next && ended?["step"] as? String == "switched")
        #expect(!FileManager.default.fileExists(atPath: list))
        #expect(try place.alarms("us") == [])
        try place.expectSound("us")
    }

    private static func size(_ place: Place, _ node: String) throws -> Int? {
        try place.size(of: "us.example/krus", at: node)
    }

    /// Another mirror key ends every connection, and partners are just coming back when the TLS key is replaced.
    @Test func whoIsJustComingBackSeesTheNewKeyAndWhoIsAwayIsNamed() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        try place.serve("us")
        try place.serve("kr")
        #expect(try Entente.waits { try Self.size(place, "kr") == Self.size(place, "us") })
        for round in 0..<3 {
            // The running node has noted that they have met.
            #expect(
                try Entente.waits {
                    let peers = try place.must("us", "status", "--json").objects.first?["peers"] as? [[String: Any]]
                    return peers?.first { $0["node"] as? String == "kr.example" }?["last_heard"] is String
                })
            try place.must("us", "key", "stolen", "mirror")
            let stolen = try place.must("us", "key", "stolen", "tls", "--json")
            #expect(stolen.objects.first?["missing"] as? [String] == ["jp.example"], "round \(round)")
            #expect(stolen.errors.contains("give jp.example the new card"), "\(stolen.errors)")
            #expect(try Entente.waits { try place.run("us", "sync", "kr.example").status == 0 })
        }
        #expect(try Entente.waits { try Self.size(place, "kr") == Self.size(place, "us") })
        for node in ["us", "kr"] { #expect(try place.alarms(node) == []) }
        place.stop()
    }

    @Test func killedAtAnyMomentAReplacementIsCompletedOrBegunAnew() throws {
        let place = try Place()
        try place.federate("us", "kr")
        var delay: UInt32 = 2_000
        var killed = 0
        for _ in 0..<10 {
            let (process, _, _) = try Entente.start(["--home", "\(place.path)/us", "key", "stolen", "tls"])
            usleep(delay)
            delay += 4_000
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            if process.terminationReason == .uncaughtSignal { killed += 1 }
            try place.must("us", "key", "stolen", "tls")
            #expect(try place.alarms("us") == [])
            let states = try place.must("us", "key", "list", "--json").objects
                .filter { $0["role"] as? String == "tls" }.map { $0["state"] as? String }
            #expect(states == ["current"])
        }
        #expect(killed > 0)
        try place.expectSound("us")
        place.stop()
    }
}
