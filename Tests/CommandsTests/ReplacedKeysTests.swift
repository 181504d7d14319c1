import Foundation
import Testing

/// Older copies of key files put back after a rotation, with the real program: they are told of, and nothing is done
/// with them that partners would hold against this node.
@Suite(.serialized) struct ReplacedKeysTests {
    private static func states(_ place: Place, _ role: String) throws -> [String: String] {
        Dictionary(
            try place.must("us", "key", "list", "--json").objects.filter { $0["role"] as? String == role }
                .map { ($0["key_id"] as? String ?? "", $0["state"] as? String ?? "") },
            uniquingKeysWith: { first, _ in first })
    }

    private static func keyID(_ place: Place, _ role: String) throws -> String {
        try #require(states(place, role).first { $0.value == "current" }?.key)
    }

    /// us rotates a key, and gets files back as they were before. Answers the ids of the keys before and after.
    private static func putBack(
        _ place: Place, _ role: String, _ rotation: [String], _ files: [String]
    ) throws -> (old: String, new: String) {
        let old = try keyID(place, role)
        let us = "\(place.path)/us"
        try FileManager.default.copyItem(atPath: us, toPath: "\(place.path)/before")
        let rotated = try Entente.run(["--home", us, "key", "rotate"] + rotation)
        #expect(rotated.status == 0, "\(rotated.errors)")
        let new = try keyID(place, role)
        #expect(old != new)
        try FileManager.default.copyItem(atPath: us, toPath: "\(place.path)/newest")
        for file in files { try copy(place, file, from: "before") }
        return (old, new)
    }

    private static func copy(_ place: Place, _ file: String, from folder: String) throws {
        try? FileManager.default.removeItem(atPath: "\(place.path)/us/\(file)")
        try FileManager.default.copyItem(
            atPath: "\(place.path)/\(folder)/\(file)", toPath: "\(place.path)/us/\(file)")
    }

