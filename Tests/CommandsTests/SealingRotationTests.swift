import Foundation
import Testing

/// New sealing keys for old, and the end of old ones, with the real program.
@Suite(.serialized) struct SealingRotationTests {
    private static func submit(_ place: Place, _ node: String, to reader: String, _ secret: String) throws -> String {
        let objects = try place.must(
            node, "submit", "attribution", "--field", "chain=ETH", "--field",
            "address=0x098B716B8Aaf21512996dC57EB0615e2383E2f96", "--field", "label=\(UUID().uuidString)", "--field",
            "victim=\(secret)", "--to", "\(reader).example", "--json"
        ).objects
        return try #require(objects.first?["ref"] as? String)
    }

    private static func victim(_ place: Place, _ node: String, _ reference: String) throws -> String? {
        let shown = try place.must(node, "show", reference, "--json").objects.first
        return (shown?["opened"] as? [String: Any])?["victim"] as? String
    }

    private static func readers(of reference: String, _ place: Place, _ node: String) throws -> [String: String] {
        let shown = try place.must(node, "show", reference, "--json").objects.first
        let sealed = (shown?["record"] as? [String: Any])?["sealed"] as? [String: Any]
        let recipients = sealed?["recipients"] as? [[String: Any]] ?? []
        return Dictionary(
            recipients.map { ($0["node"] as? String ?? "", $0["key_id"] as? String ?? "") },
            uniquingKeysWith: { first, _ in first })
    }

    private static func sealingKeys(_ place: Place, _ node: String) throws -> [[String: Any]] {
        try place.must(node, "key", "list", "--json").objects.filter { $0["role"] as? String == "sealing" }
    }

    @Test func aPartnerSealsToTheNewKeyOnceItHasTheRecordAndOldEnvelopesStillOpen() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let us = try place.serve("us")
        defer { us.terminate() }
        let before = try Self.submit(place, "us", to: "kr", "first victim")
        try place.must("kr", "sync")
        let rotated = try place.must("kr", "key", "rotate", "sealing", "--json").objects.first
        #expect(rotated?["epoch"] as? Int == 2)
        #expect(rotated?["published"] as? [String] == ["kr.example/krus"])
        try place.must("kr", "sync")

