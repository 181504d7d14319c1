import Cryptography
import Records
import Testing

@Suite("Drafts of records")
struct DraftTests {
    private func draft(_ type: RecordType = .attribution, tlp: TLP = .green) throws -> RecordDraft {
        let time = try #require(Timestamp("2026-03-01T12:00:00Z"))
        return try #require(RecordDraft(type: type, time: time, author: "analyst", tlp: tlp))
    }

    private func problem(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "nothing"
        } catch {
            return String(describing: error)
        }
    }

    @Test("texts become what the schema says, in the order of the schema")
    func order() throws {
        var draft = try draft()
        for (name, text) in [
            ("concepts", "scam"), ("confidence", "authority_data"),
            ("address", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
            ("cluster_definer", "true"), ("chain", "eth"), ("concepts", "phishing"), ("label", "X é \"q\""),
            ("incident", "bybit"),
            ("provenance.format", "csv"), ("provenance.fields", "{\"a\":[1]}"),
        ] {
            try draft.set(name, text: text)
        }
        #expect(
            String(decoding: try draft.body(), as: UTF8.self)
                == #"{"v":1,"type":"attribution","time":"2026-03-01T12:00:00Z","author":"analyst","tlp":"green","#
                + #""incident":"bybit","subject":{"chain":"eip155:1","address":"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"},"#
                + #""label":"X é \"q\"","concepts":["scam","phishing"],"cluster_definer":true,"#
                + #""confidence":{"scheme":"tagpack","value":60,"level":"authority_data"},"#
                + #""provenance":{"format":"csv","fields":{"a":[1]}}}"#)
    }

    @Test("paths go into lists of objects")
    func paths() throws {
        var draft = try draft(.transfer)
        for (name, text) in [
            ("kind", "swap"), ("from.0.chain", "BTC"), ("from.0.amount", "0.10"), ("from.1.chain", "bitcoin"),
            ("to.0.chain", "TRX"),
            ("txs.0.tx_hash", Example.hash), ("txs.0.chain", "BTC"), ("confidence.value", "70"),
            ("occurred_at", "2025-03-02"),
        ] {
            try draft.set(name, text: text)
        }
        _ = try draft.body()
        #expect(draft.ordered["from"]?.array?.count == 2)
        #expect(draft.ordered["from"]?.array?[0]["amount"] == .string("0.10"))
        #expect(draft.ordered["confidence"] == .object([JSONMember("value", .integer(70))]))
        #expect(draft.ordered["txs"]?.array?[0].object?.map(\.name) == ["chain", "tx_hash"])
    }

    @Test("a text that does not fit is refused with the field, and not quoted")
    func refusedTexts() throws {
        for (name, text, expected) in [
            ("lable", "s3cret", "lable: is no field of attribution, did you mean label?"),
            ("adress", "s3cret", "adress: is no field of attribution, did you mean address?"),
            ("confidence.levle", "s3cret", "did you mean confidence.level?"),
            ("chain", "s3cret", "subject.chain: is no chain known here"),
            ("cluster_definer", "s3cret", "must be true or false"),
            ("confidence.value", "s3cret", "must be an integer"), ("confidence.value", "101", "must be from 0 to 100"),
            ("confidence.value", "007", "must be an integer"), ("concepts", "s3 cret", "must be 1 to 128"),
            ("label", "", "must not be empty"), ("label", "s3cret\n", "must be one line"),
            ("label", "s3cret\u{0}", "must be one line"),
            ("subject", "s3cret", "has fields of its own: subject.chain, subject.address, subject.tx_hash"),
            ("provenance.fields", "s3cret", "must be a JSON object"), ("provenance.fields", "[1]", "must be an object"),
            ("concepts.1", "s3cret", "leaves a gap"), ("observed_at", "s3cret", "must be a time"),
            ("v", "2", "must be 1"),
            ("tlp", "red", "is given twice"), ("sealed.salt", "s3cret", "must be standard base64"),
            ("tag_type", "s3cret", "must be one of actor"), ("", "s3cret", "(empty name): is no field"),
            ("label.x", "s3cret", "is no field"), ("concepts.99999999999999999999", "s3cret", "is no field"),
        ] {
            var draft = try draft()
            let found = problem { try draft.set(name, text: text) }
            #expect(found.contains(expected), "\(name): \(found)")
            #expect(!found.contains("s3cret"))
        }
        var transfer = try draft(.transfer)
        #expect(problem { try transfer.set("from", text: "x") }.contains("from.chain"))
        #expect(problem { try transfer.set("from.1.chain", text: "BTC") }.contains("leaves a gap"))
        #expect(problem { try transfer.set("address", text: "x") }.contains("is no field of transfer"))
        var twice = try draft()
        try twice.set("label", text: "a")
        #expect(problem { try twice.set("label", text: "b") } == "label: is given twice, and takes one value")
    }

    @Test("references and chains are taken in every spelling and written in one")
    func spellings() throws {
        var draft = try draft(.assessment)
        try draft.set("target.reference", text: "us.example/krus/1042")
        #expect(draft["target.reference"] == .string("us.example/krus#1042"))
        #expect(problem { try draft.set("target.hash", text: "x") }.contains("64 hexadecimal digits"))
        var other = try self.draft()
        try other.set("chain", text: "foo:bar")
        #expect(other["subject.chain"] == .string("foo:bar"))
    }

    @Test("a body that validation refuses is not made")
    func invalidBody() throws {
        var draft = try draft()
        try draft.set("label", text: "x")
        #expect(throws: RecordProblems.self) { try draft.body() }
        #expect(draft.problems().map(\.path) == ["subject"])
        try draft.set("note", to: .string(String(repeating: "x", count: 8_000)))
        try draft.set("context", to: .string(String(repeating: "y", count: 12_000)))
        try draft.set(
            "subject", to: .object([JSONMember("chain", .string("foo:1")), JSONMember("address", .string("x"))]))
        #expect(draft.problems() == [])
        #expect(problem { _ = try draft.body() }.contains("1 to 16384 bytes"))
    }

    @Test("an object from a line of JSON gets what is missing, and keeps what it has")
    func objects() throws {
        let time = try #require(Timestamp("2026-03-01T12:00:00Z"))
        let line = try JSONScanner.scan(
            text: #"{"label":"x","tlp":"amber","subject":{"address":"x","chain":"foo:1"},"type":"attribution"}"#)
        let draft = try RecordDraft(object: line, time: time, author: "analyst", tlp: .green)
        #expect(
            String(decoding: try draft.body(), as: UTF8.self)
                == #"{"v":1,"type":"attribution","time":"2026-03-01T12:00:00Z","author":"analyst","tlp":"amber","#
                + #""subject":{"chain":"foo:1","address":"x"},"label":"x"}"#)
        for (text, path) in [
            ("[]", ""), ("{}", "type"), (#"{"type":"actr"}"#, "type"), (#"{"type":"key"}"#, "type"),
            (#"{"type":1}"#, "type"),
        ] {
            let error = #expect(throws: RecordProblem.self) {
                try RecordDraft(
                    object: try JSONScanner.scan(text: text), type: text.contains("key") ? .actor : nil, time: time,
                    author: "a",
                    tlp: .green)
            }
            #expect(error?.path == path)
        }
        let unknown = try RecordDraft(object: line.with("x", .null), time: time, author: "a", tlp: .green)
        #expect(unknown.problems().map(\.path) == ["x"])
    }

    @Test("fields leave the draft to be sealed, and the header takes their place")
    func sealing() throws {
        var draft = try draft(tlp: .amber)
        for (name, text) in [
            ("chain", "foo:1"), ("address", "x"), ("label", "l"), ("note", "n"), ("source", "informant"),
            ("provenance.format", "csv"),
        ] {
            try draft.set(name, text: text)
        }
        #expect(draft.fieldsSealedByDefault == ["source", "note"])
        #expect(draft.fieldsToSeal(with: []) == [])
        let paths = draft.fieldsToSeal(with: ["note", "subject", "subject.address"])
        #expect(paths == ["note", "provenance", "subject"])
        let taken = try draft.takeFields(paths + ["source"])
        #expect(taken.map(\.path) == ["note", "provenance", "subject", "source"])
        #expect(taken[2].value["address"] == .string("x"))
        let digest = try #require(SHA256Digest(hex: Example.hash))
        let node = try #require(NodeName("us.example"))
        draft.setSealed(
            try #require(
                SealedHeader(
                    salt: [UInt8](0..<16), recipients: [.init(node: node, keyID: digest)], fields: taken.map(\.path),
                    size: 1,
                    sha256: digest, commitment: [UInt8](0..<32))))
        let record = try EntryRecord.validate(body: try draft.body(), forSubmission: true)
        #expect(record.sealed?.fields == ["note", "provenance", "source", "subject"])
        #expect(record.subject == nil)
        #expect(problem { _ = try draft.takeFields(["note"]) }.contains("is not there"))
        #expect(problem { _ = try draft.takeFields(["tlp"]) }.contains("cannot be sealed"))
        var red = try self.draft(tlp: .red)
        try red.set("chain", text: "foo:1")
        try red.set("address", text: "x")
        try red.set("label", text: "l")
        #expect(red.fieldsToSeal(with: []) == ["label", "subject"])
        #expect(red.problems() == [])
        var part = try self.draft()
        try part.set("address", text: "x")
        #expect(try part.takeFields(["subject.address"]).count == 1)
        #expect(part["subject"] == nil)
    }

    @Test("what submit takes as texts validates for every type with an example", arguments: Example.all)
    func reorders(text: String) throws {
        let time = try #require(Timestamp("2026-03-01T12:00:00Z"))
        let value = try JSONScanner.scan(text: text)
        let reversed = JSONValue.object((value.object ?? []).reversed())
        let draft = try RecordDraft(object: reversed, time: time, author: "x", tlp: .red)
        #expect(JSONWriter.text(draft.ordered) == text)
    }
}
