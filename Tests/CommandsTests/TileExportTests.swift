import Cryptography
import Foundation
import LogStore
import Testing

/// Logs as files: whole, incremental, never a checkpoint before its data, never what is damaged.
@Suite(.serialized) struct TileExportTests {
    private static let origin = "us.example/krus"
    private static let log = SHA256.hash(origin)

    private func key(_ pattern: String, of node: String, in place: Place) throws -> String {
        let card = try String(contentsOfFile: "\(place.path)/\(node).yaml", encoding: .utf8)
        let line = try #require(card.split(separator: "\n").first { $0.contains(pattern) })
        return String(try #require(line.split(separator: " ").last))
    }

    @discardableResult
    private func export(_ place: Place, _ node: String = "us", to folder: String = "tiles") throws -> [[String: Any]] {
        try place.must(node, "export", "--format", "tiles", "\(place.path)/\(folder)", "--json").objects
    }

    private func verify(_ path: String, _ keys: String...) throws -> Entente.Outcome {
        try Entente.run(["verify", path, "--json"] + keys.flatMap { ["--vkey", $0] })
    }

    private func submit(_ place: Place, _ label: String) throws {
        try place.must(
            "us", "submit", "attribution", "--field", "chain=BTC", "--field",
            "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=\(label)")
    }

    /// Tiles have the newest checkpoint only: that a log was not taken back or written anew shows against a report.
    @Test func tilesGoOnFromAnEarlierReportOrAreNamed() throws {
        let place = try Place()
        try place.found("us")
        let then = try place.fill("us", records: 300)
        try export(place)
        let us = try #require(try place.must("us", "community", "list", "--json").objects.first?["vkey"] as? String)
        let tiles = "\(place.path)/tiles"
        func since(_ report: String, _ folder: String) throws -> Entente.Outcome {
            try Entente.run(["verify", folder, "--json", "--vkey", us, "--since", report])
        }
        let first = try place.file("first.json", try verify(tiles, us).output)
        try FileManager.default.copyItem(atPath: tiles, toPath: "\(place.path)/then")
        #expect(try since(first, tiles).status == 0)
        let home = try place.file("home.json", try place.must("us", "verify", "--json").output)
        let now = try place.fill("us", records: 500)
        try export(place)
        for report in [first, home] {
            let outcome = try since(report, tiles)
            #expect(outcome.status == 0, "\(outcome.output)")
            #expect((outcome.objects.first?["logs"] as? [[String: Any]])?.first?["size"] as? Int == now)
        }
        // What is at the end now is not what was there: taken back, or written anew.
        let second = try place.file("second.json", try verify(tiles, us).output)
        let back = try since(second, "\(place.path)/then")
        #expect(back.status == 1 && back.output.contains("has \(now) entries, it has \(then) only"), "\(back.output)")
        let text = try String(contentsOfFile: first, encoding: .utf8)
        let report = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        let root = try #require((report?["logs"] as? [[String: Any]])?.first?["root"] as? String)
        let other = (root.hasPrefix("A") ? "B" : "A") + root.dropFirst()
        let anew = try since(try place.file("anew.json", text.replacingOccurrences(of: root, with: other)), tiles)
        #expect(anew.status == 1 && anew.output.contains("does not go on from the report of 20"), "\(anew.output)")
        // A report that does not have the log proves nothing of it. A copy can go on from a report of tiles.
        let absent = text.replacingOccurrences(of: Self.origin, with: "fr.example/krus")
        let unknown = try since(try place.file("absent.json", absent), tiles)
        #expect(unknown.status == 0 && unknown.output.contains("which does not have it"), "\(unknown.output)")
        #expect(try place.must("us", "verify", "--since", first, "--json").output.contains("were not read again"))
        #expect(try since("\(place.path)/nowhere", tiles).status == 66)
    }

    @Test func bothSidesExportWhatTheOtherCanVerifyWithoutAHome() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let size = try place.fill("us", records: 600)
        try place.serve("us")
        try place.must("kr", "sync")
        place.stop()
        let written = try export(place).first { $0["origin"] as? String == Self.origin }
        #expect(written?["size"] as? Int == size)
        let us = try key(" vkey: ", of: "us", in: place)
        let cosigner = try key("mirror_key: ", of: "kr", in: place)
        let own = try verify("\(place.path)/tiles", us, cosigner)
        #expect(own.status == 0, "\(own.output)")
        let log = try #require((own.objects.first?["logs"] as? [[String: Any]])?.first)
        #expect(log["size"] as? Int == size && (log["cosigned_by"] as? [[String: Any]])?.count == 1)
        #expect((own.objects.first?["unproved"] as? [String])?.isEmpty == false)

        // The replica, at its partner: under the log's id, found by its key.
        let lines = try export(place, "kr", to: "kr-tiles")
        #expect(Set(lines.compactMap { $0["origin"] as? String }) == [Self.origin, "kr.example/krus"])
        #expect(FileManager.default.fileExists(atPath: "\(place.path)/kr-tiles/mirror/\(Self.log.hex)/checkpoint"))
        let both = try verify("\(place.path)/kr-tiles", us, try key(" vkey: ", of: "kr", in: place))
        #expect(both.status == 0 && (both.objects.first?["logs"] as? [Any])?.count == 2, "\(both.output)")
        #expect(try verify("\(place.path)/tiles/krus", us).status == 0)

        // For people, and what is asked for wrongly.
        let people = try Entente.run(["verify", "\(place.path)/tiles", "--vkey", us, "--cosigner", cosigner])
        #expect(people.output.contains("cosigned by kr.example as of ") && people.output.contains("not checked: "))
        let absent = try verify("\(place.path)/tiles/krus/tile", us)
        #expect(absent.status == 66)
        absent.expectOneLine()
        #expect(try verify("\(place.path)/tiles/krus", try key(" vkey: ", of: "kr", in: place)).status == 1)
        #expect(try Entente.run(["verify", "\(place.path)/tiles"]).status == 64)
        let odd = try place.run("us", "export", "--format", "carrier-pigeon", "\(place.path)/x")
        #expect(odd.status == 64)
        odd.expectOneLine()
        #expect(try place.run("us", "export", "--format", "tiles", "-").status == 64)
    }

