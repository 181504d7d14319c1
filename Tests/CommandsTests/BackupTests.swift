import Foundation
import Glibc
import Testing

/// Backups that are written, audited and restored with the real program.
@Suite(.serialized) struct BackupTests {
    private static let origin = "us.example/krus"

    private func modeOf(_ path: String) -> mode_t {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    @Test func aBackupIsOneFileThatStandardToolsReadAndThatIsNeverWrittenOver() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.submit("us", "first", "second")
        let file = "\(place.path)/us.entente"
        let report = try #require(try place.must("us", "backup", file, "--json").objects.first)
        #expect(report["node"] as? String == "us.example" && report["keys"] as? Bool == false)
        let log = (report["logs"] as? [[String: Any]])?.first { $0["origin"] as? String == Self.origin }
        #expect(log?["size"] as? Int == 4 && log?["own"] as? Bool == true)
        let files = report["files"] as? [String] ?? []
        #expect(files.contains("node.yaml") && files.contains("peers/kr.example.yaml"))
        #expect(files.contains("certs/tls.pem") && !files.contains { $0.hasPrefix("keys/") })
        #expect(!files.contains { $0.contains("sqlite") })
        #expect(modeOf(file) == 0o600)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
        #expect(report["bytes"] as? Int == bytes.count)
        #expect(try Shell.run("sha256sum", file).output.hasPrefix(report["sha256"] as? String ?? "none"))

        // A card comes out of it as it lies in the home, and the logs' owner can be asked by anybody's SQL.
        let database = try DatabaseFile(file)
        try database.execute("SELECT manifest FROM backup; SELECT path, data FROM backup_file")
        #expect(throws: DatabaseFile.Failure.self) { try database.execute("SELECT * FROM mark") }

        let again = try place.run("us", "backup", file)
        #expect(again.status == 73)
        again.expectOneLine()
        #expect(try Data(contentsOf: URL(fileURLWithPath: file)) == bytes)
        let nowhere = try place.run("us", "backup", "\(place.path)/none/us.entente")
        #expect(nowhere.status == 66)
        nowhere.expectOneLine()
        #expect(try place.names().filter { $0.contains("partial") } == [])
        // It is no database of a home.
        try FileManager.default.copyItem(atPath: file, toPath: "\(place.path)/node.sqlite")
        try? FileManager.default.removeItem(atPath: "\(place.path)/us/node.sqlite")
        try FileManager.default.moveItem(atPath: "\(place.path)/node.sqlite", toPath: "\(place.path)/us/node.sqlite")
        let taken = try place.run("us", "status")
        #expect(taken.status == 78 && taken.errors.contains("restore"), "\(taken.errors)")
    }

    /// What was written while the backup was is in it whole or not at all.
    @Test func aNodeAtWorkIsBackedUpAsOfOneMoment() throws {
        let place = try Place()
        try place.federate("us", "kr")
        _ = try place.fill("us", records: 3_000)
        try place.serve("us")
        let bodies = try place.file("more.jsonl", Entente.run(["bench", "bodies", "--records", "9000"]).output)
        let (writer, _, _) = try Entente.start(["--home", "\(place.path)/us", "import", bodies])
        var sizes: [Int] = []
        for number in 0..<4 {
            let file = "\(place.path)/\(number).entente"
            let report = try place.must("us", "backup", file, "--json").objects.first
            let log = (report?["logs"] as? [[String: Any]])?.first { $0["origin"] as? String == Self.origin }
            sizes.append(log?["size"] as? Int ?? -1)
            let audit = try place.must("us", "verify", file, "--json")
            #expect(AuditScene.log(audit)?["size"] as? Int == sizes.last)
        }
        writer.waitUntilExit()
        #expect(writer.terminationStatus == 0)
        #expect(sizes == sizes.sorted() && sizes.allSatisfy { $0 >= 3_000 }, "\(sizes)")
        place.stop()
        try place.expectSound("us")
    }

    @Test func whatIsInterruptedOrHasNoSpaceLeavesNothingBehind() throws {
        let place = try Place()
        try place.found("us")
        let size = try place.fill("us", records: 30_000)
        let file = "\(place.path)/us.entente"
        for signal in [SIGINT, SIGTERM] {
            var wasStopped = false
            // On a quick machine it may have come to its end before the signal.
            for _ in 0..<40 where !wasStopped {
                let (process, _, _) = try Entente.start(["--home", "\(place.path)/us", "backup", file])
                _ = Entente.waits {
                    FileManager.default.fileExists(atPath: "\(file).partial") || !process.isRunning
                }
                kill(process.processIdentifier, signal)
                process.waitUntilExit()
                wasStopped = !FileManager.default.fileExists(atPath: file)
                if !wasStopped { try FileManager.default.removeItem(atPath: file) }
            }
            #expect(wasStopped)
            #expect(try place.names().filter { $0.hasPrefix("us.entente") } == [])
        }
        // What a kill leaves is taken over by the next one.
        _ = try place.file("us.entente.partial", "left by a process that was killed")
        _ = try place.file("us.entente.partial-journal", "and this by SQLite")
        try place.must("us", "backup", file)
        #expect(try place.names().filter { $0.hasPrefix("us.entente") } == ["us.entente"])
        #expect(AuditScene.log(try place.must("us", "verify", file, "--json"))?["size"] as? Int == size)
    }

