import Foundation
import Testing

/// Sealing keys that are lost, or are to be destroyed by a node that does not know all that they open, with the real
/// program.
@Suite(.serialized) struct SealingLossTests {
    private static let fields = [
        "submit", "attribution", "--field", "chain=ETH", "--field",
        "address=0x098B716B8Aaf21512996dC57EB0615e2383E2f96", "--field", "label=thief", "--field", "victim=Alice",
    ]

    private static func seal(_ place: Place, _ node: String) throws -> Entente.Outcome {
        try Entente.run(["--home", "\(place.path)/\(node)"] + fields)
    }

    private static func isThere(_ place: Place, _ epoch: Int) -> Bool {
        FileManager.default.fileExists(atPath: "\(place.path)/us/keys/sealing-\(epoch).key")
    }

    private static func lose(_ place: Place, _ epoch: Int) throws {
        try FileManager.default.removeItem(atPath: "\(place.path)/us/keys/sealing-\(epoch).key")
    }

    /// What destroys or makes a key is refused as appending is, and changes nothing.
    private static func expectRefusal(_ place: Place, at location: SourceLocation = #_sourceLocation) throws {
        for command in [
            ["destroy", "1", "--yes"], ["rotate", "sealing"], ["stolen", "sealing"], ["rotate", "mirror"],
        ] {
            let outcome = try Entente.run(["--home", "\(place.path)/us", "key"] + command)
            #expect(outcome.status == 77, "\(command): \(outcome.output)\(outcome.errors)", sourceLocation: location)
            #expect(outcome.errors.contains("entente recover"), "\(outcome.errors)", sourceLocation: location)
            outcome.expectOneLine("\(command)", at: location)
        }
        let keys = try FileManager.default.contentsOfDirectory(atPath: "\(place.path)/us/keys")
        #expect(
            keys.filter { $0.hasPrefix("sealing-") || $0.contains(".next.") }.sorted() == [
                "sealing-1.key", "sealing-2.key",
            ], sourceLocation: location)
    }

    @Test func whileTheOwnLogIsNotHereOrNotWholeNoKeyIsDestroyedOrMade() throws {
        let place = try Place()
        try place.federate("us", "kr")
        #expect(try Self.seal(place, "us").status == 0)
        try place.must("us", "key", "rotate", "sealing")
        let backup = "\(place.path)/us.entente"
        try place.must("us", "backup", backup)
        #expect(try Self.seal(place, "us").status == 0)
        for name in ["node.sqlite", "node.sqlite-wal", "node.sqlite-shm"] {
            try? FileManager.default.removeItem(atPath: "\(place.path)/us/\(name)")
        }
        try Self.expectRefusal(place)
        for name in ["node.sqlite", "node.sqlite-wal", "node.sqlite-shm"] {
            try? FileManager.default.removeItem(atPath: "\(place.path)/us/\(name)")
        }
        try place.must("us", "restore", backup)
        try Self.expectRefusal(place)
        // Once it is recovered all is counted, and destroyed.
        try place.must("us", "community", "successor", "krus", "--abandon")
        let done = try place.must("us", "key", "destroy", "1", "--yes", "--json").objects.first
        #expect(done?["published"] as? [String] == ["us.example/krus/2"])
        #expect(!Self.isThere(place, 1))
    }

    @Test func whileAPartnersLogIsOfABackupNoKeyIsDestroyed() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.must("us", "key", "rotate", "sealing")
        try place.serve("kr")
        try place.must("us", "sync")
        let backup = "\(place.path)/us.entente"
        try place.must("us", "backup", backup)
        for name in ["node.sqlite", "node.sqlite-wal", "node.sqlite-shm"] {
            try? FileManager.default.removeItem(atPath: "\(place.path)/us/\(name)")
        }
        // The own log is whole, as its marks say; kr has gone on meanwhile.
        let sealed = Self.fields + ["--to", "us.example"]
        #expect(try Entente.run(["--home", "\(place.path)/kr"] + sealed).status == 0)
        let restored = try place.must("us", "restore", backup, "--json").objects.first
        #expect(restored?["recover"] as? Bool == false)
        let refused = try place.run("us", "key", "destroy", "1", "--yes")
        #expect(refused.status == 77 && refused.errors.contains("`entente sync`"), "\(refused.errors)")
        #expect(Self.isThere(place, 1))
        try place.must("us", "sync")
        try place.must("us", "key", "destroy", "1", "--yes")
    }

    /// As a crash leaves it between the record and the file: nothing is to be signed any more.
    /// Nothing in a database that was put back by hand says that it is older, but what was cosigned does.
    @Test func whileThePartnersLogIsShorterThanWhatWasCosignedNoKeyIsDestroyed() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.must("us", "key", "rotate", "sealing")
        try place.serve("kr")
        try place.must("us", "sync")
        let home = "\(place.path)/us"
        let kept = "\(place.path)/kept"
        try FileManager.default.createDirectory(atPath: kept, withIntermediateDirectories: false)
        let files = try FileManager.default.contentsOfDirectory(atPath: home).filter { $0.hasPrefix("node.sqlite") }
        for name in files { try FileManager.default.copyItem(atPath: "\(home)/\(name)", toPath: "\(kept)/\(name)") }
        #expect(try Self.seal(place, "kr").status == 0)
        try place.must("us", "sync")
        for name in try FileManager.default.contentsOfDirectory(atPath: home) where name.hasPrefix("node.sqlite") {
            try FileManager.default.removeItem(atPath: "\(home)/\(name)")
        }
        for name in files { try FileManager.default.copyItem(atPath: "\(kept)/\(name)", toPath: "\(home)/\(name)") }
        let refused = try place.run("us", "key", "destroy", "1", "--yes")
        #expect(refused.status == 77)
        #expect(refused.errors.contains("kr.example/krus has 2 entries here and had 3"), "\(refused.errors)")
        refused.expectOneLine()
        #expect(Self.isThere(place, 1))
        try place.must("us", "sync")
        try place.must("us", "key", "destroy", "1", "--yes")
    }

    @Test func underAPassphraseNoKeyIsDestroyedWithoutIt() throws {
        let place = try Place()
        let phrase = try place.file("phrase.txt", "the old passphrase\n")
        try place.found("us", under: phrase)
        #expect(try place.detached("us", ["key", "rotate", "sealing"], phrase: phrase).status == 0)
        let file = "\(place.path)/us/keys/sealing-1.key"
        try FileManager.default.copyItem(atPath: file, toPath: "\(place.path)/saved")
        #expect(try place.detached("us", ["key", "destroy", "1", "--yes"], phrase: phrase).status == 0)
        try FileManager.default.copyItem(atPath: "\(place.path)/saved", toPath: file)
        let refused = try place.detached("us", ["key", "destroy", "1", "--yes"])
        #expect(refused.status == 77, "\(refused.output)\(refused.errors)")
        #expect(Self.isThere(place, 1))
        #expect(try place.detached("us", ["key", "destroy", "1", "--yes"], phrase: phrase).status == 0)
        #expect(!Self.isThere(place, 1))
    }

    @Test func theEpochOfALostKeyIsNotUsedAgainAndTheLossIsAnAlarmUntilItIsRetired() throws {
        let place = try Place()
        try place.found("us")
        #expect(try place.must("us", "key", "rotate", "sealing").errors.contains("back up keys/ now"))
        #expect(try Self.seal(place, "us").status == 0)
        try Self.lose(place, 2)
        #expect(try place.alarms("us").contains { $0.contains("keys/sealing-2.key back") })
        // The one before is the newest of which there is a key.
        #expect(try place.run("us", "key", "destroy", "1", "--yes").status == 77)
        #expect(try place.run("us", "key", "destroy", "2", "--yes").status == 77)

        let stolen = try place.must("us", "key", "stolen", "sealing", "--json")
        #expect(stolen.objects.first?["epoch"] as? Int == 3)
        #expect(stolen.objects.first?["resumed"] as? Bool == false)
        #expect(stolen.errors.contains("back up keys/ now"))
        #expect(try place.alarms("us").count == 1)
        let retired = try place.must("us", "key", "destroy", "2", "--yes", "--json").objects.first
        #expect(retired?["unreadable"] as? Int == 1)
        #expect(try place.alarms("us") == [])
        #expect(try place.run("us", "key", "destroy", "2", "--yes").status == 66)
        // A copy of keys/ from before the last rotations does not bring the numbers back.
        try Self.lose(place, 3)
        let next = try place.must("us", "key", "rotate", "sealing", "--json").objects.first
        #expect(next?["epoch"] as? Int == 4)
        try place.expectSound("us")
    }

    /// Whoever had the log key for a while can name the last epoch there is.
    @Test func anEpochThatSomebodyElseNamedIsRetiredAndNumbersGoOnFromThoseThatAreHere() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let keys = "\(place.path)/us/keys"
        let first = try String(contentsOfFile: "\(keys)/sealing-1.key", encoding: .utf8)
        let (high, last) = ("4294967294", "4294967295")
        try first.replacing("us.example#1 ", with: "us.example#\(high) ").write(
            toFile: "\(keys)/sealing-\(high).key", atomically: false, encoding: .utf8)
        #expect(chmod("\(keys)/sealing-\(high).key", 0o600) == 0)
        #expect(
            try place.must("us", "key", "rotate", "sealing", "--json").objects.first?["epoch"] as? Int == Int(high))
        #expect(
            try place.must("us", "key", "rotate", "sealing", "--json").objects.first?["epoch"] as? Int == Int(last))
        for epoch in [high, last] { try FileManager.default.removeItem(atPath: "\(keys)/sealing-\(epoch).key") }

        let refused = try place.run("us", "key", "rotate", "sealing")
        #expect(refused.status == 64 && refused.errors.contains("`entente key destroy \(last)`"), "\(refused.errors)")
        for epoch in [last, high] { try place.must("us", "key", "destroy", epoch, "--yes") }
        let rotated = try place.must("us", "key", "rotate", "sealing", "--json").objects.first
        #expect(rotated?["epoch"] as? Int == 2)
        #expect(try place.alarms("us") == [])
        try place.serve("us")
        try place.must("kr", "sync")
        let ref = try Entente.run(["--home", "\(place.path)/kr"] + Self.fields + ["--to", "us.example", "--json"])
        let reference = try #require(ref.objects.first?["ref"] as? String)
        try place.must("kr", "sync")
        #expect(try place.must("us", "show", reference, "--json").objects.first?["sealed_part"] as? String == "opened")
    }

    @Test func withoutAnySealingKeyTheNodeSaysThatItIsItsOwnAndTheNextIsNotTheFirst() throws {
        let place = try Place()
        try place.found("us")
        try Self.lose(place, 1)
        let refused = try Self.seal(place, "us")
        #expect(refused.status == 78)
        #expect(refused.errors.contains("no sealing key in keys/") && !refused.errors.contains("peer card"))
        #expect(try place.alarms("us").contains { $0.contains("no sealing key in keys/") })
        let next = try place.must("us", "key", "rotate", "sealing", "--json").objects.first
        #expect(next?["epoch"] as? Int == 2)
        #expect(try Self.seal(place, "us").status == 0)
    }

    @Test func whoIsNotSeenToKnowANewerKeyIsNamedBeforeTheOldOneIsDestroyed() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.must("us", "key", "rotate", "sealing")
        let says = "not seen to know a newer key, and may still seal to this one: kr.example"
        let asked = try place.run("us", "key", "destroy", "1")
        #expect(asked.status == 64 && asked.errors.contains(says), "\(asked.errors)")
        try place.serve("kr")
        try place.must("us", "sync")
        let again = try place.run("us", "key", "destroy", "1")
        #expect(again.status == 64 && !again.errors.contains("kr.example"), "\(again.errors)")
        try place.must("us", "key", "rotate", "sealing")
        let done = try place.must("us", "key", "destroy", "2", "--yes", "--json")
        #expect(done.errors.contains(says))
        #expect(done.objects.first?["missing"] as? [String] == ["kr.example"])
        // kr knows the second.
        let calm = try place.must("us", "key", "destroy", "1", "--yes", "--json")
        #expect(calm.errors.isEmpty && calm.objects.first?["missing"] as? [String] == [])
    }
}
