import Cryptography
import Foundation
import Testing

/// Programs that share no code with this one read the exported tiles, and notice what was changed in them.
@Suite(.serialized) struct IndependentTilesTests {
    private struct Published {
        let place: Place
        /// The folder of the log.
        let folder: String
        let logKey: String
        let cosignerKey: String

        func changes(_ file: String, byte: Int, _ body: () throws -> Void) throws {
            let url = URL(fileURLWithPath: "\(folder)/\(file)")
            let before = try Data(contentsOf: url)
            var changed = before
            changed[byte] ^= 1
            try changed.write(to: url)
            try body()
            try before.write(to: url)
        }
    }

    /// A log of some 1,200 entries, cosigned by kr.example, exported twice with entries in between.
    private func published() throws -> Published {
        let place = try Place()
        try place.federate("us", "kr")
        for records in [700, 1_200] {
            _ = try place.fill("us", records: records)
            try place.serve("us")
            try place.must("kr", "sync")
            place.stop()
            try place.must("us", "export", "--format", "tiles", "\(place.path)/tiles")
        }
        func key(_ pattern: String, _ node: String) throws -> String {
            let card = try String(contentsOfFile: "\(place.path)/\(node).yaml", encoding: .utf8)
            let line = try #require(card.split(separator: "\n").first { $0.contains(pattern) })
            return String(try #require(line.split(separator: " ").last))
        }
        return Published(
            place: place, folder: "\(place.path)/tiles/krus", logKey: try key(" vkey: ", "us"),
            cosignerKey: try key("mirror_key: ", "kr"))
    }

    private static let changed = [
        ("tile/entries/001", 700), ("tile/0/003", 100), ("tile/entries/004.p/178", 50), ("checkpoint", 20),
        ("checkpoint", 150),
    ]

    private static let verifier = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../docs/examples/verify_tiles.py").standardized.path
    private static let hasPython = Tool.run("python3", "-c", "import cryptography")?.status == 0

    @Test(.enabled(if: hasPython, "skipped: no python3 with cryptography here"))
    func pythonFindsTheTilesSoundAndChangedOnesNot() throws {
        let it = try published()
        func check() throws -> Tool.Outcome {
            try #require(Tool.run("python3", Self.verifier, it.folder, it.logKey, it.cosignerKey))
        }
        let sound = try check()
        #expect(sound.status == 0 && sound.output.contains("1202 entries, cosigned by kr.example"), "\(sound.output)")
        for (file, byte) in Self.changed {
            try it.changes(file, byte: byte) {
                let report = try check()
                #expect(report.status == 1 && report.output.hasPrefix("NOT SOUND"), "\(file): \(report.output)")
            }
        }
        // Bytes behind what belongs there.
        for name in ["tile/0/001", "tile/1/000.p/4", "tile/entries/001"] {
            let file = URL(fileURLWithPath: "\(it.folder)/\(name)")
            let bytes = try Data(contentsOf: file)
            try (bytes + [0, 0]).write(to: file)
            let report = try check()
            #expect(report.status == 1 && report.output.contains("\(name) has "), "\(report.output)")
            try bytes.write(to: file)
        }
        try it.changes("tile/1/000.p/4", byte: 64) {
            let report = try check()
            #expect(report.status == 1)
        }
    }

    private static let modules = "/usr/share/gocode"
    private static let hasGo =
        FileManager.default.fileExists(atPath: "\(modules)/src/golang.org/x/mod/sumdb/tlog")
        && Tool.run("go", "version")?.status == 0

    @Test(.enabled(if: hasGo, "skipped: no go with golang-golang-x-mod-dev here"))
    func goFindsTheTilesSoundAndChangedOnesNot() throws {
        let it = try published()
        let program = "\(it.place.path)/check_tiles"
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Independent/check_tiles.go").path
        let built = try #require(
            Tool.run(
                "env", "GO111MODULE=off", "GOPATH=\(Self.modules)", "GOCACHE=\(it.place.path)/cache", "GOFLAGS=", "go",
                "build", "-o", program, source))
        #expect(built.status == 0, "\(built.output)")
        let sound = try #require(Tool.run(program, it.folder, it.logKey))
        #expect(sound.status == 0 && sound.output == "sound; 1202 entries\n", "\(sound.output)")
        for (file, byte) in Self.changed {
            try it.changes(file, byte: byte) {
                let report = try #require(Tool.run(program, it.folder, it.logKey))
                #expect(report.status == 1, "\(file): \(report.output)")
            }
        }
    }
}
