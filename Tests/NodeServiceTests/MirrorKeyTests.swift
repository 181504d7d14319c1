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
}
