import Cryptography
import Records
import Testing

@Suite("Fields of records")
struct AccessorTests {
    private func read(_ text: String) throws -> EntryRecord {
        try #require(EntryRecord.read(Array(text.utf8)).record)
    }

    @Test("an attribution gives what an index needs")
    func attribution() throws {
        let record = try read(Example.attribution)
        #expect(record.type == .attribution)
        #expect(record.tlp == .green)
        #expect(record.incident == "bybit-2025")
        #expect(record.subject?.chain == "eip155:1")
        #expect(record.subject?.canonicalAddress == "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed")
        #expect(record.moment("observed_at")?.text == "2025-02-26T00:00:00Z")
        #expect(record.moment("valid_from")?.text == "2025-02-21T00:00:00Z")
        #expect(record.asset == "ETH")
        #expect(record.label == "Bybit exploiter")
        #expect(record.actor == "lazarus-group")
        #expect(record.concepts == ["service_hack"])
        #expect(record.confidence == RecordConfidence(scheme: "tagpack", value: 60, level: "authority_data"))
        #expect(record.source == "https://example.org/a")
        #expect(record["confidence.level"] == .string("authority_data"))
        #expect(record.sealed == nil && record.sealedValue == nil)
        #expect(try read(Example.transaction).subject?.transactionHash == Example.hash)
    }

    @Test("a level alone has its value in TagPack's scheme, and in no other")
    func confidence() throws {
        func value(_ object: String) throws -> Int64? {
            try read(#"{"v":1,"type":"attribution","confidence":\#(object)}"#).confidence?.value
        }
        #expect(try value(#"{"level":"heuristic"}"#) == 10)
        #expect(try value(#"{"scheme":"tagpack","level":"heuristic"}"#) == 10)
        #expect(try value(#"{"scheme":"admiralty","level":"heuristic"}"#) == nil)
        #expect(try value(#"{"level":"heuristic","value":33}"#) == 33)
    }

    @Test("records about records give target, verdict and replacement")
    func targets() throws {
        let assessment = try read(Example.assessment)
        #expect(assessment.target?.reference.text == "us.example/krus#1042")
        #expect(assessment.target?.hash.hex == Example.hash)
        #expect(assessment.verdict == "corroborates")
        let withdrawal = try read(Example.withdrawal)
        #expect(withdrawal.action == "supersedes")
        #expect(withdrawal.replacement?.reference.index == 1_043)
        #expect(withdrawal.type.actsOnOwnLog && !assessment.type.actsOnOwnLog)
        let target = try #require(withdrawal.target)
        #expect(RecordTarget(target.value) == target)
        #expect(try read(Example.erasure).erasedBlob?.hex == Example.hash)
    }

    @Test("members are nodes, all or none")
    func members() throws {
        #expect(try read(Example.members).members.map(\.text) == ["us.example", "kr.example"])
        #expect(try read(Example.members).membersCarrySealed == false)
        #expect(try read(#"{"v":1,"type":"members","members":["us.example","B"]}"#).members == [])
        #expect(try read(#"{"v":1,"type":"members","members":["us.example",1]}"#).members == [])
        #expect(try read(#"{"v":1,"type":"members","members":[],"carry_sealed":"members"}"#).membersCarrySealed)
    }

    @Test("a transfer gives its sides and transactions")
    func transfer() throws {
        let record = try read(Example.transfer)
        #expect(record.kind == "bridge")
        #expect(record.sources.map(\.amount) == ["1.5"])
        #expect(record.destinations.map(\.subject.address) == ["1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo"])
        #expect(record.transactions.map(\.transactionHash) == [Example.hash])
        #expect(record.service == "thorchain")
    }

    @Test("actors and incidents give identifiers and names")
    func names() throws {
        #expect(try read(Example.actor).slug == "lazarus-group")
        #expect(try read(Example.actor).aliases == ["APT38"])
        #expect(try read(Example.actor).concepts == ["organization"])
        #expect(try read(Example.incident).label == "Bybit")
        #expect(try read(Example.incident).actors == ["lazarus-group"])
    }
}
