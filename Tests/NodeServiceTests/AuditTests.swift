import Cryptography
import LogStore
import NodeService
import Testing
import TransparencyLog

/// What an audit notices beside the entries, and that a log at work is not taken for a damaged one.
@Suite struct AuditTests {
    private func audit(_ node: TestNode, progress: ((UInt64, UInt64) -> Void)? = nil) throws -> AuditReport {
        try LogAuditor(store: node.store, mirrorKeys: [:]).audit(node.store.logs(), progress: progress)
    }

    /// Appends while the audit reads: within the last bundle, over its end, and by more than it reads at once.
    @Test(arguments: [1, 300, 17_000]) func aLogThatGrowsMeanwhileIsSound(more: Int) throws {
        let node = try TestNode("us.example", partners: [])
        try node.append(700)
        var rounds = 0
        let report = try audit(node) { _, _ in
            rounds += 1
            if rounds <= 3 { #expect(throws: Never.self) { try node.append(more) } }
        }
        #expect(report.isSound, "\(report.problems)")
        let size = try #require(report.logs.first?.size)
        #expect(size >= 700 + UInt64(more) && rounds > 1)
        // What came after the last look is there all the same.
        #expect(try audit(node).logs.first?.size == node.store.log(node.log.origin)?.size)
    }

    @Test func aReplicaThatGrowsMeanwhileIsSound() async throws {
        let us = try TestNode("us.example", partners: ["kr.example"])
        let kr = try TestNode("kr.example", partners: ["us.example"])
        try kr.know(us)
        try us.know(kr)
        try us.append(90_000)
        async let session = synchronise(kr, us, requestSize: 1_024)
        var report = try audit(kr)
        while try kr.store.log(us.log.origin)?.head?.size != 90_000, report.isSound { report = try audit(kr) }
        #expect(report.isSound, "\(report.problems)")
        #expect(try await session.0.error == nil)
    }

    /// A replica has no less to be signed than an own log. While a transfer brings in what a checkpoint covers, that is
    /// said, and its entries do not count as signed.
    @Test func entriesThatNoCheckpointCoversAreNotCalledSigned() async throws {
        let us = try TestNode("us.example", partners: ["kr.example"])
        let kr = try TestNode("kr.example", partners: ["us.example"])
        try kr.know(us)
        try us.know(kr)
        try us.append(600)
        #expect(try await synchronise(kr, us).0.error == nil)
        let origin = us.log.origin
        let size = try #require(try kr.store.log(origin)?.size)
        try us.append(100)
        let next = try #require(try us.store.log(origin)?.head)
        func ofThatLog() throws -> (report: AuditReport, problems: [AuditReport.Problem]) {
            let log = try #require(try kr.store.log(origin))
            let report = try LogAuditor(store: kr.store, mirrorKeys: [:]).audit([log])
            return (report, report.problems)
        }
        #expect(try ofThatLog().report.entries == size)
        try kr.store.execute("DELETE FROM checkpoint; DELETE FROM cosignature; DELETE FROM latest_cosignature")
        #expect(try ofThatLog().problems.map(\.entry) == [0])
        #expect(try ofThatLog().problems.allSatisfy { $0.text.contains("behind the last signed checkpoint") })
        try kr.store.execute(
            "INSERT INTO pending SELECT id, \(next.size), x'\(next.root.hex)', '\(next.note)' FROM log WHERE origin = "
                + "'\(origin)'")
        let arriving = try ofThatLog().report
        #expect(arriving.problems.isEmpty && arriving.entries == 0 && arriving.unanchored == [origin])
        #expect(arriving.unproved.contains { $0.contains("entries from #0 on") })
        // The own log takes in nothing, unless it is being recovered.
        try us.store.execute("DELETE FROM checkpoint")
        #expect(try audit(us).problems.contains { $0.origin == origin && $0.entry == 0 })
        try us.store.execute("UPDATE log SET recovering = 1")
        #expect(try audit(us).problems.contains { $0.origin == origin && $0.entry == 0 })
    }

    /// Checkpoints are read some at a time; one for every entry is none too many.
    @Test func everyCheckpointIsHeldAgainstTheEntriesHoweverManyThereAre() throws {
        let node = try TestNode("us.example", partners: [])
        for _ in 0..<1_100 { try node.append(1) }
        let sound = try audit(node)
        #expect(sound.isSound && sound.logs.first?.checkpoints == 1_100, "\(sound.problems)")
        let changes = [
            "UPDATE checkpoint SET root = zeroblob(32) WHERE size = 600",
            "UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE size = 700) WHERE size = 701",
            "UPDATE checkpoint SET note = replace(note, 'us.example/krus\n', 'us.example/kruz\n') WHERE size = 1100",
            "INSERT INTO checkpoint SELECT log, size + 1, root, note FROM checkpoint WHERE size = 1100",
        ]
        try node.store.execute("CREATE TABLE kept AS SELECT * FROM checkpoint")
        for change in changes {
            try node.store.execute(change)
            #expect(try audit(node).problems.isEmpty == false, "\(change)")
            try node.store.execute("DELETE FROM checkpoint; INSERT INTO checkpoint SELECT * FROM kept")
        }
        #expect(try audit(node).isSound)
    }

    /// A signature by which the same key vouches for other entries proves nothing of these.
    @Test func entriesThatAgreeWithAllThatIsKeptOfThemButNotWithWhatWasSignedAreFound() throws {
        let node = try TestNode("us.example", partners: [])
        let twin = try TestNode("us.example", partners: [], signer: node.signer)
        try node.append(300)
        try twin.append(1)
        try twin.append(298)
        try twin.append(1, text: " and more")
        func put(_ table: String, _ column: String, _ bytes: [UInt8], _ row: String) throws {
            try node.store.execute("UPDATE \(table) SET \(column) = x'\(Hexadecimal.encode(bytes))' WHERE \(row)")
        }
        // The bodies and every tile are those of the twin; the checkpoint is the one that was signed of others.
        for bundle in try twin.store.bundles(of: twin.log.id, entries: 0..<300) {
            try put("bundle", "data", bundle.data, "number = \(bundle.number)")
        }
        for level in 0...1 {
            for (number, tile) in try twin.store.tiles(of: twin.log.id, level: level, numbers: 0..<2) {
                try put("tile", "data", tile, "level = \(level) AND number = \(number)")
            }
        }
        let texts = try audit(node).problems.map(\.text)
        #expect(texts == ["its entries do not have the root that was signed at size 300"], "\(texts)")

        // An earlier checkpoint of another history is a fork that lies here unnoticed.
        let one = try #require(try node.store.checkpoint(of: node.log.id, size: 300))
        let other = try #require(try twin.store.checkpoint(of: twin.log.id, size: 300))
        func sign(_ head: SignedHead, in store: SQLiteLogStore) throws {
            try store.execute(
                "UPDATE checkpoint SET root = x'\(head.root.hex)', note = '\(head.note)' WHERE size = \(head.size)")
        }
        try twin.append(1)
        try sign(one, in: twin.store)
        let earlier = try audit(twin).problems.map(\.text)
        #expect(earlier == ["its entries do not have the root that was signed at size 300"], "\(earlier)")
        // Another history as a whole: what was signed last is kept apart.
        try sign(other, in: node.store)
        #expect(try audit(node).problems.map(\.text) == ["another root was signed at size 300"])
    }

    /// Whatever else agrees: the time, the name and the signature of a cosignature are each held against the others.
    @Test func aCosignatureThatIsNotWhatItIsKeptAsIsFound() throws {
        let node = try TestNode("us.example", partners: [])
        let kr = try Cosigner(name: "kr.example", privateKey: Ed25519.PrivateKey())
        let jp = try Cosigner(name: "jp.example", privateKey: Ed25519.PrivateKey())
        try node.append(3)
        let head = try #require(try node.store.checkpoint(of: node.log.id, size: 3))
        let checkpoint = try Checkpoint(origin: node.log.origin, size: 3, root: head.root)
        let another = try Checkpoint(origin: node.log.origin, size: 3, root: SHA256.hash("another"))
        let keys = ["kr.example": kr.verifierKey]
        func problems(_ signed: Cosignature, time: UInt64) throws -> [AuditReport.Problem] {
            try node.store.execute("DELETE FROM cosignature; DELETE FROM latest_cosignature")
            try node.store.store(
                StoredCosignature(cosigner: "kr.example", size: 3, time: time, line: signed.line), of: node.log.id)
            return try LogAuditor(store: node.store, mirrorKeys: keys).audit(node.store.logs()).problems
        }
        #expect(try problems(kr.cosign(checkpoint, time: 100), time: 100).isEmpty)
        #expect(try problems(kr.cosign(checkpoint, time: 100), time: 101).count == 1)
        #expect(try problems(kr.cosign(another, time: 100), time: 100).count == 1)
        #expect(try problems(jp.cosign(checkpoint, time: 100), time: 100).count == 1)
    }

    @Test func aCosignatureOnNoCheckpointIsFound() throws {
        let node = try TestNode("us.example", partners: [])
        let key = try Cosigner(name: "kr.example", privateKey: Ed25519.PrivateKey()).verifierKey
        for _ in 0..<3 { try node.append(1) }
        for size in [0, 2, 9] as [UInt64] {
            try node.store.execute("DELETE FROM checkpoint WHERE size = 2")
            let line = "\u{2014} kr.example AAAA"
            try node.store.store(
                StoredCosignature(cosigner: "kr.example", size: size, time: size, line: line), of: node.log.id)
        }
        let report = try LogAuditor(store: node.store, mirrorKeys: ["kr.example": key]).audit(node.store.logs())
        #expect(report.problems.filter { $0.text.contains("which has no checkpoint") }.count == 3, "\(report.problems)")
    }

    private static let members =
        #"{"v":1,"type":"members","time":"2026-01-01T00:00:00Z","author":"a","tlp":"green","members":["us.example"]}"#

    /// What decides who gets the log and where it belongs is kept apart from the entries, and is theirs to say.
    @Test(arguments: [
        "UPDATE membership SET members = 'us.example' || char(10) || 'spy.example'",
        "UPDATE membership SET members_carry = 1", "UPDATE membership SET entry = 1", "DELETE FROM membership",
        "UPDATE log SET community = 'others'", "UPDATE log SET node = 'kr.example'", "UPDATE log SET own = 0",
    ]) func aChangeOfWhoMayHoldALogIsFound(statement: String) throws {
        let node = try TestNode("us.example", partners: [])
        try node.append([[UInt8](Self.members.utf8)])
        try node.append(300)
        #expect(try audit(node).isSound)
        try node.store.execute(statement)
        #expect(try audit(node).problems.count == 1)
    }

    @Test(arguments: ["DELETE FROM blob", "UPDATE blob SET size = size + 1"])
    func aSealedPartThatIsForgottenIsMissed(statement: String) throws {
        let node = try TestNode("us.example", partners: [])
        try node.appendSealed([UInt8]("sealed bytes".utf8), to: ["us.example"])
        #expect(try audit(node).isSound)
        try node.store.execute(statement)
        #expect(try audit(node).problems.contains { $0.entry == 0 })
    }

    @Test(arguments: [
        "UPDATE latest_cosignature SET line = replace(line, 'A', 'B')", "UPDATE latest_cosignature SET size = 2",
        "DELETE FROM latest_cosignature",
    ]) func theNewestCosignatureHasToBeOneThatIsKept(statement: String) throws {
        let node = try TestNode("us.example", partners: [])
        for size in [1, 2] as [UInt64] {
            try node.append(1)
            let line = "\u{2014} kr.example AAAA"
            try node.store.store(
                StoredCosignature(cosigner: "kr.example", size: size, time: size, line: line), of: node.log.id)
        }
        #expect(try audit(node).isSound)
        try node.store.execute(statement)
        let isSame = statement.hasSuffix("size = 2")
        #expect(try audit(node).isSound == isSame)
    }

    /// A database that was emptied is not an empty node.
    @Test func aLogThatThisNodeSignedOrCosignedIsMissedWhenItIsGone() async throws {
        let us = try TestNode("us.example", partners: ["kr.example"])
        let kr = try TestNode("kr.example", partners: ["us.example"])
        try kr.know(us)
        try us.know(kr)
        try us.append(10)
        #expect(try await synchronise(kr, us).0.error == nil)
        for (node, origin) in [(us, us.log.origin), (kr, us.log.origin)] {
            #expect(try audit(node).isSound)
            try node.store.execute("PRAGMA foreign_keys = OFF")
            try node.store.execute("DELETE FROM log WHERE origin = '\(origin)'")
            let report = try audit(node)
            #expect(report.problems.map(\.origin) == [origin])
        }
    }
}
