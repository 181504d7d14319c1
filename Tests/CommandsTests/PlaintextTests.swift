import Foundation
import Testing

/// A sealed value is in memory only while it is typed, sealed or shown, and nowhere else: looked for with the real
/// program, everywhere it could be left, whatever is done with the record that has it.
@Suite(.serialized) struct PlaintextTests {
    private static let address = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96"

    @Test func theSearchItselfFindsWhatIsThere() throws {
        let marker = Marker()
        for prefix in ["", "a", "ab", "abc"] {
            let data = Data("\(prefix)\(marker.text)xyz".utf8)
            #expect(marker.stands(in: data))
            #expect(marker.stands(in: data.base64EncodedString()))
        }
        for order in [String.Encoding.utf16LittleEndian, .utf16BigEndian] {
            #expect(marker.stands(in: try #require("x\(marker.text)".data(using: order))))
        }
        #expect(!marker.stands(in: Marker().text))
        let place = try Place()
        try place.found("us")
        // Where another process cannot be read, that is said, and not taken for a memory without the value.
        guard let regions = PlaintextScene.memory(of: try place.serve("us")) else { return }
        #expect(regions.contains { $0.contains(Array("us.example".utf8)) })
    }

    private func submission(label: String = "x", _ more: String...) -> [String] {
        [
            "submit", "attribution", "--field", "chain=ETH", "--field", "address=\(Self.address)", "--field",
            "label=\(label)",
        ]
            + more
    }

    private func reference(_ outcome: Entente.Outcome) throws -> String {
        try #require(outcome.objects.first?["ref"] as? String)
    }

