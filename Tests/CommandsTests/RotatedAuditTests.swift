import Foundation
import NodeService
import Testing

/// Logs whose keys were replaced are audited by whoever knows any of the keys that they have had.
@Suite(.serialized) struct RotatedAuditTests {
    private static let origin = "us.example/krus"

    /// What an auditor has been told: at the beginning, or at the end.
    private struct Keys {
        let us: String
        let usCosigner: String
        let kr: String
        let krCosigner: String

        init(_ place: Place) throws {
            func key(_ pattern: String, _ node: String) throws -> String {
                let card = try place.must(node, "identity").output
                let line = try #require(card.split(separator: "\n").first { $0.contains(pattern) })
                return String(try #require(line.split(separator: " ").last))
            }
            us = try key(" vkey: ", "us")
            usCosigner = try key("mirror_key: ", "us")
            kr = try key(" vkey: ", "kr")
            krCosigner = try key("mirror_key: ", "kr")
        }

        var all: [String] { [us, usCosigner, kr, krCosigner].flatMap { ["--vkey", $0] } }
    }

    /// us.example, whose log, mirror and sealing keys were replaced twice, and kr.example, whose mirror key was; cosigned
    /// and published before, between and after.
    private struct Scene {
        let place: Place
        let old: Keys
        let new: Keys
        let report: String
        /// A moment before the first rotation, and one record from before, between and after.
        let before: String
        let records: [Int]

        init() throws {
            place = try Place()
            try place.federate("us", "kr")
            old = try Keys(place)
            var records = [try place.fill("us", records: 600) - 1]
            try Scene.exchange(place)
            report = try place.file("first.json", place.must("kr", "verify", "--json").output)
            before = ISO8601DateFormatter().string(from: Date())
            sleep(1)
            for _ in 0..<2 {
                for role in ["log", "mirror", "sealing"] { try place.must("us", "key", "rotate", role) }
                try place.must("kr", "key", "rotate", "mirror")
                try place.submit("us", "later")
                try Scene.exchange(place)
                records.append(try place.size(of: RotatedAuditTests.origin, at: "us") - 1)
            }
            self.records = records
            new = try Keys(place)
        }

        /// Both nodes hold and cosign all, and the tiles are written.
        private static func exchange(_ place: Place) throws {
            try place.serve("us")
            for _ in 0..<2 { try place.must("kr", "sync", "us.example") }
            place.stop()
            try place.must("us", "export", "--format", "tiles", "\(place.path)/tiles")
        }

        var tiles: String { "\(place.path)/tiles" }

        func verify(_ arguments: String...) throws -> Entente.Outcome {
            try Entente.run(["--home", "\(place.path)/nobody", "verify", "--json"] + arguments)
        }
    }

    @Test func homesCopiesAndReportsFromBefore() throws {
        let it = try Scene()
        for node in ["us", "kr"] {
            try it.place.expectSound(node)
            let home = try it.verify("\(it.place.path)/\(node)")
            #expect(home.status == 0 && AuditScene.unproved(home).isEmpty, "\(home.output)")
        }
        let since = try it.place.must("kr", "verify", "--since", it.report, "--json")
        #expect(AuditScene.log(since)?["first_read"] as? Int == 512)
        // A copy that has lost its home, by the keys of either time.
        let copy = "\(it.place.path)/orphan.sqlite"
        try DatabaseFile("\(it.place.path)/kr/node.sqlite").execute("VACUUM INTO '\(copy)'")
        for keys in [it.old, it.new] {
            let outcome = try Entente.run(["verify", copy, "--json"] + keys.all)
            #expect(outcome.status == 0, "\(outcome.output)")
            #expect(AuditScene.log(outcome)?["cosignatures"] as? Int ?? 0 > 4)
            let later = try Entente.run(["verify", copy, "--since", it.report, "--json"] + keys.all)
            #expect(later.status == 0 && later.output.contains("not read again"), "\(later.output)")
        }
    }

    @Test func proofsAndEvidenceOfRecordsBeforeAndAfter() throws {
        let it = try Scene()
        for index in it.records {
            let reference = "\(Self.origin)#\(index)"
            let proof = try it.place.file("p", it.place.must("kr", "prove", reference).output)
            let body = try it.place.file("b", it.place.must("kr", "show", reference, "--raw").output)
            let proved = try it.verify(proof, "--body", body, "--vkey", it.new.us, "--vkey", it.new.krCosigner)
            #expect(proved.status == 0, "\(proved.output)")
            // A proof has no records of keys in it; what else to do is said.
            let other = try it.verify(proof, "--body", body, "--vkey", it.old.us)
            #expect(other.status == 1 && other.output.contains("evidence file"), "\(other.output)")

            let file = "\(it.place.path)/\(index).evidence.html"
            try it.place.must("kr", "export", "--format", "evidence", reference, file)
            for keys in [it.old, it.new] {
                let outcome = try it.verify(file, "--vkey", keys.us, "--vkey", keys.usCosigner)
                #expect(outcome.status == 0, "\(outcome.output)")
                let cosigners = outcome.objects.first?["cosigned_by"] as? [[String: Any]] ?? []
                let known = cosigners.filter { $0["known"] as? Bool == true }.compactMap { $0["node"] as? String }
                #expect(known == ["us.example"], "\(cosigners)")
                try Self.checkThatNothingElseIsProved(by: file)
                try Self.python(
                    "check_evidence.py", [file, keys.us, it.new.krCosigner], says: "cosigned by kr.example")
            }
        }
        // What was held before is shown by what signed before.
        let index = it.records[0]
        let proof = try it.place.file(
            "p", it.place.must("us", "prove", "\(Self.origin)#\(index)", "--as-of", it.before).output)
        let body = try it.place.file("b", it.place.must("us", "show", "\(Self.origin)#\(index)", "--raw").output)
        #expect(try it.verify(proof, "--body", body, "--vkey", it.old.us, "--vkey", it.old.usCosigner).status == 0)
        #expect(try it.verify(proof, "--body", body, "--vkey", it.new.us).status == 1)
    }

