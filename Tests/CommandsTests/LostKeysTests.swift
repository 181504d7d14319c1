import Foundation
import Testing

/// New homes and new logs under the name of old ones, and what partners have of both.
@Suite(.serialized) struct LostKeysTests {
    private static let secret = "Sky Mavis, Incheon branch"

    /// The lines of a card that are keys: the mirror key and those of logs.
    private static func keys(_ place: Place, _ node: String) throws -> [String] {
        try place.must(node, "identity").output.split(separator: "\n")
            .filter { $0.contains("vkey: ") || $0.contains("mirror_key: ") }
            .compactMap { $0.split(separator: " ").last.map(String.init) }
    }

    /// kr takes the card that us has now.
    @discardableResult
    private static func takeCard(_ place: Place) throws -> Entente.Outcome {
        let card = try place.file("us-new.yaml", try place.must("us", "identity").output)
        return try place.must("kr", "peer", "add", card, "--replace")
    }

    private static func meet(_ place: Place) throws {
        try place.serve("us")
        for _ in 0..<2 { try place.must("kr", "sync", "us.example") }
        place.stop()
    }

    private static func unproved(_ place: Place, _ node: String) throws -> [String] {
        let report = try place.must(node, "verify", "--json").objects.first
        #expect(report?["ok"] as? Bool == true, "\(report ?? [:])")
        #expect((report?["problems"] as? [Any])?.isEmpty == true)
        return report?["unproved"] as? [String] ?? []
    }

