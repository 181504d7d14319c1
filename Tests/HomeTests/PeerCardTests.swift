import Cryptography
import Home
import Testing

@Suite("A peer card")
struct PeerCardTests {
    @Test("is read and written back as the same text")
    func roundTrip() throws {
        let card = try Samples.parsedCard()
        #expect(card.node == "us.example")
        #expect(card.endpoint == HostAndPort(host: "node.us.example", port: 7962))
        #expect(card.communities == ["krus", "swap"])
        #expect(card.sealingKeys.map(\.epoch) == [1, 2])
        #expect(card.mirrorKey.text == Samples.mirrorKey)
        #expect(card.logs[0].key.text == Samples.logKey)
        #expect(card.text() == Samples.card)
    }

    @Test("with a certificate authority comes back as it was")
    func authority() throws {
        let card = try Samples.parsedCard(Samples.cardWithAuthority)
        #expect(card.trust == .authority(name: "node.us.example", file: "us-ca.pem"))
        #expect(try Samples.parsedCard(card.text()) == card)
    }

    @Test("can do without an endpoint")
    func withoutEndpoint() throws {
        let card = try Samples.parsedCard().with(endpoint: nil)
        #expect(!card.text().contains("endpoint"))
        #expect(try Samples.parsedCard(card.text()) == card)
    }

    @Test("is read whatever way YAML allows its values to be written")
    func otherSpellings() throws {
        let text = Samples.card
            .replacing("node: us.example\n", with: "node: 'us.example'   # the node\n")
            .replacing("endpoint: node.us.example:7962", with: "\"endpoint\": \"node.us.example:7962\"")
            .replacing("\n", with: "\r\n")
        #expect(try Samples.parsedCard(text) == Samples.parsedCard())
    }

