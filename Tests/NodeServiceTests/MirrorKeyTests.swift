import Cryptography
import Foundation
import Home
import LogStore
import NodeService
import Records
import Testing
import TransparencyLog

/// Which of a node's mirror keys checks what was signed when.
@Suite struct MirrorKeyTests {
    /// A home of its own.
    private final class Scene {
        let node: Node

        init() throws {
            let path = FileManager.default.temporaryDirectory.path + "/entente-mirror-\(UUID().uuidString.prefix(8))"
            node = try Node.found(
                .init(
                    node: "us.example", communities: ["krus"], listen: #require(HostAndPort("127.0.0.1:1")),
                    endpoint: nil, author: "tester"), at: path)
        }

        deinit { try? FileManager.default.removeItem(atPath: node.home.path) }
    }

    /// - Parameter until: the last moment of the old key, in seconds behind the rotation.
    @Test(
        arguments: [(isStolen: false, until: 3_600), (isStolen: true, until: 0)] as [(isStolen: Bool, until: UInt64)])
    func theOldKeySignsForAnHourAndAStolenOneNoMore(isStolen: Bool, until: UInt64) throws {
        let scene = try Scene()
        let old = try Cosigner(name: "us.example", privateKey: scene.node.keystore.mirrorKey())
        let time = Clock.timestamp
        let rotation = try scene.node.rotateMirrorKey(isStolen: isStolen, author: "tester", time: time)
        let new = try Cosigner(name: "us.example", privateKey: scene.node.keystore.mirrorKey())
        #expect(rotation.previous == old.verifierKey && rotation.key == new.verifierKey)
        let head = try #require(try scene.node.store.log("us.example/krus")?.head)
        let checkpoint = try Checkpoint(origin: "us.example/krus", size: head.size, root: head.root)
        let begin = UInt64(time.seconds)
        func key(_ cosigner: Cosigner, at time: UInt64, _ keys: MirrorKeys) throws -> VerifierKey? {
            try keys.key(for: Cosignature(parsing: cosigner.cosign(checkpoint, time: time).line))
        }
        let own = try #require(try scene.node.refreshed().mirrorKeys["us.example"])
        // A partner that knows the old key, or the new one, and has the record.
        let said = try scene.node.store.publishedKeys(role: .mirror).map { ($0.origin, $0.key) }
        for keys in [own, MirrorKeys(old.verifierKey).led(by: said), MirrorKeys(new.verifierKey).led(by: said)] {
            for moment in [begin - 86_400, begin, begin + until] {
                #expect(try key(old, at: moment, keys) == old.verifierKey, "\(moment - begin)")
            }
            for moment in [begin + until + 1, begin + until + 86_400] {
                #expect(try key(old, at: moment, keys) == nil)
            }
            #expect(try key(new, at: begin + until + 1, keys) == new.verifierKey)
        }
    }

    /// The hour that a rotation leaves to the key before it ends with a theft, too.
    @Test func afterATheftNoKeyBeforeSignsLongerThanTheStolenOne() throws {
        let scene = try Scene()
        let first = try Cosigner(name: "us.example", privateKey: scene.node.keystore.mirrorKey())
        let time = Clock.timestamp
        _ = try scene.node.rotateMirrorKey(author: "tester", time: time)
        let stolen = try scene.node.keystore.mirrorCardKey().text
        let theft = try #require(Timestamp(seconds: time.seconds + 60))
        _ = try scene.node.refreshed().rotateMirrorKey(isStolen: true, author: "tester", time: theft)
        let head = try #require(try scene.node.store.log("us.example/krus")?.head)
        let checkpoint = try Checkpoint(origin: "us.example/krus", size: head.size, root: head.root)
        let said = try scene.node.store.publishedKeys(role: .mirror).map { ($0.origin, $0.key) }
        for anchor in try [first.verifierKey, VerifierKey(parsing: stolen)] {
            let keys = MirrorKeys(anchor).led(by: said)
            for (second, counts) in [(0, true), (60, true), (61, false)] as [(UInt64, Bool)] {
                let line = try first.cosign(checkpoint, time: UInt64(time.seconds) + second).line
                #expect(try (keys.key(for: Cosignature(parsing: line)) != nil) == counts, "\(second)")
            }
        }
    }

    /// A log whose key was stolen may have been brought back with what the thief has written in it.
    @Test func aSuccessorRepeatsTheWayToTheOwnKeysAndNothingElse() throws {
        let scene = try Scene()
        let time = Clock.timestamp
        let first = try scene.node.keystore.mirrorCardKey().text
        _ = try scene.node.rotateMirrorKey(author: "tester", time: time)
        let second = try scene.node.keystore.mirrorCardKey().text
        let tls = try scene.node.refreshed().rotateTLSKey(finish: false, author: "tester", time: time)
        // The thief says that a key of its own came before, that one came after, and that partners should believe a pin.
        let foreign = try (0..<2).map { _ in
            try Cosigner(name: "us.example", privateKey: Ed25519.PrivateKey()).verifierKey
        }
        let pin = SHA256.hash("the thief's")
        let owner = try [first, second].map { try VerifierKey(parsing: $0) }
        let links = [(foreign[0], owner[1]), (owner[1], foreign[1])]
        let written =
            links.map { old, new in
                KeyRecord(
                    role: .mirror, action: .replaces, keyID: SHA256.hash(new.publicKey.bytes), publicKey: new.text,
                    previousKeyID: SHA256.hash(old.publicKey.bytes), previousKey: old.text, validUntil: time)
            } + [
                KeyRecord(role: .tls, action: .publishes, keyID: pin, publicKey: Base64.encode(pin.bytes)),
                KeyRecord(role: .tls, action: .retires, keyID: tls.pin, validUntil: time),
            ]
        let signer = try scene.node.signer(community: "krus")
        _ = try scene.node.append(
            written.map { NewEntry(body: try $0.draft(time: time, author: "thief").body()) }, community: "krus",
            signer: signer)
        let next = try scene.node.refreshed().openSuccessor(
            of: "krus", abandoning: true, stolen: true, author: "tester", time: time)
        let log = try #require(try next.store.log("us.example/krus/2"))
        let said = try next.store.publishedKeys(of: log.id)
        let mirror = said.filter { $0.role == .mirror }
        #expect(mirror.map(\.previousKey) == [first] && mirror.map(\.publicKey) == [second])
        #expect(said.filter { $0.role == .tls && $0.action == .retires }.isEmpty)
        let pins = Set(said.filter { $0.role == .tls }.map(\.keyID))
        #expect(pins == [tls.pin])
        // Whoever has the successor only can check what the first key has signed.
        let keys = MirrorKeys(owner[1]).led(by: mirror.map { ("us.example/krus/2", $0) })
        #expect(keys.all == owner)
        #expect(try next.refreshed().keyAlarms(next.store.logs()) == [])
    }
}
