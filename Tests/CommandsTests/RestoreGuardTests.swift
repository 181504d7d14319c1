import Cryptography
import Foundation
import Glibc
import Testing

/// What a restore refuses and leaves alone, and that all the rest comes back byte for byte.
@Suite(.serialized) struct RestoreGuardTests {
    private static let origin = "us.example/krus"

    /// A home and a backup of it.
    private func backUp(_ place: Place, _ node: String = "us", to name: String = "us.entente") throws -> String {
        let file = "\(place.path)/\(name)"
        try place.must(node, "backup", file)
        return file
    }

    /// The home is as it was, without a database.
    private func refused(
        _ place: Place, _ arguments: String..., status: Int32, says words: String,
        at location: SourceLocation = #_sourceLocation
    ) throws {
        let outcome = try Entente.run(["--home", "\(place.path)/us", "restore"] + arguments)
        #expect(outcome.status == status, "\(outcome.output) \(outcome.errors)", sourceLocation: location)
        #expect((outcome.output + outcome.errors).contains(words), "\(outcome.errors)", sourceLocation: location)
        if status != 1 { outcome.expectOneLine(at: location) }
        #expect(try !place.names(in: "us").contains("node.sqlite"), sourceLocation: location)
    }

    // MARK: What comes back

    /// One of the files is longer than what one row of a backup holds.
    @Test func everyOtherFileComesBackByteForByteAndTheIndexIsThatOfNobody() throws {
        let place = try Place()
        try place.found("us")
        try place.must("us", "search", "x")
        let large = Data(repeating: 1, count: 8 << 20) + Data(repeating: 2, count: 1 << 20)
        let files = [
            "evidence/fr.example_krus.fork": Data("evidence".utf8), "quarantine/rows.sealed": large,
            "journal": Data("who, when, what\n".utf8), "certs/ca.pem": Data("a certificate".utf8),
        ]
        for (name, data) in files { _ = try place.file("us/\(name)", data) }
        let file = try backUp(place)
        try place.must("us", "verify", file)
        try place.lose("us", keeping: ["keys", "index.sqlite"])
        try place.must("us", "restore", file)
        for (name, data) in files {
            #expect(FileManager.default.contents(atPath: "\(place.path)/us/\(name)") == data, "\(name)")
            #expect(place.mode(of: "us/\(name)") == 0o600, "\(name)")
        }
        #expect(try !place.names(in: "us").contains("index.sqlite"))
        // What is the backup's alone is not kept in the home.
        let database = try DatabaseFile("\(place.path)/us/node.sqlite")
        for table in ["backup", "backup_file"] {
            #expect(throws: DatabaseFile.Failure.self) { try database.execute("SELECT * FROM \(table)") }
        }
    }

    // MARK: What is refused

    /// SQLite would take what lies beside a database for a part of it.
    @Test func whatIsLeftBesideALostDatabaseIsInTheWay() throws {
        let place = try Place()
        try place.found("us")
        let file = try backUp(place)
        for name in ["node.sqlite-wal", "node.sqlite-shm"] {
            place.loseDatabase("us")
            _ = try place.file("us/\(name)", "left of another database")
            try refused(place, file, status: 73, says: "\(name): is there")
        }
        place.loseDatabase("us")
        try place.must("us", "restore", file)
    }

    @Test func aPathOutsideTheHomeIsNotWrittenTo() throws {
        let place = try Place()
        try place.found("us")
        let file = try backUp(place)
        for (number, name) in ["../tls.pem", "certs/../../tls.pem", "signed.sqlite", "keys", "other/tls.pem"]
            .enumerated()
        {
            let copy = "\(place.path)/\(number).entente"
            try FileManager.default.copyItem(atPath: file, toPath: copy)
            try place.changeManifest(of: copy) { $0.replacingOccurrences(of: "\"certs/tls.pem\"", with: "\"\(name)\"") }
            try DatabaseFile(copy).execute("UPDATE backup_file SET path = '\(name)' WHERE path = 'certs/tls.pem'")
            try place.lose("us")
            try refused(place, copy, status: 65, says: "no part of a home")
            #expect(try !place.names().contains("tls.pem"))
        }
    }

    @Test func aFileThatIsNotWhatTheManifestSaysIsRefusedAlsoInHaste() throws {
        let place = try Place()
        try place.found("us")
        let file = try backUp(place)
        try DatabaseFile(file).execute(
            "UPDATE backup_file SET data = CAST(data || x'0a' AS BLOB) WHERE path = 'node.yaml'")
        try place.lose("us")
        for arguments in [[file], ["--quick", file]] {
            let outcome = try Entente.run(["--home", "\(place.path)/us", "restore"] + arguments)
            #expect(outcome.status == 1 && outcome.output.contains("node.yaml"), "\(outcome.output)")
            #expect(try !place.names(in: "us").contains { $0.hasPrefix("node.") })
        }
    }

