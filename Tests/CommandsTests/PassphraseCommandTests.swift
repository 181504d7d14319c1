import Foundation
import Glibc
import Testing

/// Private keys under a passphrase, as the commands give it.
@Suite struct PassphraseCommandTests {
    private let place: Place
    private let phrases: [String: String]

    init() throws {
        let place = try Place()
        phrases = try ["old", "new"].reduce(into: [:]) {
            $0[$1] = try place.file("\($1).txt", "the \($1) passphrase\n")
        }
        self.place = place
    }

    /// A shell opens the descriptors: 3 has the passphrase, 4 the new one.
    private func run(_ node: String, _ command: String, _ old: String? = nil, new: String? = nil, before: String = "")
        throws -> (status: Int32, text: String)
    {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/setsid")
        var line = "\(before) exec '\(Entente.path)' --home '\(place.path)/\(node)' \(command)"
        if let old { line += " --passphrase-fd 3 3<'\(phrases[old] ?? "")'" }
        if let new { line += " 4<'\(phrases[new] ?? "")'" }
        process.arguments = ["-w", "/bin/bash", "-c", line]
        process.environment = ["PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "SWIFT_BACKTRACE": "enable=no"]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }

    private static let submission =
        "submit attribution --field chain=ETH "
        + "--field address=0x098B716B8Aaf21512996dC57EB0615e2383E2f96 --field label=thief"

    private func found(_ node: String, _ old: String? = "old", _ options: String = "", before: String = "") throws {
        let made = try run(
            node, "init --node \(node).example --community krus --listen 127.0.0.1:0 \(options)", old, before: before)
        #expect(made.status == 0, "\(made.text)")
    }

    private func keyFiles(_ node: String) throws -> String {
        let folder = "\(place.path)/\(node)/keys"
        return try FileManager.default.contentsOfDirectory(atPath: folder)
            .map { try String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8) }.joined()
    }

    private func isEncrypted(_ node: String) throws -> Bool {
        let text = try keyFiles(node)
        return !text.contains("entente-key/1 plain") && !text.contains("PRIVATE KEY")
            && text.contains("entente-passphrase/1 argon2id \(node).example 3 268435456 ")
    }

    @Test func keysOfAHomeMadeWithAPassphraseOpenWithItAlone() throws {
        try found("us")
        #expect(try isEncrypted("us"))
        let without = try run("us", Self.submission)
        #expect(without.status == 77)
        #expect(without.text.contains("--passphrase-fd"))
        #expect(try run("us", Self.submission, "new").status == 77)
        let done = try run("us", Self.submission, "old")
        #expect(done.status == 0, "\(done.text)")
        // What only reads needs none.
        for command in ["identity", "status", "verify", "search thief", "show us.example/krus#1"] {
            let read = try run("us", command)
            #expect(read.status == 0, "\(command): \(read.text)")
        }
    }

    @Test func aChangedPassphraseCountsAloneAndPlainKeysAreByChoice() throws {
        try found("us")
        #expect(try run("us", "key passphrase --new-passphrase-fd 4", "new", new: "new").status == 77)
        let changed = try run("us", "key passphrase --new-passphrase-fd 4", "old", new: "new")
        #expect(changed.status == 0, "\(changed.text)")
        #expect(try run("us", Self.submission, "old").status == 77)
        #expect(try run("us", Self.submission, "new").status == 0)
        #expect(try run("us", "key passphrase --no-passphrase", "new").status == 0)
        #expect(try run("us", Self.submission).status == 0)
        #expect(try run("us", "key passphrase --new-passphrase-fd 4", new: "new").status == 0)
        #expect(try isEncrypted("us"))
        try place.expectSound("us")
    }

    @Test func withoutATerminalKeysArePlainAndInitSaysSo() throws {
        let made = try run("us", "init --node us.example --community krus --listen 127.0.0.1:0")
        #expect(made.status == 0)
        #expect(made.text.contains("without a passphrase"))
        try found("kr", nil, "--no-passphrase")
        #expect(try keyFiles("kr").contains("entente-key/1 plain"))
        #expect(try run("jp", "init --node jp.example --community krus --no-passphrase", "old").status == 64)
        #expect(!FileManager.default.fileExists(atPath: "\(place.path)/jp"))
    }

    @Test func aPartnerIsAddedOrRemovedWithThePassphraseOrNotAtAll() throws {
        try found("us")
        try place.found("kr")
        let card = "\(place.path)/kr.yaml"
        #expect(try run("us", "peer add '\(card)'").status == 77)
        #expect(try run("us", "peer list --json").text == "")
        #expect(try run("us", "peer add '\(card)'", "old").status == 0)
        #expect(try run("us", "peer remove kr.example", "new").status == 77)
        #expect(try run("us", "peer list --json").text.contains("kr.example"))
        #expect(try run("us", "peer remove kr.example", "old").status == 0)
        #expect(try run("us", "peer list --json").text == "")
    }

    @Test func aNodeUnderAPassphraseSynchronisesAndComesBackFromItsKeysAlone() throws {
        try found("us", "old", "--endpoint 127.0.0.1:9")
        try place.found("kr")
        _ = try place.file("us.yaml", try run("us", "identity").text)
        #expect(try run("us", "peer add '\(place.path)/kr.yaml'", "old").status == 0)
        try place.must("kr", "peer", "add", "\(place.path)/us.yaml")
        try place.serve("kr")
        #expect(try run("us", Self.submission, "old").status == 0)
        #expect(try run("us", "sync").status == 77)
        #expect(try run("us", "sync", "old").status == 0)
        #expect(try place.size(of: "us.example/krus", at: "kr") == 3)
        let home = "\(place.path)/us"
        for name in try FileManager.default.contentsOfDirectory(atPath: home) where name != "keys" && name != "peers" {
            try FileManager.default.removeItem(atPath: "\(home)/\(name)")
        }
        let recovered = try run("us", "recover --listen 127.0.0.1:0", "old")
        #expect(recovered.status == 0, "\(recovered.text)")
        #expect(try isEncrypted("us"))
        #expect(try run("us", Self.submission.replacing("thief", with: "other"), "old").status == 0)
        try place.expectSound("us")
    }

    @Test func aCredentialOfSystemdOpensKeys() throws {
        try FileManager.default.createDirectory(atPath: "\(place.path)/cred", withIntermediateDirectories: false)
        _ = try place.file("cred/entente-passphrase", "the old passphrase\n")
        let before = "CREDENTIALS_DIRECTORY='\(place.path)/cred'"
        try found("us", nil, before: "export \(before);")
        #expect(try isEncrypted("us"))
        #expect(try run("us", Self.submission).status == 77)
        #expect(try run("us", Self.submission, before: "export \(before);").status == 0)
        #expect(try run("us", Self.submission, "old").status == 0)
    }

    @Test func aKeyThatOthersCanReadIsRefusedWithTheCommandThatMendsIt() throws {
        try found("us")
        let key = "\(place.path)/us/keys/passphrase.lock"
        chmod(key, 0o640)
        let refused = try run("us", "status")
        #expect(refused.status == 77)
        #expect(refused.text.contains("chmod 600 \(key)"))
        let mend = Process()
        mend.executableURL = URL(fileURLWithPath: "/bin/chmod")
        mend.arguments = ["600", key]
        try mend.run()
        mend.waitUntilExit()
        #expect(try run("us", "status").status == 0)
    }

    @Test func killedAtAnyMomentOfAChangeTheKeysOpenWithOnePassphraseOrTheOther() throws {
        try found("us", nil)
        let saved = "\(place.path)/saved"
        try FileManager.default.copyItem(atPath: "\(place.path)/us/keys", toPath: saved)
        for delay in stride(from: 0.1, through: 1.0, by: 0.15) {
            let command = "'\(Entente.path)' --home '\(place.path)/us' key passphrase --new-passphrase-fd 4"
            _ = try run(
                "us", "status", before: "timeout -s KILL \(delay) \(command) 4<'\(phrases["new"] ?? "")'; ")
            // Whatever was reached: plain, encrypted, or some of each, it opens.
            let opened = try run("us", Self.submission, "new")
            #expect(opened.status == 0, "after \(delay) s: \(opened.text)")
            try FileManager.default.removeItem(atPath: "\(place.path)/us/keys")
            try FileManager.default.copyItem(atPath: saved, toPath: "\(place.path)/us/keys")
        }
    }

    @Test func newKeysAreProtectedAsTheOldOnesWere() throws {
        try found("us")
        #expect(try run("us", "key rotate sealing").status == 77)
        #expect(try run("us", "key rotate log --community krus").status == 77)
        for command in ["key rotate sealing", "key rotate log --community krus", Self.submission] {
            let done = try run("us", command, "old")
            #expect(done.status == 0, "\(command): \(done.text)")
            #expect(try isEncrypted("us"), "\(command)")
        }
        for command in ["key list", "identity", "status", "verify"] {
            let read = try run("us", command)
            #expect(read.status == 0, "\(command): \(read.text)")
        }
        let destroyed = try run("us", "key destroy 1 --yes", "old")
        #expect(destroyed.status == 0, "\(destroyed.text)")
        #expect(!FileManager.default.fileExists(atPath: "\(place.path)/us/keys/sealing-1.key"))
    }

    /// An incomplete copy of keys/ looks like a home without a passphrase; a new key must not lie there in plain.
    @Test(arguments: [
        "key rotate sealing", "key stolen sealing", "key rotate mirror", "key rotate tls", "key rotate log",
        "key stolen log --yes",
    ]) func withoutItsPassphraseFileNoNewKeyIsWritten(command: String) throws {
        try found("us")
        let file = "\(place.path)/us/keys/passphrase.lock"
        let kept = "\(place.path)/kept.lock"
        try FileManager.default.moveItem(atPath: file, toPath: kept)
        let before = try FileManager.default.contentsOfDirectory(atPath: "\(place.path)/us/keys").sorted()
        let refused = try run("us", command)
        #expect(refused.status != 0 && refused.text.contains("passphrase.lock"), "\(refused)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(place.path)/us/keys").sorted() == before)
        #expect(try !keyFiles("us").contains("entente-key/1 plain"))
        // With it back, the same command does what it says, under the passphrase.
        try FileManager.default.moveItem(atPath: kept, toPath: file)
        let done = try run("us", command, "old")
        #expect(done.status == 0, "\(done.text)")
        #expect(try isEncrypted("us"))
    }

    /// Before it is looked at whether there is anything to do, and before anything is changed.
    @Test func aSuccessorIsOpenedWithThePassphraseOrNotAtAll() throws {
        try found("us")
        for phrase in [nil, "new"] {
            for command in ["community successor krus", "community successor krus --abandon", "key stolen log --yes"] {
                let refused = try run("us", command, phrase)
                #expect(refused.status == 77)
                #expect(refused.text.contains(phrase == nil ? "--passphrase-fd" : "the passphrase is wrong"))
            }
        }
        #expect(!FileManager.default.fileExists(atPath: "\(place.path)/us/keys/log-krus.2.key"))
        #expect(try run("us", "community successor krus", "old").text.contains("did not fork"))
        #expect(try run("us", "key stolen log --yes", "old").status == 0)
        #expect(FileManager.default.fileExists(atPath: "\(place.path)/us/keys/log-krus.2.key"))
    }

    @Test func theRunningProgramLeavesNoCoreAndNoMemoryToOthers() throws {
        try place.found("us")
        let running = try place.serve("us")
        let limits = try String(contentsOfFile: "/proc/\(running.processIdentifier)/limits", encoding: .utf8)
        let core = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max core file size") })
        #expect(core.split(separator: " ").dropFirst(4).prefix(2) == ["0", "0"])
        var status = stat()
        #expect(stat("/proc/\(running.processIdentifier)/environ", &status) == 0)
        // Files of a process that may not be dumped belong to root. (A test run by root cannot see the difference.)
        #expect(status.st_uid == 0)
    }
}
