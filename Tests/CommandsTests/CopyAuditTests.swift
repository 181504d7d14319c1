import Cryptography
import Foundation
import Glibc
import Testing
import TransparencyLog

/// A home or a copy of its database can be audited by whoever gets it: nothing is written, no key of the node is needed,
/// and what nobody vouches for is not called sound.
@Suite(.serialized) struct CopyAuditTests {
    private static func names(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }

    @Test func aCopyIsSoundUnderTheKeysThatTheAuditorKnows() throws {
        let scene = try AuditScene()
        let file = try scene.copy(of: "us", named: "copy")
        let folder = (file as NSString).deletingLastPathComponent
        let before = try Data(contentsOf: URL(fileURLWithPath: file))
        chmod(file, 0o444)
        chmod(folder, 0o555)
        defer { chmod(folder, 0o755) }
        for path in [file, folder] {
            let outcome = try scene.verify(path, scene.keys)
            #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
            let report = try #require(outcome.objects.first)
            #expect(report["ok"] as? Bool == true && report["format"] as? String == "entente-audit/1")
            #expect((report["checked"] as? [String])?.isEmpty == false && report["time"] as? String != nil)
            let log = try #require(AuditScene.log(outcome))
            #expect(log["size"] as? Int == scene.size && log["ok"] as? Bool == true)
            #expect(log["cosignatures"] as? Int == 2 && log["sealed_parts"] as? Int == 1)
            #expect(log["vkey"] as? String == scene.logKey && (log["checkpoint"] as? String)?.isEmpty == false)
            // What the node has signed last lies in a file that is not here.
            #expect(AuditScene.unproved(outcome).contains { $0.contains("signed.sqlite") })
        }
        #expect(try Self.names(in: folder) == ["node.sqlite"])
        #expect(try Data(contentsOf: URL(fileURLWithPath: file)) == before)
        let people = try Entente.run(["verify", file] + scene.keys)
        #expect(people.status == 0 && people.output.contains("not proved: that nothing is missing at the end"))
    }

    @Test func withoutKeysACopyIsNotCalledSound() throws {
        let scene = try AuditScene()
        let file = try scene.copy(of: "kr", named: "copy")
        let outcome = try scene.verify(file)
        #expect(outcome.status == 1)
        #expect(outcome.objects.first?["ok"] as? Bool == false && AuditScene.problems(outcome).isEmpty)
        #expect(AuditScene.log(outcome)?["ok"] as? Bool == false)
        for origin in [AuditScene.origin, "kr.example/krus"] {
            #expect(AuditScene.unproved(outcome).contains { $0.hasPrefix("\(origin): that ") })
        }
        // One log's key vouches for that log, and not for the other.
        let one = try scene.verify(file, ["--vkey", scene.logKey])
        #expect(one.status == 1 && AuditScene.log(one)?["ok"] as? Bool == true)
        #expect(AuditScene.log(one, "kr.example/krus")?["ok"] as? Bool == false)
        #expect(AuditScene.unproved(one).contains { $0.contains("no key of kr.example") })
        let only = try scene.verify(file, ["--vkey", scene.logKey, "--log", AuditScene.origin])
        #expect(only.status == 0, "\(only.output)")
        let absent = try scene.verify(file, ["--vkey", scene.logKey, "--log", "fr.example/krus"])
        #expect(absent.status == 66)
        absent.expectOneLine()
    }

    /// A database whose writer has put a key of his own into it, and signed all of it anew.
    @Test func anotherKeyThanTheKnownOneIsAProblem() throws {
        let scene = try AuditScene()
        try scene.place.found("forger", named: "us")
        let file = try scene.copy(of: "forger", named: "copy")
        let outcome = try scene.verify(file, ["--vkey", scene.logKey])
        #expect(outcome.status == 1)
        #expect(AuditScene.problems(outcome).contains { $0.hasPrefix(AuditScene.origin) && $0.contains("the key") })
    }

    /// Whoever writes a database can leave out the checkpoints, and call an own log a replica.
    @Test(arguments: ["", "UPDATE log SET own = 0", "UPDATE log SET recovering = 1"])
    func aLogThatNoCheckpointCoversIsNotSound(change: String) throws {
        let scene = try AuditScene()
        for node in ["us", "kr"] {
            let file = try scene.copy(of: node, named: "copy-\(node)")
            try DatabaseFile(file).execute(
                "DELETE FROM checkpoint; DELETE FROM cosignature; DELETE FROM latest_cosignature; \(change)")
            let outcome = try scene.verify(file, scene.keys + ["--log", AuditScene.origin])
            #expect(outcome.status == 1 && AuditScene.log(outcome)?["ok"] as? Bool == false, "\(outcome.output)")
            #expect(AuditScene.problems(outcome).contains { $0.hasPrefix("\(AuditScene.origin)#0: entries behind") })
        }
    }

