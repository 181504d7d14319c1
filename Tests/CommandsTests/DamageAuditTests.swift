import Foundation
import Testing

/// Whatever is changed in a copy of a real home, `verify` finds it, names the log, and where an entry is touched the
/// first of them.
@Suite(.serialized) struct DamageAuditTests {
    private struct Change {
        let statement: String
        /// What the report has to name; `nil` where no entry is touched.
        let entry: Int?
    }

    /// The audit of a copy in which this was changed.
    private static func audit(_ scene: AuditScene, _ statement: String, number: Int) throws -> Entente.Outcome {
        let file = try scene.copy(of: "us", named: "copy\(number)")
        try FileManager.default.createDirectory(
            atPath: "\(scene.place.path)/copies", withIntermediateDirectories: true)
        try DatabaseFile("\(scene.place.path)/us/signed.sqlite").execute(
            "VACUUM INTO '\(scene.place.path)/copy\(number)/signed.sqlite'")
        let database = try DatabaseFile(file)
        try database.execute("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF")
        try database.execute(statement)
        return try scene.verify(file, scene.keys)
    }

    private static func expect(_ changes: [Change], in scene: AuditScene) throws {
        for (number, change) in changes.enumerated() {
            let outcome = try audit(scene, change.statement, number: number)
            #expect(outcome.status == 1, "\(change.statement): \(outcome.status) \(outcome.errors)")
            #expect(outcome.objects.first?["ok"] as? Bool == false, "\(change.statement)")
            let problems = AuditScene.problems(outcome)
            let place = AuditScene.origin + (change.entry.map { "#\($0): " } ?? "")
            #expect(problems.contains { $0.hasPrefix(place) }, "\(change.statement): \(problems)")
            #expect(AuditScene.log(outcome)?["ok"] as? Bool == false, "\(change.statement)")
        }
    }

    /// us.example's log, as the tables know it.
    private static let own = "log = (SELECT id FROM log WHERE origin = 'us.example/krus')"

    /// Turns one byte of a column around. `||` makes text of what it joins, and the cast makes bytes of that again.
    private static func flip(_ table: String, _ column: String, byte: Int, where condition: String) -> String {
        let place = byte + 1
        return """
            UPDATE \(table) SET \(column) = CAST(substr(\(column), 1, \(place - 1)) || \
            CASE WHEN substr(\(column), \(place), 1) = x'41' THEN x'42' ELSE x'41' END || \
            substr(\(column), \(place + 1)) AS BLOB) WHERE \(own) AND \(condition)
            """
    }

    /// The same for text.
    private static func change(_ table: String, _ column: String, character: Int, where condition: String) -> String {
        let place = character + 1
        return """
            UPDATE \(table) SET \(column) = substr(\(column), 1, \(place - 1)) || \
            CASE WHEN substr(\(column), \(place), 1) = 'A' THEN 'B' ELSE 'A' END || \
            substr(\(column), \(place + 1)) WHERE \(own) AND \(condition)
            """
    }

    @Test func bodies() throws {
        let scene = try AuditScene()
        let last = scene.size / 256
        // Full bundles are packed: a changed byte may touch any of their entries. The last one is as it was written, with
        // two bytes of length before the first body.
        var changes = [0, 4, 20, 300, 2_000, 9_000].map {
            Change(statement: Self.flip("bundle", "data", byte: $0, where: "number = 1"), entry: nil)
        }
        changes += [0, 1].map {
            Change(statement: Self.flip("bundle", "data", byte: $0, where: "number = \(last)"), entry: last * 256)
        }
        changes += [2, 40, 150].map {
            Change(statement: Self.flip("bundle", "data", byte: $0, where: "number = \(last)"), entry: last * 256)
        }
        changes += [
            Change(statement: "DELETE FROM bundle WHERE \(Self.own) AND number = 1", entry: 256),
            Change(statement: "UPDATE bundle SET data = x'' WHERE \(Self.own) AND number = 1", entry: 256),
            Change(
                statement: "UPDATE bundle SET compressed = 1 - compressed WHERE \(Self.own) AND number = 0", entry: 0),
            Change(statement: "UPDATE bundle SET entries = entries - 1 WHERE \(Self.own) AND number = 0", entry: 0),
        ]
        try Self.expect(changes, in: scene)
    }