    @Test func onlyWhatIsNewIsWrittenAndPartialTilesDoNotPileUp() throws {
        let place = try Place()
        try place.found("us")
        _ = try place.fill("us", records: 600)
        #expect(try export(place).first?["files"] as? Int == 3 + 3 + 1 + 1)
        let before = try place.files("tiles")
        let idle = try #require(try export(place).first)
        #expect(idle["files"] as? Int == 0 && idle["removed"] as? Int == 0)
        #expect(try place.files("tiles") == before)

        // One more entry: the edge and the checkpoint. The edge before it stays once more.
        try submit(place, "a")
        let one = try #require(try export(place).first)
        #expect(one["files"] as? Int == 3 && one["removed"] as? Int == 0 && one["previous"] as? Int == 601)
        try submit(place, "b")
        let two = try #require(try export(place).first)
        #expect(two["files"] as? Int == 3 && two["removed"] as? Int == 2)
        let partial = Set(try place.files("tiles").keys.filter { $0.contains(".p/") })
        #expect(
            partial == [
                "krus/tile/0/002.p/90", "krus/tile/0/002.p/91", "krus/tile/entries/002.p/90",
                "krus/tile/entries/002.p/91", "krus/tile/1/000.p/2",
            ])
        // What was full stays the same file.
        let full = before.filter { !$0.key.contains(".p/") && !$0.key.hasSuffix("checkpoint") }
        let now = try place.files("tiles")
        #expect(full.count == 4 && full.allSatisfy { now[$0.key] == $0.value })
        #expect(try verify("\(place.path)/tiles", try key(" vkey: ", of: "us", in: place)).status == 0)
    }

    @Test func anExportKilledAtAnyMomentLeavesAWholeLogAndTheNextOneGoesOn() throws {
        let place = try Place()
        try place.found("us")
        _ = try place.fill("us", records: 5_000)
        try export(place)
        let grown = try place.fill("us", records: 30_000)
        let key = try key(" vkey: ", of: "us", in: place)
        var sizes: Set<Int> = []
        // Longer and longer, until one gets to its end.
        for step in 0..<30 {
            let (process, _, _) = try Entente.start([
                "--home", "\(place.path)/us", "export", "--format", "tiles", "\(place.path)/tiles",
            ])
            usleep(UInt32(20_000 * pow(1.35, Double(step))))
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            let report = try verify("\(place.path)/tiles", key)
            #expect(report.status == 0, "\(report.output)")
            let logs = report.objects.first?["logs"] as? [[String: Any]]
            sizes.insert(try #require(logs?.first?["size"] as? Int))
            if process.terminationReason == .exit { break }
        }
        #expect(sizes.isSubset(of: [5_001, grown]))
        #expect(try export(place).first?["size"] as? Int == grown)
        _ = try export(place)
        #expect(try verify("\(place.path)/tiles", key).status == 0)
        // Byte for byte what an export in one go writes; nothing half written is left.
        try export(place, to: "clean")
        #expect(try place.contents("tiles") == place.contents("clean"))
    }

    @Test func whatIsDamagedHereIsNotExportedAndTheCheckpointStaysBehindIt() throws {
        let place = try Place()
        try place.found("us")
        _ = try place.fill("us", records: 600)
        try export(place)
        let before = try place.contents("tiles")
        try submit(place, "a")
        let home = "\(place.path)/us"
        let store = try SQLiteLogStore(
            path: home + "/node.sqlite", signedPath: home + "/signed.sqlite", node: "us.example")
        try store.flip(.bundle(2), of: Self.log, byte: 30)
        // Found by reading, then known.
        for _ in 0..<2 {
            let refused = try place.run("us", "export", "--format", "tiles", "\(place.path)/tiles", "--json")
            #expect(refused.status == 74 && refused.objects.first?["ok"] as? Bool == false, "\(refused.output)")
            #expect((refused.objects.first?["reason"] as? String)?.contains("512..<") == true, "\(refused.output)")
            #expect(try place.contents("tiles") == before)
            #expect(try place.run("us", "scrub").status == 1)
        }
        // Wrong hashes above the leaves lead to another root than the one signed.
        try store.flip(.bundle(2), of: Self.log, byte: 30)
        #expect(try place.must("us", "scrub").status == 0)
        try store.flip(.tile(level: 1, number: 0), of: Self.log, byte: 3)
        #expect(try place.run("us", "export", "--format", "tiles", "\(place.path)/tiles").status == 74)
        #expect(try place.contents("tiles")["krus/checkpoint"] == before["krus/checkpoint"])
    }

    @Test(.enabled(if: SmallDisk.isPossible, "skipped: no file system of limited size can be mounted here"))
    func aFullDiskLeavesNoCheckpointWithoutItsData() throws {
        let place = try Place()
        try place.found("us")
        let disk = try SmallDisk(at: place, size: "1m")
        try submit(place, "a")
        let key = try key(" vkey: ", of: "us", in: place)
        try export(place, to: "disk/tiles")
        _ = try place.fill("us", records: 5_000)
        let full = try place.run("us", "export", "--format", "tiles", "\(disk.path)/tiles")
        #expect(full.status == 74, "\(full.errors)")
        full.expectOneLine()
        #expect(try verify("\(disk.path)/tiles", key).status == 0)
        try disk.remount("size=64m")
        #expect(try export(place, to: "disk/tiles").first?["size"] as? Int == 5_002)
        #expect(try verify("\(disk.path)/tiles", key).status == 0)
    }

    @Test func aFrozenLogIsSaidToBeFrozenAndItsFilesStay() throws {
        let place = try Place()
        try place.found("us")
        try submit(place, "a")
        try export(place)
        let before = try place.contents("tiles")
        try submit(place, "b")
        try DatabaseFile("\(place.path)/us/node.sqlite").execute("UPDATE log SET frozen = 'it forked'")
        let refused = try place.run("us", "export", "--format", "tiles", "\(place.path)/tiles")
        #expect(refused.status == 77 && refused.errors.contains("\(Self.origin) is frozen: it forked"))
        refused.expectOneLine()
        #expect(try place.contents("tiles") == before)
    }

    @Test func aFolderOfAnotherHistoryIsLeftAlone() throws {
        let place = try Place()
        try place.found("us")
        try submit(place, "a")
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/copy")
        try submit(place, "b")
        try export(place)
        let before = try place.contents("tiles")
        // Behind what is published, and beside it.
        let behind = try place.run("copy", "export", "--format", "tiles", "\(place.path)/tiles")
        #expect(behind.status == 77 && behind.errors.contains("old copy"), "\(behind.errors)")
        try place.must(
            "copy", "submit", "attribution", "--field", "chain=BTC", "--field",
            "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=other")
        #expect(try place.run("copy", "export", "--format", "tiles", "\(place.path)/tiles").status == 77)
        try place.found("kr")
        #expect(try place.run("kr", "export", "--format", "tiles", "\(place.path)/tiles").status == 65)
        #expect(try place.contents("tiles") == before)
    }
}

extension Place {
    /// The files below a folder, each with when it was written.
    func files(_ folder: String) throws -> [String: Date] {
        try list(folder) { try FileManager.default.attributesOfItem(atPath: $0)[.modificationDate] as? Date }
    }

    /// The files below a folder with what is in them.
    func contents(_ folder: String) throws -> [String: Data] {
        try list(folder) { FileManager.default.contents(atPath: $0) }
    }

    private func list<Value>(_ folder: String, _ read: (String) throws -> Value?) throws -> [String: Value] {
        var values: [String: Value] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: "\(path)/\(folder)") {
            var isFolder: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: "\(path)/\(folder)/\(name)", isDirectory: &isFolder)
            if !isFolder.boolValue { values[name] = try read("\(path)/\(folder)/\(name)") }
        }
        return values
    }
}
