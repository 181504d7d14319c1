import Cryptography
import Home
import Records
import Testing
import TransparencyLog

@Suite("node.yaml")
struct NodeConfigurationTests {
    static let sample = """
        version: 1
        node: us.example
        listen: 0.0.0.0:7962
        endpoint: node.us.example:7962
        sync_interval: 15
        sealing:
          fields: [victim, case_number]
          source: always
          tlp: amber
        communities:
          - name: krus
            members:
              - us.example
              - kr.example
            carry_sealed: members
          - name: swap
            members: [us.example]

        """

    static func parsed(_ text: String = sample) throws -> NodeConfiguration {
        try NodeConfiguration(parsing: [UInt8](text.utf8), path: "node.yaml")
    }

    @Test("says the node's name, addresses, communities and defaults")
    func reading() throws {
        let configuration = try Self.parsed()
        #expect(configuration.node == "us.example")
        #expect(configuration.listen == HostAndPort(host: "0.0.0.0", port: 7962))
        #expect(configuration.endpoint == HostAndPort(host: "node.us.example", port: 7962))
        #expect(configuration.syncInterval == 15)
        #expect(configuration.sealing.fields == ["victim", "case_number"])
        #expect(configuration.sealing.source == .always)
        #expect(configuration.sealing.trafficLight == .amber)
        #expect(
            configuration.communities == [
                CommunityConfiguration(name: "krus", members: ["us.example", "kr.example"], carrySealed: .members),
                CommunityConfiguration(name: "swap", members: ["us.example"]),
            ])
    }

    @Test("needs a name and an address only; the rest has defaults")
    func defaults() throws {
        let configuration = try Self.parsed("version: 1\nnode: us.example\nlisten: \":7000\"\n")
        let listen = try #require(HostAndPort(host: "0.0.0.0", port: 7000))
        #expect(configuration == NodeConfiguration(node: "us.example", listen: listen))
        #expect(configuration.sealing.fields == ["victim", "case_number", "method", "note"])
        #expect(configuration.sealing.source == .unlessPublic)
    }

    static let policy = sample.replacing(
        "  tlp: amber\n",
        with: """
              tlp: amber
              readers: [kr.example]
              never_in_clear: [victim, confidence.level]
              types:
                incident:
                  fields: []
                  readers:
                    - us.example
                  never_in_clear: [losses, source]
                transfer:
                  source: never
                attribution:
                  fields: [method, victim]

            """)

    @Test("says what is sealed by type, to whom, and what never stands in clear")
    func sealingPolicy() throws {
        let sealing = try Self.parsed(Self.policy).sealing
        // Fields of a type are added; there is no way to take one of the others away.
        #expect(sealing.fields(of: .incident) == ["victim", "case_number"])
        #expect(sealing.fields(of: .attribution) == ["victim", "case_number", "method"])
        #expect(sealing.readers(of: .incident) == ["us.example"])
        #expect(sealing.readers(of: .attribution) == ["kr.example"])
        #expect(sealing.source(of: .incident) == .always)
        #expect(sealing.source(of: .transfer) == .never)
        let incident = sealing.neverInClear(of: .incident)
        #expect(incident.map(\.field) == ["victim", "confidence.level", "losses", "source"])
        #expect(Set(incident[2...].map(\.key)) == ["sealing.types.incident.never_in_clear"])
        #expect(sealing.neverInClear(of: .transfer).map(\.field) == ["victim", "confidence.level"])
        #expect(Set((sealing.neverInClear(of: .transfer) + incident[..<2]).map(\.key)) == ["sealing.never_in_clear"])
        // What nobody wrote down holds too: old files have no such key.
        #expect(try Self.parsed().sealing.neverInClear == ["victim", "case_number"])
        let whole = try Self.parsed(Self.policy)
        #expect(try Self.parsed(whole.text()) == whole)
    }

    static let badPolicy: [BadText] = [
        BadText("reader who is a stranger", "[kr.example]\n  never", "[xx.example]\n  never", line: 10, "no community"),
        BadText("reader who is no node", "[kr.example]\n  never", "[kr_example]\n  never", line: 10, "no node name"),
        BadText("reader twice", "[kr.example]\n  never", "[kr.example, kr.example]\n  never", line: 10, "stands twice"),
        BadText(
            "field of no type", "[victim, confidence.level]", "[vicitm]", line: 11, "no type of record has a field"),
        BadText("field that all must see", "[victim, confidence.level]", "[tlp]", line: 11, "cannot be sealed"),
        BadText("part of a list", "[victim, confidence.level]", "[from.address]", line: 11, "no type of record has"),
        BadText("unknown type", "    incident:", "    incidents:", line: 13, "unknown key \"incidents\""),
        BadText("type without content", "    incident:", "    erasure:", line: 13, "unknown key \"erasure\""),
        BadText("field of another type", "[losses, source]", "[losses, concepts]", line: 17, "no field concepts"),
        BadText("source among a type's fields", "fields: []", "fields: [source]", line: 14, "by the key source"),
        BadText("reader of a type", "        - us.example\n", "        - jp.example\n", line: 16, "no community"),
        BadText("word of a type", "source: never", "source: sometimes", line: 19, "it can be unless_public"),
        BadText("key of a type", "source: never", "tlp: green", line: 19, "unknown key \"tlp\""),
        BadText("type that is a list", "      source: never", "      - source", line: 19, "must be a mapping"),
    ]

    @Test("with a sealing policy that is wrong is refused with file, line and what to do", arguments: badPolicy)
    func policyRefused(_ bad: BadText) throws {
        let bytes = try bad.applied(to: Self.policy)
        let error = try #require(throws: HomeError.self) { try NodeConfiguration(parsing: bytes, path: "node.yaml") }
        #expect(error.category == .configuration)
        #expect(error.line == bad.line, "\(error)")
        #expect(error.message.contains(bad.message), "\(error)")
    }

    @Test("seals to nobody who has left the last community")
    func strangers() throws {
        var configuration = try Self.parsed(Self.policy)
        try configuration.expel("kr.example", from: ["swap"])
        #expect(configuration.sealing.readers == ["kr.example"])
        configuration.leave("krus")
        #expect(configuration.sealing.readers == [])
        #expect(configuration.sealing.types["incident"]?.readers == ["us.example"])
        try configuration.validate()
    }

    @Test("is written with comments and reads back as the same configuration")
    func roundTrip() throws {
        let full = try Self.parsed()
        #expect(try Self.parsed(full.text()) == full)
        #expect(full.text().contains("# Where partners reach it"))

        // Names that other YAML readers take for numbers, nulls or truth values.
        var odd = NodeConfiguration(node: "12", listen: try #require(HostAndPort("[::1]:0")))
        odd.communities = ["no", "1", "0x1f", "null", "1e3", "2026-01-01"].map {
            CommunityConfiguration(name: $0, members: ["12", "true", "1.5", "us.example"])
        }
        odd.sealing.fields = []
        odd.tiles = HostAndPort("[::]:7963")
        #expect(try Self.parsed(odd.text()) == odd)
        #expect(odd.text().contains("node: \"12\""))
        let bare = NodeConfiguration(node: "us.example", listen: try #require(HostAndPort("127.0.0.1")))
        #expect(try Self.parsed(bare.text()) == bare)
    }

    @Test("says after what time a log counts as stale, with or without a unit")
    func staleAfter() throws {
        let hours = Self.sample.replacing("    carry_sealed: members", with: "    stale_after: 36h")
        #expect(try Self.parsed(hours).communities.map(\.staleAfter) == [129_600, 10_800])
        #expect(try Self.parsed(Self.parsed(hours).text()) == Self.parsed(hours))
        #expect(try Self.parsed(hours).text().contains("stale_after: 36h\n"))
        for (text, seconds) in [
            ("0", 0), ("7", 7), ("90 s", 90), ("90s", 90), ("15 min", 900), ("3h", 10_800), ("2 d", 172_800),
            ("4294967295d", 371_085_174_288_000),
        ] as [(String, UInt64)] {
            #expect(TimeSpan.parse(text) == seconds, "\(text)")
        }
        for text in ["", "h", "3 hours", "3h 5", "-3h", "1.5h", "03h", "3 H", "4294967296", "٣h", "3\u{301}h"] {
            #expect(TimeSpan.parse(text) == nil, "\(text)")
        }
        #expect(
            [0, 59, 60, 5_400, 7_200, 129_600, 172_800].map(TimeSpan.text) == [
                "0s", "59s", "1min", "90min", "2h", "36h", "2d",
            ])
    }

    /// A witness of which there is one in the tests of notes, and one with a pin.
    static let witnesses = sample.replacing(
        "    carry_sealed: members\n",
        with: """
                quorum: 1
                witnesses:
                  - url: https://w.example/a
                    vkey: KEY1
                  - url: https://192.0.2.7:7964/
                    vkey: KEY2
                    pin: sha256:\(String(repeating: "0a", count: 32))

            """
    ).replacing("KEY1", with: key(1)).replacing("KEY2", with: key(2))

    private static func key(_ seed: UInt8) -> String {
        var seed = [UInt8](repeating: seed, count: 32)
        let key = try? Cosigner(
            name: "w.example", privateKey: Ed25519.PrivateKey(seed: SecretBytes(wiping: &seed))
        ).verifierKey
        return key?.text ?? "none"
    }

    @Test("names the witnesses of a community, and how many must have cosigned")
    func readingWitnesses() throws {
        let configuration = try Self.parsed(Self.witnesses)
        let community = try #require(configuration.communities.first)
        #expect(community.witnesses.map(\.url) == ["https://w.example/a", "https://192.0.2.7:7964/"])
        #expect(community.witnesses.map(\.key.text) == [Self.key(1), Self.key(2)])
        #expect(community.witnesses.map { $0.pin?.hex } == [nil, String(repeating: "0a", count: 32)])
        #expect(community.quorum == 1 && community.neededWitnesses == 1)
        #expect(try Self.parsed(configuration.text()) == configuration)
        // None unless named; all of them unless said.
        #expect(configuration.communities.last?.witnesses.isEmpty == true)
        #expect(try Self.parsed().communities.allSatisfy { $0.witnesses.isEmpty && $0.quorum == nil })
        let all = Self.witnesses.replacing("    quorum: 1\n", with: "")
        #expect(try Self.parsed(all).communities.first?.neededWitnesses == 2)
    }

    static let badWitnesses: [BadText] = [
        BadText("quorum of nobody", "quorum: 1", "quorum: 0", line: 15, "from 1 to 16"),
        BadText("quorum of too many", "quorum: 1", "quorum: 3", line: 15, "from 1 to 2"),
        BadText(
            "quorum without witnesses", "  - name: swap\n", "  - name: swap\n    quorum: 1\n", line: 23,
            "needs witnesses"),
        BadText("no TLS", "https://w.example/a", "http://w.example/a", line: 17, "https://HOST"),
        BadText("twice", "https://192.0.2.7:7964/", "https://w.example/a", line: 19, "stands twice"),
        BadText("one key twice", key(2), key(1), line: 19, "stands twice"),
        BadText("bad key", key(1), "w.example+00000000+AAAA", line: 18, "vkey of a witness is refused"),
        BadText("pin", "sha256:0a", "sha1:0a", line: 21, "a pin must read sha256:"),
        BadText("no key", "        vkey: \(key(1))\n", "", line: 17, "\"vkey\" is missing"),
        BadText("unknown key", "        pin:", "        ca:", line: 21, "unknown key \"ca\""),
    ]

    @Test("with witnesses that are wrong is refused with file and line", arguments: badWitnesses)
    func witnessesRefused(_ bad: BadText) throws {
        let bytes = try bad.applied(to: Self.witnesses)
        let error = try #require(throws: HomeError.self) { try NodeConfiguration(parsing: bytes, path: "node.yaml") }
        #expect(error.category == .configuration)
        #expect(error.line == bad.line, "\(error)")
        #expect(error.message.contains(bad.message), "\(error)")
    }

    static let bad: [BadText] = [
        BadText("no span", "carry_sealed: members", "stale_after: 3 hours", line: 15, "with the unit s, min, h or d"),
        BadText("span of two hours", "carry_sealed: members", "stale_after: 1h", line: 15, "from 2h to 366d"),
        BadText("newer version", "version: 1", "version: 9", line: 1, "use a newer one"),
        BadText("no name", "node: us.example\n", "", line: 1, "\"node\" is missing"),
        BadText("no address", "listen: 0.0.0.0:7962\n", "", line: 1, "\"listen\" is missing"),
        BadText("bad name", "node: us.example", "node: us_example", line: 2, "no node name"),
        BadText("bad address", "0.0.0.0:7962", "0.0.0:7962", line: 3, "is no address"),
        BadText("bad port", "0.0.0.0:7962", "0.0.0.0:http", line: 3, "is no address"),
        BadText("wildcard endpoint", "node.us.example:7962", "\"[::]:7962\"", line: 4, "nobody can connect"),
        BadText("the same port twice", "sync_interval: 15", "tiles: 127.0.0.1:7962", line: 5, "at another port"),
        BadText("bad tiles address", "sync_interval: 15", "tiles: 1.2.3:http", line: 5, "is no address"),
        BadText("interval 0", "sync_interval: 15", "sync_interval: 0", line: 5, "from 1 to 86400"),
        BadText("interval with a unit", "sync_interval: 15", "sync_interval: 15s", line: 5, "whole number"),
        BadText("fractional interval", "sync_interval: 15", "sync_interval: 1.5", line: 5, "whole number"),
        BadText("interval of many digits", "15", "99999999999999999999999", line: 5, "whole number"),
        BadText("unknown key", "sync_interval", "sync-interval", line: 5, "unknown key \"sync-interval\""),
        BadText("key in the wrong place", "  tlp: amber", "  tlp: amber\n  members: [a]", line: 10, "\"members\""),
        BadText("unknown word", "tlp: amber", "tlp: purple", line: 9, "it can be clear, green, amber"),
        BadText("field name", "[victim, case_number]", "[Victim]", line: 7, "no field name"),
        BadText("field twice", "[victim, case_number]", "[victim, victim]", line: 7, "stands twice"),
        BadText("source as a field", "[victim, case_number]", "[source]", line: 7, "by the key source"),
        BadText("community name", "name: krus", "name: kr_us", line: 11, "no community name"),
        BadText("community twice", "name: swap", "name: krus", line: 16, "stands twice"),
        BadText(
            "community without a name", "  - name: swap\n    members", "  - members", line: 16, "\"name\" is missing"),
        BadText(
            "community as text", "  - name: swap\n    members: [us.example]", "  - swap", line: 16, "must be a mapping"),
        BadText("member name", "- kr.example", "- kr example", line: 14, "no node name"),
        BadText("member twice", "- kr.example", "- us.example", line: 14, "stands twice"),
        BadText("member as a number", "- kr.example", "- 12", line: 14, "quotation marks"),
        BadText("member without a value", "- kr.example", "-", line: 14, "no value"),
        BadText("without itself", "members: [us.example]", "members: [kr.example]", line: 16, "add it"),
        BadText("repeated key", "tlp: amber", "tlp: amber\n  tlp: green", line: 9, "more than once"),
        BadText("anchor", "node: us.example", "node: &a us.example", line: 2, "has & outside"),
        BadText("alias", "node: us.example", "node: *a", line: 2, "has * outside"),
        BadText("anchor in a list", "[us.example]", "[us.example, &x us]", line: 17, "has & outside"),
        BadText("tag", "node: us.example", "node: !!str us.example", line: 2, "has ! outside"),
        BadText("merge", "node: us.example", "<<: *base", line: 2, "has * outside"),
        BadText("directive", "version: 1", "%YAML 1.1", line: 1, "has % outside"),
        BadText("block text", "node: us.example", "node: |", line: 2, "has | outside"),
        BadText("braces", "sealing:\n", "sealing: {}\n", line: 6, "has { outside"),
        BadText("nested brackets", "[victim, case_number]", "[[victim]]", line: 7, "has [ outside"),
        BadText("brackets over lines", "[victim, case_number]", "[victim,\n case_number]", line: 7, "end on its line"),
        BadText("nested lists", "- kr.example", "- - kr.example", line: 14, "nests lists"),
        BadText(
            "deep indentation", "- kr.example", "\(String(repeating: " ", count: 40))- kr.example", line: 14, "indented"
        ),
        BadText("quotation hiding an anchor", "us.example", "us 'x\nb: &a 'y", line: 2, "quotation mark inside"),
        BadText("quotation over lines", "us.example", "'us\n  example'", line: 2, "does not end on its line"),
        BadText("bad indentation", "  source: always", " source: always", line: 8, "not valid YAML"),
    ]

    @Test("that is wrong is refused with file, line and what to do", arguments: bad)
    func refused(_ bad: BadText) throws {
        let bytes = try bad.applied(to: Self.sample)
        let error = try #require(throws: HomeError.self) { try NodeConfiguration(parsing: bytes, path: "node.yaml") }
        #expect(error.category == .configuration)
        #expect(error.line == bad.line, "\(error)")
        #expect(error.message.contains(bad.message), "\(error)")
        #expect(!error.description.contains("\n"))
    }

    @Test("that is too large, or built to be expensive, is refused at once", .timeLimit(.minutes(1)))
    func expensive() {
        let megabyte = NodeConfiguration.maximumByteCount
        let texts = [
            String(repeating: "#", count: megabyte + 1),
            String(repeating: "[", count: megabyte),
            String(repeating: "- ", count: megabyte / 2),
            String(repeating: "a:\n", count: megabyte / 3),
            (0..<60_000).map { "k\($0): \($0)\n" }.joined(),
            "a: [" + String(repeating: "b,", count: megabyte / 2 - 10) + "]",
            "a: \"" + String(repeating: "\\", count: megabyte - 10),
            (0..<600).map { String(repeating: " ", count: $0) + "a:\n" }.joined(),
        ]
        for text in texts {
            #expect(throws: HomeError.self) { try Self.parsed(text) }
        }
    }

    @Test("quotes no control character of a bad file in an error")
    func escaping() throws {
        let error = try #require(throws: HomeError.self) {
            try Self.parsed(Self.sample.replacing("us.example\n", with: "\"us\\e[31m\\nexample\"\n"))
        }
        #expect(error.description.utf8.allSatisfy { $0 >= 0x20 })
    }
}