    @Test func tiles() throws {
        let scene = try AuditScene()
        let last = scene.size / 256
        // A hash of 32 bytes an entry on level 0, one for 256 of them on level 1.
        let changes =
            [0, 31, 32, 5_000, 8_191].map {
                Change(
                    statement: Self.flip("tile", "data", byte: $0, where: "level = 0 AND number = 1"),
                    entry: 256 + $0 / 32)
            }
            + [0, 33].map {
                Change(
                    statement: Self.flip("tile", "data", byte: $0, where: "level = 0 AND number = \(last)"),
                    entry: last * 256 + $0 / 32)
            }
            + [0, 63].map {
                Change(statement: Self.flip("tile", "data", byte: $0, where: "level = 1 AND number = 0"), entry: 0)
            } + [
                Change(statement: "DELETE FROM tile WHERE \(Self.own) AND level = 0 AND number = 1", entry: 256),
                Change(statement: "DELETE FROM tile WHERE \(Self.own) AND level = 1", entry: 0),
                Change(
                    statement: "INSERT INTO tile SELECT log, level, number + 900, data FROM tile WHERE \(Self.own)",
                    entry: nil),
            ]
        try Self.expect(changes, in: scene)
    }

    /// Every few characters of the note: origin, size, root, empty line, dash, name, key id, signature.
    @Test func checkpointsAndTheirSignatures() throws {
        let scene = try AuditScene()
        let newest = "size = \(scene.size)"
        let note = try #require(
            try scene.place.must("us", "log", "show", AuditScene.origin, "--json").objects.first?["checkpoint"]
                as? String)
        var changes = stride(from: 0, to: note.count - 1, by: 9).map {
            Change(statement: Self.change("checkpoint", "note", character: $0, where: newest), entry: nil)
        }
        changes += [0, 31].map {
            Change(statement: Self.flip("checkpoint", "root", byte: $0, where: newest), entry: nil)
        }
        changes += [
            // Another size or an earlier one; a note too much; the newest gone; a signature twice is none of another key.
            Change(statement: "UPDATE checkpoint SET size = size + 900 WHERE \(Self.own) AND \(newest)", entry: nil),
            Change(statement: "UPDATE checkpoint SET size = size + 2 WHERE \(Self.own) AND size = 1", entry: nil),
            Change(statement: "DELETE FROM checkpoint WHERE \(Self.own) AND \(newest)", entry: nil),
            Change(
                statement: "INSERT INTO checkpoint SELECT log, size + 1, root, note FROM checkpoint WHERE \(Self.own) "
                    + "AND \(newest)", entry: nil),
            Change(
                statement: "UPDATE checkpoint SET note = (SELECT note FROM checkpoint AS other WHERE other.log = "
                    + "checkpoint.log AND other.size = 1) WHERE \(Self.own) AND \(newest)", entry: nil),
        ]
        try Self.expect(changes, in: scene)
    }

    @Test func cosignatures() throws {
        let scene = try AuditScene()
        let partner = "cosigner = 'kr.example'"
        // The dash, the name, the key id, eight bytes of time, the signature.
        var changes = [0, 3, 13, 16, 22, 30, 60, 100, 110].map {
            Change(statement: Self.change("cosignature", "line", character: $0, where: partner), entry: nil)
        }
        changes += [
            "UPDATE cosignature SET time = time + 1 WHERE \(Self.own) AND \(partner)",
            "UPDATE cosignature SET size = size - 1 WHERE \(Self.own) AND \(partner)",
            "UPDATE cosignature SET cosigner = 'fr.example' WHERE \(Self.own) AND \(partner)",
            "UPDATE latest_cosignature SET time = time + 1 WHERE \(Self.own) AND \(partner)",
            "DELETE FROM latest_cosignature WHERE \(Self.own) AND \(partner)",
            "DELETE FROM cosignature WHERE \(Self.own) AND \(partner)",
        ].map { Change(statement: $0, entry: nil) }
        try Self.expect(changes, in: scene)
    }

    /// Where rows say that they belong.
    @Test func indexes() throws {
        let scene = try AuditScene()
        try Self.expect(
            [
                Change(
                    statement:
                        "UPDATE bundle SET number = number + 900 WHERE \(Self.own) AND number < 2; UPDATE bundle "
                        + "SET number = 901 - number WHERE \(Self.own) AND number >= 900", entry: 0),
                Change(statement: "UPDATE bundle SET number = 77 WHERE \(Self.own) AND number = 1", entry: 256),
                Change(
                    statement: "UPDATE tile SET number = 77 WHERE \(Self.own) AND level = 0 AND number = 1", entry: 256),
                Change(statement: "UPDATE log SET size = size - 1 WHERE origin = 'us.example/krus'", entry: nil),
                Change(statement: "UPDATE log SET size = size + 1 WHERE origin = 'us.example/krus'", entry: nil),
                Change(statement: "UPDATE log SET size = size - 256 WHERE origin = 'us.example/krus'", entry: nil),
                Change(statement: "UPDATE log SET log_id = zeroblob(32) WHERE origin = 'us.example/krus'", entry: nil),
                Change(statement: "UPDATE log SET verifier_key = 'x' WHERE origin = 'us.example/krus'", entry: nil),
            ], in: scene)
    }

    /// Single bytes of the file, wherever they fall: the answer comes, and what is called sound is what was signed.
    @Test func bytesOfTheFile() throws {
        let scene = try AuditScene()
        let file = try scene.copy(of: "us", named: "copy")
        let root = try #require(AuditScene.log(try scene.verify(file, scene.keys))?["root"] as? String)
        let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: file)))
        var found = 0
        for place in stride(from: 7, to: bytes.count, by: bytes.count / 60) {
            var changed = bytes
            changed[place] ^= 0x55
            try Data(changed).write(to: URL(fileURLWithPath: file))
            let outcome = try scene.verify(file, scene.keys)
            #expect([0, 1, 74, 78].contains(outcome.status), "\(place): \(outcome.status) \(outcome.errors)")
            if outcome.status == 0 {
                // Unused space, or what is no part of the logs.
                let log = AuditScene.log(outcome)
                #expect(log?["root"] as? String == root && log?["size"] as? Int == scene.size, "\(place)")
            } else {
                found += 1
                #expect(outcome.status != 1 || !AuditScene.problems(outcome).isEmpty, "\(place)")
            }
        }
        // Much of a small database is unused space.
        #expect(found > 5)
    }

    @Test func sealedPartsAndWhatIsKeptOfRecords() throws {
        let scene = try AuditScene()
        let sealed = scene.size - 1
        try Self.expect(
            [
                Change(statement: Self.flip("blob", "data", byte: 0, where: "true"), entry: sealed),
                Change(statement: Self.flip("blob", "data", byte: 80, where: "true"), entry: sealed),
                Change(statement: "UPDATE blob SET size = size + 1 WHERE \(Self.own)", entry: sealed),
                Change(statement: "UPDATE blob SET entry = entry - 1 WHERE \(Self.own)", entry: sealed - 1),
                Change(statement: "DELETE FROM blob WHERE \(Self.own)", entry: sealed),
                Change(statement: "UPDATE receipt SET time = time + 1 WHERE \(Self.own)", entry: sealed),
                Change(statement: "UPDATE membership SET members = 'spy.example' WHERE \(Self.own)", entry: nil),
            ], in: scene)
    }
}
