import Foundation
import Home
import Testing

@Suite("The peer cards of a home")
struct PeerDirectoryTests {
    private let temporary: TemporaryFolder
    private let home: HomeFolder
    private let peers: PeerDirectory
    private let card: PeerCard

    init() throws {
        temporary = try TemporaryFolder()
        home = try HomeFolder.create(temporary("home"))
        peers = PeerDirectory(home)
        card = try Samples.parsedCard()
    }

    @Test("are added, read, replaced and removed")
    func lifeCycle() throws {
        try peers.add(card)
        #expect(try peers.nodes() == ["us.example"])
        #expect(try peers.card(of: "us.example") == card)
        #expect(Disk.mode(home.peersFolder + "/us.example.yaml") == 0o600)

        #expect(try #require(throws: HomeError.self) { try peers.add(card) }.category == .exists)
        let moved = try card.with(endpoint: HostAndPort("new.us.example"))
        try peers.replace(moved)
        #expect(try peers.card(of: "us.example") == moved)

        try peers.remove("us.example")
        #expect(try peers.nodes().isEmpty)
        for action in [{ try peers.remove("us.example") }, { try peers.replace(card) }] as [() throws -> Void] {
            #expect(try #require(throws: HomeError.self) { try action() }.category == .noInput)
        }
        #expect(try #require(throws: HomeError.self) { try peers.card(of: "us.example") }.category == .noInput)
    }

    @Test("that are bad stop no other, and are named with file and line")
    func oneBadCard() throws {
        try peers.add(card)
        let bad = home.peersFolder + "/kr.example.yaml"
        try Disk.write("version: 1\nnode: kr.example\nwrong: 1\n", bad)
        try Disk.write(Samples.card, home.peersFolder + "/jp.example.yaml")
        try Disk.write("x", home.peersFolder + "/.us.example.yaml.0011.tmp")
        try Disk.write("x", home.peersFolder + "/README.md")
        let (cards, problems) = try peers.all()
        #expect(cards == [card])
        #expect(problems.count == 2)
        #expect(problems[0].message.contains("is the card of us.example"))
        #expect(problems[1].path == bad)
        #expect(problems[1].line != nil)
    }

    @Test("are read from wherever a partner's file was put")
    func reading() throws {
        try Disk.write(Samples.card, temporary("card.yaml"), mode: 0o644)
        try FileManager.default.createSymbolicLink(
            atPath: temporary("link.yaml"), withDestinationPath: temporary("card.yaml"))
        #expect(try PeerDirectory.read(temporary("link.yaml")) == card)
        #expect(try #require(throws: HomeError.self) { try PeerDirectory.read(temporary("no")) }.category == .noInput)
        #expect(try #require(throws: HomeError.self) { try PeerDirectory.read(temporary.path) }.category == .badInput)
    }

    @Test("have names that lead nowhere else", arguments: ["../node", "a/b", "", ".", "US.example"])
    func names(node: String) {
        #expect(throws: HomeError.self) { try peers.card(of: node) }
        #expect(throws: HomeError.self) { try peers.remove(node) }
    }
}

@Suite("The example cards")
struct ExampleCardTests {
    private static let folder =
        URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path + "/peers"

    @Test("are read, and their comments state their fingerprints", arguments: ["us.example", "kr.example"])
    func examples(node: String) throws {
        let path = "\(Self.folder)/\(node).yaml"
        let card = try PeerDirectory.read(path)
        #expect(card.node == node)
        #expect(card.communities == ["krus"])
        #expect(try Disk.text(path).contains("# Fingerprint: \(card.fingerprint)\n"))
    }

    @Test("in the guide show the same fingerprints as the cards")
    func guide() throws {
        let guide = try Disk.text("\(Self.folder)/README.md")
        for node in ["us.example", "kr.example"] {
            #expect(guide.contains(try PeerDirectory.read("\(Self.folder)/\(node).yaml").fingerprint.description))
        }
    }
}
