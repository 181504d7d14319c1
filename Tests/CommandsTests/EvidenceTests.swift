import Foundation
import Testing

/// One record as one file: it holds under the keys that the reader knows, with this program and without, and nothing
/// else does.
@Suite(.serialized) struct EvidenceTests {
    private struct Written {
        let scene: AuditScene
        let reference: String
        let file: String

        init() throws {
            scene = try AuditScene()
            reference = "\(AuditScene.origin)#5"
            file = "\(scene.place.path)/5.evidence.html"
            try scene.place.must("kr", "export", "--format", "evidence", reference, file)
        }

        var text: String { get throws { try String(contentsOfFile: file, encoding: .utf8) } }
    }

    @Test func itHoldsUnderTheKeysThatTheReaderKnows() throws {
        let it = try Written()
        let outcome = try it.scene.verify(it.file, it.scene.keys)
        #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
        let report = try #require(outcome.objects.first)
        #expect(report["ok"] as? Bool == true && report["ref"] as? String == it.reference)
        #expect(AuditScene.log(outcome)?["size"] as? Int == it.scene.size && AuditScene.unproved(outcome).isEmpty)
        let holders = report["cosigned_by"] as? [[String: Any]] ?? []
        #expect(holders.map { $0["node"] as? String } == ["kr.example", "us.example"])
        #expect(holders.allSatisfy { $0["known"] as? Bool == true })
        // In a home with the card, without any key on the command line.
        let home = try it.scene.place.must("kr", "verify", it.file)
        #expect(
            home.output.contains("\(it.reference) is what was signed") && home.output.contains("held by kr.example"))
        // Standard output, and no file is written over.
        let printed = try it.scene.place.must("us", "export", "--format", "evidence", it.reference, "-")
        #expect(printed.output.hasPrefix("<!DOCTYPE html>") && printed.output.contains("What the record says"))
        #expect(try it.scene.place.run("kr", "export", "--format", "evidence", it.reference, it.file).status == 73)
    }

    /// The evidence in docs/examples: what was filed away has to hold for years. Whoever changes the page or the data gives
    /// the format a new name, and goes on reading these.
    @Test(arguments: ["us.example_krus_3.first", "us.example_krus_3"])
    func aFileThatWasFiledAwayStillHolds(name: String) throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../docs/examples/\(name).evidence.html").standardized.path
        // The key that the log had before the one that signs now, and that of its partner.
        let keys = [
            "us.example/krus+2c8ff738+AeMcHdnD+FpB3VA6wzK4p2ZNUUClDkoUphimjS6OaVx1",
            "kr.example+61742682+BHrN4WyeDMv4zTQe6N26gmRJiobLDyxA/YPchfPvDSLa",
        ]
        let outcome = try Entente.run(["verify", file, "--json"] + keys.flatMap { ["--vkey", $0] })
        #expect(outcome.status == 0 && AuditScene.problems(outcome).isEmpty, "\(outcome.output) \(outcome.errors)")
        let holders = outcome.objects.first?["cosigned_by"] as? [[String: Any]] ?? []
        #expect(holders.first { $0["node"] as? String == "kr.example" }?["time"] as? String == "2026-11-30T21:38:09Z")
    }

    @Test func withoutAKnownKeyItIsNotCalledProved() throws {
        let it = try Written()
        let outcome = try it.scene.verify(it.file, ["--vkey", it.scene.cosignerKey])
        #expect(outcome.status == 1 && AuditScene.problems(outcome).isEmpty)
        #expect(AuditScene.unproved(outcome).contains { $0.contains(it.scene.logKey) })
        let log = try it.scene.verify(it.file, ["--vkey", it.scene.logKey])
        #expect(log.status == 0 && AuditScene.unproved(log).contains { $0.contains("is a key of kr.example") })
        // The key of another log with that name.
        try it.scene.place.found("forger", named: "us")
        let other = try it.scene.place.must("forger", "community", "list", "--json").objects.first?["vkey"] as? String
        let forged = try it.scene.verify(it.file, ["--vkey", try #require(other)])
        #expect(forged.status == 1 && !AuditScene.problems(forged).isEmpty)
    }

    /// Any change of any byte: of the data, or of the page alone, which a reader would believe.
    @Test func anyChangeIsFound() throws {
        let it = try Written()
        let bytes = [UInt8](try it.text.utf8)
        var places = stride(from: 3, to: bytes.count, by: bytes.count / 24).map { $0 }
        places += [60, bytes.count - 1, bytes.count - 20]
        for place in places {
            var changed = bytes
            changed[place] = changed[place] == UInt8(ascii: "x") ? UInt8(ascii: "y") : UInt8(ascii: "x")
            let file = try it.scene.place.file("changed.html", Data(changed))
            let outcome = try it.scene.verify(file, it.scene.keys)
            #expect([1, 64, 65].contains(outcome.status), "\(place): \(outcome.output)")
        }
        let text = try it.text
        let page = try it.scene.place.file(
            "page.html", text.replacingOccurrences(of: "<h2>Keys</h2>", with: "<h2>Other keys</h2>"))
        let outcome = try it.scene.verify(page, it.scene.keys)
        #expect(outcome.status == 1 && AuditScene.problems(outcome).contains { $0.contains("the page") })
        #expect(outcome.objects.first?["ok"] as? Bool == false)
        // One that lies in a home is checked again by every audit: its page, and its key.
        let kept = "\(it.scene.place.path)/kr/evidence/5.evidence.html"
        try FileManager.default.copyItem(atPath: it.file, toPath: kept)
        try it.scene.place.expectSound("kr")
        try Data(contentsOf: URL(fileURLWithPath: page)).write(to: URL(fileURLWithPath: kept))
        let audit = try it.scene.place.run("kr", "verify", "--json")
        #expect(
            audit.status == 1 && AuditScene.problems(audit).contains { $0.contains("the page is not what its data") })
        try it.scene.place.found("forger", named: "us")
        try FileManager.default.removeItem(atPath: kept)
        try it.scene.place.must("forger", "export", "--format", "evidence", "\(AuditScene.origin)#0", kept)
        let forged = try it.scene.place.run("kr", "verify", "--json")
        #expect(forged.status == 1 && AuditScene.problems(forged).contains { $0.contains("which is not the log's") })
    }

    @Test func whatIsNotThereIsNoEvidence() throws {
        let it = try Written()
        let absent = try it.scene.place.run("us", "export", "--format", "evidence", "\(AuditScene.origin)#99999", "-")
        #expect(absent.status == 1 && absent.output.isEmpty)
        absent.expectOneLine()
        let cases: [([String], Int32)] = [
            (["export", "--format", "evidence", "nonsense", "-"], 64), (["export", "--format", "evidence", "a"], 64),
            (["export", "--format", "nothing", "a", "b"], 64), (["verify", it.file, "--body", it.file], 64),
        ]
        for (arguments, status) in cases {
            let outcome = try Entente.run(["--home", "\(it.scene.place.path)/us"] + arguments)
            #expect(outcome.status == status, "\(arguments): \(outcome.errors)")
            outcome.expectOneLine("\(arguments)")
        }
    }

    // MARK: Without this program

    private static let reader = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../docs/examples/check_evidence.py").standardized.path
    private static let hasPython = Tool.run("python3", "-c", "import cryptography")?.status == 0

    @Test(.enabled(if: hasPython, "skipped: no python3 with cryptography here"))
    func pythonFindsItSoundAndAChangedOneNot() throws {
        let it = try Written()
        func check(_ file: String, _ keys: [String]) throws -> Tool.Outcome {
            try #require(Tool.run("python3", [Self.reader, file] + keys))
        }
        let keys = [it.scene.logKey, it.scene.cosignerKey, it.scene.ownCosignerKey]
        let sound = try check(it.file, keys)
        #expect(sound.status == 0, "\(sound.output)")
        #expect(sound.output.contains("\(it.reference) is what \(AuditScene.origin) signed"))
        #expect(
            sound.output.contains("cosigned by kr.example at 20")
                && sound.output.contains("cosigned by us.example at 20"))
        let text = try it.text
        let marker = try #require(text.range(of: #""body":"eyJ2Ijox"#))
        var body = text
        body.replaceSubrange(marker, with: #""body":"eyJ2Ijoy"#)
        let changes = [
            body, text.replacingOccurrences(of: "krus#5\",\"body", with: "krus#6\",\"body"),
            text.replacingOccurrences(of: "entente-evidence/2\",", with: "entente-evidence/3\","), "",
        ]
        for changed in changes {
            let outcome = try check(it.scene.place.file("changed.html", changed), keys)
            #expect(outcome.status == 1 && outcome.output.hasPrefix("NOT PROVED"), "\(outcome.output)")
        }
        #expect(try check(it.file, [it.scene.partnerLogKey]).status == 1)
        #expect(try check(it.file, []).status == 64)
    }

    // MARK: What was held at a moment

    @Test func aProofAsOfAMomentIsUnderWhatWasHeldThen() throws {
        let scene = try AuditScene()
        func prove(_ time: String, _ index: Int = 5) throws -> Entente.Outcome {
            try scene.place.run("kr", "prove", "\(AuditScene.origin)#\(index)", "--as-of", time, "--json")
        }
        let before = try prove("2020-01-01")
        #expect(
            before.status == 1 && before.output.isEmpty && before.errors.contains("the first that is kept is of 20"))
        before.expectOneLine()
        let after = try prove("2100-01-01T00:00:00Z")
        #expect(after.status == 0 && after.errors.contains("is still to come"), "\(after.errors)")
        let object = try #require(after.objects.first)
        #expect(object["size"] as? Int == scene.size && (object["held_at"] as? String)?.hasPrefix("20") == true)
        let nodes = (object["cosigned_by"] as? [[String: Any]])?.compactMap { $0["node"] as? String }
        #expect(nodes?.contains("kr.example") == true)
        // To the second: as of its own date it counts, a second before it does not.
        let held = try #require(object["held_at"] as? String)
        #expect(try prove(held).status == 0)
        let proof = try scene.place.file("p", try #require(object["proof"] as? String))
        let body = try scene.place.file(
            "b", try scene.place.must("us", "show", "\(AuditScene.origin)#5", "--raw").output)
        let verified = try scene.verify(
            proof, ["--body", body, "--vkey", scene.logKey, "--vkey", scene.cosignerKey])
        #expect(verified.status == 0, "\(verified.output)")

        // What came later was not held then, though it is here now.
        _ = try scene.place.fill("us", records: 650)
        try scene.place.serve("us")
        try scene.place.must("kr", "sync")
        scene.place.stop()
        let later = try prove("2100-01-01", scene.size)
        #expect(later.status == 0 && later.objects.first?["size"] as? Int ?? 0 > scene.size)
        if later.objects.first?["held_at"] as? String != held { #expect(try prove(held, scene.size).status == 1) }
        for wrong in ["yesterday", "1960-01-01", ""] { #expect(try prove(wrong).status == 64) }
    }
}
