import Foundation
import Glibc
import Testing

/// New TLS keys for old, with the real program.
@Suite(.serialized) struct TLSRotationTests {
    private static func rotate(_ place: Place, _ arguments: String...) throws -> [String: Any] {
        let outcome = try Entente.run(["--home", "\(place.path)/us", "key", "rotate", "tls", "--json"] + arguments)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return try #require(outcome.objects.first)
    }

    /// The pin of the TLS key in this state.
    private static func pin(_ place: Place, _ node: String, _ state: String = "current") throws -> String? {
        try place.must(node, "key", "list", "--json").objects
            .first { $0["role"] as? String == "tls" && $0["state"] as? String == state }?["key_id"] as? String
    }

    private static func announced(_ place: Place) throws -> [String]? {
        let status = try place.must("us", "status", "--json").objects.first
        return (status?["announced_tls_key"] as? [String: Any])?["missing"] as? [String]
    }

    private static func syncs(_ place: Place, _ node: String, at location: SourceLocation = #_sourceLocation) throws {
        let report = try place.run(node, "sync", "us.example", "--json")
        #expect(report.status == 0, "\(report.output) \(report.errors)", sourceLocation: location)
        #expect(
            try place.size(of: "us.example/krus", at: node) == place.size(of: "us.example/krus", at: "us"),
            sourceLocation: location)
    }

    private static func isSound(_ place: Place, _ nodes: String...) throws {
        for node in nodes {
            try place.expectSound(node)
            #expect(try place.alarms(node) == [], "\(node)")
        }
    }

    /// Waits until two running nodes hold the same of us's log.
    private static func expectArrival(_ place: Place, _ node: String, at location: SourceLocation = #_sourceLocation)
        throws
    {
        let size = try place.size(of: "us.example/krus", at: "us")
        let has = try Entente.waits { try place.size(of: "us.example/krus", at: node) == size }
        #expect(has, sourceLocation: location)
    }

    @Test func twoRunningNodesChangeWithoutARestartOnceThePartnerHasTheRecord() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.serve("us")
        try place.serve("kr")
        try Self.expectArrival(place, "kr")
        let old = try #require(try Self.pin(place, "us"))
        let rotation = try Self.rotate(place)
        #expect(rotation["step"] as? String == "announced")
        #expect(rotation["missing"] as? [String] == ["kr.example"])
        let new = try #require(rotation["key_id"] as? String)
        // The partner confirms, and the running node goes on by itself.
        #expect(try Entente.waits { try Self.pin(place, "us") == new })
        try place.submit("us", "after")
        try Self.expectArrival(place, "kr")
        // New connections, either way.
        try Self.syncs(place, "kr")
        #expect(try place.run("us", "sync", "kr.example").status == 0)
        let card = try place.must("us", "identity").output
        #expect(card.contains(new) && !card.contains(old))
        try Self.isSound(place, "us", "kr")
        place.stop()
    }

    @Test func partnersAcceptBothKeysFromTheRecordOnAndTheOldOneNoMoreOnceItIsRetired() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        // Whoever has the old key and certificate.
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/thief")
        let old = try #require(try Self.pin(place, "us"))
        var us = try place.serve("us")
        for node in ["kr", "jp"] { try Self.syncs(place, node) }
        us.terminate()
        us.waitUntilExit()

        let new = try #require(try Self.rotate(place)["key_id"] as? String)
        #expect(try Self.pin(place, "us") == old)
        #expect(try Self.pin(place, "us", "announced") == new)
        let card = try place.must("us", "identity").output
        #expect(card.contains(old) && card.contains(new))
        us = try place.serve("us")
        try Self.syncs(place, "kr")
        #expect(try Self.announced(place) == ["jp.example"])
        // Nothing is used before the last one has confirmed, however often the command is run.
        #expect(try Self.rotate(place)["step"] as? String == "announced")
        #expect(try Self.pin(place, "us") == old)
        #expect(try place.run("jp", "sync", "us.example").status == 0)
        #expect(try Entente.waits { try Self.pin(place, "us") == new })
        #expect(try Self.announced(place) == nil)
        // With the announced key, which the record alone has told of; this brings the retirement.
        for node in ["kr", "jp"] { try Self.syncs(place, node) }
        for node in ["kr", "jp"] { try Self.syncs(place, node) }
        try Self.isSound(place, "us", "kr", "jp")
        us.terminate()
        us.waitUntilExit()

        // The retired certificate opens nothing, as server or as client.
        try place.serve("thief")
        let server = try place.run("kr", "sync", "us.example")
        #expect(server.status == 77)
        #expect(server.errors.contains("new card"))
        place.stop()
        try place.serve("kr")
        let client = try place.run("thief", "sync", "kr.example")
        #expect(client.status == 77)
        #expect(try place.run("us", "sync", "kr.example").status == 0)
        place.stop()
    }

    @Test func whoWasAwayIsToldInWordsOnBothSidesAndANewCardHelps() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let first = try Self.rotate(place)
        #expect(first["missing"] as? [String] == ["kr.example"])
        let last = try Self.rotate(place, "--finish")
        #expect(last["step"] as? String == "switched")
        #expect(last["missing"] as? [String] == ["kr.example"])

        try place.serve("us")
        let there = try place.run("kr", "sync", "us.example")
        #expect(there.status == 77)
        there.expectOneLine()
        #expect(there.errors.contains("us.example") && there.errors.contains("`entente peer add --replace` here"))
        place.stop()
        try place.serve("kr")
        let here = try place.run("us", "sync", "kr.example")
        #expect(here.status == 77)
        here.expectOneLine()
        #expect(here.errors.contains("give it our new card") && here.errors.contains("`entente identity` here"))
        place.stop()

        let card = try place.file("us-new.yaml", try place.must("us", "identity").output)
        try place.must("kr", "peer", "add", card, "--replace")
        try place.serve("us")
        try Self.syncs(place, "kr")
        try Self.isSound(place, "us", "kr")
        place.stop()
    }

    @Test func aCardThatIsReplacedLaterByHandKnowsBetter() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.serve("us")
        try Self.syncs(place, "kr")
        place.stop()
        // The card from before the rotation comes again, with another log beside: a replaced card.
        _ = try Self.rotate(place, "--finish")
        place.stop()
        let fresh = try place.must("us", "identity").output
        try place.must("kr", "peer", "add", place.file("new.yaml", fresh), "--replace")
        try place.serve("us")
        try Self.syncs(place, "kr")
        try Self.isSound(place, "kr")
        try place.must("kr", "peer", "add", "\(place.path)/us.yaml", "--replace")
        let alarms = try place.alarms("kr")
        #expect(alarms.contains { $0.contains("the card of us.example, which came later") }, "\(alarms)")
        #expect(try place.run("kr", "sync", "us.example").status == 77)
        place.stop()
    }

    @Test func killedAtAnyMomentARotationIsCompletedByTheSameCommand() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.must("us", "community", "add", "asia")
        var delay: UInt32 = 2_000
        var killed = 0
        for _ in 0..<12 {
            let (process, _, _) = try Entente.start(
                ["--home", "\(place.path)/us", "key", "rotate", "tls", "--finish", "--json"])
            usleep(delay)
            delay += 4_000
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            if process.terminationReason == .uncaughtSignal { killed += 1 }
            // Whatever is left over, the node has an identity.
            try place.must("us", "identity", "--community", "krus")
            // Once ends what was begun, and once more changes the key.
            _ = try Self.rotate(place, "--finish")
            #expect(try place.alarms("us") == [])
            #expect(try Self.pin(place, "us", "overlap") == nil)
            #expect(try Self.pin(place, "us", "begun") == nil)
        }
        #expect(killed > 0)
        try place.expectSound("us")
        let card = try place.must("us", "identity", "--community", "krus").output
        try place.must("kr", "peer", "add", place.file("us-new.yaml", card), "--replace")
        try place.serve("us")
        try Self.syncs(place, "kr")
        place.stop()
    }

    /// Files as a crash leaves them between two steps of the switch.
    @Test func aSwitchThatWasBrokenOffGoesOnWhereItStood() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let old = try #require(try Self.pin(place, "us"))
        let new = try #require(try Self.rotate(place)["key_id"] as? String)
        let (keys, certs) = ("\(place.path)/us/keys", "\(place.path)/us/certs")
        // The key is in its place, the certificate is not, and nothing is retired.
        #expect(rename("\(keys)/tls.next.key", "\(keys)/tls.key") == 0)
        #expect(try Self.pin(place, "us") == new)
        #expect(try place.alarms("us").contains { $0.contains("key rotate tls") })
        try place.serve("us")
        place.stop()
        let done = try Self.rotate(place)
        #expect(done["step"] as? String == "switched")
        #expect(done["key_id"] as? String == new && done["previous_key_id"] as? String == old)
        #expect(!FileManager.default.fileExists(atPath: "\(certs)/tls.next.pem"))
        #expect(try place.alarms("us") == [])
        // A key without its certificate: a rotation that had only begun.
        let third = try #require(try Self.rotate(place)["key_id"] as? String)
        #expect(unlink("\(certs)/tls.next.pem") == 0)
        #expect(try place.alarms("us").contains { $0.contains("key rotate tls") })
        #expect(try Self.rotate(place)["key_id"] as? String == third)
        try place.expectSound("us")
    }

    @Test func aStolenKeyIsRetiredAtOnceAndConnectedPartnersFollow() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/thief")
        try place.serve("us")
        try place.serve("kr")
        try Self.expectArrival(place, "kr")
        let old = try #require(try Self.pin(place, "us"))
        let announced = try #require(try Self.rotate(place)["key_id"] as? String)
        let stolen = try place.must("us", "key", "stolen", "tls", "--json").objects.first
        let new = try #require(stolen?["key_id"] as? String)
        #expect(![old, announced].contains(new))
        #expect(try Self.pin(place, "us") == new)
        try Self.expectArrival(place, "kr")
        #expect(try Entente.waits { try place.run("thief", "sync", "kr.example").status == 77 })
        #expect(try Entente.waits { try place.run("us", "sync", "kr.example").status == 0 })
        try place.submit("us", "after")
        try Self.expectArrival(place, "kr")
        try Self.isSound(place, "us", "kr")
        place.stop()
    }

    /// Partners whose cards name an authority go by the name in the certificate: there is nothing to publish.
    @Test func aCertificateThatAnAuthorityHasIssuedIsNotReplacedByItself() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let (home, made) = ("\(place.path)/us", "\(place.path)/authority")
        try FileManager.default.createDirectory(atPath: made, withIntermediateDirectories: false)
        for arguments in [
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                "-subj",
                "/CN=authority", "-keyout", "\(made)/ca.key", "-out", "\(made)/ca.pem",
            ],
            ["req", "-new", "-key", "\(home)/keys/tls.key", "-subj", "/CN=us.example", "-out", "\(made)/us.csr"],
            [
                "x509", "-req", "-in", "\(made)/us.csr", "-CA", "\(made)/ca.pem", "-CAkey", "\(made)/ca.key",
                "-CAcreateserial", "-days", "30", "-out", "\(home)/certs/tls.pem",
            ],
        ] {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
            process.arguments = arguments
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            try #require(process.terminationStatus == 0)
        }
        let before = try place.size(of: "us.example/krus", at: "us")
        for command in [["rotate", "tls"], ["rotate", "tls", "--finish"], ["stolen", "tls"]] {
            let refused = try Entente.run(["--home", home, "key"] + command)
            #expect(refused.status == 77, "\(command)")
            refused.expectOneLine()
            #expect(refused.errors.contains("issued by an authority"), "\(refused.errors)")
        }
        #expect(!FileManager.default.fileExists(atPath: "\(home)/keys/tls.next.key"))
        #expect(try place.size(of: "us.example/krus", at: "us") == before)
        #expect(try place.alarms("us") == [])
    }
}