    @Test func aValueThatIsSubmittedSearchedForAndShownIsLeftNowhere() throws {
        let it = try PlaintextScene()
        let secret = try it.input("secret.txt", "VALUE\n")
        let (value, number) = ("victim=@\(secret)", "case_number=@\(secret)")
        let first = try reference(
            it.run(
                "us",
                submission("--field", value, "--field", number, "--to", "kr.example", "--wait", "kr.example", "--json"))
        )
        let typed = try reference(
            it.run("us", submission("--field", "victim", "--to", "kr.example", "--json"), typed: it.marker.text))
        // A value that is refused, typed and in a file.
        try it.run("us", submission("--field", "time", "--seal", "time"), typed: it.marker.text, status: nil)
        try it.run("us", submission("--field", "time=@\(secret)"), status: nil)
        try it.run("us", submission("--field", "address=@\(secret)"), status: nil)
        let row =
            #"{"type":"attribution","subject":{"chain":"eip155:1","address":"0x"#
            + #"098b716b8aaf21512996dc57eb0615e2383e2f90"},"label":"x","victim":"VALUE"}"#
        try it.run("us", ["submit", "--file", it.input("good.json", row), "--to", "kr.example"])
        for (name, text) in [("bad", row.dropLast(2)), ("no-record", #""VALUE""#)] as [(String, Substring)] {
            try it.run("us", ["submit", "--file", it.input("\(name).json", String(text))], status: nil)
        }
        try it.run("us", ["sync"])
        for node in ["us", "kr"] {
            let found = try it.run(node, ["search", "--sealed", value, "--json"]).objects
            #expect(found.contains { $0["ref"] as? String == first })
            let asked = try it.run(node, ["search", "--sealed", "victim", "--json"], typed: it.marker.text).objects
            #expect(asked.contains { $0["ref"] as? String == typed }, "\(asked)")
            try it.run(node, ["show", first], shows: true)
            try it.run(node, ["show", typed, "--json"], shows: true)
        }
        try it.run("jp", ["sync"])
        try it.run("jp", ["show", first])
        try it.expectNoneInBodies()
        for node in PlaintextScene.nodes {
            #expect(FileManager.default.fileExists(atPath: "\(it.place.path)/\(node)/node.sqlite-wal"))
        }
        // While the nodes run, so with their write-ahead logs, and when they have ended.
        try it.expectNone()
        it.stop()
        try it.expectNone()
    }

    @Test func rowsOfBrokenFilesAreLeftNowhereInTheOpen() throws {
        let it = try PlaintextScene()
        let row =
            #"{"type":"attribution","subject":{"chain":"eip155:1","address":"0x098b716b8aaf21512996dc57eb0615e2383e2f96"},"#
            + #""label":"y","victim":"VALUE"}"#
        let tag = "  - address: \"\(Self.address)\"\n    victim: VALUE\n    case_number: VALUE\n"
        let head = "title: t\ncreator: c\ncurrency: ETH\nlabel: l\nsource: https://a.example/x\nlastmod: 2024-01-01\n"
        let files = [
            "a.jsonl": [
                row, row.replacingOccurrences(of: "0x098b", with: "0x098B"), "VALUE is no record", #"{"type":"VALUE"}"#,
                String(row.dropLast(3)), row.replacingOccurrences(of: #""label""#, with: #""time":"VALUE","label""#),
            ].joined(separator: "\n") + "\n",
            "b.csv": "chain,address,label,victim\nETH,\(Self.address),l,VALUE\nETH,VALUE,l,x\n"
                + "ETH,0x098b716B8Aaf21512996dC57EB0615e2383E2f96,l,VALUE\nETH,\(Self.address),l,VALUE,more,VALUE\n"
                + "ETH,\(Self.address),l,\"VALUE\n",
            "c.csv": "chain,address,label,VALUE\nETH,0x1,a,b\n",
            "d.yaml": head + "tags:\n\(tag)  - address: VALUE\n    note: VALUE\n"
                + "  - address: \"0x098b716B8Aaf21512996dC57EB0615e2383E2f96\"\n    lastmod: VALUE\n"
                + "    context: '{\"Case Number\":\"VALUE\"}'\n",
            "e.yaml": head + "victim: VALUE\ntags:\n\(tag)  - address: x\n    victim: \"VALUE\n",
            "f.yaml":
                "title: t\ncreator: VALUE\nlastmod: \"VALUE\"\ncurrency: \"VALUE\"\nlabel: x\ntags:\n - address: abc\n",
            "g.yaml": "title: t\ncreator: c\n<<: *VALUE\ntags: !include VALUE.yaml\n",
            "h.yaml":
                "title: t\nactors:\n- id: one\n  label: One\n- id: TWO TWO\n  label: VALUE\n- id: VALUE\n  label: x\n",
        ]
        for (name, text) in files.sorted(by: { $0.key < $1.key }) {
            let file = try it.input(name, text)
            try it.run("us", ["import", file, "--to", "kr.example", "--dry-run"], status: nil)
            try it.run("us", ["import", file, "--to", "kr.example", "--strict", "--json"], status: nil)
            try it.run("us", ["import", file, "--to", "kr.example"], status: nil)
            try it.run("us", ["submit", "--file", file], status: nil)
        }
        // What is no text of ours at all.
        let wide = "\(it.inputs)/wide.jsonl"
        try #require("\u{FEFF}\(it.marker.text)\n".data(using: .utf16LittleEndian)).write(
            to: URL(fileURLWithPath: wide))
        try it.run("us", ["import", wide], status: nil)
        try it.run("us", ["quarantine", "list"])
        let rows = try it.run("us", ["quarantine", "list", "--json"]).objects
        #expect(rows.count > 8)
        for name in ["a.jsonl", "b.csv", "d.yaml"] {
            try it.run("us", ["quarantine", "show", name], shows: true)
            try it.run("us", ["quarantine", "show", name, "--json"], shows: true)
        }
        try it.run("us", ["exposed"])
        try it.run("us", ["journal"])
        try it.expectNoneInBodies()
        try it.expectNone()
        it.stop()
        try it.expectNone()
    }

    @Test func whateverBecomesOfItsRecordTheValueIsLeftNowhere() throws {
        let it = try PlaintextScene()
        let secret = try it.input("secret.txt", "VALUE\n")
        let records = try (0..<3).map { number in
            try reference(
                it.run(
                    "us",
                    submission(label: "\(number)", "--field", "victim=@\(secret)", "--to", "kr.example", "--json")))
        }
        try it.run("us", ["sync"])
        try it.run("us", ["key", "rotate", "sealing"])
        try it.run("us", ["grant", records[0], "--to", "jp.example"])
        try it.run("us", ["erase", records[1], "--yes"])
        try it.run("us", ["sync"])
        try it.run("jp", ["sync"])
        try it.run("jp", ["show", records[0]], shows: true)
        for node in PlaintextScene.nodes {
            try it.run(node, ["exposed"], status: nil)
            try it.run(node, ["exposed", "--json"], status: nil)
            try it.run(node, ["scrub", "--repair"], status: nil)
            try it.run(node, ["verify"])
            try it.run(node, ["status", "--json"])
            try it.run(node, ["journal", "--json"])
            try it.run(node, ["prove", records[0]], status: nil)
            try it.run(
                node, ["export", "--format", "evidence", records[0], "\(it.place.path)/\(node).evidence.html"])
            try it.run(node, ["backup", "\(it.place.path)/\(node).backup"], sorts: true)
        }
        try it.expectNoneInBodies()
        try it.expectNone()

        // A home from its backup, and one whose databases are gone.
        it.stop("us")
        let keys = "\(it.place.path)/us/keys"
        try it.run("again", ["restore", "\(it.place.path)/us.backup"], status: nil, sorts: true)
        for name in try FileManager.default.contentsOfDirectory(atPath: "\(it.place.path)/us")
        where name.hasPrefix("node.sqlite") || name.hasPrefix("index.sqlite") {
            try FileManager.default.removeItem(atPath: "\(it.place.path)/us/\(name)")
        }
        #expect(FileManager.default.fileExists(atPath: keys))
        try it.run("us", ["recover"], sorts: true)
        try it.run("us", ["show", records[0]], shows: true)
        try it.run("us", ["search", "--sealed", "victim=@\(secret)"])
        try it.serve("us")
        try it.run("us", ["recover", "--restored"], sorts: true)
        try it.expectNone()
        it.stop()
        try it.expectNone()
    }
}
