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
        #expect(cosigners.allSatisfy { ($0["lag_seconds"] as? Int).map { $0 >= 0 && $0 < 600 } == true })
        #expect(history.allSatisfy { $0["root"] as? String != nil && $0["checkpoint"] as? String != nil })
        let two = try scene.place.must("us", "log", "history", AuditScene.origin, "--limit", "2", "--json").objects
        #expect(two.compactMap { $0["size"] as? Int } == Array(sizes.prefix(2)))
        #expect(try scene.place.must("us", "log", "history", AuditScene.origin).output.contains("kr.example 20"))
        #expect(try scene.place.run("us", "log", "history", AuditScene.origin, "--limit", "-1").status == 64)
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
