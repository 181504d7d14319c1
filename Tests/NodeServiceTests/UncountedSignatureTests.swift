import Cryptography
import LogStore
import NodeService
import Records
import Testing
import TransparencyLog

/// Signatures that an audit can say nothing of are no fault of the log, and count for nothing; those that a known key has
/// not given are.
@Suite struct UncountedSignatureTests {
    private static let rotation: Int64 = 1_700_000_000

    /// us, whose log kr.example has cosigned: with a key that was replaced, and with the one after it.
    private struct Scene {
        let us: TestNode
        let checkpoint: Checkpoint
        let old: Cosigner
        let new: Cosigner
        /// What records say of the two.
        let keys: MirrorKeys

        init() throws {
            us = try TestNode("us.example", partners: ["kr.example"])
            try us.append(3)
            let head = try #require(try us.store.log(us.log.origin)?.head)
            checkpoint = try Checkpoint(origin: us.log.origin, size: head.size, root: head.root)
            old = try Cosigner(name: "kr.example", privateKey: Ed25519.PrivateKey())
            new = try Cosigner(name: "kr.example", privateKey: Ed25519.PrivateKey())
            let record = try #require(
                PublishedKey(
                    UncountedSignatureTests.record(from: old.verifierKey, to: new.verifierKey), entry: 0))
            keys = MirrorKeys(old.verifierKey).led(by: [("kr.example/krus", record)])
        }

        func keep(_ line: String, time: UInt64) throws {
            _ = us.store.store([
                (StoredCosignature(cosigner: "kr.example", size: checkpoint.size, time: time, line: line), us.log.id)
            ])
        }

