import Home
import NodeService
import Records
import Testing

/// What node.yaml says of sealing is obeyed, and a command can only go so far against it.
@Suite struct SealingPolicyTests {
    private static let victim = #","victim":"Sky Mavis""#
    private static let members = ["us.example", "kr.example", "jp.example"]

    private func draft(_ more: String = victim, type: String = "attribution") throws -> RecordDraft {
        let text = #"{"type":"\#(type)","subject":{"chain":"eip155:1","address":"0x1"},"label":"x"\#(more)}"#
        return try RecordDraft(
            object: JSONScanner.scan([UInt8](text.utf8)), time: #require(Timestamp(seconds: 0)), author: "a",
            tlp: .green)
    }

    private func policy(_ defaults: SealingDefaults = SealingDefaults()) -> SealingPolicy {
        SealingPolicy(node: "us.example", members: Self.members, defaults: defaults)
    }

    private func refusal(of field: String, by rule: String = "sealing.never_in_clear") -> SealingRefusal {
        let key = field == "source" ? "sealing.source" : "sealing.fields"
        return .neverInClear(field: field, rule: rule, remedy: .sealing(key: key, offersSeal: false))
    }

    @Test func withoutAWordTheDefaultsAreSealedToThisNodeAlone() throws {
        let decision = try policy().decision(
            on: draft(#","victim":"a","note":"b","context":"c","source":"an informant""#))
        #expect(decision.fields == ["note", "source", "victim"])
        #expect(decision.readers == ["us.example"])
        #expect(try policy().decision(on: draft(#","source":"https://a.example""#)).fields == [])
    }

    @Test func readersComeFromNodeYAMLUnlessACommandNamesThem() throws {
        let defaults = SealingDefaults(
            readers: ["kr.example", "xx.example"], types: ["incident": .init(readers: ["jp.example"])])
        // A reader that is no member of this community could not hold the record.
        #expect(try policy(defaults).decision(on: draft()).readers == ["kr.example", "us.example"])
        #expect(
            try policy(defaults).decision(on: draft(), wishes: .init(readers: ["jp.example"])).readers
                == ["jp.example", "us.example"])
        #expect(
            try policy(defaults).decision(on: draft(), wishes: .init(readers: ["us.example"])).readers
                == ["us.example"])
        let incident = #"{"type":"incident","slug":"s","name":"n","kind":"heist","victim":"v"}"#
        let other = try RecordDraft(
            object: JSONScanner.scan([UInt8](incident.utf8)), time: #require(Timestamp(seconds: 0)), author: "a",
            tlp: .green)
        #expect(try policy(defaults).decision(on: other).readers == ["jp.example", "us.example"])
    }

    /// A level of confidence brings scheme and value with it, of which a rule may speak.
    @Test func whatIsFilledInIsHeldToTheRuleToo() throws {
        let level = #","confidence":{"level":"ownership"}"#
        let never = SealingDefaults(neverInClear: ["confidence.value"])
        #expect(throws: SealingRefusal.self) { try policy(never).decision(on: draft(level)) }
        let sealing = SealingDefaults(fields: ["confidence.value"], neverInClear: ["confidence.value"])
        #expect(try policy(sealing).decision(on: draft(level)).fields == ["confidence.value"])
    }

    @Test func ACommandMayLeaveOpenWhatIsOnlySealedByDefault() throws {
        let wishes = SealingPolicy.Wishes(inClear: ["note"])
        #expect(try policy().decision(on: draft(#","note":"b""#), wishes: wishes).fields == [])
        #expect(try policy().decision(on: draft(#","note":"b","victim":"v""#), wishes: wishes).fields == ["victim"])
        let everything = SealingDefaults(source: .always, neverInClear: [])
        #expect(
            try policy(everything).decision(
                on: draft(#","source":"s","victim":"v""#), wishes: .init(inClear: ["source", "victim"])
            ).fields == [])
    }

