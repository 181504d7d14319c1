import Interchange
import Records
import Testing

/// Packs as anybody may write them: nothing of them is lost without a word, and none of them costs more than its size.
@Suite struct PackTests {
    private struct Files: FileAccess {
        func read(_ relativePath: String, limit: Int) throws -> [UInt8] {
            switch relativePath {
            case "header.yaml": Array("\u{FEFF}creator: From elsewhere\r\ncurrency: ETH\r\n".utf8)
            case "tags.yaml": Array("creator: x\ntags:\n- label: y\n".utf8)
            default: throw ImportError(file: relativePath, reason: "not there")
            }
        }
    }

    private static let address = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
    private static let head = "title: T\ncreator: C\nsource: https://example.org/\ncurrency: BTC\n"
    private static let tag = "- address: \(address)\n  label: l\n"

    private func items(_ text: String, _ format: ImportFormat = .tagpack) throws -> [ImportItem] {
        guard let time = Timestamp("2026-01-02T03:04:05Z") else { return [] }
        let importer = Importer(
            format: format, defaults: ImportDefaults(time: time, author: "a", tlp: .green), files: Files())
        var items: [ImportItem] = []
        try importer.items(of: ("file", Array(text.utf8))) { items.append($0) }
        return items
    }

    private func reasons(_ text: String, _ format: ImportFormat = .tagpack) throws -> [String?] {
        try items(text, format).map { if case .reject(_, let reason, _) = $0 { reason } else { nil } }
    }

    private func bodies(_ text: String, _ format: ImportFormat) throws -> [String] {
        try items(text, format).map { item in
            guard case .record(let body, _, _) = item else { return "\(item)" }
            return String(decoding: body, as: UTF8.self)
        }
    }

    private func refusal(_ text: String, _ format: ImportFormat = .tagpack) -> ImportError? {
        #expect(throws: ImportError.self) { try items(text, format) }
    }

    private func record(_ text: String, _ format: ImportFormat = .tagpack) throws -> EntryRecord {
        guard case .record(let body, _, _) = try items(text, format).last else {
            Issue.record("rejected: \(text)")
            throw ImportError(file: "", reason: "rejected")
        }
        return try EntryRecord.validate(body: body, forSubmission: true)
    }

    // MARK: Hostile files

    /// Nine levels of nine: some hundred million values, if one read them.
    private static let bomb: String = {
        var levels = ["a: &a [x, x, x, x, x, x, x, x, x]"]
        for (name, before) in zip("bcdefghi", "abcdefgh") {
            levels.append(
                "\(name): &\(name) [" + Array(repeating: "*\(before)", count: 9).joined(separator: ", ") + "]")
        }
        return "{" + levels.joined(separator: ", ") + "}"
    }()