    @Test("limited to some communities names no other")
    func limited() throws {
        let card = try Samples.parsedCard().limited(to: ["swap"])
        #expect(card.communities == ["swap"])
        #expect(!card.text().contains("krus"))
        #expect(throws: HomeError(.usage, "us.example has no log in the community \"secret\"")) {
            try Samples.parsedCard().limited(to: ["secret"])
        }
    }

    @Test("made in the program keeps the same rules as one that is read")
    func madeInTheProgram() throws {
        let card = try Samples.parsedCard()
        #expect(throws: HomeError.self) {
            try PeerCard(
                node: "kr.example", endpoint: nil, trust: card.trust, mirrorKey: card.mirrorKey,
                sealingKeys: card.sealingKeys, logs: card.logs)
        }
        #expect(throws: HomeError.self) { try card.with(endpoint: HostAndPort("0.0.0.0:7962")) }
    }

    static let bad: [BadText] = [
        BadText("newer version", "version: 1", "version: 2", line: 3, "version 2"),
        BadText("version as text", "version: 1", "version: \"1\"", line: 3, "whole number"),
        BadText("no version", "version: 1\n", "", line: 3, "\"version\" is missing"),
        BadText(
            "unknown key", "endpoint:", "endpiont:", line: 5,
            "unknown key \"endpiont\"; the keys here are version, node"),
        BadText(
            "repeated key", "version: 1\n", "version: 1\nversion: 1\n", line: 3, "\"version\" stands more than once"),
        BadText("upper-case node", "node: us.example", "node: US.example", line: 4, "no node name"),
        BadText("node with a path", "node: us.example", "node: ../us", line: 4, "no node name"),
        BadText("node as a number", "node: us.example", "node: 12", line: 4, "quotation marks"),
        BadText("node as a list", "node: us.example", "node: [us.example]", line: 4, "must be a text"),
        BadText("node without value", "node: us.example", "node:", line: 4, "no value"),
        BadText(
            "another node's keys", "node: us.example", "node: kr.example", line: 9, "must be the node's, kr.example"),
        BadText("wildcard endpoint", "node.us.example:7962", "0.0.0.0:7962", line: 5, "nobody can connect"),
        BadText("endpoint port", "node.us.example:7962", "node.us.example:70000", line: 5, "is no address"),
        BadText("endpoint port 0", "node.us.example:7962", "node.us.example:0", line: 5, "nobody can connect"),
        BadText("URL as endpoint", "node.us.example:7962", "https://us.example", line: 5, "is no address"),
        BadText("pin too short", "1d1e1f\n", "1d1e\n", line: 7, "64 hexadecimal digits"),
        BadText("pin of another hash", "sha256:0001", "sha1:0001", line: 7, "sha256:"),
        BadText("pin not hexadecimal", "sha256:0001", "sha256:zz01", line: 7, "64 hexadecimal digits"),
        BadText(
            "pin twice", "  - sha256:fefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefe",
            "  - sha256:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", line: 8, "stands twice"),
        BadText("pins and CA", "mirror_key:", "\(Samples.authority)\nmirror_key:", line: 10, "keep the one"),
        BadText("pins as text", "tls_pins:\n", "tls_pins: none\nother:\n", line: 6, "must be a list"),
        BadText("mirror key cut", "AQEB\nsealing", "AQE\nsealing", line: 9, "not base64"),
        BadText(
            "mirror key short", "+BAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB", "+BAEB", line: 9,
            "2 key bytes instead of 32"),
        BadText("mirror key's hash", "a92c23eb", "a92c23ec", line: 9, "hash that does not fit"),
        BadText("mirror key's hash in capitals", "a92c23eb", "A92C23EB", line: 9, "hash that does not fit"),
        BadText("mirror key without parts", Samples.mirrorKey, "us.example", line: 9, "name+hash+base64"),
        BadText(
            "log type as mirror key", Samples.mirrorKey,
            "us.example+d1af2f0e+AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB", line: 9, "is of type 1"),
        BadText("epoch 0", "epoch: 1", "epoch: 0", line: 11, "from 1"),
        BadText("epoch too large", "epoch: 1", "epoch: 4294967296", line: 11, "from 1 to 4294967295"),
        BadText("epoch with a leading zero", "epoch: 1", "epoch: 01", line: 11, "whole number"),
        BadText("epoch twice", "epoch: 2", "epoch: 1", line: 13, "epoch 1 stands twice"),
        BadText("sealing key length", "key: CQkJCQkJ", "key: CQkJ", line: 12, "29 bytes instead of 32"),
        BadText("sealing key not base64", "key: CQkJ", "key: _QkJ", line: 12, "not base64"),
        BadText(
            "sealing key of small order", "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", line: 11, "not a proper X25519 key"),
        BadText(
            "sealing key twice", "CgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgo=",
            "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=", line: 13, "stands twice"),
        BadText("sealing key with a note", "epoch: 2\n", "epoch: 2\n    note: old\n", line: 14, "unknown key \"note\""),
        BadText("community name", "community: krus", "community: KRUS", line: 16, "no community name"),
        BadText("community twice", "community: swap", "community: krus", line: 19, "origin"),
        BadText("foreign origin", "origin: us.example/krus", "origin: kr.example/krus", line: 16, "us.example/krus"),
        BadText(
            "successor 1", "origin: us.example/swap/2", "origin: us.example/swap/1", line: 19, "not this node's log"),
        BadText(
            "key of another log", "origin: us.example/swap/2", "origin: us.example/swap/3", line: 19,
            "must be the origin"),
        BadText(
            "key of two roles", Samples.logKey,
            "us.example/krus+66cee43b+AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB", line: 16, "another role"),
        BadText(
            "log key short", Samples.logKey, "us.example/krus+73d0eab2+AQICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",
            line: 18, "31 key bytes"),
        BadText(
            "mirror type as log key", Samples.logKey,
            "us.example/krus+d955957a+BAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC", line: 18, "is of type 4"),
        BadText("no logs", "logs:\n", "logs: []\nold_logs:\n", line: 16, "unknown key"),
        BadText("tab", "version: 1", "version:\t1", line: 3, "tab"),
        BadText("NUL", "version: 1", "version: 1\u{0}", line: 3, "control character"),
        BadText("second document", "version: 1", "---\nversion: 1", line: 3, "another document"),
        BadText("open quotation", "node: us.example", "node: \"us.example", line: 4, "does not end on its line"),
    ]

    @Test("that is wrong is refused with file, line and what to do", arguments: bad)
    func refused(_ bad: BadText) throws {
        let bytes = try bad.applied(to: Samples.card)
        let error = try #require(throws: HomeError.self) { try PeerCard(parsing: bytes, path: "p.yaml") }
        #expect(error.category == .badInput)
        #expect(error.line == bad.line, "\(error)")
        #expect(error.message.contains(bad.message), "\(error)")
        #expect(!error.description.contains("\n"))
        #expect(error.description.hasPrefix("p.yaml:\(bad.line ?? 0): "))
    }

    @Test("with two logs of one community is refused")
    func communityTwice() throws {
        let card = try Samples.parsedCard()
        let second = CardKey(name: "us.example/krus/2", kind: .log, publicKey: card.logs[1].key.publicKey)
        let error = try #require(throws: HomeError.self) {
            try PeerCard(
                node: card.node, endpoint: nil, trust: card.trust, mirrorKey: card.mirrorKey,
                sealingKeys: card.sealingKeys,
                logs: [card.logs[0], PeerCard.Log(community: "krus", origin: second.name, key: second)])
        }
        #expect(error.message.contains("krus stands twice"))
    }

    @Test("whose certificate authority lies outside certs/ is refused", arguments: ["../ca.pem", "/etc/ca.pem", ".ca"])
    func authorityPath(file: String) throws {
        let text = Samples.cardWithAuthority.replacing("us-ca.pem", with: "\"\(file)\"")
        let error = try #require(throws: HomeError.self) { try Samples.parsedCard(text) }
        #expect(error.message.contains("without a path"))
    }

    @Test("that is empty, too long, not UTF-8 or no mapping is refused")
    func notEvenYAML() {
        let cases: [[UInt8]] = [
            [], Array("# nothing\n".utf8), [0xFF, 0xFE], Array("- a\n- b\n".utf8), Array("us.example".utf8),
            [UInt8](repeating: UInt8(ascii: "#"), count: PeerCard.maximumByteCount + 1),
        ]
        for bytes in cases {
            #expect(throws: HomeError.self) { try PeerCard(parsing: bytes, path: "p.yaml") }
        }
    }

    @Test("cut off anywhere is refused or reads as the same card, and never stops the program")
    func cutAnywhere() throws {
        let whole = try Samples.parsedCard()
        let bytes = [UInt8](Samples.card.utf8)
        for count in bytes.indices.dropFirst() {
            if let card = try? PeerCard(parsing: Array(bytes.prefix(count)), path: "p.yaml") {
                #expect(card == whole || card.logs.count < whole.logs.count)
            }
        }
    }
}
