import Foundation
import Glibc
import Testing

/// A backup is audited as it lies, by whoever gets it; whatever is changed in it is found and named.
@Suite(.serialized) struct BackupAuditTests {
    private static func backUp(_ scene: AuditScene) throws -> String {
        let file = "\(scene.place.path)/us.entente"
        try scene.place.must("us", "backup", file)
        return file
    }

    @Test func aBackupIsAuditedByWhoeverGetsIt() throws {
        let scene = try AuditScene()
        let file = try Self.backUp(scene)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
        let folder = "\(scene.place.path)/medium"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        let copy = "\(folder)/us.entente"
        try FileManager.default.copyItem(atPath: file, toPath: copy)
        chmod(copy, 0o444)
        chmod(folder, 0o555)
        defer { chmod(folder, 0o755) }
        let outcome = try scene.verify(copy, scene.keys)
        #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
        let report = try #require(outcome.objects.first)
        #expect(report["format"] as? String == "entente-audit/1" && report["node"] as? String == "us.example")
        #expect((report["checked"] as? [String])?.contains { $0.contains("every file in the backup") } == true)
        let log = try #require(AuditScene.log(outcome))
        #expect(log["size"] as? Int == scene.size && log["ok"] as? Bool == true)
        #expect(log["cosignatures"] as? Int == 2 && log["sealed_parts"] as? Int == 1)
        // The partner's card is in it, and vouches for the partner's log; nothing but its own keys for the node's.
        let without = try scene.verify(copy)
        #expect(without.status == 1 && AuditScene.problems(without).isEmpty)
        #expect(AuditScene.log(without, "kr.example/krus")?["ok"] as? Bool == true)
        #expect(AuditScene.log(without)?["ok"] as? Bool == false)
        // A key that the auditor has been told counts more than that of the card.
        try scene.place.found("forger", named: "kr")
        let told = try scene.place.must("forger", "community", "list", "--json").objects.first?["vkey"] as? String
        let another = try scene.verify(copy, ["--vkey", scene.logKey, "--vkey", try #require(told)])
        #expect(AuditScene.problems(another).contains { $0.hasPrefix("kr.example/krus: it is kept under the key") })
        // The own home knows its keys.
        #expect(try scene.place.run("us", "verify", copy).status == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["us.entente"])
        #expect(try Data(contentsOf: URL(fileURLWithPath: copy)) == bytes)
        // Entries signed after it are no problem of a backup, not even of one that lies in the home.
        try scene.place.submit("us", "later")
        let inside = "\(scene.place.path)/us/quarantine/us.entente"
        try FileManager.default.moveItem(atPath: file, toPath: inside)
        #expect(try scene.verify(inside, scene.keys).status == 0)
    }

    @Test func anAuditOfALaterBackupGoesOnFromThatOfAnEarlierOne() throws {
        let scene = try AuditScene()
        let first = try scene.place.file("first.json", scene.verify(Self.backUp(scene), scene.keys).output)
        let size = try scene.place.fill("us", records: 700)
        let later = "\(scene.place.path)/later.entente"
        try scene.place.must("us", "backup", later)
        let outcome = try scene.verify(later, scene.keys + ["--since", first])
        #expect(outcome.status == 0, "\(outcome.output)")
        let log = try #require(AuditScene.log(outcome))
        #expect(log["size"] as? Int == size && log["first_read"] as? Int == scene.size / 256 * 256)
        // Another history is none that goes on from it.
        let other = try AuditScene()
        let forked = try other.verify(Self.backUp(other), other.keys + ["--since", first])
        #expect(forked.status == 1)
        #expect(AuditScene.problems(forked).contains { $0.contains("does not go on from the report") })
    }

    private static let own = "log = (SELECT id FROM log WHERE origin = 'us.example/krus')"

    /// One change in each class of what a backup is made of, and what the report has to begin a line with.
    @Test func whateverIsChangedIsFoundAndNamed() throws {
        let scene = try AuditScene()
        let file = try Self.backUp(scene)
        let changes: [(String, names: String)] = [
            // Bodies, tiles, checkpoints, cosignatures, sealed parts.
            (
                "UPDATE bundle SET data = zeroblob(length(data)) WHERE \(Self.own) AND number = 1",
                "us.example/krus#256: "
            ),
            (
                "UPDATE tile SET data = zeroblob(length(data)) WHERE \(Self.own) AND level = 0 AND number = 1",
                "us.example/krus#256: "
            ),
            (
                "UPDATE checkpoint SET root = zeroblob(32) WHERE \(Self.own) AND size = \(scene.size)",
                "us.example/krus: "
            ),
            (
                "UPDATE checkpoint SET note = note || 'x' WHERE \(Self.own) AND size = \(scene.size)",
                "us.example/krus: "
            ),
            ("DELETE FROM checkpoint WHERE \(Self.own) AND size = \(scene.size)", "us.example/krus: "),
            ("UPDATE cosignature SET line = replace(line, 'A', 'B') WHERE \(Self.own)", "us.example/krus: "),
            ("UPDATE blob SET data = zeroblob(length(data))", "us.example/krus#\(scene.size - 1): "),
            // The manifest, and what it is held against.
            ("UPDATE backup SET manifest = replace(manifest, 'us.example', 'fr.example')", "manifest: "),
            ("UPDATE backup SET manifest = replace(manifest, '2026', '2025')", "manifest: "),
            ("UPDATE backup SET manifest = '{}'", "manifest: "),
            ("UPDATE backup SET sha256 = replace(sha256, 'a', 'b')", "manifest: "),
            ("DELETE FROM backup", "manifest: "),
            ("DROP TABLE backup", "manifest: "),
            ("DELETE FROM log WHERE origin = 'kr.example/krus'", "kr.example/krus: "),
            // Files.
            ("UPDATE backup_file SET data = CAST(data || x'0a' AS BLOB) WHERE path = 'node.yaml'", "node.yaml: "),
            (
                "UPDATE backup_file SET data = CAST(replace(CAST(data AS TEXT), 'krus', 'kurs') AS BLOB) "
                    + "WHERE path = 'peers/kr.example.yaml'", "peers/kr.example.yaml: "
            ),
            ("DELETE FROM backup_file WHERE path = 'certs/tls.pem'", "certs/tls.pem: "),
            ("INSERT INTO backup_file VALUES ('peers/zz.example.yaml', 0, x'00')", "peers/zz.example.yaml: "),
            // An index of the database that does not have the rows of its table.
            (
                "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema "
                    + "WHERE name = 'blob_erasure_row') WHERE name = 'log_community'", "database: "
            ),
        ]
        for (number, (statement, names)) in changes.enumerated() {
            let copy = "\(scene.place.path)/\(number).entente"
            try FileManager.default.copyItem(atPath: file, toPath: copy)
            let database = try DatabaseFile(copy)
            try database.execute("PRAGMA foreign_keys = OFF")
            try database.execute(statement)
            let outcome = try scene.verify(copy, scene.keys)
            #expect(outcome.status == 1, "\(statement): \(outcome.status) \(outcome.errors)")
            let problems = AuditScene.problems(outcome)
            #expect(problems.contains { $0.hasPrefix(names) }, "\(statement): \(problems)")
        }
        // A manifest that was made anew to say something else of the logs.
        for (old, new, says) in [
            ("\"size\":\(scene.size)", "\"size\":\(scene.size - 1)", "us.example/krus: the manifest says another size"),
            ("\"origin\":\"kr.example", "\"origin\":\"fr.example", "kr.example/krus: the manifest does not list it"),
        ] {
            let copy = "\(scene.place.path)/manifest.entente"
            try? FileManager.default.removeItem(atPath: copy)
            try FileManager.default.copyItem(atPath: file, toPath: copy)
            try scene.place.changeManifest(of: copy) { $0.replacingOccurrences(of: old, with: new) }
            let outcome = try scene.verify(copy, scene.keys)
            #expect(
                outcome.status == 1 && AuditScene.problems(outcome).contains { $0.hasPrefix(says) }, "\(outcome.output)"
            )
        }
    }

    /// Single bytes of the file: what is called sound is what was backed up.
    @Test func bytesOfTheFile() throws {
        let scene = try AuditScene()
        let file = try Self.backUp(scene)
        let root = try #require(AuditScene.log(try scene.verify(file, scene.keys))?["root"] as? String)
        let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: file)))
        var found = 0
        // Most of a small database is unused space, and zero.
        let used = bytes.indices.filter { $0 > 100 && bytes[$0] != 0 }
        for place in stride(from: 0, to: used.count, by: used.count / 40).map({ used[$0] }) {
            var changed = bytes
            changed[place] ^= 0x55
            try Data(changed).write(to: URL(fileURLWithPath: file))
            let outcome = try scene.verify(file, scene.keys)
            #expect([0, 1, 74, 78].contains(outcome.status), "\(place): \(outcome.status) \(outcome.errors)")
            if outcome.status == 0 {
                #expect(AuditScene.log(outcome)?["root"] as? String == root, "\(place)")
            } else {
                found += 1
                #expect(outcome.status != 1 || !AuditScene.problems(outcome).isEmpty, "\(place)")
            }
        }
        #expect(found > 20, "\(found)")
    }
}
