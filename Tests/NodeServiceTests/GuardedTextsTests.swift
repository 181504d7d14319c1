import Cryptography
import NodeService
import Records
import Testing

/// What a record says, spelled with its sealed texts in guarded memory, is spelled as without.
@Suite struct GuardedTextsTests {
    private func record(_ members: String) -> String {
        #"{"v":1,"type":"attribution","time":"2026-03-01T00:00:00Z","author":"a","tlp":"green","subject":"#
            + #"{"chain":"eip155:1","address":"0x098b716b8aaf21512996dc57eb0615e2383e2f96"}\#(members)}"#
    }

    private func spelled(_ secret: SecretBytes) -> String {
        secret.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    @Test(arguments: [
        ("", ["label": #""plain""#]),
        ("", ["label": #""""#, "victim": #""a \"quote\" and a \\""#]),
        (#","label":"x""#, ["victim": #""ends in a backslash \\""#, "case_number": #""\\\"\u0001é한""#]),
        (#","label":"x""#, ["victim": #""colon\": \"x\"""#, "note": #""{\"a\":\"b\"}""#]),
        (#","label":"x""#, ["confidence": #"{"scheme":"tagpack","level":"likely","value":1.50}"#]),
        (#","label":"x""#, ["confidence": #"{ "level" : "likely" , "value" : 15e-1 }"#]),
        (#","label":"x""#, ["victim": "null", "note": "12.0"]),
        (#","label":"x","provenance":{"source":"public"}"#, ["provenance": #"{"source":"secret"}"#]),
    ])
    func theSpellingIsTheSame(members: String, sealed: [String: String]) throws {
        func draft(_ value: (SecretBytes) throws -> JSONValue) throws -> [UInt8] {
            var draft = try RecordDraft(
                object: JSONScanner.scan(Array(record(members).utf8)),
                time: #require(Timestamp("2026-03-01T00:00:00Z")),
                author: "", tlp: .green)
            for (name, text) in sealed.sorted(by: { $0.key < $1.key }) {
                var bytes = Array(text.utf8)
                try draft.set(name, to: value(SecretBytes(wiping: &bytes)))
            }
            return DoubleKey.canonicalBytes(of: draft.ordered)
        }
        let plain = try draft { try $0.withUnsafeBytes { try JSONScanner.scan($0.bindMemory(to: UInt8.self)) } }
        var texts = GuardedTexts()
        let marked = try draft { try texts.marked($0) }
        #expect(try spelled(texts.restored(in: marked)) == String(decoding: plain, as: UTF8.self))
        // No text is in what is not guarded.
        let ordinary = String(decoding: marked, as: UTF8.self)
        for text in ["plain", "quote", "backslash", "colon", "likely", "secret", "한"] {
            #expect(!ordinary.contains(text))
        }
    }

    @Test func aTextThatLooksLikeAMarkIsNone() throws {
        var texts = GuardedTexts()
        var bytes = Array(#""secret""#.utf8)
        let marked = try JSONWriter.write(texts.marked(SecretBytes(wiping: &bytes)))
        let other = GuardedTexts()
        #expect(try spelled(other.restored(in: marked)) == String(decoding: marked, as: UTF8.self))
        let cut = marked.dropLast() + Array("1\"".utf8)
        #expect(try spelled(texts.restored(in: Array(cut))) == String(decoding: cut, as: UTF8.self))
        #expect(try spelled(texts.restored(in: [1] + marked + marked + [2])) == "\u{1}\"secret\"\"secret\"\u{2}")
    }

    @Test func whatIsNoTextAndWhatIsCutIsRefusedOrKept() throws {
        for (text, isJSON) in [("7", true), (#""open"#, false), (#"{"a":"#, false), (#""\"#, false)] {
            var texts = GuardedTexts()
            var bytes = Array(text.utf8)
            let value = try SecretBytes(wiping: &bytes)
            if isJSON {
                #expect(try JSONWriter.text(texts.marked(value)) == text)
                #expect(texts.isEmpty)
            } else {
                // Cut off, it is a text up to the end, or no JSON: never more than is there.
                _ = try? texts.marked(value)
            }
        }
    }
}
