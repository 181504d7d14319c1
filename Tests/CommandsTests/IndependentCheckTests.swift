import Cryptography
import Foundation
import LogStore
import Testing

/// Programs that share no code with this one find sound what it wrote, and not sound what was changed since.
///
/// They are run where they are to be had: Python with its `cryptography` package, and Go with Debian's
/// golang-golang-x-mod-dev. Elsewhere these tests say that they were skipped.
@Suite(.serialized) struct IndependentCheckTests {
    private static let origin = "us.example/krus"

    private struct Written {
        let place: Place
        /// Indexes of entries with a proof `INDEX.tlog-proof` and a body `INDEX.json` each.
        let proved: [Int]
        let logKey: String
        let cosignerKey: String

        var proofs: [(proof: String, body: String)] {
            proved.map { ("\(place.path)/\($0).tlog-proof", "\(place.path)/\($0).json") }
        }
    }

    /// Some 1,300 entries of us.example under several checkpoints, at both nodes, cosigned by kr.example.
    private func written() throws -> Written {
        let place = try Place()
        try place.federate("us", "kr")
        try place.must("us", "import", "\(Place.examples)/bybit-fbi-2025-02.csv")
        let size = try place.fill("us", records: 1_200)
        try place.must(
            "us", "submit", "attribution", "--field", "chain=BTC", "--field",
            "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=a", "--field", "victim=b")
        try place.serve("us")
        try place.must("kr", "sync")
        place.stop()
        let proved = [0, 1, 255, 256, 1_023, size - 1, size]
        for index in proved {
            _ = try place.file("\(index).json", place.must("us", "show", "\(Self.origin)#\(index)", "--raw").output)
            _ = try place.file("\(index).tlog-proof", place.must("us", "prove", "\(Self.origin)#\(index)").output)
        }
        func key(_ pattern: String, _ node: String) throws -> String {
            let card = try String(contentsOfFile: "\(place.path)/\(node).yaml", encoding: .utf8)
            let line = try #require(card.split(separator: "\n").first { $0.contains(pattern) })
            return String(try #require(line.split(separator: " ").last))
        }
        return Written(
            place: place, proved: proved, logKey: try key(" vkey: ", "us"), cosignerKey: try key("mirror_key: ", "kr"))
    }

    // MARK: Python

    private static let examples = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../docs/examples").standardized.path
    private static let verifier = "\(examples)/verify_log.py"

    private static let hasPython: Bool = {
        let unpacks = "import shutil, importlib.util as u; assert u.find_spec('zstandard') or shutil.which('zstd')"
        return Tool.run("python3", "-c", "import cryptography; \(unpacks)")?.status == 0
    }()

    @Test(.enabled(if: hasPython, "skipped: no python3 with cryptography and zstd here"))
    func pythonFindsAHomeAndItsProofsSoundAndAChangedOneNot() throws {
        let it = try written()
        func check(_ arguments: String..., by program: String = "verify_log.py") throws -> Tool.Outcome {
            try #require(Tool.run("python3", ["\(Self.examples)/\(program)"] + arguments))
        }
        for node in ["us", "kr"] {
            let report = try check("\(it.place.path)/\(node)/node.sqlite", it.logKey, it.cosignerKey)
            #expect(report.status == 0, "\(report.output)")
            #expect(report.output.contains("\(Self.origin): sound; \(try #require(it.proved.last) + 1) entries"))
            #expect(report.output.contains(", 1 cosignatures"))
        }
        for (proof, body) in it.proofs {
            let report = try check(proof, body, it.logKey, it.cosignerKey, by: "verify_proof.py")
            #expect(report.status == 0 && report.output.contains("cosigned by kr.example"), "\(report.output)")
        }
        let other = try check(it.proofs[0].proof, it.proofs[1].body, it.logKey, by: "verify_proof.py")
        #expect(other.status == 1 && other.output.hasPrefix("NOT SOUND"), "\(other.output)")

        // Each change is made to a copy of its own.
        let database = try DatabaseFile("\(it.place.path)/us/node.sqlite")
        let changes = [
            "UPDATE bundle SET number = CASE number WHEN 1 THEN -2 ELSE -1 END WHERE number IN (1, 2)",
            "UPDATE tile SET data = zeroblob(length(data)) WHERE level = 1",
            "DELETE FROM bundle WHERE number = 3", "DELETE FROM tile WHERE level = 0 AND number = 2",
            "UPDATE checkpoint SET note = replace(note, 'us.example/krus ', 'us.example/krux ')",
            "UPDATE cosignature SET line = substr(line, 1, 60) || 'AAAA' || substr(line, 65)",
            "UPDATE log SET size = size - 1",
            "DELETE FROM checkpoint WHERE size > 1; DELETE FROM cosignature",
            "UPDATE blob SET data = zeroblob(length(data))", "UPDATE blob SET entry = entry - 1",
        ]
        for (number, change) in changes.enumerated() {
            let copy = "\(it.place.path)/copy\(number).sqlite"
            try database.execute("VACUUM INTO '\(copy)'")
            let changed = try DatabaseFile(copy)
            try changed.execute(change)
            try changed.execute("UPDATE bundle SET number = -number WHERE number < 0")
            let report = try check(copy, it.logKey, it.cosignerKey)
            #expect(report.status == 1 && report.output.contains("NOT SOUND"), "\(change): \(report.output)")
        }
    }

    @Test(.enabled(if: hasPython, "skipped: no python3 with cryptography and zstd here"))
    func pythonChecksCosignaturesFromAnyMirrorKeyOfTheirNode() throws {
        let place = try Place()
        try place.federate("us", "kr")
        func key(_ folder: String) throws -> String {
            let keys = try place.must(folder, "key", "list", "--json").objects
            return try #require(
                keys.first { $0["role"] as? String == "mirror" && $0["state"] as? String == "current" }?["public_key"]
                    as? String)
        }
        let before = try key("kr")
        try place.serve("us")
        try place.must("kr", "sync")
        try place.must("kr", "key", "rotate", "mirror")
        try place.submit("us", "a")
        try place.must("kr", "sync")
        place.stop()
        try place.found("other", named: "kr")
        let after = try key("kr")
        #expect(before != after)
        let others = "NOT COUNTED: 2 cosignatures by keys that nothing here leads to"
        for (key, isKnown) in [(before, true), (after, true), (try key("other"), false)] {
            let report = try #require(
                Tool.run("python3", Self.verifier, "\(place.path)/us/node.sqlite", key))
            #expect(report.status == 0 && report.output.contains(others) != isKnown, "\(report.output)")
            #expect(
                report.output.contains(
                    "us.example/krus: sound; 3 entries, 3 checkpoints, \(isKnown ? 2 : 0) cosignatures"),
                "\(report.output)")
        }
    }

    @Test(.enabled(if: hasPython, "skipped: no python3 with cryptography and zstd here"))
    func pythonFollowsALogFromAnyOfItsKeysAndTakesNoneThatNothingLeadsTo() throws {
        let place = try Place()
        try place.federate("us", "kr")
        func key() throws -> String {
            let keys = try place.must("us", "key", "list", "--json").objects
            return try #require(keys.first { $0["role"] as? String == "log" }?["public_key"] as? String)
        }
        var keys = [try key()]
        for _ in 0..<3 {
            try place.submit("us", "a", "b")
            try place.must("us", "key", "rotate", "log")
            keys.append(try key())
        }
        try place.submit("us", "c")
        try place.serve("us")
        try place.must("kr", "sync")
        place.stop()
        for node in ["us", "kr"] {
            for key in keys {
                let report = try #require(
                    Tool.run("python3", Self.verifier, "\(place.path)/\(node)/node.sqlite", key))
                #expect(report.status == 0, "\(report.output)")
                #expect(report.output.contains(", 3 changes of key"), "\(report.output)")
            }
        }
        try place.found("other", named: "us")
        let other = try #require(
            place.must("other", "key", "list", "--json").objects.first { $0["role"] as? String == "log" })
        let strange = try #require(other["public_key"] as? String)
        let refused = try #require(
            Tool.run("python3", Self.verifier, "\(place.path)/us/node.sqlite", strange))
        #expect(refused.status == 1 && refused.output.contains("not signed by a key"), "\(refused.output)")
        // Without the record that leads on, what the last key signed counts for nothing.
        try DatabaseFile("\(place.path)/us/node.sqlite").execute(
            "UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE size = 1) WHERE size = 2")
        let changed = try #require(
            Tool.run("python3", Self.verifier, "\(place.path)/us/node.sqlite", keys[0]))
        #expect(changed.status == 1, "\(changed.output)")
    }

    // MARK: Go

    private static let modules = "/usr/share/gocode"
    private static let hasGo =
        FileManager.default.fileExists(atPath: "\(modules)/src/golang.org/x/mod/sumdb/tlog")
        && Tool.run("go", "version")?.status == 0

    /// golang.org/x/mod/sumdb: the library of the Go project's own transparency log.
    @Test(.enabled(if: hasGo, "skipped: no go with golang-golang-x-mod-dev here"))
    func goFindsTheTreeAndItsProofsSound() throws {
        let it = try written()
        let program = "\(it.place.path)/check_log"
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Independent/check_log.go").path
        let built = try #require(
            Tool.run(
                "env", "GO111MODULE=off", "GOPATH=\(Self.modules)", "GOCACHE=\(it.place.path)/cache", "GOFLAGS=", "go",
                "build", "-o", program, source))
        #expect(built.status == 0, "\(built.output)")
        let folder = try laidOut(it)
        let sound = try #require(
            Tool.run(program, [folder, it.logKey] + it.proofs.flatMap { [$0.proof, $0.body] }))
        #expect(sound.status == 0, "\(sound.output)")
        #expect(sound.output.split(separator: "\n").count == 1 + it.proved.count)
        #expect(!sound.output.contains(" 0 consistency proofs"), "\(sound.output)")
        let other = try #require(Tool.run(program, folder, it.logKey, it.proofs[2].proof, it.proofs[3].body))
        #expect(other.status == 1, "\(other.output)")
        try Data(count: 8_192).write(to: URL(fileURLWithPath: "\(folder)/tiles/0/1"))
        #expect(try #require(Tool.run(program, folder, it.logKey)).status == 1)
    }

    /// The rows of a log as files: checkpoints/SIZE, tiles/LEVEL/NUMBER, bodies/NUMBER.
    private func laidOut(_ it: Written) throws -> String {
        let folder = "\(it.place.path)/laid-out"
        let home = "\(it.place.path)/us"
        let id = SHA256.hash(Self.origin)
        let store = try SQLiteLogStore(
            path: home + "/node.sqlite", signedPath: home + "/signed.sqlite", node: "us.example")
        func write(_ name: String, _ bytes: [UInt8]) throws {
            let file = URL(fileURLWithPath: "\(folder)/\(name)")
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(bytes).write(to: file)
        }
        for head in try store.checkpoints(of: id) { try write("checkpoints/\(head.size)", [UInt8](head.note.utf8)) }
        for level in 0..<8 {
            for (number, data) in try store.tiles(of: id, level: level, numbers: 0..<1_000) {
                try write("tiles/\(level)/\(number)", data)
            }
        }
        for bundle in try store.bundles(of: id, entries: 0..<256_000) {
            try write("bodies/\(bundle.number)", store.raw(bundle))
        }
        return folder
    }
}

/// Other programs of this machine.
enum Tool {
    struct Outcome {
        let status: Int32
        /// What it printed, errors included.
        let output: String
    }

    static func run(_ name: String, _ arguments: String...) -> Outcome? { run(name, arguments) }

    /// `nil` where there is no such program.
    static func run(_ name: String, _ arguments: [String]) -> Outcome? {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [name] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return nil }
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return process.terminationStatus == 127
            ? nil : Outcome(status: process.terminationStatus, output: String(decoding: bytes, as: UTF8.self))
    }
}
