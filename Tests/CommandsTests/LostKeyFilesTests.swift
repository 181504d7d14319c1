import Foundation
import Testing

/// One file of keys/ or certs/ is gone and in no backup: the node says which and what to do, and that works.
@Suite(.serialized) struct LostKeyFilesTests {
    private static func remove(_ place: Place, _ files: String...) throws {
        for file in files { try FileManager.default.removeItem(atPath: "\(place.path)/us/\(file)") }
    }

    /// us and kr have met, and hold what the other has written.
    private static func federated() throws -> Place {
        let place = try Place()
        try place.federate("us", "kr")
        try place.submit("us", "first")
        try place.submit("kr", "second")
        try meet(place)
        return place
    }

    private static func meet(_ place: Place) throws {
        try place.serve("us")
        for _ in 0..<2 { try place.must("kr", "sync", "us.example") }
        place.stop()
    }

    /// kr takes the card that us has now.
    private static func takeCard(_ place: Place) throws {
        let card = try place.file("us-new.yaml", try place.must("us", "identity").output)
        try place.must("kr", "peer", "add", card, "--replace")
    }

    private static func keys(_ place: Place, _ role: String) throws -> [[String: Any]] {
        try place.must("us", "key", "list", "--json").objects.filter { $0["role"] as? String == role }
    }

    /// Every way of reading goes on, and the alarm names the file and each of these.
    private static func expectAlarm(
        _ place: Place, _ file: String, _ ways: String..., at location: SourceLocation = #_sourceLocation
    ) throws {
        let all = try place.alarms("us")
        let alarms = all.filter { $0.hasPrefix("\(file) is gone") }
        #expect(alarms.count == 1, "\(all)", sourceLocation: location)
        for way in ways { #expect(alarms.first?.contains(way) == true, "\(alarms)", sourceLocation: location) }
        #expect(try place.run("us", "status", "--check").status == 1, sourceLocation: location)
        #expect(try place.must("us", "key", "list", at: location).errors.contains("\(file) is gone"))
        try place.expectSound("us", at: location)
        #expect(try place.must("us", "search", "first", "--json").objects.count == 1, sourceLocation: location)
        try place.must("us", "show", "us.example/krus#1", at: location)
    }

    /// What needs the file is refused in one line that names it and the way on.
    private static func expectRefusal(
        _ place: Place, _ file: String, _ way: String, _ commands: [String]...,
        at location: SourceLocation = #_sourceLocation
    ) throws {
        for command in commands {
            let refused = try Entente.run(["--home", "\(place.path)/us"] + command)
            #expect(refused.status == 66, "\(command): \(refused.output)", sourceLocation: location)
            #expect(
                refused.errors.contains("\(file): is gone") && refused.errors.contains(way), "\(refused.errors)",
                sourceLocation: location)
            refused.expectOneLine("\(command)", at: location)
        }
    }

    // MARK: Log keys

    @Test(arguments: [["community", "successor", "krus", "--abandon"], ["key", "stolen", "log", "--yes"]])
    func withoutItsKeyALogIsReadAndGivenUp(way: [String]) throws {
        let place = try Self.federated()
        let card = try place.must("us", "identity").output
        try Self.remove(place, "keys/log-krus.key")
        try Self.expectAlarm(
            place, "keys/log-krus.key", "backup of keys/", "entente community successor krus --abandon")
        #expect(try Self.keys(place, "log").first?["state"] as? String == "lost")
        // Partners know the log by the key that it has, whoever has the private one.
        #expect(try place.must("us", "identity").output == card)
        try Self.meet(place)
        try Self.expectRefusal(
            place, "keys/log-krus.key", "community successor krus --abandon",
            ["submit", "attribution", "--field", "chain=BTC", "--field", "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"],
            ["key", "rotate", "log"], ["key", "rotate", "mirror"], ["community", "successor", "krus"])

        let given = try Entente.run(["--home", "\(place.path)/us"] + way)
        #expect(given.status == 0, "\(given.errors)")
        #expect(!given.errors.contains("no partner has confirmed"), "\(given.errors)")
        try Self.takeCard(place)
        try place.submit("us", "in the successor")
        try Self.meet(place)
        #expect(try place.size(of: "us.example/krus/2", at: "kr") == place.size(of: "us.example/krus/2", at: "us"))
        for node in ["us", "kr"] {
            #expect(try place.alarms(node) == [])
            try place.expectSound(node)
        }
    }