@Suite("Members of a community")
struct AdmissionTests {
    @Test("are admitted in order, once, and to communities of this node only")
    func admitting() throws {
        var configuration = try NodeConfigurationTests.parsed()
        try configuration.admit("jp.example", to: ["krus"])
        try configuration.admit("jp.example", to: ["krus", "swap"])
        #expect(configuration.community("krus")?.members == ["us.example", "kr.example", "jp.example"])
        #expect(configuration.community("swap")?.members == ["us.example", "jp.example"])
        #expect(configuration.communities(admitting: "jp.example") == ["krus", "swap"])
        #expect(configuration.communities(admitting: "kr.example") == ["krus"])

        let before = configuration
        let error = try #require(throws: HomeError.self) {
            try configuration.admit("ca.example", to: ["krus", "other"])
        }
        #expect(error.category == .usage)
        #expect(configuration == before)
        #expect(throws: HomeError.self) { try configuration.admit("CA", to: ["krus"]) }
    }

    @Test("leave all communities, or those named, and the node itself never")
    func expelling() throws {
        var configuration = try NodeConfigurationTests.parsed()
        #expect(try configuration.expel("kr.example", from: ["swap"]) == [])
        #expect(try configuration.expel("kr.example") == ["krus"])
        #expect(configuration.community("krus")?.members == ["us.example"])
        #expect(throws: HomeError.self) { try configuration.expel("us.example") }
    }

    @Test("come from what the card and this node both name")
    func intersection() throws {
        var configuration = try NodeConfigurationTests.parsed()
        let card = try Samples.parsedCard()
        #expect(configuration.communities(sharedWith: card) == ["krus", "swap"])
        configuration.communities.removeFirst()
        #expect(configuration.communities(sharedWith: card) == ["swap"])
        #expect(try configuration.communities(sharedWith: card.limited(to: ["krus"])) == [])
    }
}

