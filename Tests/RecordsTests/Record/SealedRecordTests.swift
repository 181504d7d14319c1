import Cryptography
import Records
import Testing

@Suite("Sealed records")
struct SealedRecordTests {
    private func header(_ fields: [String] = ["note"], nodes: [String] = ["us.example", "kr.example"]) throws
        -> SealedHeader?
    {
        let keyID = try #require(SHA256Digest(hex: Example.hash))
        return SealedHeader(
            salt: [UInt8](0..<16),
            recipients: try nodes.map { SealedHeader.Recipient(node: try #require(NodeName($0)), keyID: keyID) },
            fields: fields, size: 512, sha256: keyID, commitment: [UInt8](0..<32))
    }

    @Test("the header is written sorted and reads back the same")
    func roundTrip() throws {
        let header = try #require(try header(["note", "case_number"]))
        #expect(header.recipients.map(\.node.text) == ["kr.example", "us.example"])
        #expect(header.fields == ["case_number", "note"])
        #expect(SealedHeader(header.value) == header)
        #expect("{\(Example.sealed(["case_number", "note"]))}" == "{\"sealed\":\(JSONWriter.text(header.value))}")
        let record = try EntryRecord.validate(body: Array(Example.sealedAttribution.utf8), forSubmission: true)
        #expect(record.sealed == header)
    }

    @Test("bounds on recipients, fields and sizes hold before anything is made of them")
    func bounds() throws {
        #expect(try header([]) == nil)
        #expect(try header(["note", "note"]) == nil)
        #expect(try header(nodes: []) == nil)
        #expect(try header(nodes: ["us.example", "us.example"]) == nil)
        #expect(try header(nodes: (0..<64).map { "n\($0)" }) != nil)
        #expect(try header(nodes: (0..<65).map { "n\($0)" }) == nil)
        #expect(try header((0..<65).map { "f\($0)" }) == nil)
        let good = try #require(try header()).value
        for (name, value) in [
            ("size", JSONValue.integer(0)), ("size", .integer(1_048_577)), ("size", .integer(-1)),
            ("size", .string("1")),
            ("salt", .string("AAAA")), ("salt", .string("")), ("commitment", .string("AAAA")),
            ("sha256", .string("ab")),
            ("sha256", .string(String(repeating: "AB", count: 32))), ("fields", .array([.integer(1)])),
            ("fields", .array([.string("b"), .string("a")])), ("recipients", .array([.null])), ("suite", .null),
        ] {
            #expect(SealedHeader(good.with(name, value)) == nil, "\(name) \(value)")
            #expect(SealedHeader(good.without(name)) == nil)
            let body = try JSONScanner.scan(text: Example.sealedAttribution).with("sealed", good.with(name, value))
            #expect(!problems(JSONWriter.text(body)).isEmpty)
        }
        let others = good.with("recipients", .array((good["recipients"]?.array ?? []).reversed()))
        #expect(SealedHeader(others) == nil)
    }

    @Test("a sealed field counts as given, and does not stand in the open as well")
    func sealedFields() {
        func body(_ open: String, _ fields: [String]) -> String {
            #"{"v":1,"type":"attribution",\#(Example.head),\#(open)\#(Example.sealed(fields))}"#
        }
        let subject = #""subject":{"chain":"foo:1","address":"x"},"#
        #expect(problems(body(subject, ["label"])) == [])
        #expect(problems(body("\"label\":\"x\",", ["subject"])) == [])
        #expect(problems(body("\"label\":\"x\",", ["subject.address", "subject.chain"])) == [])
        #expect(problems(body(#""label":"x","subject":{"chain":"foo:1"},"#, ["subject.address"])) == [])
        #expect(problems(body(#""label":"x","subject":{"chain":"foo:1"},"#, ["note"])).map(\.path) == ["subject"])
        #expect(problems(body("\"label\":\"x\",", ["subject.address"])).map(\.path) == ["subject.chain"])
        #expect(
            problems(body(subject + "\"label\":\"x\",", ["label"])).map(\.description)
                == ["label: is sealed and must not stand in the open as well"])
        #expect(
            problems(body(subject + "\"label\":\"x\",", ["subject.address"])).contains { $0.path == "subject.address" })
        #expect(
            problems(body(subject + "\"label\":\"x\",", ["subject.tx_hash"])).map(\.path) == ["subject"])
        #expect(
            problems(body("\"label\":\"x\",", ["subject", "subject.address"])).map(\.reason) == [
                "subject.address is sealed twice"
            ])
        for field in ["tlp", "sealed", "nothing", "subject.nothing", "concepts.0"] {
            #expect(
                problems(body(subject + "\"label\":\"x\",", [field])).contains {
                    $0.reason == "\(field) cannot be sealed"
                }, "\(field)")
        }
        #expect(problems(body(subject + "\"label\":\"x\",", ["later"]), forSubmission: false) == [])
        #expect(!problems(body(subject + "\"label\":\"x\",", ["tlp"]), forSubmission: false).isEmpty)
        let provenance = body(subject + #""label":"x","provenance":{"format":"csv"},"#, ["note"])
        #expect(problems(provenance).map(\.path) == ["provenance"])
    }

    @Test("TLP red and amber+strict leave no content in the open", arguments: ["red", "amber+strict"])
    func audience(tlp: String) {
        let head = Example.head.replacing("green", with: tlp)
        let open =
            #"{"v":1,"type":"attribution",\#(head),"incident":"x","subject":{"chain":"foo:1","address":"x"},"label":"y""#
        #expect(problems(open + "}").map(\.path) == ["tlp"])
        #expect(Set(problems("\(open),\(Example.sealed(["note"]))}").map(\.path)) == ["incident", "subject", "label"])
        let all = #"{"v":1,"type":"attribution",\#(head),\#(Example.sealed(["label", "subject"]))}"#
        #expect(problems(all) == [])
        #expect(problems(Example.erasure.replacing("green", with: tlp)).map(\.path) == ["tlp"])
        // What a partner did is shown, not refused.
        #expect(problems(open + "}", forSubmission: false) == [])
    }

    @Test("a path covers itself and what is in it")
    func covers() throws {
        let header = try #require(try header(["subject", "confidence.level"]))
        #expect(header.covers("subject") && header.covers("subject.address") && header.covers("confidence.level"))
        #expect(!header.covers("subjects") && !header.covers("confidence") && !header.covers("sub"))
    }
}
