import Cryptography
import Home
import Testing

@Suite("A fingerprint")
struct FingerprintTests {
    // Computed apart, from the documented encoding, in another language.
    private let expected = "518b 61e5 ccb0 52cf a228 39ac 8661 86b4 647e e77e 5149 ce42 86bd 9ad0 143c 2cb5"

    @Test("is SHA-256 over the documented encoding, in groups of four digits")
    func vector() throws {
        #expect(try Samples.parsedCard().fingerprint.description == expected)
    }

    @Test("covers the name and file of a certificate authority")
    func authorityVector() throws {
        let card = try Samples.parsedCard(Samples.cardWithAuthority)
        let single = try PeerCard(
            node: card.node, endpoint: nil, trust: card.trust, mirrorKey: card.mirrorKey,
            sealingKeys: [card.sealingKeys[0]], logs: [card.logs[0]])
        #expect(
            single.fingerprint.description
                == "4815 7f8f 93a6 5603 f101 67da 32f2 2ac9 4461 e321 f34c fe17 1d00 92ca ce83 5f41")
    }

    @Test("stays when the endpoint or the order of keys changes")
    func independentOfOrder() throws {
        let card = try Samples.parsedCard()
        guard case .pins(let pins) = card.trust else { throw HomeError(.io, "the sample has pins") }
        let turned = try PeerCard(
            node: card.node, endpoint: nil, trust: .pins(pins.reversed()), mirrorKey: card.mirrorKey,
            sealingKeys: card.sealingKeys.reversed(), logs: card.logs.reversed())
        #expect(turned.fingerprint == card.fingerprint)
    }

    @Test("changes with every pin, key and log")
    func changesWithEverything() throws {
        let card = try Samples.parsedCard()
        guard case .pins(let pins) = card.trust else { throw HomeError(.io, "the sample has pins") }
        func changed(
            trust: PeerCard.TLSTrust? = nil, sealingKeys: [PeerCard.SealingKey]? = nil, logs: [PeerCard.Log]? = nil
        ) throws -> Fingerprint {
            try PeerCard(
                node: card.node, endpoint: card.endpoint, trust: trust ?? card.trust, mirrorKey: card.mirrorKey,
                sealingKeys: sealingKeys ?? card.sealingKeys, logs: logs ?? card.logs
            ).fingerprint
        }
        let renumbered = [card.sealingKeys[0], PeerCard.SealingKey(epoch: 3, key: card.sealingKeys[1].key)]
        let all = try [
            card.fingerprint, changed(trust: .pins([pins[0]])), changed(trust: .authority(name: "a.b", file: "c")),
            changed(sealingKeys: [card.sealingKeys[0]]), changed(sealingKeys: renumbered),
            changed(logs: [card.logs[0]]), changed(logs: [card.logs[1]]),
        ]
        #expect(Set(all).count == all.count)
    }

    @Test("is recognised however it is grouped")
    func comparison() throws {
        let fingerprint = try Samples.parsedCard().fingerprint
        let digits = expected.replacing(" ", with: "")
        #expect(fingerprint.matches(expected))
        #expect(fingerprint.matches(digits.uppercased()))
        #expect(fingerprint.matches(expected.replacing(" ", with: ":")))
        #expect(!fingerprint.matches(String(digits.dropLast())))
        #expect(!fingerprint.matches(String(digits.dropLast()) + "6"))
        #expect(!fingerprint.matches(""))
        #expect(!fingerprint.matches(digits + "zz"))
    }
}
