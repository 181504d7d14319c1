import Cryptography
import Home
import Testing

/// One change to a good text that must make it bad.
struct BadText: Sendable, CustomTestStringConvertible {
    let what: String
    let find: String
    let replacement: String
    /// The line that the error must name; `nil` where the whole file is meant.
    let line: Int?
    let message: String

    init(_ what: String, _ find: String, _ replacement: String, line: Int?, _ message: String) {
        self.what = what
        self.find = find
        self.replacement = replacement
        self.line = line
        self.message = message
    }

    var testDescription: String { what }

    func applied(to text: String) throws -> [UInt8] {
        let range = try #require(text.firstRange(of: find), "the sample has no \(find)")
        var changed = text
        changed.replaceSubrange(range, with: replacement)
        return [UInt8](changed.utf8)
    }
}

enum Samples {
    static let mirrorKey = "us.example+a92c23eb+BAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"
    static let logKey = "us.example/krus+e5e2101c+AQICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC"

    /// A card with made-up keys, as it is written.
    static let card = """
        # Peer card of us.example
        # Fingerprint: 518b 61e5 ccb0 52cf a228 39ac 8661 86b4 647e e77e 5149 ce42 86bd 9ad0 143c 2cb5
        version: 1
        node: us.example
        endpoint: node.us.example:7962
        tls_pins:
          - sha256:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
          - sha256:fefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefe
        mirror_key: us.example+a92c23eb+BAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB
        sealing_keys:
          - epoch: 1
            key: CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=
          - epoch: 2
            key: CgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgo=
        logs:
          - community: krus
            origin: us.example/krus
            vkey: us.example/krus+e5e2101c+AQICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC
          - community: swap
            origin: us.example/swap/2
            vkey: us.example/swap/2+25b2bb9c+AQMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMD

        """

    static func parsedCard(_ text: String = card) throws -> PeerCard {
        try PeerCard(parsing: [UInt8](text.utf8), path: "peers/us.example.yaml")
    }

    static let authority = """
        tls_ca:
          name: node.us.example
          file: us-ca.pem
        """

    /// The sample with the CA in the place of the pins.
    static var cardWithAuthority: String {
        let lines = card.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        return (lines[2...4] + [authority] + lines[8...]).joined(separator: "\n")
    }
}
