import Records
import Testing

/// The problems of a text as a body.
func problems(_ text: String, forSubmission: Bool = true) -> [RecordProblem] {
    do throws(RecordProblems) {
        _ = try EntryRecord.validate(body: Array(text.utf8), forSubmission: forSubmission)
        return []
    } catch {
        return error.problems
    }
}

extension JSONValue {
    func without(_ name: String) -> JSONValue {
        .object((object ?? []).filter { $0.name != name })
    }

    func with(_ name: String, _ value: JSONValue) -> JSONValue {
        .object((object ?? []).filter { $0.name != name } + [JSONMember(name, value)])
    }
}

@Suite("Validation of records")
struct ValidationTests {
    @Test("one good record of each type passes, and reads back", arguments: Example.all)
    func examples(text: String) throws {
        #expect(problems(text) == [])
        let record = try EntryRecord.validate(body: Array(text.utf8), forSubmission: true)
        #expect(EntryRecord.read(Array(text.utf8)) == .record(record))
        #expect(record.problems() == [])
        #expect(record.addressProblems() == [])
        #expect(record.time?.text == "2026-03-01T12:00:00Z")
        #expect(record.author == "analyst")
    }

    @Test("each required field is asked for by name", arguments: Example.all)
    func required(text: String) throws {
        let body = try JSONScanner.scan(text: text)
        let schema = try #require(body["type"]?.string.flatMap { RecordSchema.of(RecordType(rawValue: $0)) })
        for field in schema.fields where field.isRequired {
            let found = problems(JSONWriter.text(body.without(field.name)))
            #expect(found.contains { $0.path == field.name && $0.reason.contains("is missing") }, "\(field.name)")
        }
    }

    @Test("each field refuses a value of another kind, and no answer quotes it", arguments: Example.all)
    func wrongKinds(text: String) throws {
        let body = try JSONScanner.scan(text: text)
        let schema = try #require(body["type"]?.string.flatMap { RecordSchema.of(RecordType(rawValue: $0)) })
        let wrong: [JSONValue] = [
            .null, .number("1.5"), .array([.array([])]), .object([JSONMember("zz-secret-zz", .string("zz-secret-zz"))]),
            .string("zz-secret-zz \u{1}"), .string(""), .string(String(repeating: "zz-secret-zz", count: 1_100)),
            .array([.string("zz-secret-zz \u{7F}")]), .array([]), .integer(-5),
        ]
        for field in schema.fields where field.name != "type" {
            for value in wrong {
                if field.name == "provenance", case .object = value { continue }
                let found = problems(JSONWriter.text(body.with(field.name, value)))
                #expect(!found.isEmpty, "\(field.name) \(value)")
                for problem in found where !problem.reason.contains("is no field here") {
                    #expect(!problem.description.contains("zz-secret"), "\(problem)")
                }
            }
        }
    }

