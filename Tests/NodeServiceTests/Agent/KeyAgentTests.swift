import Cryptography
import Foundation
import Glibc
import Home
import LogStore
import NodeService
import Records
import Testing
import TransparencyLog

/// What the running node signs and opens for commands, and what it refuses.
@Suite struct KeyAgentTests {
    private let scene: Scene
    private var agent: KeyAgent { KeyAgent(scene.node) }

    init() throws {
        scene = try Scene()
    }

    private func ask(_ request: AgentRequest) -> AgentAnswer { agent.answer(request, to: .thisProcess) }

    private func sign(_ text: String, _ key: Ed25519.PublicKey? = nil) throws -> AgentAnswer {
        let own = try scene.node.keystore.logPublicKey(community: "krus")
        return ask(.sign(checkpoint: text, publicKey: (key ?? own).bytes))
    }

    private func text(_ size: UInt64, _ root: SHA256Digest, origin: String = "us.example/krus") throws -> String {
        try Checkpoint(origin: origin, size: size, root: root).text
    }

    private func isRefused(_ answer: AgentAnswer) -> Bool {
        if case .refused = answer { true } else { false }
    }

    @Test func checkpointsOfAnOwnLogAreSignedUnlessTheyContradictWhatWasSigned() throws {
        _ = try scene.node.append(
            [NewEntry(body: Array("{}".utf8))], community: "krus", signer: scene.node.signer(community: "krus"))
        let head = try #require(try scene.node.store.log("us.example/krus")?.head)
        #expect(head.size == 2)
        let other = SHA256.hash("another root")
        let key = try scene.node.keystore.logPublicKey(community: "krus")
        for good in [try text(head.size, head.root), try text(head.size + 1, other)] {
            guard case .signature(let bytes) = try sign(good) else {
                Issue.record("refused: \(good)")
                continue
            }
            #expect(key.verifies(bytes, of: Array(good.utf8)))
        }
        #expect(isRefused(try sign(try text(head.size, other))))
        #expect(isRefused(try sign(try text(head.size - 1, other))))
        #expect(isRefused(try sign(try text(9, other, origin: "us.example/asia"))))
        #expect(isRefused(try sign(try text(9, other, origin: "kr.example/krus"))))
        #expect(isRefused(try sign(try text(head.size + 1, other), Ed25519.PrivateKey().publicKey)))
    }

    @Test func nothingButACheckpointIsSigned() throws {
        let good = try text(99, SHA256.hash("root"))
        for bad in [
            "x", "\n", good + "\n", good + "extension\n", String(good.dropLast()), good.replacing("99", with: "099"),
            good.replacing("99", with: "-1"), good.replacing("us.example", with: "us.example\u{0}"),
        ] {
            #expect(isRefused(try sign(bad)), "\(bad)")
        }
        let old = try scene.node.keystore.logPublicKey(community: "krus")
        let key = try VerifierKey(name: "us.example/krus", algorithm: .ed25519, publicKey: old)
        #expect(isRefused(try sign(String(decoding: LogKeyChange.statement(old: key, new: key), as: UTF8.self))))
    }

    @Test func boxesAreOpenedEachForItselfAndNoted() throws {
        let key = try scene.node.keystore.sealingKey(epoch: 1)
        let secret = try SecretBytes.random(count: 32)
        let box = AgentBox(keyID: SHA256.hash(key.publicKey.bytes).bytes, box: try key.publicKey.seal(secret))
        var changed = box.box
        changed[79] ^= 1
        let answer = ask(
            .open([
                box, AgentBox(keyID: box.keyID, box: changed),
                AgentBox(keyID: [UInt8](repeating: 0, count: 32), box: box.box), box,
            ]))
        guard case .opened(let opened) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(opened.map { $0?.equals(secret) } == [true, nil, nil, true])
        var counts: [String] = []
        try scene.node.journal.read { counts.append("\($0?["count"].map { "\($0)" } ?? "")") }
        #expect(counts.count == 1 && counts[0].contains("4"))
        // What cannot be noted is not opened.
        try FileManager.default.removeItem(atPath: scene.node.journal.path)
        try FileManager.default.createDirectory(atPath: scene.node.journal.path, withIntermediateDirectories: false)
        #expect(isRefused(ask(.open([box]))))
    }

