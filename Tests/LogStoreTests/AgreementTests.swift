import Cryptography
import LogStore
import Testing

@Suite("What partners agreed on")
struct AgreementTests {
    private let peer = "kr.example"
    private static func digest(_ text: String) -> SHA256Digest { SHA256.hash(text) }

    private static func head(_ log: String, told: UInt8) -> AgreedHead {
        AgreedHead(log: digest(log), community: "krus", told: [told], heard: nil, isUnknownThere: false)
    }

    private func kept(_ store: SQLiteLogStore) throws -> Set<AgreedHead>? {
        try store.agreement(with: peer).map { Set($0.heads) }
    }

    @Test("Only what changed is written where the partners continue from what is kept")
    func continued() throws {
        let store = try StoreFolder().open()
        let first = [Self.head("a", told: 1), Self.head("b", told: 1)]
        try store.agree(
            with: peer, digest: Self.digest("1"), since: nil, changed: first, forgotten: [], all: { first })
        try store.agree(
            with: peer, digest: Self.digest("2"), since: Self.digest("1"), changed: [Self.head("a", told: 2)],
            forgotten: [Self.digest("b")],
            all: {
                Issue.record("all of it was asked for"); return []
            })
        #expect(try kept(store) == [Self.head("a", told: 2)])
        #expect(try store.agreement(with: peer)?.digest == Self.digest("2"))
    }

    @Test("What another session agreed on meanwhile is replaced, not mixed", arguments: [nil, "1"])
    func overtaken(since: String?) throws {
        let store = try StoreFolder().open()
        let other = [Self.head("b", told: 7), Self.head("c", told: 7)]
        try store.agree(
            with: peer, digest: Self.digest("other"), since: nil, changed: other, forgotten: [], all: { other })
        let own = [Self.head("a", told: 2), Self.head("b", told: 2)]
        try store.agree(
            with: peer, digest: Self.digest("2"), since: since.map { Self.digest($0) }, changed: [own[0]],
            forgotten: [], all: { own })
        #expect(try kept(store) == Set(own))
    }

    @Test("What was forgotten on purpose is not brought back by a session from before")
    func forgotten() throws {
        let store = try StoreFolder().open()
        let first = [Self.head("a", told: 1)]
        try store.agree(
            with: peer, digest: Self.digest("1"), since: nil, changed: first, forgotten: [], all: { first })
        try store.forgetAgreements()
        try store.agree(
            with: peer, digest: Self.digest("2"), since: Self.digest("1"), changed: first, forgotten: [],
            all: { first })
        #expect(try store.agreement(with: peer) == nil)
    }
}