@Suite("An address")
struct HostAndPortTests {
    @Test(
        "is read in every usual form",
        arguments: [
            ("us.example", "us.example:7962"), ("us.example:1", "us.example:1"), ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::1]:99", "[::1]:99"), ("[2001:db8::1]", "[2001:db8::1]:7962"), (":7000", "0.0.0.0:7000"),
            ("localhost", "localhost:7962"), ("US.example:65535", "US.example:65535"),
        ])
    func reading(text: String, expected: String) {
        #expect(HostAndPort(text)?.description == expected)
    }

    @Test(
        "that is none is refused",
        arguments: [
            "", ":", "us.example:", "us.example:65536", "us.example:-1", "us.example:+1", "us.example: 1", "1.2.3",
            "256.1.1.1", "::1", "[::1", "[::1]7", "[us.example]:1", "us..example", "-us.example", "us example",
            "https://us.example", "us.example/x", "us.example:01", "us\u{0}", "名前",
        ])
    func refused(text: String) {
        #expect(HostAndPort(text) == nil)
    }

    @Test("is a wildcard for all addresses of either family")
    func wildcard() {
        #expect(HostAndPort("0.0.0.0")?.isWildcard == true)
        #expect(HostAndPort("[0:0::0]:1")?.isWildcard == true)
        #expect(HostAndPort("[::1]:1")?.isWildcard == false)
    }
}
