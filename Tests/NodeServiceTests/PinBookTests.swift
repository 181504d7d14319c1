import Cryptography
import Home
import LogStore
import NodeService
import Records
import Testing

/// Whose TLS key is believed, by cards and by what logs say.
@Suite struct PinBookTests {
    private static func pin(_ name: String) -> SHA256Digest { SHA256.hash(name) }

    private static func card(_ node: String, _ pins: String..., generation: Int = 1) throws -> PeerCard {
        try card(node, trust: .pins(pins.map(pin)), generation: generation)
    }

    private static func card(_ node: String, trust: PeerCard.TLSTrust, generation: Int = 1) throws -> PeerCard {
        let origin = generation == 1 ? "\(node)/krus" : "\(node)/krus/\(generation)"
        let key = try Ed25519.PrivateKey().publicKey
        return try PeerCard(
            node: node, endpoint: nil, trust: trust,
            mirrorKey: CardKey(name: node, kind: .mirror, publicKey: try Ed25519.PrivateKey().publicKey),
            sealingKeys: [PeerCard.SealingKey(epoch: 1, key: try SealedBox.PrivateKey().publicKey)],
            logs: [
                PeerCard.Log(community: "krus", origin: origin, key: CardKey(name: origin, kind: .log, publicKey: key))
            ])
    }

    private static func said(
        _ node: String, _ entry: UInt64, _ action: KeyRecord.Action, _ name: String, origin: String? = nil,
        isBeforeCard: Bool = false
    ) throws -> SQLiteLogStore.PartnerKey {
        let record = KeyRecord(
            role: .tls, action: action, keyID: pin(name),
            publicKey: action == .retires ? nil : Base64.encode(pin(name).bytes))
        return SQLiteLogStore.PartnerKey(
            node: node, origin: origin ?? "\(node)/krus", key: try #require(PublishedKey(record, entry: entry)),
            isBeforeCard: isBeforeCard)
    }

    private static func names(_ book: PinBook) -> [String: String] {
        let known = ["old", "new", "third", "kr"]
        return Dictionary(
            book.pins.map { pin, node in (known.first { self.pin($0) == pin } ?? "?", node) },
            uniquingKeysWith: { first, _ in first })
    }

    @Test func bothKeysCountFromTheRecordOnUntilTheOldOneIsRetired() throws {
        let card = try Self.card("us.example", "old")
        let announced = [
            try Self.said("us.example", 3, .publishes, "old"), try Self.said("us.example", 4, .publishes, "new"),
        ]
        let book = PinBook(cards: [card], published: announced)
        #expect(Self.names(book) == ["old": "us.example", "new": "us.example"])
        let after = PinBook(cards: [card], published: announced + [try Self.said("us.example", 9, .retires, "old")])
        #expect(Self.names(after) == ["new": "us.example"])
        #expect(book.alarms.isEmpty && after.alarms.isEmpty)
        // A key that was retired never comes back.
        let again = PinBook(
            cards: [card],
            published: announced + [
                try Self.said("us.example", 9, .retires, "old"), try Self.said("us.example", 10, .publishes, "old"),
            ])
        #expect(Self.names(again) == ["new": "us.example"])
    }

    @Test func aRecordOfAnotherNodeSaysNothingOfThisOne() throws {
        let cards = [try Self.card("us.example", "old"), try Self.card("kr.example", "kr")]
        // kr claims the key of us, and retires it.
        let book = PinBook(
            cards: cards,
            published: [
                try Self.said("kr.example", 1, .publishes, "old"), try Self.said("kr.example", 2, .retires, "new"),
            ])
        #expect(Self.names(book) == ["old": "us.example", "kr": "kr.example"])
        #expect(book.alarms.contains { $0.contains("kr.example/krus#1") && $0.contains("us.example") })
        let retired = PinBook(cards: cards, published: [try Self.said("kr.example", 1, .retires, "old")])
        #expect(Self.names(retired) == ["old": "us.example", "kr": "kr.example"])
        // What two publish counts for neither.
        let both = PinBook(
            cards: cards,
            published: [
                try Self.said("kr.example", 1, .publishes, "new"), try Self.said("us.example", 1, .publishes, "new"),
            ])
        #expect(Self.names(both) == ["old": "us.example", "kr": "kr.example"])
        #expect(both.alarms.contains { $0.contains("kr.example and us.example") })
    }

    @Test func aCardThatCameLaterIsNotOverriddenByWhatWasBeforeIt() throws {
        let card = try Self.card("us.example", "old")
        let before = [
            try Self.said("us.example", 3, .publishes, "new", isBeforeCard: true),
            try Self.said("us.example", 4, .retires, "old", isBeforeCard: true),
        ]
        let book = PinBook(cards: [card], published: before)
        #expect(Self.names(book) == ["old": "us.example"])
        #expect(book.alarms.count == 2)
        // What comes behind the card counts again.
        let later = PinBook(cards: [card], published: before + [try Self.said("us.example", 9, .publishes, "third")])
        #expect(Self.names(later) == ["old": "us.example", "third": "us.example"])
        // Cards that say the same are no alarm.
        let fresh = PinBook(cards: [try Self.card("us.example", "new")], published: before)
        #expect(Self.names(fresh) == ["new": "us.example"])
        #expect(fresh.alarms.isEmpty)
    }

    @Test func aLogThatTheCardNoLongerNamesSaysNothing() throws {
        // The key of the first log was stolen, and its thief goes on there.
        let book = PinBook(
            cards: [try Self.card("us.example", "old", generation: 2)],
            published: [
                try Self.said("us.example", 7, .publishes, "third"), try Self.said("us.example", 8, .retires, "old"),
                try Self.said("us.example", 2, .publishes, "new", origin: "us.example/krus/2"),
            ])
        #expect(Self.names(book) == ["old": "us.example", "new": "us.example"])
    }

    @Test func aNodeThatIsKnownByItsAuthorityNeedsNoRecord() throws {
        let card = try Self.card("us.example", trust: .authority(name: "node.us.example", file: "ca.pem"))
        let book = PinBook(cards: [card], published: [try Self.said("us.example", 3, .publishes, "new")])
        #expect(book.pins.isEmpty && book.alarms.isEmpty)
    }

    @Test func aNodeWithoutAnyKeyLeftIsAnAlarm() throws {
        let book = PinBook(
            cards: [try Self.card("us.example", "old")], published: [try Self.said("us.example", 3, .retires, "old")])
        #expect(book.pins.isEmpty)
        #expect(book.alarms.count == 1)
    }
}
