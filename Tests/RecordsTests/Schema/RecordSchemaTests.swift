import Foundation
import Records
import Testing

@Suite("The schema of records")
struct RecordSchemaTests {
    static let folder = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "docs/schemas")

    @Test("the JSON Schema files in docs/schemas are the ones that the table gives", arguments: RecordSchema.all)
    func files(schema: RecordSchema) throws {
        let file = RecordSchemaTests.folder.appending(path: "\(schema.type).schema.json")
        if ProcessInfo.processInfo.environment["UPDATE_SCHEMAS"] == "1" {
            try FileManager.default.createDirectory(at: RecordSchemaTests.folder, withIntermediateDirectories: true)
            try Data(schema.jsonSchemaText.utf8).write(to: file)
        }
        let committed = try String(contentsOf: file, encoding: .utf8)
        #expect(
            committed == schema.jsonSchemaText, "run the tests once with UPDATE_SCHEMAS=1 and look at the difference")
        #expect(try JSONScanner.scan(text: committed) == schema.jsonSchema)
    }

    @Test("every type has a schema, and no name stands in one twice")
    func table() {
        #expect(
            RecordSchema.all.map(\.type.rawValue)
                == [
                    "members", "actor", "attribution", "incident", "transfer", "assessment", "withdrawal", "grant",
                    "erasure", "key",
                ])
        for schema in RecordSchema.all {
            #expect(Set(schema.fields.map(\.name)).count == schema.fields.count)
            #expect(schema.fields.count <= 64)
            #expect(schema.fields.prefix(5).map(\.name) == ["v", "type", "time", "author", "tlp"])
            #expect((schema.fields.last?.name == "sealed") == !schema.sealableFields.isEmpty)
            #expect(schema.fields.allSatisfy { !$0.summary.isEmpty })
            #expect(!schema.help.isEmpty)
            #expect(schema.help.allSatisfy { schema.field(at: $0.path) != nil })
        }
        #expect(RecordSchema.of(RecordType(rawValue: "nonsense")) == nil)
    }

    @Test("victim, case number, method, note and a source that is not public are sealed by policy")
    func policy() throws {
        let schema = try #require(RecordSchema.of(.attribution))
        func names(_ source: String) throws -> [String] {
            schema.fieldsSealedByDefault(
                in: try JSONScanner.scan(
                    text: """
                        {"label":"x","source":"\(source)","method":"m","victim":"v","case_number":"1","note":"n"}
                        """))
        }
        #expect(try names("informant 12") == ["source", "method", "victim", "case_number", "note"])
        for source in ["https://example.org/a", "http://example.org"] {
            #expect(try names(source) == ["method", "victim", "case_number", "note"])
        }
        for source in [
            "https://user:secret@example.org", "ftp://example.org", "see https://example.org",
            #"https://example.org\nfile 17"#,
            #"https://example.org\tfile 17"#, "https://example.org\u{2028}file 17", #"https://example.org\u001f17"#,
        ] {
            #expect(try names(source).contains("source"))
        }
    }

    @Test("content can be sealed, what others must read cannot")
    func sealable() throws {
        let attribution = try #require(RecordSchema.of(.attribution))
        for path in ["note", "subject", "subject.address", "confidence.level", "label", "incident", "provenance"] {
            #expect(attribution.isSealable(path), "\(path)")
        }
        for path in [
            "v", "type", "time", "author", "tlp", "sealed", "sealed.salt", "", ".", "note.", "concepts.0", "nothing",
        ] {
            #expect(!attribution.isSealable(path), "\(path)")
        }
        let transfer = try #require(RecordSchema.of(.transfer))
        #expect(transfer.isSealable("from"))
        #expect(!transfer.isSealable("from.0.address"))
        #expect(!transfer.isSealable("from.address"))
        for type in [RecordType.members, .grant, .erasure, .key] {
            #expect(RecordSchema.of(type)?.sealableFields.isEmpty == true)
        }
        #expect(RecordSchema.of(.withdrawal)?.isSealable("target") == false)
    }

    @Test("fields are found by path")
    func paths() throws {
        let transfer = try #require(RecordSchema.of(.transfer))
        #expect(transfer.field(at: "from.0.address")?.name == "address")
        #expect(transfer.field(at: "from")?.isList == true)
        #expect(transfer.field(at: "confidence.level")?.vocabulary == .confidenceLevels)
        for path in [
            "from.x", "from.0.nothing", "from.0.address.x", "kind.0", "", "0", "from.-1", "from.00.address", "from.0.0",
        ] {
            #expect(transfer.field(at: path) == nil, "\(path)")
        }
    }

    @Test("the levels of confidence have TagPack's values")
    func levels() {
        #expect(ConfidenceLevel.all.count == 14)
        #expect(ConfidenceLevel.named("ownership")?.value == 100)
        #expect(ConfidenceLevel.named("authority_data")?.value == 60)
        #expect(ConfidenceLevel.named("unknown")?.value == 5)
        #expect(ConfidenceLevel.named("Unknown") == nil)
        #expect(Vocabulary.abuseConcepts.contains("ransomware"))
        #expect(Vocabulary.concepts.contains("mixing_service"))
        #expect(!Vocabulary.concepts.isClosed)
        #expect(Set(Vocabulary.concepts.words).count == Vocabulary.concepts.words.count)
        #expect(TLP.allCases.sorted() == TLP.allCases)
        #expect(Vocabulary.tlp.words == TLP.allCases.map(\.rawValue))
    }
}