    @Test func whatNobodyElseHasIsSaidBeforeALogWithoutAKeyIsGivenUp() throws {
        let place = try Self.federated()
        try place.submit("us", "alone")
        let size = try place.size(of: "us.example/krus", at: "us")
        try Self.remove(place, "keys/log-krus.key")
        let given = try place.must("us", "community", "successor", "krus", "--abandon")
        #expect(given.errors.contains("holds entry #\(size - 1) of us.example/krus"), "\(given.errors)")
    }

    /// Killed between the record and the renaming, a rotation leaves the old file, which signs nothing any more.
    @Test func theKeyThatARotationHasPublishedIsEnoughAlone() throws {
        let place = try Self.federated()
        try place.must("us", "key", "rotate", "log")
        let keys = "\(place.path)/us/keys"
        try FileManager.default.moveItem(atPath: "\(keys)/log-krus.key", toPath: "\(keys)/log-krus.next.key")
        #expect(try place.alarms("us").filter { $0.contains("`entente key rotate log` to complete it") }.count == 1)
        try place.submit("us", "before it is completed")
        try place.must("us", "key", "rotate", "log")
        #expect(FileManager.default.fileExists(atPath: "\(keys)/log-krus.key"))
        #expect(try place.alarms("us") == [])
        try place.checkAllHoldTheSameWithMeeting(Self.meet)
        try place.expectSound("us")
    }

    @Test func theKeyOfARotationThatWasOnlyBegunIsNoneOfTheLog() throws {
        let place = try Self.federated()
        try? FileManager.default.removeItem(atPath: "\(place.path)/us/node.sock")
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/copy")
        try place.must("copy", "key", "rotate", "log")
        let keys = "\(place.path)/us/keys"
        try FileManager.default.copyItem(
            atPath: "\(place.path)/copy/keys/log-krus.key", toPath: "\(keys)/log-krus.next.key")
        try Self.remove(place, "keys/log-krus.key")
        try Self.expectAlarm(
            place, "keys/log-krus.key", "of a rotation that was begun, is none of that log yet",
            "entente community successor krus --abandon")
        try Self.expectRefusal(
            place, "keys/log-krus.key", "community successor krus --abandon",
            ["submit", "attribution", "--field", "chain=BTC", "--field", "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"],
            ["key", "rotate", "log"])
        try place.must("us", "community", "successor", "krus", "--abandon")
        try place.submit("us", "in the successor")
        #expect(try place.alarms("us") == [])
        try place.expectSound("us")
    }

    @Test func aKeyThatIsPutBackIsAsGoodAsBefore() throws {
        let place = try Self.federated()
        let keys = "\(place.path)/us/keys"
        try FileManager.default.moveItem(atPath: "\(keys)/log-krus.key", toPath: "\(place.path)/kept")
        #expect(try place.alarms("us").count == 1)
        try FileManager.default.moveItem(atPath: "\(place.path)/kept", toPath: "\(keys)/log-krus.key")
        #expect(try place.alarms("us") == [])
        try place.checkAllHoldTheSameWithMeeting(Self.meet)
    }

    /// The log before it was given up, and its key may be in other hands.
    @Test func withoutTheKeyOfASuccessorNothingIsWrittenInTheLogBeforeIt() throws {
        let place = try Self.federated()
        try place.must("us", "key", "stolen", "log", "--yes")
        let size = try place.size(of: "us.example/krus", at: "us")
        try Self.remove(place, "keys/log-krus.2.key")
        try Self.expectRefusal(
            place, "keys/log-krus.2.key", "community successor krus --abandon",
            ["submit", "attribution", "--field", "chain=BTC", "--field", "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"])
        #expect(try place.alarms("us").contains { $0.hasPrefix("keys/log-krus.2.key is gone") })
        try place.must("us", "community", "successor", "krus", "--abandon")
        try place.submit("us", "in the successor")
        #expect(try place.size(of: "us.example/krus", at: "us") == size)
        #expect(try place.size(of: "us.example/krus/3", at: "us") > 1)
        #expect(try place.alarms("us") == [])
    }