    @Test(arguments: [
        bomb, "[&a x, *a]", "{&a x: 1}", "{a: {b: &a 1}}", "{? &a [x] : y}", "[1, *a]", "{*a : 1}", "{<<: *a}",
        "!!map &a {x: 1}", "[\n    &a x]", "{x: \"a\", # c\n    y: &a b}", "- &a x",
    ])
    func anchorsAndAliasesAreRefusedWhereverTheyStand(_ value: String) throws {
        let context = value.hasPrefix("- ") ? "\n    \(value)" : value
        let reasons = try reasons(Self.head + "tags:\n\(Self.tag)  context: \(context)\n\(Self.tag)")
        #expect(reasons.count == 2 && reasons[0]?.contains("anchors and aliases") == true && reasons[1] == nil)
        // In the header they concern the whole.
        let error = refusal(Self.head + "more: \(context)\ntags:\n\(Self.tag)")
        #expect(
            error?.line ?? 0 >= 5 && error?.reason.contains("anchors and aliases") == true,
            "\(String(describing: error))")
        // Behind the list, the line is that of the file.
        let behind = refusal(Self.head + "tags:\n\(Self.tag)more: [\n  &a x]\n")
        #expect(behind?.line == 9)
    }

    @Test(arguments: ["\"&a *a\"", "'*a'", "x &a *b", "https://a.example/?a&b=*c", "a # &a *b", "|\n    &a\n    *b"])
    func whatOnlyLooksLikeThemIsText(_ value: String) throws {
        #expect(try record(Self.head + "tags:\n\(Self.tag)  context: \(value)\n")["context"]?.string?.isEmpty == false)
    }

    @Test(arguments: [
        (String(repeating: "[", count: 100_000), "deep"), (String(repeating: "{a: ", count: 100_000), "deep"),
        ("\n    " + String(repeating: "- ", count: 100_000), "deep"),
        ("[" + String(repeating: "x,", count: 400_000) + "]", "values"),
        ("[" + String(repeating: "[],", count: 400_000) + "]", "values"), ("!!binary eA==", "tag"), ("!x y", "tag"),
        ("{a: 1, a: 2}", "twice"), ("{[a]: 1}", "no text"), ("{? {victim: x} : y}", "no text"), ("{a", "did not find"),
    ])
    func whatNoRecordHasAPlaceForIsRefusedAsFarAsItIsRead(_ value: String, _ reason: String) throws {
        let reasons = try reasons(Self.head + "tags:\n\(Self.tag)  context: \(value)\n\(Self.tag)")
        #expect(reasons.count == 2 && reasons[0]?.contains(reason) == true && reasons[1] == nil, "\(reasons)")
        #expect(refusal(Self.head + "more: \(value)\ntags:\n\(Self.tag)")?.line ?? 0 >= 5)
    }

    @Test func aReasonNamesTheLineWithinTheItem() throws {
        let reasons = try reasons(Self.head + "tags:\n\(Self.tag)\(Self.tag)  a: 1\n  a: 2\n")
        #expect(reasons == [nil, "a name stands there twice (in line 4 of this item)"])
    }

    @Test func directivesDoNotPileUp() {
        let lines = (0..<200_000).map { "%TAG !\($0)! b\n" }.joined()
        #expect(refusal(lines + "---\n" + Self.head + "tags:\n" + Self.tag)?.reason.contains("%") == true)
        #expect(throws: Never.self) { try items("%YAML 1.1\n---\n" + Self.head + "tags:\n" + Self.tag) }
    }

    // MARK: Nothing is lost

    @Test func aSecondListIsRefusedWithItsLine() {
        let again = "lastmod: 2020-01-01\ntags:\n\(Self.tag)"
        #expect(refusal(Self.head + "tags:\n" + Self.tag + again)?.line == 9)
        #expect(refusal(Self.head + "tags:\n" + Self.tag + again.replacing("tags:", with: "\"tags\":"))?.line == 9)
        #expect(refusal("header: {title: T, tags: [x]}\n" + Self.head + "tags:\n" + Self.tag)?.line == 1)
        #expect(refusal("header: !include tags.yaml\n" + Self.head + "tags:\n" + Self.tag)?.file == "tags.yaml")
        #expect(refusal("actors:\n- id: a\n  label: A\nx: 1\nactors:\n- id: b\n  label: B\n", .actorpack)?.line == 5)
        #expect(refusal(Self.head + "tags: [x]\n" + Self.tag)?.line == 5)
        #expect(refusal(Self.head + "tags:\n  more: x\n" + Self.tag)?.line == 6)
        #expect(refusal("title: T\n" + Self.head + "tags:\n" + Self.tag)?.line == 2)
        #expect(refusal("header: {title: T}\n" + Self.head + "tags:\n" + Self.tag)?.line == 2)
    }

    @Test func theHeaderOfAnActorPackIsKept() throws {
        let record = try record("title: T\ncreator: C\nmore: {a: [1]}\nactors:\n- id: a\n  label: A\n", .actorpack)
        #expect(record["provenance.header.title"]?.string == "T")
        #expect(record["provenance.header.creator"]?.string == "C")
        #expect(record["provenance.header.more.a"]?.array == [.integer(1)])
    }

    @Test(arguments: ["[{a: x}]", "{victim: x}", "[[x]]", "[x, ~]"])
    func aWordThatIsNoneIsNotLost(_ value: String) throws {
        for field in ["abuse", "concepts", "category"] {
            let reasons = try reasons(Self.head + "tags:\n\(Self.tag)  \(field): \(value)\n")
            #expect(reasons == ["\(field): must be a text or a list of texts"])
            let ofHeader = try self.reasons(Self.head + "\(field): \(value)\ntags:\n\(Self.tag)")
            #expect(ofHeader == reasons)
        }
        for field in ["aliases", "categories", "jurisdictions"] {
            let reasons = try reasons("actors:\n- id: a\n  label: A\n  \(field): \(value)\n", .actorpack)
            #expect(reasons == ["\(field): must be a text or a list of texts"])
        }
    }

    @Test func whatIsNoTextIsNoName() throws {
        for field in ["id", "label", "uri"] {
            let own = "- id: a\n  label: A\n".replacing("\(field): ", with: "x_\(field): ")
            #expect(try reasons("actors:\n\(own)  \(field): {a: x}\n", .actorpack) == ["\(field): must be a text"])
        }
        // One word needs no list.
        let record = try record("actors:\n- id: a\n  label: A\n  aliases: B\n", .actorpack)
        #expect(record["aliases"]?.array == [.string("B")])
    }

    @Test(arguments: ["header.yaml", "header.yaml # comment", "\"header.yaml\"", "'header.yaml'   # 'x'"])
    func anIncludeIsAValueAsAnyOther(_ value: String) throws {
        let pack = "header: !include \(value)\ntitle: T\nsource: s\nlabel: l\ntags:\n"
        let record = try record(pack + "- address: '0x098b716b8aaf21512996dc57eb0615e2383e2f96'\n")
        #expect(record["provenance.header.creator"]?.string == "From elsewhere")
        // Text that speaks of one is text.
        let text = try self.record(Self.head + "more: 'see !include x'\ntags:\n" + Self.tag)
        #expect(text["provenance.header.more"]?.string == "see !include x")
    }

    // MARK: Other systems

    @Test(arguments: [
        (ImportFormat.tagpack, head + "tags:\n" + tag + "  context: |\n    a\n    b\n" + tag + "more: x\n"),
        (.actorpack, "title: T\nactors:\n- id: a\n  label: A\n- id: b\n  label: B\n"),
        (.csv, "address,chain,label\n\(address),BTC,x\n\(address),BTC,\"y\"\n\(address),BTC,\"z\""),
        (
            .jsonl,
            #"{"type":"actor","slug":"a","label":"A"}"# + "\n" + #"{"type":"actor","slug":"b","label":"B"}"#
        ),
    ])
    func lineBreaksAndMarksOfOtherSystemsChangeNothing(_ format: ImportFormat, _ text: String) throws {
        let plain = try bodies(text, format)
        #expect(plain.count > 1 && plain.allSatisfy { $0.hasPrefix("{") }, "\(plain)")
        let windows = text.replacing("\n", with: "\r\n")
        for other in [windows, windows + "\r\n", windows + "\r", "\u{FEFF}" + text, "\u{FEFF}" + windows] {
            #expect(try bodies(other, format) == plain)
        }
        guard format == .tagpack || format == .actorpack else { return }
        for head in [text, windows, "\u{FEFF}" + windows] {
            #expect(ImportFormat.detect(fileName: "a.yaml", head: Array(head.utf8)) == format)
        }
    }

    @Test func aPackWithoutItsListIsToldWhichListItHas() {
        #expect(refusal("title: T\nactors:\n- id: a\n")?.reason.contains("--format actorpack") == true)
        #expect(refusal("title: T\ntags:\n- id: a\n", .actorpack)?.reason.contains("`actors:`") == true)
        #expect(refusal("title: T\n", .actorpack)?.reason.contains("`actors:`") == true)
    }

    // MARK: CSV

    @Test(arguments: ["\"x\"y", "\"x\" ", "\"x\"\"\"y", "\"x\" \"y\"", "\"\"y"])
    func textBehindAQuotationMarkThatClosesIsRefused(_ cell: String) throws {
        let rows = try reasons("address,chain,label\n\(Self.address),BTC,\(cell)\n\(Self.address),BTC,z\n", .csv)
        #expect(rows == ["text behind a closed quotation mark", nil])
    }

    @Test func aColumnThatTheImportWritesItselfIsRefused() {
        for name in ["provenance", "provenance.format"] {
            #expect(refusal("address,\(name)\n1,2\n", .csv)?.reason.contains("provenance") == true)
        }
    }
}