    /// A backup is what was signed, and comes back.
    private static func backUpAndRestore(_ place: Place, at location: SourceLocation = #_sourceLocation) throws {
        let file = "\(place.path)/kr.entente"
        try place.must("kr", "backup", file, at: location)
        try place.must("kr", "verify", file, at: location)
        try FileManager.default.createDirectory(
            atPath: "\(place.path)/again", withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o700])
        try FileManager.default.copyItem(atPath: "\(place.path)/kr/keys", toPath: "\(place.path)/again/keys")
        let report = try place.must("again", "restore", file, "--json", at: location).objects.first
        #expect(report?["restored"] as? Bool == true, sourceLocation: location)
        try FileManager.default.removeItem(atPath: "\(place.path)/again")
        try FileManager.default.removeItem(atPath: file)
    }

    private static func found(_ place: Place, community: String) throws {
        let port = try Place.freePort()
        try place.must(
            "us", "init", "--node", "us.example", "--community", community, "--listen", "127.0.0.1:\(port)",
            "--endpoint", "127.0.0.1:\(port)")
        try place.must("us", "peer", "add", "\(place.path)/kr.yaml")
    }

    /// us and kr have met, and us has rotated what it has; then all of us is lost.
    private static func lose(_ place: Place) throws {
        try place.federate("us", "kr")
        try place.submit("us", "first")
        try place.submit("kr", "second")
        try meet(place)
        for role in ["mirror", "sealing"] { try place.must("us", "key", "rotate", role) }
        try place.submit("us", "third")
        try meet(place)
        try FileManager.default.removeItem(atPath: "\(place.path)/us")
    }

    @Test func aNewHomeUnderTheOldNameGoesOnInALaterLog() throws {
        let place = try Place()
        try Self.lose(place)
        try Self.found(place, community: "krus/2")
        #expect(try place.size(of: "us.example/krus/2", at: "us") > 0)
        #expect(try place.must("us", "community", "list", "--json").output.contains(#""origin":"us.example/krus/2""#))
        try Self.takeCard(place)
        #expect(try place.alarms("kr") == [])
        // What the old home said to hold, nobody says to hold now.
        #expect(try place.log("kr.example/krus", at: "kr")?["cosigned_by"] as? [String] == [])
        let record = try place.must("kr", "show", "kr.example/krus#1", "--json").objects.first
        #expect((record?["held_by"] as? [Any])?.isEmpty == true, "\(record?["held_by"] ?? "")")
        #expect((record?["pending"] as? [[String: Any]])?.first?["node"] as? String == "us.example")
        // What is sealed from now on is sealed to the new key, whatever epochs the old log tells of.
        let file = try place.file("victim.txt", Self.secret)
        let sealed = try place.must(
            "kr", "submit", "attribution", "--field", "chain=BTC", "--field",
            "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=x", "--field", "victim=@\(file)", "--to",
            "us.example", "--json"
        ).objects.first
        try place.submit("us", "fourth")
        try Self.meet(place)
        #expect(try place.size(of: "us.example/krus/2", at: "kr") == place.size(of: "us.example/krus/2", at: "us"))
        #expect(try place.size(of: "us.example/krus", at: "kr") > 0)
        let reference = try #require(sealed?["ref"] as? String)
        let opened = try place.must("us", "show", reference, "--json").objects.first?["opened"] as? [String: Any]
        #expect(opened?["victim"] as? String == Self.secret)

        #expect(try place.log("kr.example/krus", at: "kr")?["cosigned_by"] as? [String] == ["us.example"])
        #expect(try Self.unproved(place, "us") == [])
        let unproved = try Self.unproved(place, "kr")
        #expect(unproved.contains { $0.contains("of us.example are by a mirror key that nothing known here leads to") })
        try Self.backUpAndRestore(place)
        // A reader of its own kind says the same.
        let keys = try Self.keys(place, "us") + Self.keys(place, "kr")
        if Self.hasPython {
            let report = try #require(
                Tool.run("python3", ["\(Self.examples)/verify_log.py", "\(place.path)/kr/node.sqlite"] + keys))
            #expect(report.status == 0, "\(report.output)")
            #expect(report.output.contains("cosignatures by keys that nothing here leads to"))
        }
        // What was signed by nobody is found as before.
        try DatabaseFile("\(place.path)/kr/node.sqlite").execute(
            "UPDATE cosignature SET line = substr(line, 1, 60) || 'AAAA' || substr(line, 65) WHERE cosigner = 'kr.example'"
        )
        #expect(try place.run("kr", "verify").status == 1)
    }

    /// A home that was made as if it were the first one is no way on; a later log still is.
    @Test func aNewHomeWithTheOldOriginIsToldOfAndGoesOnAfterItsLogIsGivenUp() throws {
        let place = try Place()
        try Self.lose(place)
        try Self.found(place, community: "krus")
        let taken = try Self.takeCard(place)
        #expect(taken.errors.contains("names another key for us.example/krus"), "\(taken.errors)")
        #expect(try place.alarms("kr").contains { $0.contains("names a key for us.example/krus") })
        #expect(try place.run("kr", "verify").status == 1)
        try place.must("us", "key", "stolen", "log", "--yes")
        let again = try Self.takeCard(place)
        #expect(!again.errors.contains("names another key"), "\(again.errors)")
        try place.submit("us", "fourth")
        try Self.meet(place)
        #expect(try place.size(of: "us.example/krus/2", at: "kr") == place.size(of: "us.example/krus/2", at: "us"))
        _ = try Self.unproved(place, "kr")
        try Self.backUpAndRestore(place)
    }

    @Test func afterTwoTheftsThePartnerFollowsTheKeysOfTheLogBetween() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.submit("us", "first")
        try Self.meet(place)
        try place.must("us", "key", "stolen", "log", "--yes")
        // All that follows stands in a log that no partner ever hears of.
        try place.must("us", "key", "rotate", "mirror")
        try place.must("us", "key", "stolen", "mirror")
        try place.submit("us", "between")
        let alone = try place.size(of: "us.example/krus/2", at: "us")
        let refused = try place.run("us", "key", "stolen", "log")
        #expect(refused.status == 64 && refused.errors.contains("the entries #0 to #\(alone - 1) of us.example/krus/2"))
        refused.expectOneLine()
        let given = try place.must("us", "key", "stolen", "log", "--yes", "--json")
        #expect(given.errors.contains("no partner has confirmed that it holds the entries #0 to #\(alone - 1)"))
        #expect(given.objects.first?["held_by_nobody_else"] as? Int == alone)
        #expect(given.objects.first?["origin"] as? String == "us.example/krus/3")
        try Self.takeCard(place)
        try place.submit("us", "after")
        try Self.meet(place)
        #expect(try Self.unproved(place, "us") == [])
        // Everything that us has ever cosigned is counted.
        let unproved = try Self.unproved(place, "kr")
        #expect(!unproved.contains { $0.contains("cosignature") }, "\(unproved)")
        for node in ["us", "kr"] { #expect(try place.alarms(node) == []) }
        try Self.backUpAndRestore(place)
        let later = try place.must("us", "key", "stolen", "log", "--yes", "--json")
        #expect(later.objects.first?["held_by_nobody_else"] as? Int == 0, "\(later.output)")
        #expect(!later.errors.contains("no partner has confirmed"))
    }

    @Test func whichLogIsTheFirstOfAHomeIsSaidWithItsCommunity() throws {
        let place = try Place()
        for name in ["krus/1", "krus/0", "krus/02", "krus/", "krus/2/3", "KRUS/2"] {
            let outcome = try place.run("us", "init", "--node", "us.example", "--community", name)
            #expect(
                outcome.status == 64 && outcome.errors.contains("is no community name"), "\(name): \(outcome.errors)")
            outcome.expectOneLine(name)
        }
        try place.must("us", "init", "--node", "us.example", "--community", "krus", "--listen", "127.0.0.1:0")
        let added = try place.must("us", "community", "add", "asia/3", "--json").objects.first
        #expect(added?["community"] as? String == "asia" && added?["origin"] as? String == "us.example/asia/3")
        #expect(try place.run("us", "community", "add", "asia").status == 73)
        try place.expectSound("us")
    }

    private static let hasPython: Bool = {
        let unpacks = "import shutil, importlib.util as u; assert u.find_spec('zstandard') or shutil.which('zstd')"
        return Tool.run("python3", "-c", "import cryptography; \(unpacks)")?.status == 0
    }()

    private static let examples = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../docs/examples").standardized.path
}