    @Test func keysThatWerePutUnderAPassphraseSinceAreNotUsed() throws {
        // Another process does it.
        let other = try Keystore(scene.node.home, node: "us.example")
        var phrase = Array("the new passphrase".utf8)
        try other.protect(
            with: SecretBytes(wiping: &phrase), cost: PasswordHash.Cost(passes: 1, memoryByteCount: 8_192))
        for request in [
            AgentRequest.check, .doublesKey, .makeLogKey(community: "asia", generation: 1),
            .replaceKey(.sealing(isStolen: false)),
            .synchronise("kr.example"),
        ] {
            guard case .locked = ask(request) else {
                Issue.record("\(request)")
                continue
            }
        }
    }

    @Test func aConnectionThatBringsNoRequestEndsAndNoOtherDoes() throws {
        let rings = Rings()
        let server = try AgentServer(scene.node.home, agent: agent) { partner, _ in
            SessionReport(peer: partner)
        } onRing: {
            rings.note()
        }
        defer { server.stop() }
        let path = scene.node.home.socket
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        for bad: [UInt8] in [
            [0], [1], [1, 0], [1, 9], [1, 14], [1, 11, 0], [2, 2], [1, 2, 0], [1, 4],
            [1, 4] + [UInt8](repeating: 0, count: 111),
            [UInt8](repeating: 1, count: AgentRequest.maximumByteCount + 1), [UInt8](repeating: 1, count: 100_000),
        ] {
            #expect(try Wire.ask(path, bad) == [], "\(bad.count) bytes")
            #expect(try Wire.ask(path, AgentRequest.check.encoded()) == [1, 1])
        }
        // A ring is heard although its sender is gone, whatever came before.
        #expect(NodeBell.ring(scene.node.home))
        #expect(rings.wait())
        // Those that connect and say nothing are let go; others wait for that, and are answered.
        let silent = try (0..<12).map { _ in try Wire.connect(path) }
        defer { silent.forEach { close($0) } }
        #expect(try Wire.ask(path, AgentRequest.check.encoded()) == [1, 1])
        server.stop()
        #expect(!NodeBell.ring(scene.node.home))
    }
}

private final class Rings: @unchecked Sendable {
    private let semaphore = DispatchSemaphore(value: 0)

    func note() { semaphore.signal() }

    func wait() -> Bool { semaphore.wait(timeout: .now() + 60) == .success }
}

/// A client that shares no code with the program's.
private enum Wire {
    static func connect(_ path: String) throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(connected == 0)
        return descriptor
    }

    /// The answer, empty where the connection was ended without one.
    static func ask(_ path: String, _ message: [UInt8]) throws -> [UInt8] {
        let descriptor = try connect(path)
        defer { close(descriptor) }
        try #require(send(descriptor, message, message.count, Int32(MSG_NOSIGNAL)) == message.count)
        var answer = [UInt8](repeating: 0, count: 70_000)
        let count = recv(descriptor, &answer, answer.count, 0)
        return Array(answer.prefix(max(0, count)))
    }
}

private final class Scene {
    let node: Node

    init() throws {
        let path = FileManager.default.temporaryDirectory.path + "/entente-agent-\(UUID().uuidString.prefix(8))"
        node = try Node.found(
            .init(
                node: "us.example", communities: ["krus"], listen: #require(HostAndPort("127.0.0.1:1")), endpoint: nil,
                author: "tester"), at: path)
    }

    deinit { try? FileManager.default.removeItem(atPath: node.home.path) }
}
