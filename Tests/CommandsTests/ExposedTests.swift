import Foundation
import Testing

/// Own records that have in the open what node.yaml seals today, with the real program.
@Suite struct ExposedTests {
    private static let subject =
        #""subject":{"chain":"eip155:1","address":"0x098b716b8aaf21512996dc57eb0615e2383e2f96"}"#
    private static let secret = "Sky Mavis"

    private func write(_ place: Place, _ rules: String) throws {
        let path = "\(place.path)/us/node.yaml"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let start = try #require(text.range(of: "sealing:\n"))
        let rest = text[start.upperBound...]
        let end = rest.split(separator: "\n", omittingEmptySubsequences: false).first {
            $0.first.map { $0 != " " } ?? false
        }
        let tail = end.flatMap { line in rest.range(of: "\n\(line)") }.map { rest[$0.lowerBound...] } ?? "\n"
        try (text[..<start.upperBound] + rules + tail).write(toFile: path, atomically: false, encoding: .utf8)
    }

    private func attribution(_ label: String, _ more: String) -> String {
        #"{"type":"attribution",\#(Self.subject),"label":"\#(label)"\#(more)}"# + "\n"
    }

    @Test func recordsFromBeforeThePolicyAreFoundWithTheirFields() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try write(place, "  fields: []\n  source: never\n  never_in_clear: []\n")
        let rows = [
            attribution("nothing", ""), attribution("victim", #","victim":"\#(Self.secret)""#),
            attribution("note", #","note":"\#(Self.secret)","method":"\#(Self.secret)""#),
            attribution("source", #","source":"an informant \#(Self.secret)""#),
            attribution("provenance", #","provenance":{"format":"x","fields":{"Case Number":"\#(Self.secret)"}}"#),
            #"{"type":"incident","slug":"x","name":"X","kind":"heist","losses":[{"asset":"ETH","amount":"1"}]}"# + "\n",
        ]
        try place.must("us", "import", try place.file("old.jsonl", rows.joined()))
        #expect(try place.must("us", "exposed", "--check").output.isEmpty)

        try write(
            place,
            "  types:\n    incident:\n      never_in_clear: [losses]\n      fields: [losses]\n  fields: [victim, note]\n"
        )
        try place.must(
            "us", "import", try place.file("new.jsonl", attribution("sealed", #","victim":"\#(Self.secret)""#)))
        let found = try place.must("us", "exposed", "--json")
        #expect(found.objects.map { $0["ref"] as? String } == [3, 4, 5, 6, 7].map { "us.example/krus#\($0)" })
        #expect(
            found.objects.map { $0["fields"] as? [String] }
                == [["victim"], ["note"], ["source"], ["provenance"], ["losses"]])
        #expect(
            found.objects.map { $0["refused"] as? [String] } == [["victim"], [], [], ["provenance"], ["losses"]])
        #expect(found.objects.first?["hash"] as? String == shownHash(place, 3))

        let told = try place.run("us", "exposed", "--check")
        #expect(told.status == 1)
        #expect(told.output.contains("us.example/krus#3  ") && told.output.contains("victim (refused)"))
        #expect(told.errors.contains("5 of 9 own records have"))
        for part in ["nothing takes these values back", "(may hold it: kr.example)", "--replaces REF"] {
            #expect(told.errors.contains(part), "\(told.errors)")
        }
        for outcome in [found, told] {
            #expect(!outcome.output.contains(Self.secret) && !outcome.errors.contains(Self.secret))
        }
        #expect(try place.must("us", "exposed", "--community", "krus", "--json").objects.count == 5)
        #expect(try place.run("us", "exposed", "--community", "other").status == 64)
        // Partners' records are theirs to judge.
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        #expect(try place.must("kr", "exposed", "--json").objects.isEmpty)
    }

    private func shownHash(_ place: Place, _ index: Int) -> String? {
        try? place.must("us", "show", "us.example/krus#\(index)", "--json").objects.first?["hash"] as? String
    }

    /// What a record has sealed is not in the open; what it left there beside that is.
    @Test func recordsWithSealedFieldsAreLookedAtToo() throws {
        let place = try Place()
        try place.found("us")
        let row = attribution("both", #","victim":"\#(Self.secret)","note":"\#(Self.secret)""#)
        try place.must("us", "import", try place.file("a.jsonl", row), "--in-clear", "note")
        let found = try place.must("us", "exposed", "--json").objects
        #expect(found.map { $0["fields"] as? [String] } == [["note"]])
        #expect(found.map { $0["refused"] as? [String] } == [[]])
    }

    @Test func damagedEntriesAreCountedAndTheRestIsLookedAt() throws {
        let place = try Place()
        try place.found("us")
        _ = try place.fill("us", records: 600)
        let row = attribution("open", #","note":"\#(Self.secret)""#)
        try place.must("us", "import", try place.file("a.jsonl", row), "--in-clear", "note")
        try DatabaseFile("\(place.path)/us/node.sqlite").execute(
            "UPDATE bundle SET data = zeroblob(9) WHERE number = 1")
        let outcome = try place.must("us", "exposed", "--json")
        #expect(outcome.errors.contains("256 entries are damaged here and not looked at"), "\(outcome.errors)")
        #expect(outcome.objects.contains { $0["fields"] as? [String] == ["note"] })
    }
}