    @Test func anotherCommunityIsNotHeldUpByALostLogKey() throws {
        let place = try Self.federated()
        try place.must("us", "community", "add", "asia")
        try Self.remove(place, "keys/log-krus.key")
        let rotation = try place.must("us", "key", "rotate", "mirror", "--json").objects.first
        #expect(rotation?["published"] as? [String] == ["us.example/asia"])
        #expect(rotation?["waiting"] as? [String] == ["us.example/krus"])
        try place.must("us", "community", "successor", "krus", "--abandon")
        // It says what the other log says.
        #expect(try place.alarms("us") == [])
        let said = try place.must("us", "show", "us.example/krus/2#1", "--json").objects.first
        #expect((said?["record"] as? [String: Any])?["role"] as? String == "mirror", "\(said ?? [:])")
    }

    /// Whoever comes back to a community comes back to its log, and to no other under its name.
    @Test func aCommunityIsNotJoinedAgainUnderAnotherKey() throws {
        let place = try Self.federated()
        try place.must("us", "community", "remove", "krus")
        try Self.remove(place, "keys/log-krus.key")
        let refused = try place.run("us", "community", "add", "krus")
        #expect(refused.status == 66 && refused.errors.contains("keys/log-krus.key: is gone"), "\(refused.errors)")
        #expect(!FileManager.default.fileExists(atPath: "\(place.path)/us/keys/log-krus.key"))
    }

    // MARK: The mirror key

    @Test(arguments: ["rotate", "stolen"]) func aLostMirrorKeyIsReplacedAndPartnersFollow(way: String) throws {
        let place = try Self.federated()
        try Self.remove(place, "keys/mirror.key")
        try Self.expectAlarm(place, "keys/mirror.key", "backup of keys/", "entente key rotate mirror")
        #expect(try Self.keys(place, "mirror").first?["state"] as? String == "lost")
        #expect(try place.alarms("us").allSatisfy { !$0.contains("the new card") })
        try Self.expectRefusal(
            place, "keys/mirror.key", "entente key rotate mirror", ["run"], ["sync"], ["identity"], ["recover"])

        let report = try place.must("us", "key", way, "mirror", "--json")
        #expect(report.objects.first?["needs_card"] as? Bool == false && !report.errors.contains("new card"))
        #expect(report.objects.first?["resumed"] as? Bool == false)
        // Nobody is given a card: what us has cosigned before and cosigns from now on counts by its log alone.
        try place.submit("kr", "third")
        try Self.meet(place)
        #expect(try place.log("kr.example/krus", at: "kr")?["cosigned_by"] as? [String] == ["us.example"])
        for node in ["us", "kr"] {
            #expect(try place.alarms(node) == [])
            let unproved = try place.must(node, "verify", "--json").objects.first?["unproved"] as? [String]
            #expect(unproved == [], "\(node): \(unproved ?? [])")
        }
        #expect(try Self.keys(place, "mirror").map { $0["state"] as? String } == ["current", "replaced"])
    }

