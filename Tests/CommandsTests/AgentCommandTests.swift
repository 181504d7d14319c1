import Foundation
import Glibc
import Testing

/// A home under a passphrase whose node runs: commands need no passphrase, and what they open is noted.
@Suite struct AgentCommandTests {
    private let place: Place
    private let phrase: String

    init() throws {
        place = try Place()
        phrase = try place.file("phrase.txt", "the old passphrase\n")
        try place.found("us", under: phrase)
    }

    private static let submission = [
        "submit", "attribution", "--field", "chain=ETH", "--field",
        "address=0x098B716B8Aaf21512996dC57EB0615e2383E2f96", "--field", "label=thief",
    ]

    private func submit(_ label: String = "thief", _ more: String...) throws -> Entente.Outcome {
        try run(Self.submission.map { $0.replacing("thief", with: label) } + more)
    }

    private func run(_ arguments: [String]) throws -> Entente.Outcome { try place.detached("us", arguments) }

    private func run(_ arguments: String...) throws -> Entente.Outcome { try run(arguments) }

    private func must(_ arguments: String..., at location: SourceLocation = #_sourceLocation) throws -> Entente.Outcome
    {
        let outcome = try run(arguments)
        #expect(outcome.status == 0, "\(arguments): \(outcome.errors)", sourceLocation: location)
        return outcome
    }

    private func journal() throws -> [[String: Any]] { try run("journal", "--json").objects }

    @Test func theRunningNodeMakesTheWitnessKeyToo() throws {
        #expect(try run("witness", "key").status == 77)
        try place.serve("us", under: phrase)
        let foo = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
        let added = try must("witness", "add", foo, "--listen", "127.0.0.1:0", "--json").objects.first
        let key = try #require(added?["witness"] as? String)
        let file = "\(place.path)/us/keys/witness.key"
        #expect(
            try String(contentsOfFile: file, encoding: .utf8).hasPrefix("entente-key/1 passphrase ed25519-witness "))
        let other = try must("witness", "key", "--replace").output
        #expect(other.hasPrefix("us.example/_witness+") && other != key + "\n")
        #expect(
            try String(contentsOfFile: file, encoding: .utf8).hasPrefix("entente-key/1 passphrase ed25519-witness "))
        #expect(try must("witness", "key").output == other)
    }

    @Test func whileTheNodeRunsNobodyIsAskedAndOnceItIsKilledEverybodyIs() throws {
        let node = try place.serve("us", under: phrase)
        let first = try submit("thief", "--field", "case_number=2023-0417", "--field", "victim=Alice")
        #expect(first.status == 0, "\(first.errors)")
        #expect(try must("show", "us.example/krus#1").output.contains("Alice"))
        #expect(try must("search", "--sealed", "case_number=2023-0417", "--json").objects.count == 1)
        #expect(try must("assess", "us.example/krus#1", "dispute", "--reason", "no").status == 0)
        #expect(try must("withdraw", "us.example/krus#1").status == 0)
        let rows = (0..<300).map {
            #"{"v":1,"type":"attribution","subject":{"chain":"eip155:1","address":"0x098b716b8aaf21512996dc57eb0615e2383e2f96"},"label":"row \#($0)","note":"secret \#($0)"}"#
        }
        let file = try place.file("rows.jsonl", rows.joined(separator: "\n") + "\n")
        let imported = try must("import", file, "--json").objects.first
        #expect(imported?["imported"] as? Int == 300)
        #expect(try must("import", file, "--json").objects.first?["duplicates"] as? Int == 300)
        // Three hundred boxes are more than one question.
        #expect(try must("search", "--sealed", "note=secret 7", "--json").objects.count == 1)
        #expect(try must("erase", "us.example/krus#1", "--yes").status == 0)
        try place.expectSound("us")

        kill(node.processIdentifier, SIGKILL)
        node.waitUntilExit()
        for refused in [try submit("other"), try run("show", "us.example/krus#10"), try run("import", file)] {
            #expect(refused.status == 77)
            #expect(refused.errors.contains("--passphrase-fd"))
            #expect(refused.errors.split(separator: "\n").count == 1)
        }
        // A node that is started again signs and opens again.
        try place.serve("us", under: phrase)
        #expect(try submit("other").status == 0)
        try place.expectSound("us")
    }

    @Test func communitiesPartnersAndReadersAreAddedThroughTheNode() throws {
        try place.found("kr")
        try place.serve("us", under: phrase)
        let added = try must("peer", "add", "\(place.path)/kr.yaml")
        #expect(added.status == 0)
        #expect(try submit("thief", "--field", "victim=Alice").status == 0)
        #expect(try must("grant", "us.example/krus#2", "--to", "kr.example").status == 0)
        #expect(try must("peer", "remove", "kr.example").status == 0)
        #expect(try must("community", "add", "asia").status == 0)
        // What was made for this is under the passphrase like every other key.
        let key = try String(contentsOfFile: "\(place.path)/us/keys/log-asia.key", encoding: .utf8)
        #expect(key.hasPrefix("entente-key/1 passphrase ed25519 us.example/asia "))
        #expect(try submit("thief", "--community", "asia").status == 0)
        try place.expectSound("us")
    }

    @Test func whatIsOpenedIsNotedWithoutValues() throws {
        try place.serve("us", under: phrase)
        _ = try submit("thief", "--field", "case_number=2023-0417", "--field", "victim=Alice")
        _ = try submit("plain")
        #expect(try journal().isEmpty)
        _ = try must("show", "us.example/krus#2")
        _ = try must("show", "us.example/krus#1", "--raw")
        #expect(try journal().isEmpty)
        _ = try must("show", "us.example/krus#1")
        _ = try must("search", "--sealed", "victim=alice")
        _ = try must("search", "--sealed", "victim=bob")
        let lines = try journal()
        let shown = lines.filter { $0["deed"] as? String == "show" }
        #expect(shown.count == 1)
        #expect(shown.first?["ref"] as? String == "us.example/krus#1")
        #expect(shown.first?["fields"] as? [String] == ["case_number", "victim"])
        #expect(shown.first?["uid"] as? Int == Int(geteuid()))
        let found = lines.filter { $0["deed"] as? String == "search" }
        #expect(found.count == 1)
        #expect(found.first?["fields"] as? [String] == ["victim"])
        #expect(lines.contains { $0["deed"] as? String == "agent" })
        let text = try String(contentsOfFile: "\(place.path)/us/journal", encoding: .utf8)
        for value in ["Alice", "alice", "2023-0417", "bob"] { #expect(!text.contains(value)) }
        #expect(try must("journal", "--json", "--since", "2999-01-01").objects.isEmpty)
        #expect(try must("journal", "--json", "--since", "2001-01-01").objects.count == lines.count)
        #expect(try run("journal", "--since", "yesterday").status == 64)
    }

    @Test func whatCannotBeNotedIsNotOpened() throws {
        try place.found("kr")
        for node in ["us", "kr"] {
            if node == "us" { try place.serve("us", under: phrase) }
            let home = ["--home", "\(place.path)/\(node)"]
            let made = try Entente.run(home + Self.submission + ["--field", "victim=Alice"])
            #expect(made.status == 0, "\(made.errors)")
            try FileManager.default.createDirectory(
                atPath: "\(place.path)/\(node)/journal", withIntermediateDirectories: false)
            for command in [["show", "\(node).example/krus#1"], ["search", "--sealed", "victim=alice"]] {
                let refused = try Entente.run(home + command)
                #expect(refused.status == 74 || refused.status == 78, "\(refused.errors)")
                #expect(refused.errors.contains("/journal: "))
                #expect(!refused.output.contains("Alice") && refused.output.isEmpty)
            }
        }
    }

    @Test func anotherUserIsNotAnswered() throws {
        guard geteuid() == 0, ["setpriv", "python3"].allSatisfy({ access("/usr/bin/\($0)", X_OK) == 0 }) else {
            print("skipped: needs root, setpriv and python3 in /usr/bin")
            return
        }
        let node = try place.serve("us", under: phrase)
        // The folder keeps others out. Suppose that it did not.
        for path in [place.path, "\(place.path)/us"] { chmod(path, 0o711) }
        chmod("\(place.path)/us/node.sock", 0o666)
        defer { chmod("\(place.path)/us", 0o700) }
        let ask = """
            import socket, sys
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.settimeout(20)
            s.connect(sys.argv[1])
            s.send(bytes([1, 5]))
            print(len(s.recv(70000)))
            """
        let script = try place.file("ask.py", ask)
        chmod(script, 0o644)
        func answer(to user: String) throws -> String {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
            process.arguments = [
                "--reuid", user, "--clear-groups", "/usr/bin/python3", script, "\(place.path)/us/node.sock",
            ]
            let output = Pipe()
            process.standardOutput = output
            process.standardError = output
            try process.run()
            let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            return text.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        #expect(try answer(to: "0") == "34")
        let refused = try answer(to: "65534")
        #expect(refused == "0" || refused.contains("Error"), "\(refused)")
        #expect(node.isRunning)
    }
}
