import Records
import Testing

@Suite("Names and references")
struct NameTests {
    @Test("node names are DNS names in lower case")
    func nodeNames() {
        let label = String(repeating: "a", count: 63)
        let longest = "\(label).\(label).\(label).\(String(repeating: "a", count: 61))"
        for name in ["us.example", "a", "1.2", "a-b.c--d.e0", label, longest] {
            #expect(NodeName(name)?.text == name)
        }
        for name in [
            "", ".", "a.", ".a", "a..b", "-a", "a-", "a.-b", "a-.b", "US.example", "a_b", "a b", "é.example", "a/b",
            "a\u{0}",
            label + "a", longest + "a", "us.example\n",
        ] {
            #expect(NodeName(name) == nil, "\(name)")
        }
    }

    @Test("community names are short and plain")
    func communityNames() {
        for name in ["krus", "0", "a-", "a-b", String(repeating: "a", count: 32)] {
            #expect(CommunityName(name)?.text == name)
        }
        for name in ["", "-a", "A", "a_b", "a.b", "a/b", "é", "a ", String(repeating: "a", count: 33)] {
            #expect(CommunityName(name) == nil, "\(name)")
        }
    }

    @Test("references are parsed in both spellings and printed in one")
    func references() throws {
        for (text, printed) in [
            ("us.example/krus#1042", "us.example/krus#1042"), ("us.example/krus/1042", "us.example/krus#1042"),
            ("us.example/krus#0", "us.example/krus#0"), ("us.example/krus/2", "us.example/krus#2"),
            ("us.example/krus/2#5", "us.example/krus/2#5"), ("us.example/krus/2/5", "us.example/krus/2#5"),
            ("a/b#9007199254740991", "a/b#9007199254740991"),
        ] {
            let reference = try #require(Reference(text))
            #expect(reference.text == printed)
            #expect(Reference(reference.text) == reference)
            #expect(Reference(reference.path) == reference)
        }
        #expect(Reference("us.example/krus/2#5")?.origin.generation == 2)
        #expect(Reference("us.example/krus/2#5")?.index == 5)
    }

    @Test(
        "what is no reference is none",
        arguments: [
            "", "#", "us.example", "us.example/krus", "us.example/krus#", "us.example/krus/", "us.example/krus#01",
            "us.example/krus#-1", "us.example/krus#+1", "us.example/krus# 1", "us.example/krus#1 ",
            "us.example/krus#1x",
            "us.example/krus#9007199254740992", "us.example/krus#99999999999999999999999", "us.example/krus/1/5",
            "us.example/krus/0#5", "us.example/krus/02#5", "us.example/krus/2/5/6", "us.example/krus/2/3#4",
            "US.example/krus#1",
            "us.example/KRUS#1", "/krus#1", "us.example//1", "us.example#1", "us.example/krus#1#2", "us.example/krus/x",
            "us.example/krus#٣",
        ])
    func badReferences(text: String) {
        #expect(Reference(text) == nil)
    }

    @Test("origins name successors from 2")
    func origins() throws {
        let first = try #require(LogOrigin("us.example/krus"))
        #expect(first.generation == 1)
        #expect(first.successor?.text == "us.example/krus/2")
        #expect(LogOrigin("us.example/krus/2") == first.successor)
        for text in [
            "us.example/krus/1", "us.example/krus/0", "us.example/krus/2/3", "us.example/krus#2", "us.example",
        ] {
            #expect(LogOrigin(text) == nil)
        }
    }
}

@Suite("Timestamps")
struct TimestampTests {
    @Test(
        "are parsed and printed",
        arguments: [
            ("1970-01-01T00:00:00Z", 0, 0), ("2026-03-01T12:00:00Z", 1_772_366_400, 0),
            ("2000-02-29T23:59:59Z", 951_868_799, 0), ("1969-12-31T23:59:59.5Z", -1, 500_000_000),
            ("0001-01-01T00:00:00Z", -62_135_596_800, 0),
            ("9999-12-31T23:59:59.999999999Z", 253_402_300_799, 999_999_999),
            ("2024-12-31T00:00:00.000000001Z", 1_735_603_200, 1),
        ])
    func known(text: String, seconds: Int, nanoseconds: Int) throws {
        let time = try #require(Timestamp(text))
        #expect(time.seconds == Int64(seconds))
        #expect(time.nanoseconds == UInt32(nanoseconds))
        #expect(time.text == text)
    }

    @Test("print what parses back, over all years")
    func roundTrip() throws {
        var generator = SeededGenerator(state: 1)
        for _ in 0..<5_000 {
            let time = try #require(
                Timestamp(
                    seconds: Int64.random(in: -62_135_596_800...253_402_300_799, using: &generator),
                    nanoseconds: UInt32.random(in: 0..<1_000_000_000, using: &generator)))
            #expect(Timestamp(time.text) == time)
        }
        #expect(Timestamp(seconds: 253_402_300_800) == nil)
        #expect(Timestamp(seconds: Int64.min) == nil)
        #expect(Timestamp(seconds: 0, nanoseconds: 1_000_000_000) == nil)
    }

    @Test(
        "refuse what is not RFC 3339 in UTC",
        arguments: [
            "", "2026-03-01", "2026-03-01T12:00:00", "2026-03-01T12:00:00z", "2026-03-01t12:00:00Z",
            "2026-03-01 12:00:00Z",
            "2026-03-01T12:00:00+00:00", "2026-03-01T12:00Z", "2026-03-01T24:00:00Z", "2026-03-01T12:60:00Z",
            "2026-03-01T12:00:60Z", "2026-02-29T12:00:00Z", "1900-02-29T00:00:00Z", "2026-13-01T12:00:00Z",
            "2026-00-01T12:00:00Z", "2026-04-31T12:00:00Z", "2026-03-00T12:00:00Z", "0000-01-01T00:00:00Z",
            "2026-03-01T12:00:00.Z", "2026-03-01T12:00:00.1234567890Z", "2026-03-01T12:00:00,5Z", "2026-3-1T12:00:00Z",
            "+026-03-01T12:00:00Z", "2026-03-01T12:00:00Z ", "２０26-03-01T12:00Z", "12026-03-01T12:00:00Z",
        ])
    func bad(text: String) {
        #expect(Timestamp(text) == nil)
    }

    @Test("know days as midnight in UTC")
    func days() {
        #expect(Timestamp(day: "2026-03-01")?.text == "2026-03-01T00:00:00Z")
        for text in ["2026-03-1", "2026-02-30", "2026/03/01", "2026-03-01T", ""] {
            #expect(Timestamp(day: text) == nil)
        }
    }
}
