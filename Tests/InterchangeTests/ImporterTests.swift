import Interchange
import Records
import Testing

@Suite struct ImporterTests {
    private struct NoFiles: FileAccess {
        func read(_ relativePath: String, limit: Int) throws -> [UInt8] {
            if relativePath == "header.yaml" { return Array("creator: From elsewhere\ncurrency: ETH\n".utf8) }
            throw ImportError(file: relativePath, reason: "not there")
        }
    }

    private func items(_ text: String, _ format: ImportFormat, name: String = "file") throws -> [ImportItem] {
        guard let time = Timestamp("2026-01-02T03:04:05Z") else { return [] }
        let importer = Importer(
            format: format, defaults: ImportDefaults(time: time, author: "a", tlp: .green), files: NoFiles())
        var items: [ImportItem] = []
        try importer.items(of: (name, Array(text.utf8))) { items.append($0) }
        return items
    }

    private func record(_ item: ImportItem?) throws -> EntryRecord {
        guard case .record(let body, _, _) = item else {
            Issue.record("rejected: \(String(describing: item))")
            throw ImportError(file: "", reason: "rejected")
        }
        return try EntryRecord.validate(body: body, forSubmission: true)
    }

    @Test func aTokensChainIsThatOfItsAddressWhereOnlyOneCanBe() throws {
        let items = try items(
            """
            title: T
            creator: C
            label: L
            source: https://example.org/
            currency: USDT
            tags:
            - address: TUCsTq7TofTCJRRoHk6RvhMoS2mJLm5Yzq
            - address: 3LtcaPbCj87CwJHnRX3vh7c2y9RZQqeSy8
            - address: "0xd6216fc19db775df9774a6e33526131da7d19a2c"
            - address: TUCsTq7TofTCJRRoHk6RvhMoS2mJLm5Yzr

            """, .tagpack)
        #expect(try record(items[0])["subject.chain"]?.string == Chain.resolve("tron")?.caip2)
        #expect(try record(items[1])["subject.chain"]?.string == Chain.resolve("BTC")?.caip2)
        #expect(try record(items[1])["asset"]?.string == "USDT")
        // Every EVM chain has such addresses; and a checksum that fails tells nothing.
        for item in items[2...] {
            guard case .reject(_, let reason, _) = item else {
                Issue.record("not rejected: \(item)")
                continue
            }
            #expect(reason.contains("subject.chain"))
        }
    }

    @Test func aTagTakesWhatItDoesNotSayFromTheHeader() throws {
        let items = try items(
            """
            title: T
            creator: C
            label: Header label
            currency: BTC
            source: https://example.org/
            category: exchange
            tags:
            - address: 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa
            - address: 12cbQLTFMXRnSzktFkuoG3eHoMeFtpTu3S
              label: Own label
              abuse: scam
              confidence: forensic
              lastmod: 2021-11-15
              is_cluster_definer: true
              context: {a: 1}

            """, .tagpack)
        let first = try record(items.first)
        #expect(first.label == "Header label")
        #expect(first.concepts == ["exchange"])
        #expect(first.confidence?.level == "unknown" && first.confidence?.value == 5)
        let second = try record(items.last)
        #expect(second.label == "Own label")
        #expect(Set(second.concepts) == ["scam", "exchange"])
        #expect(second.confidence?.value == 50)
        #expect(second["cluster_definer"]?.bool == true)
        #expect(second["context"]?.string == #"{"a":1}"#)
        #expect(second["provenance.fields.lastmod"]?.string == "2021-11-15")
        #expect(second["provenance.header.title"]?.string == "T")
    }

    @Test func anIncludeStaysInTheFolderOfThePack() throws {
        let pack =
            "header: !include header.yaml\ntitle: T\nsource: s\nlabel: l\ntags:\n- address: '0x098b716b8aaf21512996dc57eb0615e2383e2f96'\n"
        #expect(try record(items(pack, .tagpack).first).subject?.chain == "eip155:1")
        for path in ["../header.yaml", "/etc/passwd", "a/../../b"] {
            #expect(throws: ImportError.self) {
                try items(pack.replacing("header.yaml", with: path), .tagpack)
            }
        }
    }

    @Test func aBrokenTagSpoilsNoOther() throws {
        let items = try items(
            "title: T\nsource: s\ncurrency: BTC\ntags:\n- address: 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa\n  label: a\n- address: 'x\n  label: \"b\n- address: 12cbQLTFMXRnSzktFkuoG3eHoMeFtpTu3S\n  label: c\n- label: null\n",
            .tagpack)
        #expect(items.count == 4)
        let lines = items.map { item -> Int in
            switch item {
            case .record(_, let position, _), .reject(let position, _, _): position.line
            }
        }
        #expect(lines == [5, 7, 9, 11])
        #expect(try record(items[0]).label == "a")
        #expect(try record(items[2]).label == "c")
    }

    @Test(arguments: [
        "", "title: T\n", "tags: 5\n", "title: T\ntags:\n", "a: &x 1\ntags:\n- b: *x\n", "\u{0}tags:\n- a: 1\n",
        "- 1\n- 2\ntags:\n- a: 1\n",
    ])
    func aFileThatIsNoPackIsRefusedAsAWhole(_ text: String) {
        #expect(throws: ImportError.self) { try items(text, .tagpack) }
    }

    @Test func csvKeepsQuotedLineBreaksAndNamesTheLineOfABadRow() throws {
        let items = try items(
            "\u{FEFF}address,network,label\r\n1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa,BTC,\"two\r\nlines, \"\"quoted\"\"\"\r\nonly,two\r\n12cbQLTFMXRnSzktFkuoG3eHoMeFtpTu3S,BTC,c\r\n",
            .csv)
        #expect(items.count == 3)
        guard case .reject(let position, let reason, _) = items[1] else {
            Issue.record("a ragged row was taken")
            return
        }
        #expect(position.line == 4)
        #expect(reason.contains("2 cells"))
        #expect(try record(items[2]).label == "c")
    }

    @Test func csvRefusesFieldsThatNobodyKnows() {
        #expect(throws: ImportError.self) { try items("address,colour\n1,2\n", .csv) }
        #expect(throws: ImportError.self) { try items("address,address\n1,2\n", .csv) }
    }

    @Test func aFullJSONRecordStaysAsItIsToTheByte() throws {
        let body =
            #"{"v":1, "type":"attribution","time":"2026-01-01T00:00:00Z","author":"x","tlp":"green","subject":{"chain":"eip155:1","address":"0x098b716b8aaf21512996dc57eb0615e2383e2f96"},"label":"é"}"#
        let items = try items("\(body)\n\nnot json\n\(body)", .jsonl)
        guard items.count == 3, case .record(let taken, _, _) = items[0],
            case .reject(let position, _, let row) = items[1]
        else {
            Issue.record("\(items)")
            return
        }
        #expect(taken == Array(body.utf8))
        #expect(position.line == 3)
        #expect(row == Array("not json".utf8))
    }

    @Test func formatsAreToldByNameAndHead() {
        #expect(ImportFormat.detect(fileName: "a.csv", head: []) == .csv)
        #expect(ImportFormat.detect(fileName: "a.JSONL", head: []) == .jsonl)
        #expect(ImportFormat.detect(fileName: "a.yaml", head: Array("title: x\nactors:\n- id: a".utf8)) == .actorpack)
        #expect(ImportFormat.detect(fileName: "a.yml", head: Array("tags:".utf8)) == .tagpack)
        #expect(ImportFormat.detect(fileName: "a.txt", head: []) == nil)
    }
}
