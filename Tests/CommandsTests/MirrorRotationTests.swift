import Foundation
import Glibc
import Testing

/// New mirror keys for old, with the real program.
@Suite(.serialized) struct MirrorRotationTests {
    private static func keys(_ place: Place, _ node: String, _ state: String) throws -> [String] {
        try place.must(node, "key", "list", "--json").objects
            .filter { $0["role"] as? String == "mirror" && $0["state"] as? String == state }
            .compactMap { $0["public_key"] as? String }
    }

    private static func isSound(_ place: Place, _ nodes: String...) throws {
        for node in nodes {
            let report = try place.must(node, "verify", "--json").objects.first
            #expect(report?["ok"] as? Bool == true, "\(node): \(report ?? [:])")
            #expect((report?["unproved"] as? [String])?.isEmpty == true, "\(node): \(report?["unproved"] ?? "")")
            #expect(try place.alarms(node) == [], "\(node)")
        }
    }

    private static func hasCosigned(_ place: Place, _ cosigner: String, _ origin: String, at node: String) throws
        -> Bool
    {
        (try place.log(origin, at: node)?["cosigned_by"] as? [String])?.contains("\(cosigner).example") == true
    }

    @Test func partnersLearnTheNewKeyFromTheLogAndOldCosignaturesStayGood() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        try place.serve("us")
        try place.submit("us", "first")
        for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
        let old = try #require(try Self.keys(place, "kr", "current").first)
        let rotation = try place.must("kr", "key", "rotate", "mirror", "--json").objects.first
        let new = try #require(rotation?["vkey"] as? String)
        #expect(rotation?["previous_vkey"] as? String == old)
        #expect(try Self.keys(place, "kr", "current") == [new])
        #expect(try Self.keys(place, "kr", "replaced") == [old])
        try place.submit("us", "second")
        for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
        #expect(try Self.hasCosigned(place, "kr", "us.example/krus", at: "us"))
        #expect(try Self.hasCosigned(place, "kr", "us.example/krus", at: "jp"))
        try Self.isSound(place, "us", "kr", "jp")
        // A card from then on has the new key, and leads back to the old one.
        let card = try place.must("kr", "identity").output
        #expect(card.contains(new) && !card.contains(old))
        try place.must("jp", "peer", "add", place.file("kr-new.yaml", card), "--replace")
        try Self.isSound(place, "jp")
        place.stop()
    }

    @Test func runningNodesSignWithTheNewKeyWithoutARestart() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.serve("us")
        try place.serve("kr")
        try place.submit("us", "first")
        #expect(try Entente.waits { try Self.hasCosigned(place, "kr", "us.example/krus", at: "us") })
        try place.must("kr", "key", "rotate", "mirror")
        try place.submit("us", "second")
        try place.submit("kr", "third")
        #expect(try Entente.waits { try Self.hasCosigned(place, "kr", "us.example/krus", at: "us") })
        #expect(try Entente.waits { try Self.hasCosigned(place, "us", "kr.example/krus", at: "kr") })
        try place.must("kr", "key", "stolen", "mirror")
        try place.submit("us", "fourth")
        #expect(try Entente.waits { try Self.hasCosigned(place, "kr", "us.example/krus", at: "us") })
        #expect(try Self.keys(place, "kr", "replaced").count == 2)
        try Self.isSound(place, "us", "kr")
        place.stop()
    }

    @Test func killedAtAnyMomentARotationIsDoneOrNotAndTheSameCommandCompletesIt() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.must("us", "community", "add", "asia")
        var delay: UInt32 = 2_000
        var killed = 0
        for _ in 0..<10 {
            let (process, _, _) = try Entente.start(["--home", "\(place.path)/us", "key", "rotate", "mirror", "--json"])
            usleep(delay)
            delay += 5_000
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            if process.terminationReason == .uncaughtSignal { killed += 1 }
            try place.must("us", "key", "rotate", "mirror")
            #expect(try place.alarms("us") == [])
        }
        #expect(killed > 0)
        // The partner has the first key only.
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        try Self.isSound(place, "us", "kr")
        place.stop()
    }

    @Test func aCosignatureByAKeyOutsideTheChainIsRefusedAndAnAlarm() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.found("other", named: "kr")
        try place.serve("us")
        try FileManager.default.copyItem(atPath: "\(place.path)/kr", toPath: "\(place.path)/thief")
        let keys = "\(place.path)/thief/keys"
        try FileManager.default.removeItem(atPath: "\(keys)/mirror.key")
        try FileManager.default.copyItem(atPath: "\(place.path)/other/keys/mirror.key", toPath: "\(keys)/mirror.key")
        _ = try place.run("thief", "sync", "us.example")
        #expect(try !Self.hasCosigned(place, "kr", "us.example/krus", at: "us"))
        #expect(try place.alarms("us").contains { $0.contains("a cosignature of kr.example") })
        place.stop()
    }
}