    @Test func aLogWhoseKeyWasGivenAndThatIsNotHereIsNamed() throws {
        let scene = try AuditScene()
        let file = try scene.copy(of: "us", named: "copy")
        try DatabaseFile(file).execute("PRAGMA foreign_keys = OFF; DELETE FROM log WHERE origin = 'kr.example/krus'")
        let outcome = try scene.verify(file, scene.keys)
        #expect(outcome.status == 0, "\(outcome.output)")
        #expect(
            AuditScene.unproved(outcome).contains { $0.hasPrefix("anything of kr.example/krus: its key was given") })
        #expect(AuditScene.unproved(outcome).allSatisfy { !$0.hasPrefix("anything of us.example/krus") })
    }

    /// A date in the future says nothing about who held what by then.
    @Test func aCosignatureDatedAheadDoesNotCount() throws {
        let scene = try AuditScene()
        let place = scene.place
        let proof = try place.must("us", "prove", "\(AuditScene.origin)#3").output
        let body = try place.file("3.json", place.must("us", "show", "\(AuditScene.origin)#3", "--raw").output)
        let head = try #require(proof.components(separatedBy: "\n\n").first)
        let note = try SignedNote(parsing: String(proof.dropFirst(head.count + 2)))
        let seed = try String(contentsOfFile: "\(place.path)/kr/keys/mirror.key", encoding: .utf8)
            .split(whereSeparator: \.isWhitespace).last.flatMap { Data(base64Encoded: String($0)) }
        var bytes = try [UInt8](#require(seed))
        let key = try Ed25519.PrivateKey(seed: SecretBytes(wiping: &bytes))
        let time: UInt64 = 4_102_444_800
        let line = try Cosigner(name: "kr.example", privateKey: key).cosign(Checkpoint(parsing: note.text), time: time)
            .line
        let log = note.signatures.filter { $0.name == AuditScene.origin }.map(\.line).joined(separator: "\n")
        let ahead = try place.file("ahead.tlog-proof", "\(head)\n\n\(note.text)\n\(log)\n\(line)\n")
        let given = ["--body", body, "--vkey", scene.logKey]
        #expect(try scene.verify(ahead, given).status == 0)
        let asked = try scene.verify(ahead, given + ["--vkey", scene.cosignerKey])
        #expect(asked.status == 1 && AuditScene.problems(asked).contains { $0.contains("in the future") })

        let file = try scene.copy(of: "us", named: "copy")
        let own = "log = (SELECT id FROM log WHERE origin = '\(AuditScene.origin)') AND cosigner = 'kr.example'"
        for table in ["cosignature", "latest_cosignature"] {
            try DatabaseFile(file).execute(
                "UPDATE \(table) SET time = \(time), line = '\(line)' WHERE \(own) AND size = \(scene.size)")
        }
        let outcome = try scene.verify(file, scene.keys)
        #expect(outcome.status == 0 && AuditScene.log(outcome)?["cosignatures"] as? Int == 1, "\(outcome.output)")
        #expect(AuditScene.unproved(outcome).contains { $0.contains("kr.example is dated ahead") })
    }

    @Test func aHomeIsAuditedAsItLies() throws {
        let scene = try AuditScene()
        let home = "\(scene.place.path)/us"
        let before = try Self.names(in: home)
        let outcome = try scene.verify(home)
        // The user's own home: its keys are in it, and the partner's card.
        #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
        #expect(!AuditScene.unproved(outcome).contains { $0.contains("signed.sqlite") })
        #expect(try Self.names(in: home) == before)
        // A copy that others may read, without the private keys.
        let copy = "\(scene.place.path)/seized"
        try? FileManager.default.removeItem(atPath: home + "/node.sock")
        try FileManager.default.copyItem(atPath: home, toPath: copy)
        try FileManager.default.removeItem(atPath: copy + "/keys")
        chmod(copy, 0o755)
        let seized = try scene.verify(copy, ["--vkey", scene.logKey])
        #expect(seized.status == 0, "\(seized.output) \(seized.errors)")
    }

    /// The program makes the file anew, and says so until partners have been asked.
    @Test func marksThatWereLostAreMissed() throws {
        let scene = try AuditScene()
        #expect(AuditScene.unproved(try scene.place.must("us", "verify", "--json")).isEmpty)
        for suffix in ["", "-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: "\(scene.place.path)/us/signed.sqlite\(suffix)")
        }
        try scene.place.must("us", "status")
        for _ in 0..<2 {
            let outcome = try scene.place.must("us", "verify", "--json")
            #expect(AuditScene.unproved(outcome).contains { $0.contains("was lost and made anew at 20") })
        }
        try scene.place.serve("kr")
        try scene.place.must("us", "recover", "--restored")
        #expect(AuditScene.unproved(try scene.place.must("us", "verify", "--json")).isEmpty)
    }

    @Test func aHomeAtWorkIsAudited() throws {
        let scene = try AuditScene()
        try scene.place.serve("us")
        let outcome = try scene.verify("\(scene.place.path)/us")
        #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
    }

    /// The newest entries may be in the write-ahead log alone.
    @Test func aWriteAheadLogBesideACopyIsReadOrNamed() throws {
        let scene = try AuditScene()
        let home = "\(scene.place.path)/us"
        // While another connection is open the log is not taken into the database.
        let reader = try DatabaseFile("\(home)/node.sqlite")
        try reader.execute("BEGIN; SELECT count(*) FROM log")
        let size = try scene.place.fill("us", records: 650)
        let folder = "\(scene.place.path)/copy"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for name in ["node.sqlite", "node.sqlite-wal"] {
            try FileManager.default.copyItem(atPath: "\(home)/\(name)", toPath: "\(folder)/\(name)")
        }
        try DatabaseFile("\(home)/signed.sqlite").execute("VACUUM INTO '\(folder)/signed.sqlite'")
        let names = try Self.names(in: folder)
        let behind = try scene.verify(folder, scene.keys)
        #expect(
            AuditScene.unproved(behind).contains { $0.contains("node.sqlite-wal") && $0.contains("only by writing") })
        // What is in it was signed, so the copy without it is one that lacks entries.
        #expect(behind.status == 1)
        #expect(AuditScene.problems(behind).contains { $0.contains("\(size) entries were signed") })
        #expect(try Self.names(in: folder) == names)

        try FileManager.default.copyItem(atPath: "\(home)/node.sqlite-shm", toPath: "\(folder)/node.sqlite-shm")
        let whole = try scene.verify(folder, scene.keys)
        #expect(whole.status == 0, "\(whole.output) \(whole.errors)")
        #expect(AuditScene.log(whole)?["size"] as? Int == size)
        #expect(AuditScene.unproved(whole).contains { $0.contains("was read with it") })
        withExtendedLifetime(reader) {}
    }

    @Test(.enabled(if: SmallDisk.isPossible, "skipped: this user can mount nothing"))
    func aMediumThatCannotBeWrittenIsAudited() throws {
        let scene = try AuditScene()
        let disk = try SmallDisk(at: scene.place, size: "64m")
        let file = "\(disk.path)/50%#1?.sqlite"
        try FileManager.default.copyItem(atPath: scene.copy(of: "us", named: "copy"), toPath: file)
        try disk.remount("ro")
        let outcome = try scene.verify(file, scene.keys)
        #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
    }

    /// An earlier release kept nothing apart of keys, grants and erasures; a partner of its time may have published some.
    @Test(arguments: [8, 7, 6, 5, 4, 3, 2, 1]) func aDatabaseOfAnEarlierReleaseIsAuditedAsItLies(version: Int) throws {
        let scene = try AuditScene()
        try scene.place.must("us", "key", "rotate", "sealing")
        let file = try scene.copy(of: "us", named: "copy")
        try DatabaseFile(file).execute(
            DatabaseFile.takingBack(to: version) + "PRAGMA journal_mode = wal; VACUUM")
        let folder = (file as NSString).deletingLastPathComponent
        let before = try Data(contentsOf: URL(fileURLWithPath: file))
        chmod(file, 0o444)
        chmod(folder, 0o555)
        defer { chmod(folder, 0o755) }
        let outcome = try scene.verify(file, scene.keys)
        #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
        #expect(AuditScene.log(outcome)?["size"] as? Int == scene.size + 1)
        #expect(AuditScene.unproved(outcome).contains { $0.contains("keys, grants and erasures") } == (version == 1))
        #expect(try Self.names(in: folder) == ["node.sqlite"])
        #expect(try Data(contentsOf: URL(fileURLWithPath: file)) == before)
        // Once it is at work again, a scrub keeps apart what that release did not.
        let home = "\(scene.place.path)/us"
        try DatabaseFile("\(home)/node.sqlite").execute(DatabaseFile.takingBack(to: version))
        try scene.place.must("us", "scrub")
        try scene.place.expectSound("us")
    }

    @Test func whatIsNoDatabaseOfANodeIsRefused() throws {
        let scene = try AuditScene()
        let signed = try scene.verify("\(scene.place.path)/us/signed.sqlite", scene.keys)
        #expect(signed.status == 78 && signed.output.isEmpty)
        signed.expectOneLine()
        let cut = try scene.copy(of: "us", named: "copy")
        try Data(contentsOf: URL(fileURLWithPath: cut)).prefix(1_000).write(to: URL(fileURLWithPath: cut))
        let damaged = try scene.verify(cut, scene.keys)
        #expect(damaged.status == 74 && damaged.output.isEmpty)
        damaged.expectOneLine()
        let empty = try scene.verify("\(scene.place.path)", scene.keys)
        #expect(empty.status != 0)
        empty.expectOneLine()
    }

    // MARK: Going on from an earlier audit

    @Test func anAuditGoesOnFromAnEarlierReport() throws {
        let scene = try AuditScene()
        let first = try scene.place.must("us", "verify", "--json").output
        let report = try scene.place.file("first.json", first)
        let size = try scene.place.fill("us", records: 700)
        let outcome = try scene.place.must("us", "verify", "--since", report, "--json")
        let log = try #require(AuditScene.log(outcome))
        #expect(log["size"] as? Int == size && log["first_read"] as? Int == scene.size / 256 * 256)
        #expect(outcome.objects.first?["entries"] as? Int ?? 0 < size)
        #expect(AuditScene.unproved(outcome).contains { $0.contains("not read again") })
        // The next one goes on from that, and the whole says the same.
        let second = try scene.place.file("second.json", outcome.output)
        let nothing = try scene.place.must("us", "verify", "--since", second, "--json")
        let whole = try scene.place.must("us", "verify", "--since", second, "--full", "--json")
        #expect(AuditScene.log(whole)?["first_read"] as? Int == 0)
        for name in ["root", "size"] {
            #expect("\(AuditScene.log(nothing)?[name] ?? 1)" == "\(AuditScene.log(whole)?[name] ?? 2)")
        }
        #expect(
            AuditScene.log(nothing)?["compact_range"] as? [String]
                == AuditScene.log(whole)?["compact_range"] as? [String])
        #expect(try scene.place.must("us", "verify", "--since", second).output.contains("entries are what was signed"))
    }

    /// Whoever changes what was audited changes the root; whoever takes entries away is shorter.
    @Test func aLogThatDoesNotGoOnFromTheReportIsNamed() throws {
        let scene = try AuditScene()
        let text = try scene.place.must("us", "verify", "--json").output
        let root = try #require(AuditScene.log(try scene.place.must("us", "verify", "--json"))?["root"] as? String)
        let other = root.hasPrefix("A") ? "B" + root.dropFirst() : "A" + root.dropFirst()
        let changes = [
            (text.replacingOccurrences(of: root, with: other), "does not have the root"),
            (
                text.replacingOccurrences(of: "\"size\":\(scene.size)", with: "\"size\":\(scene.size + 1)"),
                "entries then"
            ),
            (text.replacingOccurrences(of: "us.example/krus", with: "fr.example/krus"), "is not here"),
        ]
        for (changed, reason) in changes {
            let outcome = try scene.place.run("us", "verify", "--since", scene.place.file("r.json", changed), "--json")
            #expect(outcome.status == 1, "\(reason): \(outcome.errors)")
            #expect(AuditScene.problems(outcome).contains { $0.contains("example/krus: ") && $0.contains(reason) })
            #expect(reason == "is not here" || AuditScene.log(outcome)?["ok"] as? Bool == false, "\(reason)")
        }
        // What was not sound then is read again.
        let unsound = try scene.place.file("r.json", text.replacingOccurrences(of: "\"ok\":true", with: "\"ok\":false"))
        let again = try scene.place.must("us", "verify", "--since", unsound, "--json")
        #expect(AuditScene.log(again)?["first_read"] as? Int == 0)
        for wrong in ["", "{}", "[1]", "nonsense", text.replacingOccurrences(of: "entente-audit/1", with: "x/1")] {
            let outcome = try scene.place.run("us", "verify", "--since", scene.place.file("r.json", wrong), "--json")
            #expect(outcome.status == 65 && outcome.output.isEmpty, "\(wrong.prefix(20))")
            outcome.expectOneLine()
        }
        #expect(try scene.place.run("us", "verify", "--since", "/nonexistent").status == 66)
    }

    @Test func damageBehindTheReportIsFound() throws {
        let scene = try AuditScene()
        let report = try scene.place.file("first.json", scene.place.must("us", "verify", "--json").output)
        _ = try scene.place.fill("us", records: 700)
        let database = try DatabaseFile("\(scene.place.path)/us/node.sqlite")
        try database.execute("UPDATE tile SET data = zeroblob(length(data)) WHERE level = 0 AND number = 2")
        let outcome = try scene.place.run("us", "verify", "--since", report, "--json")
        #expect(
            outcome.status == 1 && AuditScene.problems(outcome).contains { $0.hasPrefix("\(AuditScene.origin)#512") })
    }
}
