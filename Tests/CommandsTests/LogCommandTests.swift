import Foundation
import Testing

/// `entente log`: what was signed when, and who has cosigned it.
@Suite(.serialized) struct LogCommandTests {
    @Test func logsAreListedAndShown() throws {
        let scene = try AuditScene()
        let logs = try scene.place.must("kr", "log", "list", "--json").objects
        #expect(logs.map { $0["origin"] as? String } == ["kr.example/krus", AuditScene.origin])
        let log = try #require(logs.last)
        #expect(log["size"] as? Int == scene.size && log["vkey"] as? String == scene.logKey)
        #expect(Set(log["cosigned_by"] as? [String] ?? []) == ["kr.example", "us.example"])
        let shown = try scene.place.must("kr", "log", "show", AuditScene.origin, "--json").objects.first
        #expect(shown?["members"] as? [String] == ["kr.example", "us.example"])
        #expect((shown?["checkpoint"] as? String)?.hasPrefix("\(AuditScene.origin)\n\(scene.size)\n") == true)
        #expect(try scene.place.must("kr", "log", "list").output.contains(AuditScene.origin))
        #expect(try scene.place.must("us", "log", "show", AuditScene.origin).output.contains("cosigned by  kr.example"))
        let absent = try scene.place.run("us", "log", "show", "fr.example/krus")
        #expect(absent.status == 66)
        absent.expectOneLine()
    }

    @Test func theHistoryHasEveryCheckpointWithItsCosigners() throws {
        let scene = try AuditScene()
        let history = try scene.place.must("us", "log", "history", AuditScene.origin, "--limit", "0", "--json").objects
        let sizes = history.compactMap { $0["size"] as? Int }
        #expect(sizes == sizes.sorted(by: >) && sizes.first == scene.size && sizes.last == 1 && sizes.count >= 4)
        let cosigners = history.first?["cosigned_by"] as? [[String: Any]] ?? []
        #expect(Set(cosigners.compactMap { $0["node"] as? String }) == ["kr.example", "us.example"])
        // The owner dates its own newest checkpoint again and again: that is no lag.
        for cosigner in cosigners {
            let isOwner = cosigner["node"] as? String == "us.example"
            #expect(
                (cosigner["lag_seconds"] as? Int).map { $0 >= 0 && $0 < 600 } == (isOwner ? nil : true), "\(cosigner)")
        }
        #expect(history.allSatisfy { $0["root"] as? String != nil && $0["checkpoint"] as? String != nil })
        let two = try scene.place.must("us", "log", "history", AuditScene.origin, "--limit", "2", "--json").objects
        #expect(two.compactMap { $0["size"] as? Int } == Array(sizes.prefix(2)))
        #expect(try scene.place.must("us", "log", "history", AuditScene.origin).output.contains("kr.example 20"))
        #expect(try scene.place.run("us", "log", "history", AuditScene.origin, "--limit", "-1").status == 64)
    }

    /// Records that were imported say when they were written, which may be years before they came into the log.
    @Test func lagIsCountedFromWhatTheOwnerHadDatedWhereEntriesAreOlder() throws {
        let scene = try AuditScene()
        let record =
            #"{"v":1,"type":"attribution","time":"2020-01-01T00:00:00Z","author":"a","tlp":"green","subject":{"chain":"bip122:000000000019d6689c085ae165831e93","address":"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"},"label":"old"}"#
        try scene.place.must("us", "import", scene.place.file("old.jsonl", record + "\n"))
        try scene.place.serve("us")
        try scene.place.must("kr", "sync")
        scene.place.stop()
        let newest = try #require(
            scene.place.must("us", "log", "history", AuditScene.origin, "--limit", "1", "--json").objects.first)
        #expect((newest["written"] as? String)?.hasPrefix("2020") == true)
        #expect((newest["not_before"] as? String)?.hasPrefix("2020") == false)
        let cosigners = newest["cosigned_by"] as? [[String: Any]] ?? []
        let partner = try #require(cosigners.first { $0["node"] as? String == "kr.example" })
        #expect((partner["lag_seconds"] as? Int).map { $0 < 600 } == true, "\(partner)")
    }

    @Test func thePictureIsWellFormedAndNamesTheCosigners() throws {
        let scene = try AuditScene()
        let file = "\(scene.place.path)/krus.svg"
        try scene.place.must("us", "log", "history", AuditScene.origin, "--svg", file)
        let text = try String(contentsOfFile: file, encoding: .utf8)
        #expect(text.hasPrefix("<svg ") && text.hasSuffix("</svg>\n") && text.contains(">kr.example</text>"))
        #expect(text.components(separatedBy: "<circle").count > 6)
        if let parsed = Tool.run("python3", "-c", "import sys, xml.dom.minidom as d; d.parse(sys.argv[1])", file) {
            #expect(parsed.status == 0, "\(parsed.output)")
        }
        let printed = try scene.place.must("us", "log", "history", AuditScene.origin, "--svg", "-").output
        #expect(printed == text)
        // A log of which nothing has come yet.
        try scene.place.found("fr")
        let alone = try scene.place.must("fr", "log", "history", "fr.example/krus", "--svg", "-").output
        #expect(alone.hasSuffix("</svg>\n"))
    }
}
