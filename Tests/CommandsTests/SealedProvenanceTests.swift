import Foundation
import Testing

/// What node.yaml seals does not stand in clear in what an import keeps of its source, whichever way it comes in.
@Suite struct SealedProvenanceTests {
    private static let secret = "Kestrel Trading 4711"
    private static let address = "0x098b716b8aaf21512996dc57eb0615e2383e2f96"
    private static let tags = "title: T\ncreator: C\nlabel: L\nsource: https://example.org/x\ncurrency: ETH\n"

    /// A file and the field in which the secret is sealed.
    struct Source: Sendable, CustomTestStringConvertible {
        let name: String
        let text: String
        let field: String
        var command = "import"
        var testDescription: String { "\(command) \(name) \(field) \(text.count)" }
    }

    private static func pack(_ field: String, in header: String = "") -> String {
        "\(tags)\(header)tags:\n- address: '\(address)'\n\(field)"
    }

    private static func row(_ more: String) -> String {
        #"{"type":"attribution","subject":{"chain":"eip155:1","address":"\#(address)"},"label":"x",\#(more)}"# + "\n"
    }

    private static let sources: [Source] = [
        Source(name: "a.yaml", text: pack("  case_number: \(secret)\n"), field: "case_number"),
        Source(name: "a.yaml", text: pack("  note: \(secret)\n"), field: "note"),
        Source(name: "a.yaml", text: pack("  Victim: \(secret)\n"), field: "provenance"),
        Source(name: "a.yaml", text: pack("  note: [\(secret)]\n"), field: "provenance"),
        Source(name: "a.yaml", text: pack("  more: [{Case Number: \(secret)}]\n"), field: "provenance"),
        Source(name: "a.yaml", text: pack("  context: {victim: \(secret)}\n"), field: "context"),
        // A byte order mark, as editors of Windows put it, JSON in JSON, a code block, and what only looks like JSON.
        Source(name: "c.jsonl", text: row(##""context":"\uFEFF{\"victim\":\"\##(secret)\"}""##), field: "context"),
        Source(
            name: "c.jsonl", text: row(##""context":"\"{\\\"victim\\\":\\\"\##(secret)\\\"}\"""##), field: "context"),
        Source(
            name: "c.jsonl", text: row(##""context":"```json\n{\"victim\":\"\##(secret)\"}\n```""##), field: "context"),
        Source(name: "c.jsonl", text: row(#""context":"{victim: \#(secret), }""#), field: "context"),
        Source(
            name: "c.jsonl", text: row(#""context":"<case><case_number>\#(secret)</case_number></case>""#),
            field: "context"),
        Source(name: "c.jsonl", text: row(#""context":"case_number -> \#(secret)""#), field: "context"),
        Source(
            name: "c.jsonl", text: row(#""context":"피해자(victim)：\#(secret)""#), field: "context", command: "submit"),
        Source(name: "a.yaml", text: pack("", in: "victim: \(secret)\n"), field: "victim"),
        Source(name: "a.yaml", text: pack("", in: "about: {CASE_NUMBER: \(secret)}\n"), field: "provenance"),
        Source(
            name: "b.yaml", text: "title: T\nactors:\n- id: a\n  label: L\n  victim: \(secret)\n", field: "provenance"),
        Source(name: "b.yaml", text: "title: T\nactors:\n- id: a\n  label: L\n  note: \(secret)\n", field: "note"),
        Source(name: "b.yaml", text: "title: T\nactors:\n- id: a\n  label: L\n  source: \(secret)\n", field: "source"),
        Source(
            name: "c.jsonl", text: row(#""provenance":{"format":"x","fields":{"a":[{"victim":"\#(secret)"}]}}"#),
            field: "provenance"),
        Source(
            name: "c.jsonl", text: row(#""provenance":{"format":"x","header":{"Victim":"\#(secret)"}}"#),
            field: "provenance", command: "submit"),
        Source(
            name: "full.jsonl",
            text: row(
                #""v":1,"time":"2026-01-01T00:00:00Z","author":"x","tlp":"green","#
                    + #""provenance":{"format":"x","fields":{"victim":"\#(secret)"}}"#),
            field: "provenance"),
    ]

    @Test(arguments: sources)
    func whatIsNeverInClearIsSealedWhicheverWayItComesIn(_ source: Source) throws {
        let place = try Place()
        try place.found("us")
        let file = try place.file(source.name, source.text)
        let command = source.command == "submit" ? ["submit", "--file", file] : ["import", file]
        let home = ["--home", "\(place.path)/us"]
        let dry = try Entente.run(home + command + ["--dry-run", "--json"])
        #expect((dry.objects.first?["readers"] as? [String: [String]])?[source.field] == ["us.example"], "\(dry)")
        let done = try Entente.run(home + command + ["--json"])
        #expect(done.status == 0 && !done.errors.contains(Self.secret), "\(done.errors)")
        let reference = "us.example/krus#\(try place.size(of: "us.example/krus", at: "us") - 1)"
        let raw = try place.must("us", "show", reference, "--raw").output
        #expect(!raw.contains(Self.secret) && raw.contains(#""sealed":{"#), "\(raw)")
        let opened = try place.must("us", "show", reference, "--json").objects.first?["opened"] as? [String: Any]
        let value = try #require(opened?[source.field])
        #expect("\(value)".contains(Self.secret), "\(value)")
        // Bodies are compressed in the database; the quarantine, the index and the journal are not.
        for name in try FileManager.default.subpathsOfDirectory(atPath: "\(place.path)/us") {
            let data = FileManager.default.contents(atPath: "\(place.path)/us/\(name)") ?? Data()
            #expect(data.range(of: Data(Self.secret.utf8)) == nil, "\(name)")
        }
        try place.expectSound("us")
    }

    /// A name in a sentence is none that stands before a value.
    @Test(arguments: [
        "[2024] Addresses denoted by the exchange", "[1] Methodology: {clustering}", "{note}", "notes: a",
    ])
    func aTextThatIsNoJSONStaysOpen(text: String) throws {
        let place = try Place()
        try place.found("us")
        let file = try place.file("a.yaml", Self.pack("  context: '\(text)'\n", in: "description: '\(text)'\n"))
        try place.must("us", "import", file)
        let raw = try place.must("us", "show", "us.example/krus#1", "--raw").output
        #expect(raw.contains(text) && !raw.contains("sealed"), "\(raw)")
    }

    @Test func whatHasNoSealedNameInItStaysOpenAndWhatACommandOpensToo() throws {
        let place = try Place()
        try place.found("us")
        let plain = try place.file("a.yaml", Self.pack("  lastmod: 2021-11-15\n"))
        try place.must("us", "import", plain)
        let row = Self.row(#""provenance":{"format":"x","fields":{"note":"public"}}"#)
        try place.must("us", "import", place.file("c.jsonl", row), "--in-clear", "note")
        for (index, part) in [(1, #""lastmod":"2021-11-15""#), (2, #""note":"public""#)] {
            let raw = try place.must("us", "show", "us.example/krus#\(index)", "--raw").output
            #expect(raw.contains(part) && !raw.contains("sealed"), "\(raw)")
        }
        // What is never in clear is not opened by the name of the part either.
        let victim = try place.file(
            "d.jsonl", Self.row(#""provenance":{"format":"x","fields":{"victim":"\#(Self.secret)"}}"#))
        let report = try place.must("us", "import", victim, "--in-clear", "provenance", "--json").objects.first
        let reasons = (report?["rejects"] as? [[String: Any]] ?? []).compactMap { $0["reason"] as? String }
        #expect(reasons.count == 1 && reasons.first?.contains("--in-clear provenance") == true, "\(reasons)")
        #expect(report?["imported"] as? Int == 0)
    }

    @Test func fieldsOfARecordThatAPackHasAreFoundByTheirValue() throws {
        let place = try Place()
        try place.found("us")
        try place.must("us", "import", place.file("a.yaml", Self.pack("  case_number: \(Self.secret)\n")))
        let found = try place.must("us", "search", "--sealed", "case_number=\(Self.secret)", "--json")
        #expect(found.objects.count == 1)
        // Who types the value is told who may read it, as with `submit`.
        #expect(found.errors.contains("case_number is sealed, but as an argument others on this machine can read it"))
        found.expectOneLine()
    }
}