    @Test(.enabled(if: SmallDisk.isPossible, "skipped: this user can mount nothing"))
    func aFullDiskEndsItWithOneLineAndNothingIsLeft() throws {
        let place = try Place()
        try place.found("us")
        _ = try place.fill("us", records: 20_000)
        let disk = try SmallDisk(at: place, size: "1m")
        let outcome = try place.run("us", "backup", "\(disk.path)/us.entente")
        #expect(outcome.status == 74 && outcome.errors.contains("us.entente"), "\(outcome.errors)")
        outcome.expectOneLine()
        #expect(try FileManager.default.contentsOfDirectory(atPath: disk.path) == [])
        try place.expectSound("us")
        try disk.remount("size=64m")
        try place.must("us", "backup", "\(disk.path)/us.entente")

        // Neither does a restore leave half a home that could be taken for one.
        let small = try SmallDisk(at: place, size: "1m", named: "small")
        try FileManager.default.createDirectory(atPath: "\(small.path)/new", withIntermediateDirectories: false)
        chmod("\(small.path)/new", 0o700)
        try FileManager.default.copyItem(atPath: "\(place.path)/us/keys", toPath: "\(small.path)/new/keys")
        let file = "\(disk.path)/us.entente"
        let refused = try place.run("small/new", "restore", file)
        #expect(refused.status == 74, "\(refused.errors)")
        refused.expectOneLine()
        #expect(!FileManager.default.fileExists(atPath: "\(small.path)/new/node.sqlite"))
        try small.remount("size=64m")
        try place.must("small/new", "restore", file)
    }

    @Test func keysComeAlongOnlyUnderAPassphrase() throws {
        let place = try Place()
        try place.found("us")
        let file = "\(place.path)/us.entente"
        let refused = try place.run("us", "backup", "--with-keys", file)
        #expect(refused.status == 77 && refused.errors.contains("passphrase"), "\(refused.errors)")
        refused.expectOneLine()
        #expect(try place.names().filter { $0.hasPrefix("us.entente") } == [])
        try place.withPassphrase("us", "key", "passphrase", "--new-passphrase-fd", "3")
        let report = try place.must("us", "backup", "--with-keys", file, "--json").objects.first
        #expect(report?["keys"] as? Bool == true)
        let files = report?["files"] as? [String] ?? []
        #expect(files.contains("keys/mirror.key") && files.contains("keys/passphrase.lock"))
        // The whole node, from this file and the passphrase alone.
        let restored = try #require(try place.must("new", "restore", file, "--json").objects.first)
        #expect(restored["restored"] as? Bool == true)
        #expect(modeOf("\(place.path)/new") == 0o700 && modeOf("\(place.path)/new/keys/mirror.key") == 0o600)
        try place.expectSound("new")
        try place.withPassphrase("new", "recover", "--passphrase-fd", "3")
    }

    /// The bytes of what was erased are not in the file, neither as rows nor in unused space.
    @Test func whatWasErasedIsInNoBackup() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let sealed = try place.submitSealed("us", "victim", to: "kr.example")
        let before = "\(place.path)/before.entente"
        let after = "\(place.path)/after.entente"
        try place.must("us", "backup", before)
        #expect(try place.hasSealedBytes(before))
        try place.must("us", "erase", sealed, "--yes")
        try place.must("us", "backup", after)
        #expect(try !place.hasSealedBytes(after))
        #expect(AuditScene.log(try place.must("us", "verify", after, "--json"))?["erased"] as? Int == 1)
    }
}

/// Programs of the system.
enum Shell {
    static func run(_ arguments: String...) throws -> Entente.Outcome {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let out = output.fileHandleForReading.readDataToEndOfFile()
        let err = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Entente.Outcome(
            status: process.terminationStatus, output: String(decoding: out, as: UTF8.self),
            errors: String(decoding: err, as: UTF8.self))
    }
}

extension Place {
    func names(in folder: String = "") throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(path)/\(folder)").sorted()
    }

    /// Submits a record with a victim that only these may read; its reference.
    func submitSealed(_ node: String, _ victim: String, to reader: String) throws -> String {
        let file = try file("sealed.txt", victim)
        let outcome = try must(
            node, "submit", "attribution", "--field", "chain=BTC", "--field",
            "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=x", "--field", "victim=@\(file)", "--to",
            reader, "--json")
        return try #require(outcome.objects.first?["ref"] as? String)
    }

    /// Whether the beginning of any sealed part is among the bytes of a file.
    func hasSealedBytes(_ file: String) throws -> Bool {
        let beginning = Data([0, 0, 0, 14]) + Data("entente-seal/1".utf8) + Data([0, 0, 0, 16])
        return try Data(contentsOf: URL(fileURLWithPath: file)).range(of: beginning) != nil
    }

    /// Runs a command that gets the passphrase from a descriptor and must work.
    @discardableResult
    func withPassphrase(_ node: String, _ arguments: String..., at location: SourceLocation = #_sourceLocation) throws
        -> Entente.Outcome
    {
        let file = try file("passphrase.txt", "correct horse battery staple\n")
        let words = (["--home", "\(path)/\(node)"] + arguments).joined(separator: " ")
        let outcome = try Shell.run("sh", "-c", "exec \(Entente.path) \(words) 3< \(file)")
        #expect(outcome.status == 0, "\(arguments): \(outcome.errors)", sourceLocation: location)
        return outcome
    }
}