    private static func expectRefusal(
        _ place: Place, _ command: [String], hints: String..., at location: SourceLocation = #_sourceLocation
    ) throws {
        let refused = try Entente.run(["--home", "\(place.path)/us", "key", "rotate"] + command)
        #expect(refused.status == 77, "\(command): \(refused.output)", sourceLocation: location)
        for hint in hints { #expect(refused.errors.contains(hint), "\(refused.errors)", sourceLocation: location) }
        refused.expectOneLine("\(command)", at: location)
    }

    private static func meet(_ place: Place) throws {
        try place.serve("us")
        for _ in 0..<2 { try place.must("kr", "sync", "us.example") }
        place.stop("us")
    }

    @Test func anOldTLSKeyAndItsCertificateDoNotRetireTheNewest() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let (old, new) = try Self.putBack(
            place, "tls", ["tls", "--finish"], ["keys/tls.key", "certs/tls.pem"])
        let size = try place.size(of: "us.example/krus", at: "us")
        #expect(
            try place.alarms("us").contains {
                $0.contains("keys/tls.key and certs/tls.pem back") && $0.contains("`entente key stolen tls`")
            })
        #expect(try place.run("us", "status", "--check").status == 1)
        #expect(try Self.states(place, "tls") == [old: "replaced", new: "lost"])
        for more in [[], ["--finish"]] {
            try Self.expectRefusal(place, ["tls"] + more, hints: "was replaced since", "`entente key stolen tls`")
        }
        #expect(try place.size(of: "us.example/krus", at: "us") == size)
        // The newest put back, all is well.
        for file in ["keys/tls.key", "certs/tls.pem"] { try Self.copy(place, file, from: "newest") }
        #expect(try place.alarms("us") == [])
        // Without a backup of it there is a way on, and every other key is retired then.
        for file in ["keys/tls.key", "certs/tls.pem"] { try Self.copy(place, file, from: "before") }
        let made = try #require(place.must("us", "key", "stolen", "tls", "--json").objects.first)
        #expect(try Self.states(place, "tls") == [try #require(made["key_id"] as? String): "current"])
        #expect(try place.alarms("us") == [])
        let retired = try place.keyRecords("us", "tls", in: "us.example/krus").filter {
            $0["action"] as? String == "retires"
        }
        #expect(Set(retired.compactMap { $0["key_id"] as? String }) == [old, new])
        let card = try place.file("us-new.yaml", place.must("us", "identity").output)
        try place.must("kr", "peer", "add", card, "--replace")
        try Self.meet(place)
        #expect(try place.alarms("kr") == [])
    }

    @Test func anOldTLSKeyAloneIsAnAlarmAndAnErrorThatNamesBothFiles() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let (_, new) = try Self.putBack(place, "tls", ["tls", "--finish"], ["keys/tls.key"])
        let hints = ["us/keys/tls.key", "us/certs/tls.pem", "`entente key stolen tls`"]
        #expect(try place.alarms("us").contains { alarm in hints.allSatisfy { alarm.contains($0) } })
        #expect(try place.run("us", "status", "--check").status == 1)
        #expect(try Self.states(place, "tls") == [new: "lost"])
        for command in ["run", "sync"] {
            let refused = try place.run("us", command)
            #expect(refused.status == 78)
            for hint in hints { #expect(refused.errors.contains(hint), "\(refused.errors)") }
            refused.expectOneLine(command)
        }
        try place.must("us", "key", "stolen", "tls")
        #expect(try place.alarms("us") == [])
        #expect(try Self.states(place, "tls").values.sorted() == ["current"])
        try place.serve("us")
        place.stop()
    }

    /// Under a passphrase the running node sees it, which has the keys open.
    @Test func underAPassphraseTheRunningNodeSeesThatTheKeyIsAnotherOne() throws {
        let place = try Place()
        let phrase = try place.file("phrase.txt", "a passphrase for this test\n")
        try place.found("us", under: phrase)
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/before")
        let rotated = try place.detached("us", ["key", "rotate", "tls", "--finish"], phrase: phrase)
        #expect(rotated.status == 0, "\(rotated.errors)")
        try place.serve("us", under: phrase)
        #expect(try place.alarms("us") == [])
        try Self.copy(place, "keys/tls.key", from: "before")
        #expect(try place.alarms("us").contains { $0.contains("us/certs/tls.pem") && $0.contains("key stolen tls") })
        place.stop()
    }

    /// us cosigns what kr writes, as soon as it has looked at its files again.
    private static func expectHeld(
        _ place: Place, _ label: String, at location: SourceLocation = #_sourceLocation
    ) throws {
        for attempt in 0..<20 {
            try place.submit("kr", "\(label) \(attempt)")
            for _ in 0..<2 { try place.must("kr", "sync", "us.example", at: location) }
            let held = try place.log("kr.example/krus", at: "kr")?["cosigned_by"] as? [String]
            if held == ["us.example"] { return }
        }
        Issue.record("kr.example/krus is not cosigned", sourceLocation: location)
    }

    @Test func anOldMirrorKeyIsToldOfAndSignsNothing() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let (old, new) = try Self.putBack(place, "mirror", ["mirror"], ["keys/mirror.key"])
        #expect(
            try place.alarms("us").contains {
                $0.contains("keys/mirror.key") && $0.contains("`entente key stolen mirror`")
            })
        #expect(try Self.states(place, "mirror") == [old: "replaced", new: "lost"])
        try Self.expectRefusal(place, ["mirror"], hints: "keys/mirror.key", "`entente key stolen mirror`")
        try place.submit("kr", "first")
        try Self.meet(place)
        #expect(try place.log("kr.example/krus", at: "us")?["cosigned_by"] as? [String] == [])
        #expect(try place.alarms("kr") == [])
        let synced = try place.run("us", "sync")
        #expect(synced.errors.contains("keys/mirror.key"), "\(synced.errors)")
        // A running node has it again at once.
        try place.serve("us")
        try Self.copy(place, "keys/mirror.key", from: "newest")
        try Self.expectHeld(place, "second")
        try Self.copy(place, "keys/mirror.key", from: "before")
        try place.must("us", "key", "stolen", "mirror")
        try Self.expectHeld(place, "third")
        for node in ["us", "kr"] {
            #expect(try place.alarms(node) == [])
            try place.expectSound(node)
        }
        #expect(try Self.states(place, "mirror").values.sorted() == ["current", "replaced", "replaced"])
        place.stop()
    }

    @Test func anOldLogKeyIsToldOfBeforeAnythingIsMade() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let (old, new) = try Self.putBack(place, "log", ["log"], ["keys/log-krus.key"])
        let keys = try FileManager.default.contentsOfDirectory(atPath: "\(place.path)/us/keys").sorted()
        let hint = "`entente key stolen log --community krus`"
        #expect(try place.alarms("us").contains { $0.contains("put back keys/") && $0.contains(hint) })
        #expect(try Self.states(place, "log") == [old: "replaced", new: "lost"])
        for command in [["sealing"], ["mirror"], ["tls"], ["tls", "--finish"], ["log"]] {
            try Self.expectRefusal(place, command, hints: "put back keys/", hint)
        }
        for role in ["sealing", "mirror"] {
            #expect(try place.run("us", "key", "stolen", role).errors.contains(hint))
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(place.path)/us/keys").sorted() == keys)
        try Self.copy(place, "keys/log-krus.key", from: "newest")
        #expect(try place.alarms("us") == [])
        for role in ["sealing", "mirror"] { try place.must("us", "key", "rotate", role) }
        try Self.copy(place, "keys/log-krus.key", from: "before")
        try place.must("us", "key", "stolen", "log", "--yes")
        #expect(try Self.states(place, "log").values.sorted() == ["current"])
        #expect(try place.alarms("us") == [])
        try place.expectSound("us")
        place.stop()
    }

    /// What the log that was given up says of a newer mirror key leads nowhere any more, and is nobody's to ask about.
    @Test func afterAllKeysCameBackOldThereIsAnEndOfAlarms() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/before")
        for role in ["mirror", "log"] { try place.must("us", "key", "rotate", role) }
        try Self.meet(place)
        try Self.copy(place, "keys", from: "before")
        try place.must("us", "key", "stolen", "log", "--yes")
        try place.must("us", "key", "stolen", "mirror")
        #expect(try place.alarms("us") == [])
        let card = try place.file("us-new.yaml", place.must("us", "identity").output)
        try place.must("kr", "peer", "add", card, "--replace")
        try place.submit("kr", "first")
        try Self.meet(place)
        try Self.meet(place)
        #expect(try place.log("kr.example/krus", at: "kr")?["cosigned_by"] as? [String] == ["us.example"])
        for node in ["us", "kr"] {
            #expect(try place.alarms(node) == [])
            try place.expectSound(node)
        }
        place.stop()
    }
}