    @Test func whatIsNeverInClearIsRefusedInClearWhateverTheCommandSays() throws {
        #expect(
            throws:
                SealingRefusal.neverInClear(
                    field: "victim", rule: "sealing.never_in_clear", remedy: .withoutInClear("victim"))
        ) {
            try policy().decision(on: draft(), wishes: .init(inClear: ["victim"]))
        }
        let unsealed = SealingDefaults(fields: [], neverInClear: ["label", "confidence", "source"])
        #expect(throws: refusal(of: "label")) {
            try policy(unsealed).decision(on: draft(""))
        }
        let sealed = SealingPolicy.Wishes(sealed: ["label"])
        #expect(try policy(unsealed).decision(on: draft(""), wishes: sealed).fields == ["label"])
        // Half of a field is not the field, and a public source is in clear as well.
        let half = SealingPolicy.Wishes(sealed: ["label", "confidence.level"])
        #expect(throws: refusal(of: "confidence")) {
            try policy(unsealed).decision(on: draft(#","confidence":{"value":3,"level":"x"}"#), wishes: half)
        }
        #expect(throws: refusal(of: "source")) {
            try policy(unsealed).decision(on: draft(#","source":"https://a.example""#), wishes: sealed)
        }
        let ofType = SealingDefaults(types: ["attribution": .init(neverInClear: ["asset"])])
        #expect(throws: refusal(of: "asset", by: "sealing.types.attribution.never_in_clear")) {
            try policy(ofType).decision(on: draft(#","asset":"ETH""#))
        }
        // Beside the general list, not in its place: who adds a field puts none of the others in the open.
        for added in [["asset"], []] {
            let more = SealingDefaults(types: ["attribution": .init(fields: added, neverInClear: added)])
            let refusal = SealingRefusal.neverInClear(
                field: "victim", rule: "sealing.never_in_clear", remedy: .withoutInClear("victim"))
            #expect(throws: refusal) {
                try policy(more).decision(on: draft(Self.victim), wishes: .init(inClear: ["victim"]))
            }
            let decision = try policy(more).decision(on: draft(#","asset":"ETH","note":"n""# + Self.victim))
            #expect(decision.fields == added + ["note", "victim"])
        }
        // A whole that is sealed seals its parts.
        let part = SealingDefaults(fields: ["confidence"], neverInClear: ["confidence.level"])
        #expect(
            try policy(part).decision(on: draft(#","confidence":{"level":"x"}"#)).fields == ["confidence"])
    }

    @Test func theTrafficLightSealsEverythingAndNoCommandOpensIt() throws {
        for tlp in ["red", "amber+strict"] {
            let draft = try draft(#","asset":"ETH","tlp":"\#(tlp)""#)
            #expect(try policy(.init(fields: [])).decision(on: draft).fields == ["asset", "label", "subject"])
            #expect(throws: SealingRefusal.sealedAnyway(field: "asset")) {
                try policy().decision(on: draft, wishes: .init(inClear: ["asset"]))
            }
        }
        #expect(try policy().decision(on: draft(#","asset":"ETH","tlp":"amber""#)).fields == [])
    }

    @Test func provenanceGoesWithWhatIsSealed() throws {
        let provenance = #","provenance":{"format":"csv"}"#
        #expect(try policy().decision(on: draft(provenance)).fields == [])
        let both = try draft(provenance + Self.victim)
        #expect(try policy().decision(on: both).fields == ["provenance", "victim"])
        #expect(throws: SealingRefusal.sealedAnyway(field: "provenance")) {
            try policy().decision(on: both, wishes: .init(inClear: ["provenance"]))
        }
    }

    @Test func aDraftThatNamesAnEnvelopeIsRefused() throws {
        #expect(throws: RecordProblem.self) { try policy().decision(on: draft(#","sealed":{}"#)) }
    }

    @Test(arguments: [
        (#"{"fields":{"victim":"x"}}"#, true), (#"{"header":{"a":[{"b":{"Case Number":1}}]}}"#, true),
        (#"{"fields":{"caseNumber":"x"}}"#, true), (#"{"header":{"note":"x"}}"#, true),
        (#"{"fields":{"a":"{\"VICTIM\":1}"}}"#, true), (#"{"fields":{"a":"{\"victim\":1"}}"#, true),
        (#"{"fields":{"source":"an informant"}}"#, true), (#"{"fields":{"source":["https://a.example","b"]}}"#, true),
        (#"{"fields":{"source":"https://a.example"}}"#, false), (#"{"fields":{"victims":1,"a":"victim"}}"#, false),
        (#"{"fields":{"losses":1}}"#, true), (#"{"fields":{"confidence":{"level":1}}}"#, true),
        (#"{"fields":{"level":1}}"#, false),
    ])
    func provenanceThatHasASealedNameInItIsSealed(_ fields: String, isSealed: Bool) throws {
        let defaults = SealingDefaults(
            types: ["incident": .init(fields: ["confidence.level"], neverInClear: ["losses"])])
        let draft = try draft(#","provenance":\#(fields)"#)
        #expect(try policy(defaults).decision(on: draft).fields == (isSealed ? ["provenance"] : []))
        // A record without it has the same text as its context.
        let text = JSONWriter.text(.string(fields))
        let context = try self.draft(#","context":\#(text)"#)
        #expect(try policy(defaults).decision(on: context).fields == (isSealed ? ["context"] : []))
    }

    /// What is meant as JSON and is none is searched as far as it can be read; where in doubt it is sealed.
    @Test(arguments: [
        (#"{"vic\u0074im":"S","n":12345678901234567890}"#, true), (#"{"a":"b" "victim":"S"}"#, true),
        (#"{'victim'='S'}"#, true), (#"{["victim"]:"S"}"#, true), (#"{[victim, x]: "S"}"#, true),
        (#"{victim : S}"#, true), (#"{"a":1,, "Case Number" = 3}"#, true), (#"{a: {b: [{case_number: 3}]}}"#, true),
        (#"[["victim","S"],]"#, true), (#"{"\x76ictim":"S",}"#, true), (#"{"\u{76}ictim":"S",}"#, true),
        (#"{"a":"{\"vic\\u0074im\":1}",}"#, true), (#"{"victim":1,"victim":2}"#, true),
        (#"{"victim":"S"} and more"#, true), (#""victim": "S""#, true), (#"'victim': 'S'"#, true),
        (#"{"source":"an informant","n":12345678901234567890}"#, true), (#"{"victim" 5}"#, true),
        (#"{"victims":1,}"#, false), (#"{"a":"the victim",}"#, false), ("[1] Method and victim {note}", false),
        ("\"The victim\": so he said", false), ("{note}", false), ("victims: S", false),
        (#"{"n":12345678901234567890,"a":"x\u0041"}"#, false),
    ])
    func aContextThatIsNearlyJSONIsSearched(_ context: String, isSealed: Bool) throws {
        let draft = try draft(#","context":"# + JSONWriter.text(.string(context)))
        #expect(try policy().decision(on: draft).fields == (isSealed ? ["context"] : []))
        #expect(policy().seals("context", byNameIn: draft, wishes: .init()) == isSealed)
    }

    /// XML, arrows, equals signs and colons, of other scripts, too.
    @Test(arguments: [
        ("<case_number>2023-0417</case_number>", true), ("see <ns:victim id='1'>S</ns:victim>", true),
        ("<case>\n<Victim>S</Victim></case>", true), ("<note/>", true), ("<field name=\"victim\">S</field>", true),
        ("<row method='x' a=\"b\"/>", true), ("<row a=\"b\" victim = \"S\"/>", true),
        ("<case-number>3</case-number>", true),
        ("case_number -> 2023", true), ("case_number\u{FF1A}2023", true), ("the CASE_NUMBER is 2023", true),
        ("caseNumber 2023", true), ("\u{C0AC}\u{AC74} case_number\u{B294} 2023-0417", true),
        ("\u{D53C}\u{D574}\u{C790}(victim)\u{FF1A}\u{D64D}", true), ("\u{D53C}\u{D574}\u{C790} victim: \u{D64D}", true),
        ("victim: S", true), ("Stolen in May. Victim: S", true), ("- **Victim**: S", true), ("1. Victim: S", true),
        ("a; victim\u{FF1D}S", true), ("note \u{2192} S", true), ("method => S", true), ("method := S", true),
        ("Case Number: 2023", true), ("| victim | S |", false), ("\"a\": 1, victim -> S", true),
        (#"{"a":"victim: S"}"#, true), (#"["case_number -> 2"]"#, true),
        ("note: a", false), ("Method: clustering", false), ("the victim: so he said", false), ("a victim", false),
        ("a <victim", false), ("a < victim > b", false), ("<p>Note: a</p>", false), ("see the case number", false),
        ("<a href='https://x.example/?note=1'>x</a>", false), ("https://x.example/?victim=1", false),
        ("<source src='x'/>", false), ("source -> an informant", false), ("mail <note@x.example>", false),
        ("his methods = x", false), ("my_case_numbers", false), ("a note = x", false), ("no victims: S", false),
    ])
    func aTextThatIsNoJSONIsSearched(_ context: String, isSealed: Bool) throws {
        let draft = try draft(#","context":"# + JSONWriter.text(.string(context)))
        #expect(try policy().decision(on: draft).fields == (isSealed ? ["context"] : []))
        let provenance = try self.draft(#","provenance":{"fields":{"a":"# + JSONWriter.text(.string(context)) + "}}")
        #expect(try policy().decision(on: provenance).fields == (isSealed ? ["provenance"] : []))
    }

    @Test func aCommandOpensOnlyWhatIsSealedByDefaultInText() throws {
        let context = try draft(#","context":"note -> x""#)
        #expect(try policy().decision(on: context, wishes: .init(inClear: ["context"])).fields == [])
        #expect(try policy().decision(on: context, wishes: .init(inClear: ["note"])).fields == [])
        for text in ["victim: x", "case_number 4"] {
            let draft = try draft(#","context":"# + JSONWriter.text(.string(text)))
            #expect(throws: SealingRefusal.sealedAnyway(field: "context")) {
                try policy().decision(on: draft, wishes: .init(inClear: ["context"]))
            }
        }
    }

    @Test func aCommandOpensOnlyWhatIsSealedByDefaultInProvenance() throws {
        for (name, open, isSealed) in [
            ("note", "note", false), ("note", "provenance", false), ("note", "method", true),
            ("source", "source", false),
            ("victim", "note", true),
        ] {
            let draft = try draft(#","provenance":{"fields":{"\#(name)":"x"}}"#)
            let fields = try policy().decision(on: draft, wishes: .init(inClear: [open])).fields
            #expect(fields == (isSealed ? ["provenance"] : []), "\(name) \(open)")
        }
        #expect(throws: SealingRefusal.sealedAnyway(field: "provenance")) {
            try policy().decision(
                on: draft(#","provenance":{"fields":{"victim":"x"}}"#), wishes: .init(inClear: ["provenance"]))
        }
    }

    @Test func refusalsAdviseWhatNodeYAMLTakes() throws {
        func advice(_ defaults: SealingDefaults, offersSeal: Bool = false) throws -> String {
            let draft = try draft(#","source":"https://a.example""#)
            let refusal = #expect(throws: SealingRefusal.self) {
                try policy(defaults).decision(on: draft, wishes: .init(offersSeal: offersSeal))
            }
            return refusal?.description.split(separator: ";").last.map(String.init) ?? ""
        }
        #expect(
            try advice(SealingDefaults(neverInClear: ["source"]))
                == " set sealing.source to always there or leave it out")
        #expect(
            try advice(SealingDefaults(neverInClear: ["source"], types: ["attribution": .init(source: .never)]))
                == " set sealing.types.attribution.source to always there or leave it out")
        #expect(
            try advice(SealingDefaults(neverInClear: ["label"]), offersSeal: true)
                == " add it to sealing.fields there, seal it with --seal label, or leave it out")
        #expect(
            try advice(SealingDefaults(neverInClear: ["label"], types: ["attribution": .init(fields: [])]))
                == " add it to sealing.types.attribution.fields there or leave it out")
    }

    @Test func refusalsNameFieldRuleAndWayOutInOneLine() {
        for refusal in [
            refusal(of: "victim"), .sealedAnyway(field: "victim"),
            .neverInClear(field: "victim", rule: "sealing.never_in_clear", remedy: .withoutInClear("victim")),
        ] {
            #expect(refusal.description.contains("victim"))
            #expect(!refusal.description.contains("\n"))
            #expect(refusal.description.contains("leave"))
        }
    }
}
