import Cryptography
import Foundation
import Glibc
import LogStore
import Testing

/// What needs the TLS key, the mirror key or a new key works without the passphrase, too, while the node runs.
@Suite(.serialized) struct AgentSessionTests {
    private let place: Place
    private let phrase: String

    init() throws {
        place = try Place()
        phrase = try place.file("phrase.txt", "the old passphrase\n")
        try place.found("us", under: phrase)
        try place.found("kr")
        _ = try must("peer", "add", "\(place.path)/kr.yaml", phrase: phrase)
        try place.must("kr", "peer", "add", "\(place.path)/us.yaml")
    }

    private func run(_ arguments: String...) throws -> Entente.Outcome { try place.detached("us", arguments) }

    @discardableResult
    private func must(
        _ arguments: String..., phrase: String? = nil, at location: SourceLocation = #_sourceLocation
    ) throws -> Entente.Outcome {
        let outcome = try place.detached("us", arguments, phrase: phrase)
        #expect(outcome.status == 0, "\(arguments): \(outcome.errors)", sourceLocation: location)
        return outcome
    }

    private func expectRefused(_ outcome: Entente.Outcome, at location: SourceLocation = #_sourceLocation) {
        #expect(outcome.status == 77, sourceLocation: location)
        #expect(outcome.errors.contains("--passphrase-fd"), sourceLocation: location)
        outcome.expectOneLine(at: location)
    }

    private func pin(_ node: String) throws -> String? {
        try place.must(node, "key", "list", "--json").objects
            .first { $0["role"] as? String == "tls" && $0["state"] as? String == "current" }?["key_id"] as? String
    }

    @Test func syncIsDoneByTheRunningNodeAndSaysTheSame() throws {
        try place.serve("kr")
        expectRefused(try run("sync"))
        let node = try place.serve("us", under: phrase)
        try place.submit("kr", "first")
        let report = try must("sync", "--json").objects
        #expect(report.count == 1)
        #expect(report.first?["node"] as? String == "kr.example" && report.first?["ok"] as? Bool == true)
        #expect((report.first?["bytes_in"] as? Int ?? 0) > 0 && (report.first?["round_trips"] as? Int ?? 0) > 0)
        let logs = report.first?["logs"] as? [[String: Any]] ?? []
        #expect(Set(logs.compactMap { $0["origin"] as? String }) == ["us.example/krus", "kr.example/krus"])
        #expect(try place.size(of: "kr.example/krus", at: "us") == place.size(of: "kr.example/krus", at: "kr"))
        #expect(try run("sync", "jp.example").status == 66)

        // The partner is gone: the same line and status as ever.
        place.stop("kr")
        let alone = try run("sync")
        #expect(alone.status == 69)
        alone.expectOneLine()
        #expect(alone.errors.contains("kr.example"))
        kill(node.processIdentifier, SIGKILL)
        node.waitUntilExit()
        expectRefused(try run("sync"))
    }

    @Test func aSyncThatTheNodeDoesNotSurviveEndsAndSaysSo() throws {
        // A partner that takes the connection and says nothing.
        let silent = try FakeListener()
        let card = try String(contentsOfFile: "\(place.path)/kr.yaml", encoding: .utf8)
            .replacingOccurrences(
                of: "127\\.0\\.0\\.1:[0-9]+", with: "127.0.0.1:\(silent.port)", options: .regularExpression)
        let node = try place.serve("us", under: phrase)
        try must("peer", "add", place.file("silent.yaml", card), "--replace")
        let (command, output, errors) = try Entente.start(["--home", "\(place.path)/us", "sync"])
        usleep(500_000)
        kill(node.processIdentifier, SIGKILL)
        node.waitUntilExit()
        _ = output.fileHandleForReading.readDataToEndOfFile()
        let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        command.waitUntilExit()
        #expect(command.terminationStatus == 69)
        #expect(said.contains("running node"))
    }