        func audit(_ keys: MirrorKeys? = nil) throws -> AuditReport {
            try LogAuditor(store: us.store, keys: ["kr.example": keys ?? self.keys]).audit(us.store.logs())
        }
    }

    private static func record(from old: VerifierKey, to new: VerifierKey) -> KeyRecord {
        KeyRecord(
            role: .mirror, action: .replaces, keyID: SHA256.hash(new.publicKey.bytes), publicKey: new.text,
            previousKeyID: SHA256.hash(old.publicKey.bytes), previousKey: old.text,
            validUntil: Timestamp(seconds: rotation))
    }

    @Test func aCosignatureByAKeyThatNothingLeadsToIsNoProblemAndCountsForNothing() throws {
        let it = try Scene()
        let time = UInt64(Self.rotation) + 60
        let stranger = try Cosigner(name: "kr.example", privateKey: Ed25519.PrivateKey())
        try it.keep(stranger.cosign(it.checkpoint, time: time).line, time: time)
        let report = try it.audit()
        #expect(report.problems.isEmpty, "\(report.problems)")
        #expect(
            report.unproved.filter { $0.contains("cosignature of kr.example is by a mirror key that nothing") }.count
                == 1,
            "\(report.unproved)")
        #expect(report.logs.first?.cosignatures == 0)
        // It makes up no quorum.
        let policy = try WitnessPolicy(
            parsing: [UInt8]("witness k \(it.new.verifierKey.text)\nquorum k\n".utf8))
        let audit = try PolicyAudit(policy, logs: it.us.store.logs(), in: it.us.store, now: time)
        #expect(audit.logs.first?.verdict.isReached == false)
    }

    @Test func whatAKnownKeyHasNotSignedIsAProblemWhateverTheLineSays() throws {
        let it = try Scene()
        let time = UInt64(Self.rotation) + 60
        let other = try Checkpoint(origin: it.us.log.origin, size: it.checkpoint.size, root: SHA256.hash("other"))
        for cosigner in [it.old, it.new] {
            try it.keep(cosigner.cosign(other, time: time).line, time: time)
            #expect(try it.audit().problems.count == 1)
            try it.us.store.execute("DELETE FROM cosignature; DELETE FROM latest_cosignature")
        }
        // One that it has signed, under the name of another key.
        let good = try Cosignature(parsing: it.new.cosign(it.checkpoint, time: time).line)
        let renamed = try Cosignature(name: good.name, keyID: good.keyID ^ 1, time: time, signature: good.signature)
        try it.keep(renamed.line, time: time)
        #expect(try it.audit().problems.count == 1)
    }

    @Test func aReplacedKeyVouchesForNothingThatIsDatedLater() throws {
        let it = try Scene()
        for (time, counts) in [(UInt64(Self.rotation), true), (UInt64(Self.rotation) + 1, false)] {
            try it.us.store.execute("DELETE FROM cosignature; DELETE FROM latest_cosignature")
            try it.keep(it.old.cosign(it.checkpoint, time: time).line, time: time)
            let report = try it.audit()
            #expect(report.problems.isEmpty, "\(report.problems)")
            #expect(report.logs.first?.cosignatures == (counts ? 1 : 0))
            #expect(report.unproved.contains { $0.contains("had been replaced") } == !counts)
        }
    }

    @Test func receiptsAreJudgedInTheSameWay() throws {
        let it = try Scene()
        let blob = try it.us.appendSealed("for kr", to: ["us.example", "kr.example"])
        let receipt = try BlobReceipt(origin: it.us.log.origin, index: blob.index, sha256: blob.sha256)
        let stranger = try Cosigner(name: "kr.example", privateKey: Ed25519.PrivateKey())
        func audit(_ cosigner: Cosigner, at time: UInt64, of receipt: BlobReceipt) throws -> AuditReport {
            try it.us.store.execute("DELETE FROM receipt")
            _ = try it.us.store.store(
                [
                    StoredReceipt(
                        index: blob.index, sha256: blob.sha256, holder: "kr.example", time: time,
                        line: cosigner.sign(receipt, time: time).line)
                ], of: it.us.log.id)
            return try it.audit()
        }
        let later = UInt64(Self.rotation) + 60
        let unknown = try audit(stranger, at: later, of: receipt)
        #expect(unknown.problems.isEmpty, "\(unknown.problems)")
        #expect(unknown.unproved.contains { $0.contains("1 receipt of kr.example is by a mirror key that nothing") })
        let replaced = try audit(it.old, at: later, of: receipt)
        #expect(replaced.problems.isEmpty && replaced.unproved.contains { $0.contains("had been replaced") })
        let good = try audit(it.new, at: later, of: receipt)
        #expect(good.problems.isEmpty && !good.unproved.contains { $0.contains("receipt") }, "\(good.unproved)")
        let other = try BlobReceipt(origin: it.us.log.origin, index: blob.index + 1, sha256: blob.sha256)
        #expect(try audit(it.new, at: later, of: other).problems.count == 1)
    }

    // MARK: Records that say nothing

    /// Whoever writes a log could otherwise make the audits of every partner fail.
    @Test func aRecordThatReplacesAKeyWhichNothingLeadsToIsNoProblem() throws {
        let us = try TestNode("us.example", partners: [])
        try us.append(2)
        let keys = try (0..<2).map { _ in try NoteSigner(name: us.log.origin, privateKey: Ed25519.PrivateKey()) }
        let record = try Self.record(from: keys[0], to: keys[1])
        try us.append([record.draft(time: #require(Timestamp(seconds: Self.rotation)), author: "a").body()])
        try us.append(1)
        #expect(try us.store.publishedKeys(of: us.log.id).count == 1)
        let report = try LogAuditor(store: us.store, mirrorKeys: [:]).audit(us.store.logs())
        #expect(report.problems.isEmpty, "\(report.problems)")
        #expect(report.unproved.contains { $0.hasPrefix("us.example/krus#2 replaces a key of the log that no chain") })
        // What is kept and no record says is one still.
        try us.store.execute("UPDATE published_key SET entry = 1")
        let changed = try LogAuditor(store: us.store, mirrorKeys: [:]).audit(us.store.logs())
        #expect(changed.problems.contains { $0.text.contains("that no valid record says") })
    }

    private static func record(from old: NoteSigner, to new: NoteSigner) throws -> KeyRecord {
        let statement = LogKeyChange.statement(old: old.verifierKey, new: new.verifierKey)
        return try KeyRecord(
            role: .log, action: .replaces, keyID: SHA256.hash(new.verifierKey.publicKey.bytes),
            publicKey: new.verifierKey.text, previousKeyID: SHA256.hash(old.verifierKey.publicKey.bytes),
            previousKey: old.verifierKey.text, origin: old.verifierKey.name,
            signatures: [old, new].map {
                KeyRecord.Signature(
                    keyID: SHA256.hash($0.verifierKey.publicKey.bytes), bytes: try $0.sign(statement: statement))
            })
    }
}
