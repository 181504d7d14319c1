import Foundation
import Glibc
import Testing

/// Homes that come back from a backup, with partners that know more than the backup.
@Suite(.serialized) struct RestoreTests {
    private static let origin = "us.example/krus"

    @Test func afterALostMachineNothingIsAppendedBeforePartnersWereAskedAndNoLogIsForked() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        try place.submit("us", "first")
        place.serveAll("kr", "jp")
        try place.must("us", "sync")
        let file = "\(place.path)/us.entente"
        try place.must("us", "backup", file)
        _ = try place.fill("us", records: 50)
        try place.must("us", "sync")
        let size = try place.size(of: Self.origin, at: "us")
        try place.lose("us")

        let report = try #require(try place.must("us", "restore", file, "--json").objects.first)
        #expect(report["restored"] as? Bool == true && report["recover"] as? Bool == true)
        #expect((report["files"] as? [String])?.contains("node.yaml") == true)
        let log = (report["logs"] as? [[String: Any]])?.first { $0["origin"] as? String == Self.origin }
        #expect(log?["size"] as? Int == size - 50 && log?["state"] as? String == "recovering")
        let refused = try place.trySubmit("us")
        #expect(refused.status == 77 && refused.errors.contains("entente recover"))
        #expect(try place.run("us", "status", "--check").status == 1)
        // Reading goes on.
        #expect(try place.must("us", "search", "first", "--json").objects.count == 1)