    @Test func damageIsMendedAndOwnLogsAreRecoveredThroughTheRunningNode() throws {
        try place.serve("kr")
        try place.submit("kr", "first")
        let us = try place.serve("us", under: phrase)
        try must("sync")
        let size = try place.size(of: "us.example/krus", at: "us")
        let recovered = try must("recover", "--restored", "--json").objects.first
        #expect(recovered?["complete"] as? Bool == true)
        #expect(try place.size(of: "us.example/krus", at: "us") == size)
        try must(
            "submit", "attribution", "--field", "chain=ETH", "--field",
            "address=0x098B716B8Aaf21512996dC57EB0615e2383E2f96", "--field", "label=thief")
        try place.expectSound("us")

        place.stop("kr")
        #expect(us.isRunning)
        let home = "\(place.path)/us"
        let store = try SQLiteLogStore(
            path: home + "/node.sqlite", signedPath: home + "/signed.sqlite", node: "us.example")
        try store.lose(.bundle(0), of: SHA256.hash("kr.example/krus"))
        #expect(try run("scrub").status == 1)
        try place.serve("kr")
        #expect(try must("scrub", "--repair", "--json").objects.first?["damaged"] as? [String] == [])
        try place.expectSound("us")
    }

    @Test func everyKeyIsReplacedByTheRunningNodeAndIsUnderThePassphraseLikeTheOthers() throws {
        try place.serve("kr")
        try place.serve("us", under: phrase)
        let first = try #require(try pin("us"))
        for command in [
            ["sealing"], ["log"], ["mirror"], ["tls", "--finish"],
        ] {
            let done = try place.detached("us", ["key", "rotate"] + command + ["--json"])
            #expect(done.status == 0, "\(command): \(done.errors)")
            #expect(done.objects.first?["role"] as? String == command[0])
            #expect(try place.isEncrypted("us"), "\(command)")
            // Who has not heard of a new TLS key yet refuses it until it has.
            #expect(try Entente.waits { try run("sync").status == 0 })
        }
        let second = try #require(try pin("us"))
        #expect(second != first)
        for role in ["sealing", "mirror", "tls"] {
            try must("key", "stolen", role)
            #expect(try place.isEncrypted("us"), "\(role)")
        }
        // A partner that is not connected at the moment when a TLS key is called stolen needs the new card.
        try place.must(
            "kr", "peer", "add", "--replace", place.file("us.new.yaml", place.must("us", "identity").output))
        #expect(try pin("us") != second)
        try must("key", "stolen", "log", "--yes")
        #expect(try run("community", "successor", "krus").errors.contains("did not fork"))
        #expect(try place.isEncrypted("us"))
        #expect(try Entente.waits { try place.run("kr", "sync", "us.example").status == 0 })
        try place.expectSound("us")
        try place.expectSound("kr")
        #expect(try place.alarms("us") == [])
        // The keys that it made open with the same passphrase.
        place.stop("us")
        expectRefused(try run("key", "rotate", "mirror"))
        try place.serve("us", under: phrase)
        #expect(try Entente.waits { try run("sync").status == 0 })
        // What was wrong is told as the command itself would.
        #expect(try run("key", "rotate", "log", "--community", "asia").status == 64)
    }

    /// The same without a running node, each command with the passphrase; a partner follows.
    @Test func tlsAndMirrorKeysUnderAPassphraseAreReplacedAndPartnersFollow() throws {
        try place.serve("kr")
        try must("sync", phrase: phrase)
        let first = try #require(try pin("us"))
        for command in [["mirror"], ["tls"]] {
            expectRefused(try place.detached("us", ["key", "rotate"] + command))
            let done = try place.detached("us", ["key", "rotate"] + command, phrase: phrase)
            #expect(done.status == 0, "\(command): \(done.errors)")
            #expect(try place.isEncrypted("us"), "\(command)")
        }
        #expect(FileManager.default.fileExists(atPath: "\(place.path)/us/keys/tls.next.key"))
        // The passphrase is changed between the two steps of a rotation, and the next key goes with the others.
        let new = try place.file("new.txt", "the new passphrase\n")
        let changed = try place.detached("us", ["key", "passphrase"], phrase: phrase, new: new)
        #expect(changed.status == 0, "\(changed.errors)")
        // The partner confirms, and the next call uses the new key.
        try must("sync", phrase: new)
        let switched = try must("key", "rotate", "tls", "--json", phrase: new).objects.first
        #expect(switched?["step"] as? String == "switched")
        #expect(try pin("us") != first && place.isEncrypted("us"))
        try must("sync", phrase: new)
        for node in ["us", "kr"] {
            try place.expectSound(node)
            #expect(try place.alarms(node) == [])
        }
    }
}

/// Takes connections and never says a word.
final class FakeListener {
    private let descriptor: Int32
    let port: Int

    init() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 16) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        try #require(isBound)
        self.descriptor = descriptor
        port = Int(UInt16(bigEndian: address.sin_port))
    }

    deinit { close(descriptor) }
}
