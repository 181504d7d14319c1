import Cryptography
import LogStore
import NodeService
import Reconciliation
import Testing
import TransparencyLog

/// Signatures that were never given, or not for that, or not then.
@Suite("Hostile signatures", .serialized) struct HostileSignatureTests {
    enum Forgery: CaseIterable {
        case otherKey
        case ownLineDamaged
        case otherLog
        case nothingSigned

        var words: String {
            switch self {
            case .otherKey: "kr.example/krus: "
            case .ownLineDamaged, .otherLog, .nothingSigned: "xx.example/krus: "
            }
        }
    }

    @Test(
        "A checkpoint that the log's key has not signed leaves the log out, and nothing of it is stored",
        arguments: Forgery.allCases)
    func forgedCheckpoints(_ forgery: Forgery) async throws {
        let xx = try HostilePeer()
        let scene = try await HostileScene(xx)
        let kr = scene.kr.log
        let report = try await scene.attack { line in
            try await line.meet()
            var log = xx.log
            let root = xx.tree.root(300)
            let note: String
            switch forgery {
            case .otherKey:
                // A key of the right name, made by the wrong node.
                log = kr.id
                let signer = try NoteSigner(name: kr.origin, privateKey: Ed25519.PrivateKey())
                note = try xx.note(origin: kr.origin, size: 300, root: root, by: signer).serialized
            case .ownLineDamaged:
                let good = try xx.note(origin: xx.origin, size: 300, root: root, by: xx.signer)
                var bytes = good.signatures[0].signature
                bytes[10] ^= 1
                let line = try NoteSignature(
                    name: good.signatures[0].name, keyID: good.signatures[0].keyID, signature: bytes)
                note = try SignedNote(text: good.text, signatures: good.signatures + [line]).serialized
            case .otherLog:
                // Its own signature, on a text that names another log.
                note = try xx.note(origin: kr.origin, size: 300, root: root, by: xx.signer).serialized
            case .nothingSigned:
                note = try Checkpoint(origin: xx.origin, size: 300, root: root).text
            }
            try line.say(
                .offer(Offer(log: log, checkpoint: note, fromSize: 0, proof: [])))
            if forgery == .otherKey {
                // It is asked for a checkpoint by the key that is known, in case that was replaced, and has none.
                let asked = try await line.hear("which key is known") {
                    if case .knownKeys = $0 { true } else { false }
                }
                #expect(asked == .knownKeys(kr.id, [try VerifierKey(parsing: kr.verifierKey).keyID]))
                let echo = try await line.hear("a ping") { if case .ping(_, false) = $0 { true } else { false } }
                if case .ping(let nonce, _) = echo { try line.say(.ping(nonce: nonce, isReply: true)) }
            }
            _ = try await line.hear("the refusal") { if case .logRefusal = $0 { true } else { false } }
            try line.say(.close(reason: "done", memory: nil))
        }
        #expect(report.error == nil)
        #expect(report.refused.contains { $0.hasPrefix(forgery.words) }, "\(report.refused)")
        #expect(try scene.us.store.log(kr.origin)?.pending == nil)
        #expect(try scene.us.store.log(xx.origin)?.pending == nil)
        await scene.end()
    }

    @Test("Lines that nobody here can judge are not stored with a checkpoint")
    func strangeLines() async throws {
        let xx = try HostilePeer()
        let scene = try await HostileScene(xx)
        let report = try await scene.attack(keeping: 300) { line in
            try await line.meet([xx.head(300)])
            var note = try xx.note(origin: xx.origin, size: 300, root: xx.tree.root(300), by: xx.signer)
            let own = note.signatures
            note = try SignedNote(
                text: note.text,
                signatures: [
                    NoteSignature(name: "kr.example", keyID: 7, signature: Array(repeating: 1, count: 72)),
                    NoteSignature(name: "xx.example/krus", keyID: 7, signature: Array(repeating: 1, count: 64)),
                ] + own)
            try line.say(.offer(Offer(log: xx.log, checkpoint: note.serialized, fromSize: 0, proof: [])))
            _ = try await line.hear("a request") { if case .request = $0 { true } else { false } }
            try line.say(.entries(xx.entries(0..<300, treeSize: 300)))
            _ = try await line.hear("its head") {
                if case .heads(_, let heads, _, _) = $0 { heads.contains { $0.size == 300 } } else { false }
            }
            try line.say(.close(reason: "done", memory: nil))
        }
        #expect(report.error == nil)
        let note = try #require(try scene.us.store.log(xx.origin)?.head?.note)
        #expect(try SignedNote(parsing: note).signatures.map(\.name) == ["xx.example/krus"])
        await scene.end()
    }

