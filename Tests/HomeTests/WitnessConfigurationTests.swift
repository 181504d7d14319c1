import Cryptography
import Home
import Testing
import TransparencyLog

@Suite("`witness` in node.yaml")
struct WitnessConfigurationTests {
    private static let sum = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    private static let foo = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    private static let text = """
        version: 1
        node: us.example
        listen: 127.0.0.1:7962
        tiles: 127.0.0.1:7963
        witness:
          listen: 127.0.0.1:7964
          logs:
            - vkey: \(foo)
            - vkey: "\(sum)"
              origin: "go.sum database tree"
            - vkey: \(sum)

        """

    private func parsed(_ text: String = text) throws -> NodeConfiguration {
        try NodeConfiguration(parsing: [UInt8](text.utf8), path: "node.yaml")
    }

    @Test("names logs by key and origin, and reads back as it was written")
    func reading() throws {
        let configuration = try parsed()
        let witness = try #require(configuration.witness)
        #expect(witness.listen == HostAndPort(host: "127.0.0.1", port: 7964))
        #expect(witness.origins == ["example.com/foo", "go.sum database tree", "sum.golang.org"])
        #expect(witness.log("go.sum database tree")?.keys.map(\.text) == [Self.sum])
        #expect(witness.log("sum.golang.org")?.keys.map(\.text) == [Self.sum])
        #expect(witness.log("sum.golang.org/") == nil)
        #expect(try parsed(configuration.text()) == configuration)
        var without = configuration
        without.witness = nil
        #expect(try parsed(without.text()) == without)
    }

    @Test("gives a log all its keys")
    func severalKeys() throws {
        var configuration = try parsed()
        let key = try VerifierKey(
            name: "example.com/foo", algorithm: .ed25519, publicKey: Ed25519.PrivateKey().publicKey)
        configuration.witness?.logs.append(WitnessConfiguration.Log(key: key))
        let again = try parsed(configuration.text())
        #expect(again == configuration)
        #expect(again.witness?.log("example.com/foo")?.keys.map(\.text) == [Self.foo, key.text])
        #expect(again.witness?.origins.count == 3)
    }

    private static let bad: [BadText] = [
        BadText("no address", "  listen: 127.0.0.1:7964\n", "", line: 6, "\"listen\" is missing"),
        BadText(
            "no logs", "  logs:\n    - vkey: \(foo)\n", "  x:\n    - vkey: \(foo)\n", line: 6, "\"logs\" is missing"),
        BadText("the port of the node", "7964", "7962", line: 6, "at another port than 7962"),
        BadText("the port of the tiles", "7964", "7963", line: 6, "at another port than 7963"),
        BadText("a cut key", foo, String(foo.dropLast()), line: 8, "no key of a log"),
        BadText("another hash", "530d903a", "530d903b", line: 8, "no key of a log"),
        BadText("an unknown word", "origin:", "orgin:", line: 10, "unknown key \"orgin\""),
        BadText("twice", "- vkey: \(sum)\n", "- vkey: \(foo)\n", line: 11, "stands twice"),
        BadText("an origin of two lines", "go.sum database", "go\\nsum", line: 9, "no log that can be witnessed"),
        BadText("an own log", "go.sum database tree", "us.example/krus", line: 9, "this node's own"),
    ]

    @Test("that is wrong is refused with file, line and what to do", arguments: bad)
    func refused(_ bad: BadText) throws {
        let bytes = try bad.applied(to: Self.text)
        let error = try #require(throws: HomeError.self) { try NodeConfiguration(parsing: bytes, path: "node.yaml") }
        #expect(error.category == .configuration)
        #expect(error.line == bad.line, "\(error)")
        #expect(error.message.contains(bad.message), "\(error)")
    }

    @Test("takes no key of a witness for that of a log")
    func witnessKey() throws {
        let key = try VerifierKey(name: "w.example", algorithm: .cosignature, publicKey: Ed25519.PrivateKey().publicKey)
        let error = try #require(throws: HomeError.self) {
            try parsed(Self.text.replacing("- vkey: \(Self.foo)", with: "- vkey: \(key.text)"))
        }
        #expect(error.line == 8 && error.message.contains("a witness' key"))
    }
}