        let after = try Self.submit(place, "us", to: "kr", "second victim")
        let newKey = try #require(rotated?["key_id"] as? String)
        #expect(try Self.readers(of: after, place, "us")["kr.example"] == newKey)
        #expect(try Self.readers(of: before, place, "us")["kr.example"] != newKey)
        try place.must("kr", "sync")
        #expect(try Self.victim(place, "kr", before) == "first victim")
        #expect(try Self.victim(place, "kr", after) == "second victim")
        // What the own node seals goes to its new key, too.
        let own = try Self.submit(place, "kr", to: "us", "third victim")
        #expect(try Self.readers(of: own, place, "kr")["kr.example"] == newKey)
        for node in ["us", "kr"] {
            #expect(try place.must(node, "verify", "--json").objects.first?["ok"] as? Bool == true)
        }
    }

    @Test func aKeyIsDestroyedOnlyWhenAskedToAndSaysWhatCannotBeReadAnyMore() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let lost = try Self.submit(place, "us", to: "kr", "lost victim")
        try place.must("us", "key", "rotate", "sealing")
        let kept = try Self.submit(place, "us", to: "kr", "kept victim")

        #expect(try place.run("us", "key", "destroy", "2", "--yes").status == 77)
        #expect(try place.run("us", "key", "destroy", "9", "--yes").status == 66)
        let asked = try place.run("us", "key", "destroy", "1")
        #expect(asked.status == 64)
        #expect(asked.errors.contains("1 envelope becomes unreadable"))
        #expect(try Self.victim(place, "us", lost) == "lost victim")

        let destroyed = try place.must("us", "key", "destroy", "1", "--yes", "--json").objects.first
        #expect(destroyed?["unreadable"] as? Int == 1)
        #expect(!FileManager.default.fileExists(atPath: "\(place.path)/us/keys/sealing-1.key"))
        #expect(try Self.victim(place, "us", lost) == nil)
        let shown = try place.must("us", "show", lost, "--json").objects.first
        #expect(shown?["sealed_part"] as? String == "key_destroyed")
        #expect(try place.must("us", "show", lost).output.contains("epoch 1, and the key was destroyed"))
        // Nobody can make it readable for others, and it is said why. The journal has no opening of it.
        let granted = try place.run("us", "grant", lost, "--to", "jp.example")
        #expect(granted.status == 66)
        granted.expectOneLine()
        #expect(granted.errors.contains("\(lost) is sealed to (epoch 1) was destroyed"), "\(granted.errors)")
        #expect(try place.must("us", "journal").output.contains("grant") == false)
        try place.must("us", "grant", kept, "--to", "jp.example")
        // A key that is only away is not called destroyed.
        let key = "\(place.path)/us/keys/sealing-2.key"
        #expect(rename(key, "\(place.path)/away") == 0)
        let away = try place.must("us", "show", kept, "--json").objects.first
        #expect(away?["sealed_part"] as? String == "key_missing")
        #expect(try place.run("us", "grant", kept, "--to", "jp.example").errors.contains("is not in keys/"))
        #expect(rename("\(place.path)/away", key) == 0)
        #expect(try Self.victim(place, "us", kept) == "kept victim")
        #expect(try Self.sealingKeys(place, "us").map { $0["name"] as? String } == ["2"])
        #expect(try place.must("us", "verify", "--json").objects.first?["ok"] as? Bool == true)
    }

    @Test func aRotationThatWasBrokenOffIsAnAlarmAndTheSameCommandCompletesIt() throws {
        let place = try Place()
        try place.found("us")
        // As a crash leaves it between the key and the record: the key is there, and no log says so.
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/copy")
        try place.must("copy", "key", "rotate", "sealing")
        try FileManager.default.copyItem(
            atPath: "\(place.path)/copy/keys/sealing-2.key", toPath: "\(place.path)/us/keys/sealing-2.key")
        let status = try place.must("us", "status", "--json").objects.first
        #expect((status?["alarms"] as? [String])?.contains { $0.contains("key rotate sealing") } == true)
        let again = try place.must("us", "key", "rotate", "sealing", "--json").objects.first
        #expect(again?["epoch"] as? Int == 2)
        #expect(again?["resumed"] as? Bool == true)
        #expect(try Self.sealingKeys(place, "us").count == 2)
        let calm = try place.must("us", "status", "--json").objects.first
        #expect((calm?["alarms"] as? [String])?.isEmpty == true)
        // A log that begins later says the newest key, so that the next rotation is one.
        try place.must("us", "community", "add", "asia")
        let next = try place.must("us", "key", "rotate", "sealing", "--json").objects.first
        #expect(next?["epoch"] as? Int == 3)
        #expect(next?["published"] as? [String] == ["us.example/asia", "us.example/krus"])
        #expect(try place.must("us", "verify", "--json").objects.first?["ok"] as? Bool == true)
    }

    @Test func aKeyOfAnEpochThatIsKnownOtherwiseIsAnAlarmAndIsNotSealedTo() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try FileManager.default.copyItem(atPath: "\(place.path)/kr", toPath: "\(place.path)/copy")
        try place.must("copy", "key", "rotate", "sealing")
        let card = try place.file("kr2.yaml", try place.must("copy", "identity").output)
        try place.must("us", "peer", "add", card, "--replace")
        try place.serve("us")
        // The card says one key for epoch 2, the log another.
        try place.must("kr", "key", "rotate", "sealing")
        let known = try #require(try Self.sealingKeys(place, "copy").last?["key_id"] as? String)
        try place.must("kr", "sync")
        let status = try place.must("us", "status", "--json").objects.first
        #expect((status?["alarms"] as? [String])?.contains { $0.contains("another sealing key of kr.example") } == true)
        let record = try Self.submit(place, "us", to: "kr", "victim")
        #expect(try Self.readers(of: record, place, "us")["kr.example"] == known)
    }
}