    @Test func aHomeAtWorkAndTheConfigurationOfAnotherNodeAreRespected() throws {
        let place = try Place()
        try place.found("us")
        try place.found("kr")
        let file = try backUp(place)
        try place.serve("us")
        place.loseDatabase("us")
        try refused(place, file, status: 75, says: "us")
        place.stop()
        place.loseDatabase("us")
        try place.lose("us")
        let other = try Data(contentsOf: URL(fileURLWithPath: "\(place.path)/kr/node.yaml"))
        _ = try place.file("us/node.yaml", other)
        chmod("\(place.path)/us/node.yaml", 0o600)
        try refused(place, file, status: 73, says: "kr.example")
        #expect(FileManager.default.contents(atPath: "\(place.path)/us/node.yaml") == other)
    }

    /// Keys of one passphrase belong together: those that are there stay, all of them, and none joins them.
    @Test func keysComeTogetherOrNotAtAll() throws {
        let place = try Place()
        try place.found("us")
        let keys = "\(place.path)/us/keys"
        let plain = "\(place.path)/plain"
        try FileManager.default.copyItem(atPath: keys, toPath: plain)
        try place.withPassphrase("us", "key", "passphrase", "--new-passphrase-fd", "3")
        let file = "\(place.path)/us.entente"
        try place.must("us", "backup", "--with-keys", file)
        func put(_ left: (String) -> Bool) throws {
            try place.lose("us")
            try FileManager.default.removeItem(atPath: keys)
            try FileManager.default.copyItem(atPath: plain, toPath: keys)
            for name in try place.names(in: "us/keys") where !left(name) {
                try FileManager.default.removeItem(atPath: "\(keys)/\(name)")
            }
        }
        try put { _ in true }
        let report = try #require(try place.must("us", "restore", file, "--json").objects.first)
        #expect((report["files"] as? [String])?.contains { $0.hasPrefix("keys/") } == false)
        #expect(try place.names(in: "us/keys") == place.names(in: "plain"))
        try place.expectSound("us")
        // Without the one that is put back last the folder is no node's yet, and what is in it is another's.
        try put { $0 != "mirror.key" }
        try refused(place, file, status: 73, says: "another key than the backup has")
    }

    /// A copy of the home has gone on, and its backup comes here: the marks know better.
    @Test func anotherHistoryThanTheOneThatWasSignedHereIsRefused() throws {
        let place = try Place()
        try place.found("us")
        try place.submit("us", "both")
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/copy")
        try place.submit("us", "one")
        try place.submit("copy", "other")
        let file = try backUp(place, "copy")
        place.loseDatabase("us")
        try refused(place, file, status: 77, says: "another history")
    }

    /// The card of its own node in a backup would make anybody's log that node's.
    @Test func aBackupDoesNotVouchForItself() throws {
        let place = try Place()
        try place.found("us")
        let keys = try place.names(in: "us/keys")
        try place.found("forger", named: "us")
        try FileManager.default.copyItem(
            atPath: "\(place.path)/us.yaml", toPath: "\(place.path)/forger/peers/us.example.yaml")
        chmod("\(place.path)/forger/peers/us.example.yaml", 0o600)
        let file = try backUp(place, "forger")
        let outcome = try place.run("us", "verify", file, "--json")
        #expect(outcome.status == 1, "\(outcome.output)")
        #expect(AuditScene.unproved(outcome).contains { $0.contains("that it is the node's own") })
        #expect(try place.names(in: "us/keys") == keys)
    }

    /// The newer backup knows of the erasure, and tells it to marks that are made anew: an older one does not bring the
    /// bytes back.
    @Test func anErasureThatABackupKnowsOfOutlivesAnOlderOne() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let reference = try place.submitSealed("us", "Incheon branch", to: "kr.example")
        let older = try backUp(place, to: "older.entente")
        try place.must("us", "erase", reference, "--yes")
        let newer = try backUp(place, to: "newer.entente")
        try place.lose("us")
        try place.must("us", "restore", newer)
        place.loseDatabase("us")
        try place.must("us", "restore", older)
        #expect(try place.sealedBytesLie(in: ["us"]) == [])
    }
}

extension Place {
    /// A home as it is after a loss: its keys on another machine.
    func lose(_ node: String, keeping names: [String] = ["keys"]) throws {
        for name in try self.names(in: node) where !names.contains(name) {
            try FileManager.default.removeItem(atPath: "\(path)/\(node)/\(name)")
        }
    }

    func loseDatabase(_ node: String) {
        for name in ["node.sqlite", "node.sqlite-wal", "node.sqlite-shm"] {
            try? FileManager.default.removeItem(atPath: "\(path)/\(node)/\(name)")
        }
    }

    func mode(of file: String) -> mode_t {
        var status = stat()
        return lstat("\(path)/\(file)", &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    /// Changes the manifest of a backup, with the SHA-256 beside it.
    func changeManifest(of backup: String, _ change: (String) -> String) throws {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: backup))
        let start = try #require(bytes.range(of: Data(#"{"format":"entente-backup/1""#.utf8))).lowerBound
        // The digest stands right behind it, and its row lies in one page.
        let end = try #require(
            bytes[start...].indices.first { end in
                bytes[end - 1] == UInt8(ascii: "}")
                    && bytes[end...].starts(with: SHA256.hash([UInt8](bytes[start..<end])).hex.utf8)
            })
        let manifest = change(String(decoding: bytes[start..<end], as: UTF8.self))
        try DatabaseFile(backup).execute(
            "UPDATE backup SET manifest = '\(manifest)', sha256 = '\(SHA256.hash(manifest).hex)'")
    }
}
