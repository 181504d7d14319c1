import Foundation
import Home
import Testing

@Suite("A home that is lost but for keys and cards")
struct LostHomeTests {
    private let temporary: TemporaryFolder
    private let home: HomeFolder

    init() throws {
        temporary = try TemporaryFolder()
        home = try HomeFolder.create(temporary("home"))
        let keys = try Keystore(home, node: "us.example")
        _ = try keys.createMirrorKey()
        for (community, generation) in [("krus", UInt64(1)), ("krus", 2), ("asia", 1), ("a-1", 12)] {
            _ = try keys.createLogKey(community: community, generation: generation)
        }
        try PeerDirectory(home).add(Samples.parsedCard())
    }

    @Test("is known by its keys and cards without node.yaml, and not mistaken for anything else")
    func isLost() throws {
        #expect(try HomeFolder.isLost(home.path))
        #expect(throws: HomeError.self) { try HomeFolder.open(home.path) }
        #expect(try !HomeFolder.isLost(temporary("nothing")))
        #expect(try !HomeFolder.isLost(HomeFolder.create(temporary("empty")).path))
        try Disk.write("anything", home.configurationFile)
        #expect(try !HomeFolder.isLost(home.path))
    }

    @Test("gives its folders again, and says whose it is and which logs it has")
    func survey() throws {
        for name in ["certs", "quarantine", "evidence"] {
            try FileManager.default.removeItem(atPath: "\(home.path)/\(name)")
        }
        let reopened = try HomeFolder.reopenLost(home.path)
        #expect(
            try Disk.names(home.path) == ["certs", "evidence", "keys", "peers", "quarantine"])
        #expect(Disk.mode("\(home.path)/certs") == 0o700)
        #expect(try Keystore.nodeName(in: reopened) == "us.example")
        for name in ["log-krus.01.key", "log-krus.1.key", "log-.key", "log-krus.2.3.key", "log-Krus.key"] {
            try Disk.write("x", "\(home.keysFolder)/\(name)")
        }
        let logs = try Keystore(reopened, node: "us.example").logGenerations()
        #expect(logs.map { "\($0.community) \($0.generation)" } == ["a-1 12", "asia 1", "krus 1", "krus 2"])
    }

    @Test("is refused where others can read a key, and where the mirror key is another's or no key")
    func refusals() throws {
        let mirror = "\(home.keysFolder)/mirror.key"
        let text = try Disk.text(mirror)
        try Disk.write(text.replacingOccurrences(of: " us.example ", with: " us..example "), mirror)
        #expect(throws: HomeError.self) { try Keystore.nodeName(in: home) }
        try Disk.write(text.replacingOccurrences(of: "ed25519-cosignature", with: "x25519"), mirror)
        #expect(throws: HomeError.self) { try Keystore.nodeName(in: home) }
        try Disk.write(text, mirror, mode: 0o640)
        #expect(throws: HomeError.self) { try HomeFolder.reopenLost(home.path) }
    }

    @Test("remembers that its members were taken from cards until that is taken back")
    func derivedMembers() throws {
        #expect(!home.hasDerivedMembers)
        for _ in 0..<2 { try home.setDerivedMembers(true) }
        #expect(home.hasDerivedMembers)
        #expect(Disk.mode("\(home.path)/members.derived") == 0o600)
        for _ in 0..<2 { try home.setDerivedMembers(false) }
        #expect(!home.hasDerivedMembers)
    }
}