    /// A home of an earlier release that was not run since has no note of the key.
    @Test func whereNobodyKnowsWhichKeyItWasPartnersNeedTheNewCard() throws {
        let place = try Self.federated()
        try Self.remove(place, "keys/mirror.key", "certs/mirror.vkey")
        #expect(try place.alarms("us").contains { $0.hasPrefix("keys/mirror.key is gone") && $0.contains("new card") })
        let report = try place.must("us", "key", "rotate", "mirror", "--json")
        #expect(report.objects.first?["needs_card"] as? Bool == true)
        #expect(report.errors.contains("give them the new card"))
        try Self.takeCard(place)
        try place.submit("kr", "third")
        try Self.meet(place)
        #expect(try place.log("kr.example/krus", at: "kr")?["cosigned_by"] as? [String] == ["us.example"])
        for node in ["us", "kr"] { #expect(try place.alarms(node) == []) }
        // The next one is led to as always.
        try place.must("us", "key", "rotate", "mirror")
        try place.submit("kr", "fourth")
        try Self.meet(place)
        #expect(try place.log("kr.example/krus", at: "kr")?["cosigned_by"] as? [String] == ["us.example"])
        try place.expectSound("kr")
    }

    /// A recovery needs a key to answer with, and no log tells of it before the recovery is done.
    @Test func aLostMirrorKeyIsReplacedBeforeARecovery() throws {
        let place = try Self.federated()
        try Self.remove(place, "keys/mirror.key")
        place.loseDatabase("us")
        let report = try place.must("us", "key", "rotate", "mirror", "--json")
        #expect(report.objects.first?["needs_card"] as? Bool == true)
        #expect(report.objects.first?["published"] as? [String] == [])
        try place.serve("kr")
        try place.must("us", "recover")
        #expect(try place.alarms("us").contains { $0.contains("entente key rotate mirror") })
        let told = try place.must("us", "key", "rotate", "mirror", "--json").objects.first
        #expect(told?["needs_card"] as? Bool == false)
        #expect(told?["vkey"] as? String == report.objects.first?["vkey"] as? String)
        try place.submit("kr", "third")
        for _ in 0..<2 { try place.must("us", "sync") }
        #expect(try place.log("kr.example/krus", at: "kr")?["cosigned_by"] as? [String] == ["us.example"])
        for node in ["us", "kr"] { #expect(try place.alarms(node) == []) }
    }

    @Test func aHomeWhoseMirrorKeyIsLostIsRestoredAndRebuilt() throws {
        let place = try Self.federated()
        let file = "\(place.path)/us.entente"
        try place.must("us", "backup", file)
        try place.lose("us", keeping: ["keys"])
        try Self.remove(place, "keys/mirror.key")
        try place.must("us", "restore", file)
        try place.must("us", "key", "rotate", "mirror")
        try place.serve("kr")
        try place.must("us", "recover")

        try Self.remove(place, "keys/mirror.next.key")
        let port = try place.keepOnlyKeysAndPeers("us")
        // What recover needs is there but for that key, and the home is made before it is missed.
        let first = try place.run("us", "recover", "--listen", "127.0.0.1:\(port)")
        #expect(first.status == 66 && first.errors.contains("entente key rotate mirror"), "\(first.errors)")
        try place.must("us", "key", "rotate", "mirror")
        try place.must("us", "recover")
    }

    // MARK: TLS

    @Test func aLostCertificateIsMadeAgainForItsKey() throws {
        let place = try Self.federated()
        let card = try place.must("us", "identity").output
        try Self.remove(place, "certs/tls.pem")
        try Self.expectAlarm(place, "certs/tls.pem", "from a backup", "entente recover")
        try Self.expectRefusal(place, "certs/tls.pem", "entente recover", ["run"], ["sync"], ["identity"])
        try place.serve("kr")
        let made = try place.must("us", "recover")
        #expect(made.errors.contains("made certs/tls.pem again"))
        place.stop()
        #expect(try place.must("us", "identity").output == card)
        #expect(try place.alarms("us") == [])
        try Self.meet(place)
    }

    /// With the certificate, or the key, or both gone a new key is made; who does not hear of it needs the card.
    @Test(arguments: [["certs/tls.pem"], ["keys/tls.key"], ["certs/tls.pem", "keys/tls.key"]])
    func aLostTLSKeyIsReplaced(files: [String]) throws {
        let place = try Self.federated()
        let before = try Self.keys(place, "tls").first?["key_id"] as? String
        for file in files { try Self.remove(place, file) }
        for file in files { #expect(try place.alarms("us").contains { $0.hasPrefix("\(file) is gone") }) }
        try place.must("us", "key", "stolen", "tls")
        #expect(try place.alarms("us") == [])
        let after = try Self.keys(place, "tls").first
        #expect(after?["state"] as? String == "current" && after?["key_id"] as? String != before)
        try Self.takeCard(place)
        try place.submit("us", "third")
        try Self.meet(place)
        #expect(try place.size(of: "us.example/krus", at: "kr") == place.size(of: "us.example/krus", at: "us"))
        for node in ["us", "kr"] { #expect(try place.alarms(node) == []) }
    }

    @Test func aLostCertificateIsNoObstacleToARotation() throws {
        let place = try Self.federated()
        try Self.remove(place, "certs/tls.pem")
        #expect(try place.must("us", "key", "rotate", "tls", "--json").objects.first?["step"] as? String == "announced")
        try Self.meet(place)
        #expect(try place.alarms("us") == [])
    }

    // MARK: The passphrase

    /// The running node has the passphrase, and makes new keys for commands as it does where none is lost.
    @Test func theRunningNodeMakesKeysInThePlaceOfLostOnes() throws {
        let place = try Place()
        let phrase = try place.file("phrase", "correct horse battery\n")
        try place.found("us", under: phrase)
        try place.serve("us", under: phrase)
        try Self.remove(place, "keys/mirror.key", "keys/log-krus.key", "certs/tls.pem")
        for command in [
            ["community", "successor", "krus", "--abandon"], ["key", "rotate", "mirror"], ["key", "stolen", "tls"],
        ] {
            let outcome = try place.detached("us", command)
            #expect(outcome.status == 0, "\(command): \(outcome.errors)")
        }
        #expect(try place.isEncrypted("us"))
        try place.submit("us", "in the successor")
        #expect(try place.alarms("us") == [])
    }

    private static let line = """
        {"v":1,"type":"attribution","time":"2025-01-01T00:00:00Z","author":"x","tlp":"green",\
        "subject":{"chain":"eip155:1","address":"0x098B716B8Aaf21512996dC57EB0615e2383E2f96"},"label":"imported"}

        """

    @Test func theRunningNodeMakesTheKeyForDoubles() throws {
        let place = try Place()
        let phrase = try place.file("phrase", "correct horse battery\n")
        try place.found("us", under: phrase)
        try place.serve("us", under: phrase)
        let lines = try place.file("lines.jsonl", Self.line)
        try place.must("us", "import", lines)
        try Self.remove(place, "keys/doubles.key")
        let refused = try place.detached("us", ["import", lines])
        #expect(refused.status == 66 && refused.errors.contains("`entente recover`"), "\(refused.errors)")
        let recovered = try place.detached("us", ["recover"])
        #expect(recovered.status == 0, "\(recovered.errors)")
        #expect(try place.isEncrypted("us"))
        let again = try place.detached("us", ["import", lines, "--json"]).objects.first
        #expect(again?["imported"] as? Int == 0 && again?["duplicates"] as? Int == 1, "\(again ?? [:])")
        #expect(try place.alarms("us") == [])
        place.stop()
    }

    /// Without the key no log is opened again that comes back from partners.
    @Test(arguments: [false, true]) func aRecoveryMakesTheKeyForDoubles(isRunning: Bool) throws {
        let place = try Self.federated()
        let lines = try place.file("lines.jsonl", Self.line)
        try place.must("us", "import", lines)
        try Self.meet(place)
        place.loseDatabase("us")
        try Self.remove(place, "keys/doubles.key")
        try place.serve("kr")
        if isRunning {
            try place.serve("us")
            _ = try place.run("us", "recover")
            #expect(try Entente.waits { try place.alarms("us").isEmpty })
        } else {
            try place.must("us", "recover")
        }
        let again = try place.must("us", "import", lines, "--json").objects.first
        #expect(again?["imported"] as? Int == 0 && again?["duplicates"] as? Int == 1, "\(again ?? [:])")
        #expect(try place.alarms("us") == [])
        place.stop()
    }

    /// Moving a key away is how it is lost.
    @Test func nobodyIsToldToMoveKeysAwayWithoutTheirPassphraseFile() throws {
        let place = try Place()
        try place.found("us", under: place.file("phrase", "correct horse battery\n"))
        try Self.remove(place, "keys/passphrase.lock")
        let refused = try place.run("us", "key", "rotate", "sealing")
        #expect(refused.status == 78 && refused.errors.contains("from a backup of keys/"), "\(refused.errors)")
        #expect(!refused.errors.contains("move this file"))
        refused.expectOneLine()
    }
}

extension Place {
    /// us and kr hold the same of us after one more record.
    fileprivate func checkAllHoldTheSameWithMeeting(_ meet: (Place) throws -> Void) throws {
        try submit("us", "one more")
        try meet(self)
        #expect(try size(of: "us.example/krus", at: "kr") == size(of: "us.example/krus", at: "us"))
    }
}
