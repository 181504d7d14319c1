import Foundation
import Glibc
import Testing

/// What is no record goes into no log: `submit` refuses it, `import` puts it aside and goes on.
@Suite(.serialized) struct BadRecordTests {
    private static let good =
        #"{"type":"attribution","subject":{"chain":"eip155:1","address":"0x098b716b8aaf21512996dc57eb0615e2383e2f96"},"label":"first"}"#
    private static let address =
        #""subject":{"chain":"eip155:1","address":"0x098b716b8aaf21512996dc57eb0615e2383e2f96"}"#

    /// Bad bodies, and what the refusal says of each.
    private static let bad: [(name: String, body: [UInt8], says: String)] = [
        (
            "too large",
            // Each field is within its bounds; all of them together are not.
            Array(
                #"{"type":"actor","slug":"big","label":"Big","aliases":[\#((0..<64).map { "\"\(String(repeating: "a", count: 270))\($0)\"" }.joined(separator: ","))]}"#
                    .utf8), "16384"
        ),
        ("not UTF-8", Array(#"{"type":"attribution","label":""#.utf8) + [0xFF, 0xFE] + Array(#""}"#.utf8), "UTF-8"),
        ("not JSON", Array("address,label".utf8), "byte"),
        ("of unknown type", Array(#"{"type":"attributoin","label":"x"}"#.utf8), "did you mean"),
        (
            "bad checksum",
            Array(good.replacingOccurrences(of: "0x098b7", with: "0x098B7").utf8), "EIP-55"
        ),
        ("doubled key", Array(#"{"type":"attribution","type":"actor"}"#.utf8), "twice"),
        ("longer than any line", Array(repeating: UInt8(ascii: "x"), count: 1 << 20 + 1), "a line of"),
    ]

    private func lines(_ rows: [[UInt8]]) -> Data { Data(rows.flatMap { $0 + [0x0A] }) }

    /// As editors of Windows write it.
    @Test func aByteOrderMarkBeforeAFileIsNoPartOfIt() throws {
        let place = try Place()
        try place.found("us")
        let file = try place.file("r.jsonl", "\u{FEFF}\(Self.good)\r\n")
        let reference = try #require(
            place.must("us", "submit", "--file", file, "--json").objects.first?["ref"] as? String)
        #expect(try place.must("us", "show", reference, "--raw").output.contains(#""label":"first""#))
        let victim = try place.file("victim.txt", "\u{FEFF}Sky Mavis\n")
        try place.must(
            "us", "submit", "attribution", "--field", "chain=BTC", "--field",
            "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=x", "--field", "victim=@\(victim)")
        #expect(try place.must("us", "search", "--sealed", "victim=Sky Mavis", "--json").objects.count == 1)
        let shown = try place.must("us", "show", "us.example/krus#2", "--json").objects.first?["opened"]
        #expect((shown as? [String: Any])?["victim"] as? String == "Sky Mavis")
    }

    @Test func submitRefusesAllOfAFileForOneBadRecordInIt() throws {
        let place = try Place()
        try place.found("us")
        for each in Self.bad {
            let file = try place.file("r.jsonl", lines([Array(Self.good.utf8), each.body]))
            for dry in [[], ["--dry-run"]] {
                let outcome = try Entente.run(["--home", "\(place.path)/us", "submit", "--file", file] + dry)
                #expect(outcome.status == 65, "\(each.name): \(outcome.errors)")
                #expect(outcome.errors.contains("r.jsonl:2: "), "\(each.name): \(outcome.errors)")
                #expect(outcome.errors.contains(each.says), "\(each.name): \(outcome.errors)")
                outcome.expectOneLine(each.name)
                #expect(outcome.output.isEmpty)
            }
        }
        #expect(try place.size(of: "us.example/krus", at: "us") == 1)
        try place.expectSound("us")
    }

    @Test func importQuarantinesEachAndTakesTheRest() throws {
        let place = try Place()
        try place.found("us")
        let last = Self.good.replacingOccurrences(of: "first", with: "last")
        let rows = [Array(Self.good.utf8)] + Self.bad.map(\.body) + [Array(last.utf8)]
        let file = try place.file("mixed.jsonl", lines(rows))
        let dry = try place.must("us", "import", file, "--dry-run", "--json").objects.first
        #expect(try place.size(of: "us.example/krus", at: "us") == 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(place.path)/us/quarantine").isEmpty)
        let strict = try place.run("us", "import", file, "--strict")
        #expect(strict.status == 65)
        #expect(try place.size(of: "us.example/krus", at: "us") == 1)

        let real = try place.must("us", "import", file, "--json").objects.first
        for report in [dry, real] {
            #expect(report?["read"] as? Int == rows.count)
            #expect(report?["imported"] as? Int == 2)
            #expect(report?["quarantined"] as? Int == Self.bad.count)
            let rejects = (report?["rejects"] as? [[String: Any]] ?? []).sorted {
                ($0["position"] as? Int ?? 0) < ($1["position"] as? Int ?? 0)
            }
            #expect(rejects.map { $0["position"] as? Int } == (0..<Self.bad.count).map { $0 + 2 })
            #expect(rejects.allSatisfy { $0["file"] as? String == "mixed.jsonl" })
            for (reject, each) in zip(rejects, Self.bad) {
                let reason = reject["reason"] as? String ?? ""
                #expect(!reason.isEmpty && reason.contains(each.says), "\(each.name): \(reason)")
            }
        }
        #expect(try place.size(of: "us.example/krus", at: "us") == 3)
        #expect(try place.must("us", "search", "last", "--json").objects.count == 1)
        try place.expectSound("us")
    }

    /// What a pack may say and no record can: a NUL in a text, and more levels than a body may have.
    @Test func aTextThatNoBodyMayHaveIsARejectWithItsPlace() throws {
        let place = try Place()
        try place.federate("us")
        let levels = String(repeating: "[", count: 40) + String(repeating: "]", count: 40)
        let text = """
            title: T
            creator: C
            label: L
            source: https://example.org/x
            currency: ETH
            tags:
            - address: '0x098b716b8aaf21512996dc57eb0615e2383e2f96'
              other: "V\\0X"
            - address: '0x098b716b8aaf21512996dc57eb0615e2383e2f96'
              other: \(levels)
            - address: '0x098b716b8aaf21512996dc57eb0615e2383e2f96'
            """
        let report = try place.must("us", "import", place.file("a.yaml", text), "--json").objects.first
        #expect(report?["imported"] as? Int == 1 && report?["quarantined"] as? Int == 2)
        let rejects = report?["rejects"] as? [[String: Any]] ?? []
        #expect(rejects.allSatisfy { $0["file"] as? String == "a.yaml" && $0["position"] != nil }, "\(rejects)")
    }

    /// Such a record would do what it says: publish somebody's key, admit a member, erase a sealed part, unasked.
    @Test(arguments: [
        #"{"type":"key","role":"tls","action":"publishes","key_id":"\#(zeros)","public_key":"AAAA"}"#,
        #"{"type":"key","role":"sealing","action":"publishes","key_id":"\#(zeros)","public_key":"AAAA","epoch":9}"#,
        #"{"type":"members","members":["evil.example","us.example"]}"#,
        #"{"type":"erasure","target":{"reference":"us.example/krus#1","hash":"\#(zeros)"},"sha256":"\#(zeros)"}"#,
        #"{"type":"grant","target":{"reference":"us.example/krus#1","hash":"\#(zeros)"}}"#,
    ]) func whatActsOnTheOwnLogComesFromItsCommandsAlone(record: String) throws {
        let place = try Place()
        try place.federate("us")
        let full = record.dropLast() + #","v":1,"time":"2026-01-01T00:00:00Z","author":"a","tlp":"green"}"#
        for (number, line) in [record, String(full)].enumerated() {
            let file = try place.file("lines\(number).jsonl", line + "\n")
            let size = try place.size(of: "us.example/krus", at: "us")
            let submitted = try place.run("us", "submit", "--file", file)
            #expect(submitted.status == 65 && submitted.errors.contains("written by the commands that they belong to"))
            submitted.expectOneLine()
            let imported = try place.must("us", "import", file, "--json").objects.first
            #expect(imported?["imported"] as? Int == 0 && imported?["quarantined"] as? Int == 1)
            #expect(try place.run("us", "import", file, "--strict").status == 65)
            #expect(try place.size(of: "us.example/krus", at: "us") == size)
        }
    }

    private static let zeros = String(repeating: "0", count: 64)

    @Test func whatMustBeSealedIsSealedOnImportToo() throws {
        let place = try Place()
        try place.found("us")
        let red = Self.good.replacingOccurrences(of: #""type""#, with: #""tlp":"red","type""#)
            .replacingOccurrences(of: "first", with: "Incheon")
        let full =
            #"{"v":1,"type":"attribution","time":"2025-01-01T00:00:00Z","author":"a","tlp":"red",\#(Self.address),"label":"Incheon"}"#
        for (number, text) in [red, full].enumerated() {
            let file = try place.file("red\(number).jsonl", text + "\n")
            try place.must("us", "import", file)
        }
        for index in 1..<(try place.size(of: "us.example/krus", at: "us")) {
            let raw = try place.must("us", "show", "us.example/krus#\(index)", "--raw").output
            #expect(!raw.contains("Incheon"))
        }
        try place.expectSound("us")
    }

    @Test func filesThatCannotBeReadAreNamedAndEarlierOnesStay() throws {
        let place = try Place()
        try place.found("us")
        let good = try place.file("good.jsonl", Self.good + "\n{}\n")
        let absent = try place.run("us", "import", good, "\(place.path)/absent.jsonl")
        #expect(absent.status == 66)
        absent.expectOneLine()
        #expect(try place.size(of: "us.example/krus", at: "us") == 2)
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(place.path)/us/quarantine").count == 1)
        let unknown = try place.run("us", "import", try place.file("what.bin", "x"))
        #expect(unknown.status == 64)
        unknown.expectOneLine()
        let pack = try place.run("us", "import", try place.file("p.yaml", Data([0x22, 0xFF, 0xFE, 0x0A])))
        #expect(pack.status == 65)
        pack.expectOneLine()
        try place.expectSound("us")
    }

    @Test func aDryImportSaysWhoWouldHoldAndWhoCouldOpen() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let file = try place.file(
            "sealed.jsonl",
            Self.good.replacingOccurrences(of: #""label""#, with: #""victim":"Sky Mavis","note":"n","label""#) + "\n")
        let dry = try place.must("us", "import", file, "--to", "kr.example", "--dry-run", "--json").objects.first
        #expect((dry?["holders"] as? [String])?.sorted() == ["jp.example", "kr.example", "us.example"])
        let readers = dry?["readers"] as? [String: [String]]
        #expect(readers == ["victim": ["kr.example", "us.example"], "note": ["kr.example", "us.example"]])
        let text = try place.must("us", "import", file, "--to", "kr.example", "--dry-run").output
        #expect(text.contains("victim could be opened by kr.example, us.example"), "\(text)")
        #expect(text.contains("would be held by"), "\(text)")
        #expect(!text.contains("Sky Mavis"))
        let stranger = try place.run("us", "import", file, "--to", "xx.example")
        #expect(stranger.status == 64)
        stranger.expectOneLine()
        #expect(try place.size(of: "us.example/krus", at: "us") == 3)
    }
}