    @Test func tilesInAFolderAndFromAServer() throws {
        let it = try Scene()
        let port = try Place.freePort()
        let file = "\(it.place.path)/us/node.yaml"
        try String(contentsOfFile: file, encoding: .utf8)
            .replacingOccurrences(of: "# tiles: 0.0.0.0:7963", with: "tiles: 127.0.0.1:\(port)")
            .write(toFile: file, atomically: false, encoding: .utf8)
        try it.place.serve("us")
        for keys in [it.old, it.new] {
            for place in [it.tiles, "https://127.0.0.1:\(port)/"] {
                // The keys of kr.example's cosignatures are led on by its own log.
                let outcome = try it.place.run(
                    "kr", "verify", place, "--vkey", keys.us, "--vkey", keys.kr, "--cosigner", keys.krCosigner, "--json"
                )
                #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
                let log = AuditScene.log(outcome)
                #expect(log?["size"] as? Int == it.records.last.map { $0 + 1 })
                #expect((log?["key_changes"] as? [Int])?.count == 2)
                #expect((log?["cosigned_by"] as? [[String: Any]])?.first?["node"] as? String == "kr.example")
            }
            try Self.python(
                "verify_tiles.py", ["\(it.tiles)/krus", keys.us, it.new.krCosigner, keys.usCosigner],
                says: "cosigned by kr.example, us.example")
            try Self.python(
                "verify_log.py", ["\(it.place.path)/kr/node.sqlite", keys.us, keys.krCosigner],
                says: "2 changes of key")
        }
        // Without kr.example's log nothing leads on from the key that its cosigner had.
        let alone = try it.place.run(
            "kr", "verify", it.tiles, "--vkey", it.old.us, "--cosigner", it.old.krCosigner, "--json")
        #expect(alone.status == 1 && alone.output.contains("another key than was given"))
        // The key of somebody else leads nowhere, and a changed record of keys is no way.
        try it.place.found("forger", named: "us")
        let other = try it.place.must("forger", "community", "list", "--json").objects.first?["vkey"] as? String
        let forged = try it.place.run("kr", "verify", it.tiles, "--vkey", try #require(other), "--json")
        #expect(forged.status == 1 && AuditScene.log(forged)?["size"] as? Int == 0, "\(forged.output)")
        let bundle = "\(it.tiles)/krus/tile/entries/002.p/\(try #require(it.records.last) + 1 - 512)"
        var bytes = try Data(contentsOf: URL(fileURLWithPath: bundle))
        let record = try #require(bytes.range(of: Data("\"previous_key\"".utf8)))
        bytes[record.lowerBound + 1] ^= 1
        try bytes.write(to: URL(fileURLWithPath: bundle))
        let changed = try it.place.run("kr", "verify", it.tiles, "--vkey", it.old.us, "--json")
        #expect(changed.status == 1)
    }

    /// Data that say something else, in a page that says the same: the reference, or what a record says of a key.
    private static func checkThatNothingElseIsProved(by file: String) throws {
        let text = try String(contentsOfFile: file, encoding: .utf8)
        func verify(_ text: String) throws {
            let evidence = try RecordEvidence(parsing: [UInt8](text.utf8))
            _ = try evidence.verify(logKey: evidence.logKey)
        }
        try verify(text)
        let reference = try #require(text.range(of: #""ref":"us.example/krus#"#)).upperBound
        #expect(throws: EvidenceError.otherRecord) {
            try verify(text.replacingCharacters(in: reference..<reference, with: "1"))
        }
        let start = try #require(text.range(of: #""key_history":[{"body":""#)).upperBound
        let end = try #require(text[start...].firstIndex(of: "\""))
        let body = String(decoding: Data(base64Encoded: String(text[start..<end])) ?? Data(), as: UTF8.self)
        let other = Data(body.replacingOccurrences(of: #""time":"20"#, with: #""time":"19"#).utf8).base64EncodedString()
        #expect(other != text[start..<end])
        #expect(throws: (any Error).self) { try verify(text.replacingCharacters(in: start..<end, with: other)) }
    }

    private static let hasPython = Tool.run("python3", "-c", "import cryptography")?.status == 0

    private static func python(
        _ program: String, _ arguments: [String], says text: String, at location: SourceLocation = #_sourceLocation
    ) throws {
        guard hasPython else { return }
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../docs/examples/\(program)").standardized.path
        let outcome = try #require(Tool.run("python3", [path] + arguments))
        #expect(outcome.status == 0 && outcome.output.contains(text), "\(outcome.output)", sourceLocation: location)
    }
}