        // One of the two is not enough: it might be the other that has more.
        place.stop("jp")
        #expect(try place.run("us", "recover").status == 69)
        #expect(try place.trySubmit("us").status == 77)
        place.serveAll("jp")
        try place.must("us", "recover")
        #expect(try place.size(of: Self.origin, at: "us") == size)
        try place.checkAllHoldTheSame(after: "after the loss")
        #expect(try place.alarms("us") == [] && place.alarms("kr") == [])
    }

    @Test func withoutAnyPartnerTheWayOnIsASuccessorLog() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.submit("us", "first")
        let file = "\(place.path)/us.entente"
        try place.must("us", "backup", file)
        try place.lose("us")
        let text = try place.must("us", "restore", file)
        #expect(text.errors.contains("entente recover") && text.errors.contains("community successor"))
        let outcome = try place.run("us", "recover")
        #expect(outcome.status == 69 && outcome.errors.contains("community successor"))
        try place.must("us", "community", "successor", "krus", "--abandon")
        try place.submit("us", "in the successor")
        #expect(try place.size(of: "us.example/krus/2", at: "us") > 1)
    }

    /// The marks are on the same machine, and say whether something is missing.
    @Test func whereTheMarksAreLeftTheyTellWhetherSomethingIsMissing() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.submit("us", "first")
        let file = "\(place.path)/us.entente"
        try place.must("us", "backup", file)
        let databases = ["node.sqlite", "node.sqlite-wal", "node.sqlite-shm"]
        func loseDatabase() {
            for name in databases { try? FileManager.default.removeItem(atPath: "\(place.path)/us/\(name)") }
        }
        try place.must("us", "search", "first")

        loseDatabase()
        let whole = try place.must("us", "restore", file, "--json").objects.first
        #expect(whole?["recover"] as? Bool == false)
        #expect((whole?["kept"] as? [String])?.contains("node.yaml") == true)
        #expect((whole?["files"] as? [String]) == [])
        try place.submit("us", "second")
        place.serveAll("kr")
        try place.must("us", "sync")

        loseDatabase()
        let behind = try place.must("us", "restore", file, "--json").objects.first
        #expect(behind?["recover"] as? Bool == true)
        #expect(try place.trySubmit("us").status == 77)
        try place.must("us", "recover")
        try place.checkAllHoldTheSame(after: "third", "us", "kr")
        // The index was that of another database.
        #expect(try place.must("us", "search", "second", "--json").objects.count == 1)
    }

    /// A command between loss and restore makes empty databases: marks that say nothing are not believed.
    @Test func marksThatWereMadeAnewProveNothing() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.submit("us", "first")
        let file = "\(place.path)/us.entente"
        try place.must("us", "backup", file)
        try place.submit("us", "second")
        place.serveAll("kr")
        try place.must("us", "sync")
        try place.lose("us", keeping: ["keys", "peers", "certs", "node.yaml"])
        _ = try place.run("us", "status")
        let refused = try place.run("us", "restore", file)
        #expect(refused.status == 73 && refused.errors.contains("node.sqlite"), "\(refused.errors)")
        refused.expectOneLine()
        for name in ["node.sqlite", "node.sqlite-wal", "node.sqlite-shm"] {
            try? FileManager.default.removeItem(atPath: "\(place.path)/us/\(name)")
        }
        #expect(FileManager.default.fileExists(atPath: "\(place.path)/us/signed.sqlite"))
        let report = try place.must("us", "restore", file, "--json").objects.first
        #expect(report?["recover"] as? Bool == true)
        #expect(try place.trySubmit("us").status == 77)
        try place.must("us", "recover")
        try place.checkAllHoldTheSame(after: "third", "us", "kr")
    }

    /// A recovery that was broken off has brought back no more than the backup has, and nobody knows whether that is all.
    @Test func whatARecoveryHasBroughtSoFarProvesNothingEither() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        try place.submit("us", "first")
        place.serveAll("kr", "jp")
        try place.must("us", "sync")
        let file = "\(place.path)/us.entente"
        try place.must("us", "backup", file)
        place.stop("kr")
        try place.submit("us", "second")
        try place.must("us", "sync", "jp.example")
        // jp, which has more, cannot be reached.
        place.stop("jp")
        place.serveAll("kr")
        let listen = "127.0.0.1:\(try place.keepOnlyKeysAndPeers("us"))"
        #expect(try place.run("us", "recover", "--listen", listen).status == 69)
        #expect(try place.size(of: Self.origin, at: "us") == 4)
        for name in ["node.sqlite", "node.sqlite-wal", "node.sqlite-shm"] {
            try? FileManager.default.removeItem(atPath: "\(place.path)/us/\(name)")
        }
        let report = try place.must("us", "restore", file, "--json").objects.first
        #expect(report?["recover"] as? Bool == true)
        #expect(try place.trySubmit("us").status == 77)
        place.serveAll("jp")
        try place.must("us", "recover")
        try place.checkAllHoldTheSame(after: "third")
    }

    @Test func aHomeThatIsAnothersOrInUseIsLeftAsItIs() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let file = "\(place.path)/us.entente"
        try place.must("us", "backup", file)
        let before = try place.names(in: "us")
        func refused(_ home: String, _ status: Int32, _ word: String) throws {
            let outcome = try place.run(home, "restore", file)
            #expect(outcome.status == status && outcome.errors.contains(word), "\(home): \(outcome.errors)")
            outcome.expectOneLine(home)
        }
        try refused("us", 73, "node.sqlite")
        #expect(try place.names(in: "us") == before)
        // Without keys there is no node.
        try refused("new", 66, "keys")
        // Those of another node.
        try place.lose("kr")
        try refused("kr", 78, "kr.example")
        // A folder of something else.
        try FileManager.default.createDirectory(atPath: "\(place.path)/other", withIntermediateDirectories: false)
        _ = try place.file("other/thesis.txt", "precious")
        chmod("\(place.path)/other", 0o700)
        try refused("other", 73, "thesis.txt")
        #expect(try place.names(in: "other") == ["thesis.txt"])
        // What is no backup.
        let plain = try place.file("plain.txt", "no backup")
        let outcome = try place.run("new2", "restore", plain)
        #expect(outcome.status == 65 && !FileManager.default.fileExists(atPath: "\(place.path)/new2"))
        // A node that runs on this home.
        for name in ["node.sqlite", "node.sqlite-wal", "node.sqlite-shm"] {
            try? FileManager.default.removeItem(atPath: "\(place.path)/us/\(name)")
        }
        try place.serve("us")
        let busy = try place.run("us", "restore", file)
        #expect([73, 75].contains(busy.status), "\(busy.errors)")
    }

    @Test func aDamagedBackupIsNotRestored() throws {
        let place = try Place()
        try place.federate("us", "kr")
        _ = try place.fill("us", records: 600)
        let file = "\(place.path)/us.entente"
        try place.must("us", "backup", file)
        try DatabaseFile(file).execute("UPDATE tile SET data = zeroblob(length(data)) WHERE level = 0 AND number = 1")
        try place.lose("us")
        let outcome = try place.run("us", "restore", file)
        #expect(outcome.status == 1 && outcome.output.contains("us.example/krus#256"), "\(outcome.output)")
        #expect(try !place.names(in: "us").contains { $0.hasPrefix("node.") })
        let told = try place.run("us", "restore", file, "--json")
        #expect(told.objects.first?["restored"] as? Bool == false)
    }

    /// keys/ was copied when they were rotated, after the last backup.
    @Test func aBackupFromBeforeKeysWereRotatedIsRestoredUnderTheNewOnes() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.submit("us", "first")
        place.serveAll("kr")
        try place.must("us", "sync")
        let file = "\(place.path)/us.entente"
        try place.must("us", "backup", file)
        for kind in ["log", "mirror", "sealing"] { try place.must("us", "key", "rotate", kind) }
        try place.must("us", "sync")
        // The new key vouches for nothing that was signed before; the old one, given by hand, does.
        let outcome = try place.run("us", "verify", file, "--json")
        #expect(outcome.status == 1 && AuditScene.problems(outcome) == [], "\(outcome.output)")
        try place.lose("us")
        let report = try #require(try place.must("us", "restore", file, "--json").objects.first)
        #expect((report["unproved"] as? [String])?.contains { $0.contains("rotated since") } == true)
        #expect(try place.trySubmit("us").status == 77)
        try place.must("us", "recover")
        try place.checkAllHoldTheSame(after: "second", "us", "kr")
    }

    /// A backup is read by the releases after the one that wrote it.
    @Test func aBackupOfAnEarlierReleaseIsRestored() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.submit("us", "first")
        let file = "\(place.path)/us.entente"
        try place.must("us", "backup", file)
        try DatabaseFile(file).execute(DatabaseFile.takingBack(to: 3))
        try place.must("us", "verify", file)
        try place.lose("us")
        try place.must("us", "restore", file)
        place.serveAll("kr")
        try place.must("us", "recover")
        try place.checkAllHoldTheSame(after: "second", "us", "kr")
    }

    @Test func aRestoreThatIsKilledIsDoneAgain() throws {
        let place = try Place()
        try place.federate("us", "kr")
        _ = try place.fill("us", records: 6_000)
        let file = "\(place.path)/us.entente"
        try place.must("us", "backup", file)
        try place.lose("us")
        for milliseconds in [20, 60, 120, 200, 300] {
            let (process, _, _) = try Entente.start(["--home", "\(place.path)/us", "restore", file])
            usleep(UInt32(milliseconds) * 1_000)
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            if FileManager.default.fileExists(atPath: "\(place.path)/us/node.sqlite") { break }
        }
        if !FileManager.default.fileExists(atPath: "\(place.path)/us/node.sqlite") {
            try place.must("us", "restore", file)
        }
        #expect(try place.trySubmit("us").status == 77)
        try place.expectSound("us")
        place.serveAll("kr")
        try place.must("us", "recover")
        try place.checkAllHoldTheSame(after: "after", "us", "kr")
    }

    // MARK: Erasures

    private func show(_ place: Place, _ node: String, _ reference: String) throws -> [String: Any] {
        try #require(place.must(node, "show", reference, "--json").objects.first)
    }

    /// The author's own backup has the sealed part, and nobody at home remembers its erasure.
    @Test func whatWasErasedAfterTheBackupIsGivenToNobodyAndGoesWithTheFirstNews() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let reference = try place.submitSealed("us", "Incheon branch", to: "kr.example")
        try place.must("us", "grant", reference, "--to", "jp.example")
        let file = "\(place.path)/us.entente"
        try place.must("us", "backup", file)
        try place.must("us", "erase", reference, "--yes")
        // kr knows of the erasure; jp of nothing.
        place.serveAll("kr")
        try place.must("us", "sync", "kr.example")
        try place.lose("us")
        try place.must("us", "restore", file)
        #expect(try place.sealedBytesLie(in: ["us", "kr", "jp"]) == ["us"])
        let view = try show(place, "us", reference)
        #expect(view["sealed_part"] as? String == "opened" && view["may_be_erased"] as? Bool == true)

        // jp would take it, and is not given it.
        place.stop("kr")
        place.serveAll("us")
        try place.must("jp", "sync", "us.example")
        #expect(try show(place, "jp", reference)["sealed_part"] as? String == "not_here_yet")
        #expect(try place.sealedBytesLie(in: ["us", "kr", "jp"]) == ["us"])
        place.stop("us")

        place.serveAll("kr", "jp")
        try place.must("us", "recover")
        #expect(try place.sealedBytesLie(in: ["us", "kr", "jp"]) == [])
        #expect(try show(place, "us", reference)["sealed_part"] as? String == "erased")
        #expect(try place.alarms("us") == [])
        try place.expectSound("us")
    }

    /// The same at one who holds it: its author is the one who knows.
    @Test func aHoldersBackupGivesNothingAwayUntilTheAuthorWasAsked() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let reference = try place.submitSealed("us", "Incheon branch", to: "kr.example")
        try place.must("us", "grant", reference, "--to", "jp.example")
        place.serveAll("us")
        try place.must("kr", "sync", "us.example")
        let file = "\(place.path)/kr.entente"
        try place.must("kr", "backup", file)
        try place.must("us", "erase", reference, "--yes")
        try place.must("kr", "sync", "us.example")
        place.stop("us")
        try place.lose("kr")
        try place.must("kr", "restore", file)
        // Its marks are new, and begin with the cosignatures that it had given; an error tells that there is none.
        try DatabaseFile("\(place.path)/kr/signed.sqlite").execute(
            "SELECT abs(-9223372036854775808) WHERE NOT EXISTS (SELECT 1 FROM mark WHERE role = 'cosigned' AND size > 2 "
                + "AND origin = 'us.example/krus')")
        #expect(try place.sealedBytesLie(in: ["us", "kr", "jp"]) == ["kr"])
        #expect(try show(place, "kr", reference)["may_be_erased"] as? Bool == true)
        #expect(try place.alarms("kr").contains { $0.contains("us.example/krus came back with the backup") })

        // jp hears of the record from kr, not of the erasure, and does not get the sealed part.
        place.serveAll("jp")
        _ = try place.run("kr", "recover")
        #expect(try place.size(of: Self.origin, at: "jp") == 5)
        #expect(try place.sealedBytesLie(in: ["us", "kr", "jp"]) == ["kr"])

        place.serveAll("us")
        try place.must("kr", "recover")
        #expect(try place.sealedBytesLie(in: ["us", "kr", "jp"]) == [])
        #expect(try show(place, "kr", reference)["sealed_part"] as? String == "erased")
        #expect(try place.alarms("kr") == [])
    }

    /// Where the author has not erased anything, its word opens the way again.
    @Test func afterTheAuthorWasAskedSealedPartsAreHandedOnAgain() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let reference = try place.submitSealed("us", "Incheon branch", to: "kr.example")
        try place.must("us", "grant", reference, "--to", "jp.example")
        place.serveAll("us")
        try place.must("kr", "sync", "us.example")
        let file = "\(place.path)/kr.entente"
        try place.must("kr", "backup", file)
        try place.lose("kr", keeping: ["keys", "signed.sqlite"])
        try place.must("kr", "restore", file)
        try place.must("kr", "sync", "us.example")
        #expect(try show(place, "kr", reference)["may_be_erased"] as? Bool == false)
        place.stop("us")
        place.serveAll("kr")
        try place.must("jp", "sync", "kr.example")
        #expect(try show(place, "jp", reference)["sealed_part"] as? String == "opened")
    }

    /// Marks that are left remember what was erased.
    @Test func withTheMarksLeftItIsErasedAgainAtOnce() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let reference = try place.submitSealed("us", "Incheon branch", to: "kr.example")
        let file = "\(place.path)/us.entente"
        try place.must("us", "backup", file)
        try place.must("us", "erase", reference, "--yes")
        try place.lose("us", keeping: ["keys", "signed.sqlite"])
        try place.must("us", "restore", file)
        #expect(try place.sealedBytesLie(in: ["us"]) == [])
        #expect(try show(place, "us", reference)["sealed_part"] as? String == "erased")
    }
}
