import Cryptography
import Glibc
import Home
import LogStore
import NodeService
import Testing
import TransparencyLog

/// What an audit holds against the entries beside checkpoints and bodies: grants, erasures, transfers that are under
/// way, witnesses, evidence.
@Suite struct AuditRightsTests {
    private func problems(_ node: TestNode, knowing others: TestNode...) throws -> [String] {
        let keys = (others + [node]).map(\.context.cosigner.verifierKey)
        let auditor = LogAuditor(
            store: node.store,
            mirrorKeys: Dictionary(keys.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first }))
        return try auditor.audit(node.store.logs()).problems.map(\.text)
    }

    /// A row too much would open a sealed part to somebody or hide one; a row too little would keep one that is to go.
    @Test(arguments: [
        ("DELETE FROM access_grant", "of whom it opens entry 0 to is not what it says"),
        ("UPDATE access_grant SET node = 'spy.example'", "of whom it opens entry 0 to is not what it says"),
        ("UPDATE access_grant SET entry = 1", "of whom it opens entry 1 to is not what it says"),
        ("DELETE FROM blob_erasure", "is kept of its sealed part is gone"),
        ("UPDATE blob_erasure SET entry = 0", "is kept of its sealed part is gone"),
        ("UPDATE blob_erasure SET record = 2", "is kept as erased, which no record says"),
    ]) func whatIsKeptOfGrantsAndErasuresIsWhatRecordsSay(statement: String, says: String) throws {
        let node = try TestNode("us.example", partners: ["kr.example"])
        let granted = try node.appendSealed("granted", to: ["us.example"])
        let erased = try node.appendSealed("erased", to: ["us.example"])
        try node.grant(granted, to: "kr.example")
        try node.erase(erased)
        #expect(try problems(node) == [])
        try node.store.execute(statement)
        let found = try problems(node)
        #expect(found.contains { $0.contains(says) }, "\(found)")
    }

    @Test func bytesThatWereErasedAndAreHereAreFound() throws {
        let node = try TestNode("us.example", partners: [])
        let blob = try node.appendSealed("erased", to: ["us.example"])
        try node.erase(blob)
        try node.store.execute("DELETE FROM blob")
        try node.store.execute(
            "INSERT INTO blob (log, entry, sha256, size, data) SELECT id, 0, x'\(blob.sha256.hex)', \(blob.size), "
                + "CAST('erased' AS BLOB) FROM log")
        #expect(try problems(node).contains { $0.contains("was erased, and is here") })
    }

    @Test func aMemberThatCarriesSealedPartsOfOthersMissesThoseItForgot() async throws {
        let us = try TestNode("us.example", partners: ["kr.example"])
        let kr = try TestNode("kr.example", partners: ["us.example"])
        try us.know(kr)
        try kr.know(us)
        let members =
            #"{"v":1,"type":"members","time":"2026-01-01T00:00:00Z","author":"a","tlp":"green","#
            + #""members":["kr.example","us.example"],"carry_sealed":"members"}"#
        try us.append([[UInt8](members.utf8)])
        _ = try us.appendSealed("for its author alone", to: ["us.example"])
        #expect(try await synchronise(kr, us).0.error == nil)
        #expect(try problems(kr, knowing: us) == [])
        try kr.store.execute("DELETE FROM receipt; DELETE FROM blob")
        #expect(try problems(kr, knowing: us).contains { $0.contains("is kept of its sealed part is gone") })
    }

    @Test(arguments: [
        ("DELETE FROM published_key", "is not kept as its record says"),
        ("UPDATE published_key SET valid_until = 1", "is not kept as its record says"),
        ("UPDATE published_key SET entry = 1", "a key is kept for it that no valid record says"),
        (
            "INSERT INTO published_key SELECT log, role, 1, action, key_id, public_key, NULL, NULL, 9, NULL "
                + "FROM published_key", "a key is kept for it that no valid record says"
        ),
    ]) func whatIsKeptOfKeysIsWhatRecordsSay(statement: String, says: String) throws {
        let node = try TestNode("us.example", partners: [])
        let key = [UInt8](repeating: 7, count: 32)
        let record =
            #"{"v":1,"type":"key","time":"2026-03-01T12:00:00Z","author":"a","tlp":"green","role":"sealing","#
            + #""action":"publishes","key_id":"\#(SHA256.hash(key).hex)","public_key":"\#(Base64.encode(key))","epoch":1}"#
        try node.append([[UInt8](record.utf8)])
        try node.append(1)
        #expect(try problems(node) == [])
        try node.store.execute(statement)
        let found = try problems(node)
        #expect(found.contains { $0.contains(says) }, "\(found)")
    }

    @Test func entriesBehindTheNewestCheckpointAreFound() throws {
        let node = try TestNode("us.example", partners: [])
        for count in [5, 3] { try node.append(count) }
        #expect(try problems(node) == [])
        try node.store.execute("DELETE FROM checkpoint WHERE size = 8")
        #expect(try problems(node) == ["entries behind the last signed checkpoint"])
    }

    /// Rows that fit each other, and are less than was signed.
    @Test func aLogThatWasCutBackToAnEarlierSizeIsFound() async throws {
        let us = try TestNode("us.example", partners: ["kr.example"])
        let kr = try TestNode("kr.example", partners: ["us.example"])
        try us.know(kr)
        try kr.know(us)
        try us.append(700)
        #expect(try await synchronise(kr, us).0.error == nil)
        try kr.store.execute(
            """
            UPDATE log SET size = 256 WHERE own = 0;
            DELETE FROM bundle WHERE number > 0;
            DELETE FROM tile WHERE number > 0;
            UPDATE tile SET data = CAST(substr(data, 1, 32) AS BLOB) WHERE level = 1;
            """)
        #expect(try problems(kr, knowing: us).contains("a checkpoint of size 700, but only 256 entries"))
    }

    @Test func rowsBehindTheEndAreFound() throws {
        let node = try TestNode("us.example", partners: [])
        try node.append(3)
        try node.store.execute("INSERT INTO bundle SELECT log, 9, entries, compressed, data FROM bundle")
        #expect(try problems(node) == ["2 entry bundles, which are not those of 3 entries"])
    }

    /// What is to come is shown by a checkpoint that was signed before it was pinned.
    @Test func aTransferUnderWayIsTowardsWhatWasSigned() throws {
        let us = try TestNode("us.example", partners: ["kr.example"])
        let kr = try TestNode("kr.example", partners: ["us.example"])
        try kr.know(us)
        for count in [5, 5] { try us.append(count) }
        let heads = try [5, 10].map { try #require(try us.store.checkpoint(of: us.log.id, size: $0)) }
        try kr.store.pin(heads[1], of: us.log.id)
        #expect(try problems(kr) == [])
        for change in ["note = '\(heads[0].note)'", "root = zeroblob(32)", "size = 11", "note = 'nonsense'"] {
            try kr.store.execute("CREATE TABLE kept AS SELECT * FROM pending; UPDATE pending SET \(change)")
            #expect(try problems(kr).contains { $0.contains("is not signed by its key") }, "\(change)")
            try kr.store.execute("DELETE FROM pending; INSERT INTO pending SELECT * FROM kept; DROP TABLE kept")
        }
        #expect(try problems(kr) == [])
    }

    @Test func whatIsKeptOfWitnessesIsWhatTheyHaveSigned() throws {
        let node = try TestNode("us.example", partners: [])
        let witness = try Cosigner(name: "witness.example", privateKey: Ed25519.PrivateKey())
        try node.append(3)
        let head = try #require(try node.store.checkpoint(of: node.log.id, size: 3))
        let line = try witness.cosign(
            Checkpoint(origin: node.log.origin, size: 3, root: head.root), time: 100
        ).line
        func keep(size: Int = 3, time: Int = 100, line: String) throws {
            try node.store.execute(
                "DELETE FROM witness_cosignature; INSERT INTO witness_cosignature SELECT id, \(size), "
                    + "'\(witness.verifierKey.text)', \(time), '\(line)' FROM log")
        }
        try keep(line: line)
        #expect(try problems(node) == [])
        let another = try witness.cosign(
            Checkpoint(origin: node.log.origin, size: 3, root: SHA256.hash("another")), time: 100
        ).line
        try keep(line: another)
        #expect(try problems(node) == ["the cosignature of the witness witness.example on size 3 does not verify"])
        let policy = try WitnessPolicy(
            parsing: [UInt8]("witness w \(witness.verifierKey.text)\nquorum w\n".utf8))
        var report = AuditReport()
        report.add(try PolicyAudit(policy, logs: node.store.logs(), in: node.store, now: 200))
        #expect(report.problems.contains { $0.text == "a cosignature of w on size 3 does not verify" })
        try keep(time: 101, line: line)
        #expect(try problems(node).count == 1)
        try keep(size: 2, line: line)
        #expect(try problems(node).count == 1)
    }

    // MARK: Evidence

    /// us.example twice under one key, and kr with jp, that hold one history each and have met.
    private func fork() async throws -> TestNode {
        let us = try TestNode("us.example", partners: ["kr.example", "jp.example"])
        let twin = try TestNode("us.example", partners: ["kr.example", "jp.example"], signer: us.signer)
        let kr = try TestNode("kr.example", partners: ["us.example", "jp.example"])
        let jp = try TestNode("jp.example", partners: ["us.example", "kr.example"])
        for (one, other) in [(us, kr), (kr, us), (kr, jp), (jp, us), (jp, kr), (twin, jp)] { try one.know(other) }
        try us.append(3, text: "us")
        try twin.append(3, text: "twin")
        #expect(try await synchronise(kr, us).0.error == nil)
        #expect(try await synchronise(jp, twin).0.error == nil)
        #expect(try await synchronise(kr, jp).0.error != nil)
        return kr
    }

    /// Evidence proves a fork of the log that its key signs, and of no other of that name.
    @Test func evidenceUnderAnotherKeyOrOfALogThatIsNotFrozenIsNamed() async throws {
        let kr = try await fork()
        let evidence = try #require(try kr.store.forks().first?.evidence)
        let folder = "/tmp/entente-test-\(RandomBytes.make(count: 8).map { String($0, radix: 16) }.joined())"
        let home = try HomeFolder.found(at: folder)
        let path = home.evidenceFile(of: "us.example/krus")
        for name in [home.path, home.evidenceFolder] { mkdir(name, 0o700) }
        let file = try #require(fopen(path, "w"))
        #expect(fwrite(evidence, 1, evidence.count, file) == evidence.count && fclose(file) == 0)
        defer {
            unlink(path)
            for name in [home.evidenceFolder, home.path] { rmdir(name) }
        }
        func report(of store: SQLiteLogStore) throws -> AuditReport {
            var report = AuditReport()
            try report.checkEvidence(in: home, store)
            return report
        }
        let sound = try report(of: kr.store)
        #expect(sound.isSound && sound.unproved.isEmpty && sound.evidence.count == 1)
        try kr.store.execute("UPDATE log SET frozen = NULL WHERE origin = 'us.example/krus'")
        #expect(try report(of: kr.store).unproved.contains { $0.contains("that log is not frozen here") })
        // Another us.example/krus, with a key of its own.
        let other = try TestNode("us.example", partners: [])
        let forged = try report(of: other.store)
        #expect(forged.problems.contains { $0.text.contains("which is not the log's") }, "\(forged.problems)")
    }
}