    enum Lie: CaseIterable {
        case future
        case forged
        case otherTime
        case notMember
        case noCard
        case strangeSize
        case replayed

        /// What the report says; `nil` where an honest node might have said the same.
        var words: String? {
            switch self {
            case .future: "us.example/krus: a cosignature of xx.example is refused: it is dated in the future"
            case .forged: "us.example/krus: a cosignature of kr.example is refused: its mirror key has not signed that"
            case .otherTime:
                "us.example/krus: a cosignature of xx.example is refused: its mirror key has not signed that"
            case .notMember, .noCard, .strangeSize, .replayed: nil
            }
        }
    }

    @Test(
        "A cosignature is stored only if a member has signed it, on that, and not ahead of time",
        arguments: Lie.allCases)
    func cosignatures(_ lie: Lie) async throws {
        let xx = try HostilePeer()
        let scene = try await HostileScene(xx)
        let outsider = try Cosigner(name: "in.example", privateKey: Ed25519.PrivateKey())
        if lie == .notMember { scene.us.context.know(outsider.verifierKey) }
        let us = try #require(try scene.us.store.log(scene.us.log.origin))
        let head = try #require(us.head)
        let now = Moment().value
        let checkpoint = try Checkpoint(origin: us.origin, size: head.size, root: head.root)
        let kr = scene.kr.context.cosigner.verifierKey
        // An honest line, of which the older one below is no news.
        let known = try xx.cosigner.cosign(checkpoint, time: now - 10)
        if lie == .replayed {
            try scene.us.store.store(
                StoredCosignature(cosigner: "xx.example", size: head.size, time: now - 10, line: known.line), of: us.id)
        }
        let before = try scene.us.store.cosignatures(of: us.id)
        let report = try await scene.attack { line in
            try await line.meet()
            let sent: CosignatureLine
            func made(_ cosigner: Cosigner, _ time: UInt64, said: UInt64? = nil, size: UInt64? = nil) throws
                -> CosignatureLine
            {
                CosignatureLine(
                    cosigner: cosigner.verifierKey.name, size: size ?? head.size, time: said ?? time,
                    line: try cosigner.cosign(checkpoint, time: time).line)
            }
            switch lie {
            case .future: sent = try made(xx.cosigner, now + 400)
            case .forged:
                let signature = try NoteSignature(
                    name: kr.name, keyID: kr.keyID,
                    signature: withUnsafeBytes(of: now.bigEndian) { Array($0) } + Array(repeating: 9, count: 64))
                sent = CosignatureLine(cosigner: kr.name, size: head.size, time: now, line: signature.line)
            case .otherTime: sent = try made(xx.cosigner, now - 100, said: now)
            case .notMember, .noCard: sent = try made(outsider, now)
            case .strangeSize: sent = try made(xx.cosigner, now, size: head.size - 1)
            case .replayed: sent = try made(xx.cosigner, now - 20)
            }
            try line.say(.cosignatures(us.id, [sent]))
            // The answer says that it was judged.
            _ = try await line.hear("the answer") {
                if case .heads(_, let heads, _, _) = $0 { heads.contains { $0.log == us.id } } else { false }
            }
            try line.say(.close(reason: "done", memory: nil))
        }
        #expect(report.error == nil)
        #expect(report.refused == lie.words.map { [$0] } ?? [], "\(report.refused)")
        let after = try scene.us.store.cosignatures(of: us.id)
        #expect(after.filter { $0.cosigner != "kr.example" } == before.filter { $0.cosigner != "kr.example" })
        await scene.end()
    }

    @Test("What a member has signed is believed of the logs of its communities only")
    func otherCommunity() async throws {
        let us = try TestNode("us.example", partners: ["kr.example"])
        let jp = try Cosigner(name: "jp.example", privateKey: Ed25519.PrivateKey())
        us.context.know(jp.verifierKey)
        // jp.example is known here, and in no community of this log.
        try us.append(3)
        let log = try #require(try us.store.log(us.log.origin))
        let head = try #require(log.head)
        let line = try jp.cosign(Checkpoint(origin: log.origin, size: head.size, root: head.root), time: Moment().value)
        let judgement = try us.context.judge(
            [CosignatureLine(cosigner: "jp.example", size: head.size, time: line.time, line: line.line)], of: log.id)
        #expect(judgement.verified.isEmpty)
        #expect(judgement.lie == nil)
    }
}