    @Test("all problems are reported, not the first")
    func allProblems() {
        let found = problems(
            #"{"v":2,"type":"attribution","time":"yesterday","author":"","tlp":"white","subject":{"chain":"ETH"},"x":1}"#
        )
        #expect(
            Set(found.map(\.path)) == ["v", "time", "author", "tlp", "subject.chain", "subject", "x", ""],
            "\(found)")
        let many = #"{"type":"actor",\#((0..<1_000).map { "\"f\($0)\":0" }.joined(separator: ",")),"v":1}"#
        #expect(problems(many).count == 100)
    }

    @Test("unknown fields are refused on submission with what was meant, and kept otherwise")
    func unknownFields() throws {
        let body = try JSONScanner.scan(text: Example.attribution)
        for (name, meant) in [
            ("lable", "label"), ("Label", "label"), ("case-number", "case_number"), ("confidance", "confidence"),
        ] {
            let text = JSONWriter.text(body.with(name, .string("x")))
            let problem = try #require(problems(text).first)
            #expect(problem.path == name)
            #expect(problem.reason.hasSuffix("did you mean \(meant)?"))
            let record = try EntryRecord.validate(body: Array(text.utf8), forSubmission: false)
            #expect(record.value[name] == .string("x"))
        }
        #expect(problems(JSONWriter.text(body.with("zzzzzz", .null)))[0].reason == "is no field here")
        let nested = Example.attribution.replacing("\"tx_hash\"", with: "").replacing("\"level\":", with: "\"levle\":")
        #expect(problems(nested).map(\.description) == ["confidence.levle: is no field here, did you mean level?"])
        // A name from outside is made fit to be shown.
        let escape = problems(JSONWriter.text(body.with("\u{1B}[31m\n" + String(repeating: "é", count: 500), .null)))[0]
            .path
        #expect(escape.utf8.count <= 64 && escape.utf8.allSatisfy { (0x21...0x7E).contains($0) })
    }

    @Test("an unknown type is refused on submission, and kept from a partner")
    func unknownType() throws {
        let text = #"{"v":1,"type":"atribution","new":[1]}"#
        #expect(problems(text).map(\.description) == ["type: is not known, did you mean attribution?"])
        let record = try #require(EntryRecord.read(Array(text.utf8)).record)
        #expect(record.type.rawValue == "atribution")
        #expect(record.value["new"] == .array([.integer(1)]))
        #expect(record.problems() == [])
    }

    @Test("a body has 1 to 16,384 bytes")
    func size() {
        #expect(problems("").count == 1)
        let filling = 16_384 - Example.transaction.utf8.count
        let fitting = Example.transaction + String(repeating: " ", count: filling)
        #expect(problems(fitting) == [])
        #expect(problems(fitting + " ").map(\.reason) == ["a body must have 1 to 16384 bytes, not 16385"])
    }

    @Test("what is not I-JSON, or no object, is refused with its place")
    func notJSON() {
        #expect(problems("{\"v\":1,\"v\":1}").map(\.description) == ["is not I-JSON: byte 7: the name appears twice"])
        #expect(problems("[]").map(\.reason) == ["a record must be a JSON object"])
        #expect(problems("{}").map(\.path) == ["type"])
        #expect(problems("{\"type\":1}").map(\.path) == ["type"])
    }

    @Test("a subject is exactly one address or transaction")
    func subject() {
        for subject in [
            #"{"chain":"eip155:1"}"#,
            #"{"chain":"\#(Example.bitcoin)","address":"1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo","tx_hash":"\#(Example.hash)"}"#,
        ] {
            let found = problems(#"{"v":1,"type":"attribution",\#(Example.head),"label":"x","subject":\#(subject)}"#)
            #expect(found.map(\.description) == ["subject: must have exactly one of address, tx_hash"])
        }
    }

    @Test("an attribution says something")
    func nothingSaid() {
        let found = problems(Example.transaction.replacing(",\"label\":\"theft\"", with: ""))
        #expect(found.map(\.reason) == ["must have at least one of label, actor, concepts"])
    }

    @Test(
        "an address that fails the check of its chain is refused on submission, naming the check, and marked otherwise")
    func addresses() throws {
        let wrong = Example.attribution.replacing(
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", with: "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD")
        let problem = try #require(problems(wrong).first)
        #expect(problem.path == "subject.address")
        #expect(problem.reason.hasPrefix("fails the check of Ethereum: "))
        #expect(!problem.reason.contains("0x5a"))
        let record = try EntryRecord.validate(body: Array(wrong.utf8), forSubmission: false)
        #expect(record.addressProblems() == [problem])
        let hop = Example.transfer.replacing(
            "1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo", with: "1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mp")
        #expect(problems(hop).map(\.path) == ["to.0.address"])
        #expect(EntryRecord.read(Array(hop.utf8)).record?.addressProblems().map(\.path) == ["to.0.address"])
        let hash = Example.transaction.replacing(Example.hash, with: "abcd")
        #expect(problems(hash).map(\.path) == ["subject.tx_hash"])
    }

    @Test("a chain is written as CAIP-2; one that is not known here is taken without a check")
    func chains() {
        func body(_ chain: String) -> String {
            #"{"v":1,"type":"attribution",\#(Example.head),"label":"x","subject":{"chain":"\#(chain)","address":"a b!"}}"#
        }
        #expect(problems(body("eip155:424242424")) == [])
        #expect(problems(body("foo:bar_Baz-1")) == [])
        for chain in [
            "ETH", "ethereum", "eip155", "eip155:", ":1", "ab:1", "eip155:1:2", "EIP155:1", "eip155:é", "eip155:1 ",
        ] {
            #expect(problems(body(chain)).contains { $0.path == "subject.chain" }, "\(chain)")
        }
        #expect(problems(body("SLIP44:156")).contains { $0.path == "subject.chain" })
    }

    @Test("a withdrawal that supersedes names its replacement, one that retracts has none")
    func withdrawals() {
        let retracting = Example.withdrawal.replacing("supersedes", with: "retracts")
        #expect(problems(retracting).map(\.path) == ["replacement"])
        let bare = #"{"v":1,"type":"withdrawal",\#(Example.head),\#(Example.target),"action":"supersedes"}"#
        #expect(problems(bare).map(\.path) == ["replacement"])
        #expect(problems(bare.replacing("supersedes", with: "retracts")) == [])
    }

    @Test("a key record has what its role and action need")
    func keys() {
        #expect(problems(Example.key.replacing(",\"epoch\":2", with: "")).map(\.path) == ["epoch"])
        #expect(problems(Example.key.replacing("replaces", with: "publishes")).map(\.path) == ["previous_key_id"])
        #expect(Set(problems(Example.key.replacing("sealing", with: "log")).map(\.path)) == ["origin", "epoch"])
    }

    @Test("a TagPack confidence has one of its levels, with its value")
    func confidence() {
        func body(_ confidence: String) -> String {
            Example.transaction.replacing("\"label\":", with: "\"confidence\":\(confidence),\"label\":")
        }
        for good in [
            #"{"level":"heuristic"}"#, #"{"level":"heuristic","value":10}"#, #"{"value":33}"#,
            #"{"scheme":"admiralty","level":"B2","value":75}"#,
        ] {
            #expect(problems(body(good)) == [], "\(good)")
        }
        #expect(problems(body(#"{"level":"sure"}"#)).map(\.path) == ["confidence.level"])
        #expect(problems(body(#"{"level":"heuristic","value":11}"#)).map(\.path) == ["confidence.value"])
        #expect(problems(body(#"{"scheme":"tagpack"}"#)).map(\.path) == ["confidence"])
        #expect(problems(body(#"{"level":"sure"}"#), forSubmission: false) == [])
    }

    @Test("times are in order")
    func order() {
        let text = Example.attribution.replacing("2025-12-31", with: "2025-02-20")
        #expect(problems(text).map(\.description) == ["valid_until: is before valid_from"])
    }

    @Test(
        "amounts are decimal texts",
        arguments: [
            ("0", true), ("1500", true), ("-1.50", true), ("0.000000000000000001", true), ("01", false), (".5", false),
            ("1.", false), ("1e3", false), ("1,5", false), ("", false), ("-", false), ("+1", false), ("1 ", false),
            ("١", false),
            (String(repeating: "9", count: 129), false),
        ])
    func amounts(text: String, isGood: Bool) {
        #expect(problems(Example.incident.replacing("401346.76", with: text)).isEmpty == isGood)
    }

    @Test("references, hashes, nodes and countries have one spelling")
    func spellings() {
        #expect(problems(Example.erasure.replacing("krus#1042", with: "krus/1042")).map(\.path) == ["target.reference"])
        #expect(problems(Example.erasure.replacing("abab", with: "ABAB")).map(\.path) == ["target.hash", "sha256"])
        #expect(problems(Example.members.replacing("kr.example", with: "KR.example")).map(\.path) == ["members.1"])
        #expect(problems(Example.actor.replacing("\"KP\"", with: "\"kp\"")).map(\.path) == ["jurisdictions.0"])
        #expect(problems(Example.actor.replacing("lazarus-group", with: "lazarus group")).map(\.path) == ["slug"])
        #expect(problems(Example.incident.replacing("heist", with: "Heist")).map(\.path) == ["kind"])
    }

    @Test("bodies that two parsers could read differently are unreadable, never interpreted")
    func unreadable() {
        for text in [
            "", "x", "[]", "1", "{}", "{\"type\":\"actor\"}", "{\"v\":1}", "{\"v\":1,\"type\":7}",
            "{\"v\":2,\"type\":\"actor\"}",
            "{\"v\":1.0,\"type\":\"actor\"}", "{\"v\":1,\"type\":\"actor\",\"type\":\"incident\"}",
            "{\"v\":1,\"type\":\"actor\"}\u{0}", "{\"v\":1,\"type\":\"actor\",\"n\":9007199254740993}",
        ] {
            guard case .unreadable(let reason) = EntryRecord.read(Array(text.utf8)) else {
                Issue.record("\(text) was read")
                continue
            }
            #expect(!reason.isEmpty)
        }
        #expect(EntryRecord.read([UInt8](repeating: 0x20, count: 65_536)).record == nil)
    }

    @Test("a partner's record with wrong fields is kept; their accessors give nothing")
    func wrongFields() throws {
        let text =
            #"{"v":1,"type":"attribution","time":5,"tlp":"pink","subject":[],"concepts":"x","confidence":{"value":"9"},"target":{}}"#
        let record = try #require(EntryRecord.read(Array(text.utf8)).record)
        #expect(record.time == nil && record.tlp == nil && record.subject == nil && record.concepts == [])
        #expect(record.confidence?.value == nil && record.target == nil && record.author == nil)
        #expect(!record.problems().isEmpty)
    }
}
