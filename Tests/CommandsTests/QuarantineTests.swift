import Cryptography
import Foundation
import Glibc
import Testing

/// Rows that an import refused: listed, shown to be corrected and imported again, removed; with the real program.
@Suite struct QuarantineTests {
    private static let good = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
    private static let bad = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"
    private static let secret = "Sky Mavis"

    /// A file with one good row and two bad ones.
    struct Source: Sendable, CustomTestStringConvertible {
        let name: String
        let text: String
        let lines: [Int]
        var testDescription: String { name }
    }

    private static let sources = [
        Source(
            name: "a.csv",
            text:
                "chain,address,label,victim\r\nBTC,\(good),one,\nBTC,\(bad),two,\(secret)\nBTC,\(bad),\"th\nree\",x\n",
            lines: [3, 4]),
        Source(
            name: "a.yaml",
            text: """
                title: T
                creator: C
                victim: \(secret)
                header: !include more.yaml
                tags:
                  - address: \(good)
                    label: one
                  - address: \(bad)   # wrong
                    label: two
                    context: |
                      a
                        - b
                  - address: \(bad)
                    label: three

                """, lines: [8, 13]),
        // Read item by item, since one of them is no YAML.
        Source(
            name: "b.yaml",
            text: """
                header: {title: T, currency: BTC, source: "\(secret)"}
                tags:
                - address: \(good)
                  label: one
                - address: \(bad)
                  label: two
                - address: \(bad)
                  label: {three
                """, lines: [5, 7]),
        Source(
            name: "actorpack.yaml",
            text:
                "title: T\nactors:\n- id: one\n  label: One\n- id: TWO TWO\n  label: \(secret)\n- id: '3 3'\n  label: x",
            lines: [5, 7]),
        Source(
            name: "a.jsonl",
            text: [good, bad, bad].map {
                #"{"type":"attribution","subject":{"chain":"bip122:000000000019d6689c085ae165831e93","address":"\#($0)"},"label":"x","victim":"\#(secret)"}"#
            }.joined(separator: "\n"), lines: [2, 3]),
    ]

    private func imported(_ place: Place, _ source: Source) throws {
        _ = try place.file("more.yaml", "currency: BTC\nsource: https://example.org/\n")
        let file = try place.file(source.name, source.text)
        try place.must("us", "import", file)
    }

    private func files(_ place: Place) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(place.path)/us/quarantine").map {
            "\(place.path)/us/quarantine/\($0)"
        }
    }

    @Test(arguments: sources) func rowsAreWrittenAsTheyWereAndAsAFileOfTheirFormat(_ source: Source) throws {
        let place = try Place()
        try place.found("us")
        try imported(place, source)
        let listed = try place.must("us", "quarantine", "list", "--json").objects
        #expect(listed.map { $0["position"] as? Int } == source.lines)
        #expect(listed.allSatisfy { $0["file"] as? String == source.name && $0["can_open"] as? Bool == true })
        #expect(listed.allSatisfy { ($0["reason"] as? String)?.isEmpty == false })
        let list = try place.must("us", "quarantine")
        #expect(list.output.contains("\(source.name):\(source.lines[0]): ") && !list.output.contains(Self.secret))
        for path in try files(place) {
            let text = try String(contentsOfFile: path, encoding: .utf8)
            #expect(!text.contains(Self.secret) && !text.contains(Self.bad))
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
        }

        // What is shown is refused for the same reasons when it is imported as it is, and taken once it is right.
        let shown = try place.must("us", "quarantine", "show", source.name).output
        #expect(shown.contains(Self.secret))
        let dry = try place.must("us", "import", try place.file(source.name, shown), "--dry-run", "--json").objects
            .first
        let rejects = dry?["rejects"] as? [[String: Any]] ?? []
        #expect(rejects.map { $0["reason"] as? String } == listed.map { $0["reason"] as? String }, "\(shown)")
        let right = shown.replacing(Self.bad, with: Self.good).replacing("{three", with: "three").replacing(
            "th\nree", with: "three"
        )
        .replacing("TWO TWO", with: "two").replacing("'3 3'", with: "three")
        let again = try place.must("us", "import", try place.file(source.name, right), "--json").objects.first
        #expect(again?["quarantined"] as? Int == 0 && again?["read"] as? Int == 2, "\(right)")

        #expect(try place.run("us", "quarantine", "remove", source.name).status == 64)
        #expect(try place.must("us", "quarantine", "list", "--json").objects.count == 2)
        try place.must("us", "quarantine", "remove", source.name, "--yes")
        #expect(try files(place).isEmpty)
        #expect(try place.must("us", "quarantine", "list").output.isEmpty)
    }

    @Test func rowsAreNamedOneByOneAndKeepTheirNamesWhenOthersGo() throws {
        let place = try Place()
        try place.found("us")
        let ids = try Self.sources[0...1].flatMap { source in
            try imported(place, source)
            // Two imports of one second have two names, since their processes differ.
            return try place.must("us", "quarantine", "list", source.name, "--json").objects.map {
                $0["id"] as? String ?? ""
            }
        }
        try #require(ids.count == 4)
        let one = try place.must("us", "quarantine", "show", ids[1], "--json").objects
        #expect(one.count == 1 && (one.first?["row"] as? String)?.hasPrefix("BTC,") == true)
        #expect((one.first?["heading"] as? String)?.hasPrefix("chain,") == true)
        // Together they are no file.
        let mixed = try place.run("us", "quarantine", "show", ids[0], ids[2])
        #expect(mixed.status == 64 && mixed.output.isEmpty)
        mixed.expectOneLine()
        #expect(try place.must("us", "quarantine", "show", ids[0], ids[2], "--json").objects.count == 2)
        try place.must("us", "quarantine", "remove", ids[0], ids[3].replacing("#", with: "/"), "--yes")
        let left = try place.must("us", "quarantine", "list", "--json").objects.map { $0["id"] as? String }
        #expect(left == [ids[1], ids[2]])
        #expect(try place.must("us", "quarantine", "show", ids[1]).output.contains("ree"))
        for words in [[ids[0]], ["nothing.csv"]] {
            for command in ["show", "remove", "list"] {
                let more = command == "remove" ? ["--yes"] : []
                let none = try Entente.run(["--home", "\(place.path)/us", "quarantine", command] + words + more)
                #expect(none.status == 66)
                none.expectOneLine()
            }
        }
        let batch = try #require(ids[1].split(separator: "#").first.map(String.init))
        #expect(
            try place.must("us", "quarantine", "remove", batch, "--yes", "--json").objects.first?["removed"] as? Int
                == 1)
        try place.must("us", "quarantine", "remove", "--all", "--yes")
        #expect(try files(place).isEmpty)
        for wrong in [[], ["--all", "a.csv"]] {
            #expect(
                try Entente.run(["--home", "\(place.path)/us", "quarantine", "remove", "--yes"] + wrong).status == 64)
        }
    }

    @Test func whatAnImportIsWritingIsNotRemovedBelowIt() throws {
        let place = try Place()
        try place.found("us")
        try imported(place, Self.sources[4])
        let path = try #require(try files(place).first)
        let before = try Data(contentsOf: URL(fileURLWithPath: path))
        let descriptor = open(path, O_RDONLY)
        try #require(descriptor >= 0 && flock(descriptor, LOCK_EX) == 0)
        let id = try place.must("us", "quarantine", "list", "--json").objects.first?["id"] as? String
        for word in [try #require(id), "a.jsonl", "--all"] {
            let busy = try place.run("us", "quarantine", "remove", word, "--yes")
            #expect(busy.status == 75)
            busy.expectOneLine()
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
        close(descriptor)
        try place.must("us", "quarantine", "remove", "--all", "--yes")
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(place.path)/us/quarantine").isEmpty)
    }

    @Test func openingIsInTheJournalBeforeARowIsShown() throws {
        let place = try Place()
        try place.found("us")
        try imported(place, Self.sources[0])
        try place.must("us", "quarantine", "list")
        #expect(try place.must("us", "journal", "--json").objects.isEmpty)
        let ids = try place.must("us", "quarantine", "list", "--json").objects.compactMap { $0["id"] as? String }
        try place.must("us", "quarantine", "show", "a.csv")
        let journal = try place.must("us", "journal", "--json").objects
        #expect(journal.allSatisfy { $0["deed"] as? String == "quarantine" })
        #expect(journal.compactMap { $0["ref"] as? String }.filter { $0.contains("#") } == ids)
        #expect(!(try String(contentsOfFile: "\(place.path)/us/journal", encoding: .utf8)).contains(Self.secret))
        // What cannot be noted is not shown.
        chmod("\(place.path)/us/journal", 0o644)
        let refused = try place.run("us", "quarantine", "show", "a.csv")
        #expect(refused.status == 77 && refused.output.isEmpty)
        refused.expectOneLine()
    }

    @Test func theRunningNodeOpensWithoutAPassphrase() throws {
        let place = try Place()
        let phrase = try place.file("phrase.txt", "the old passphrase\n")
        try place.found("us", under: phrase)
        let node = try place.serve("us", under: phrase)
        let rows = (0..<300).map { "BTC,\(Self.bad),row \($0),\(Self.secret) \($0)\n" }.joined()
        let file = try place.file("many.csv", "chain,address,label,victim\n" + rows)
        #expect(try place.detached("us", ["import", file]).status == 0)
        // Three hundred boxes are more than one question.
        let shown = try place.detached("us", ["quarantine", "show", "many.csv"])
        #expect(shown.status == 0, "\(shown.errors)")
        #expect(shown.output == "chain,address,label,victim\n" + rows)
        kill(node.processIdentifier, SIGKILL)
        node.waitUntilExit()
        let asked = try place.detached("us", ["quarantine", "show", "many.csv"])
        #expect(asked.status == 77 && asked.output.isEmpty)
        asked.expectOneLine()
        #expect(try place.detached("us", ["quarantine", "show", "many.csv"], phrase: phrase).output == shown.output)
        // Nothing is opened to list and to remove.
        #expect(try place.detached("us", ["quarantine", "list", "--json"]).objects.count == 300)
        #expect(try place.detached("us", ["quarantine", "remove", "--all", "--yes"]).status == 0)
    }

    @Test func rowsOfEarlierEpochsOpenUntilTheirKeyIsDestroyedWhichCountsThem() throws {
        let place = try Place()
        try place.found("us")
        try imported(place, Self.sources[0])
        try place.must("us", "key", "rotate", "sealing")
        try imported(place, Self.sources[4])
        #expect(try place.must("us", "quarantine", "show", "a.csv").output.contains(Self.secret))
        let asked = try place.run("us", "key", "destroy", "1")
        #expect(asked.status == 64 && asked.errors.contains("0 envelopes and 2 quarantined rows become unreadable"))
        let destroyed = try place.must("us", "key", "destroy", "1", "--yes", "--json").objects.first
        #expect(destroyed?["unreadable"] as? Int == 2 && destroyed?["quarantined"] as? Int == 2)
        let list = try place.must("us", "quarantine", "list", "--json").objects
        #expect(list.map { $0["can_open"] as? Bool } == [false, false, true, true])
        #expect(try place.must("us", "quarantine", "list", "a.csv").output.contains("(its key was destroyed"))
        let lost = try place.run("us", "quarantine", "show", "a.csv")
        #expect(lost.status == 1 && lost.output.isEmpty)
        #expect(lost.errors.contains("2 of 2 rows cannot be opened") && lost.errors.contains("destroyed"))
        lost.expectOneLine()
        #expect(try place.must("us", "quarantine", "show", "a.jsonl").output.contains(Self.secret))
        try place.must("us", "quarantine", "remove", "a.csv", "--yes")
    }

    @Test func whatIsDamagedIsToldInOneLineAndTheRestIsRead() throws {
        let place = try Place()
        try place.found("us")
        try imported(place, Self.sources[4])
        let path = try #require(try files(place).first)
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
        try #require(lines.count == 2)
        // A line that a crash broke off, bytes of any kind, a row whose bytes are not its own, and a huge line.
        var bytes = Data("\(lines[0].replacing("\"blob\":\"", with: "\"blob\":\"AAAA"))\n\(lines[1])\n\0\u{1}\n".utf8)
        bytes += Data(repeating: 0x7B, count: 3 << 20) + Data("\n\(lines[0].prefix(100))".utf8)
        try bytes.write(to: URL(fileURLWithPath: path))
        let list = try place.must("us", "quarantine", "list", "--json")
        #expect(list.objects.count == 1)
        #expect(list.errors.contains("has 4 lines that cannot be read"))
        list.expectOneLine()
        #expect(try place.must("us", "quarantine", "show", "a.jsonl").output.contains(Self.secret))
        let name = try #require(list.objects.first?["import"] as? String)
        // A changed box or ciphertext opens to nothing.
        let flipped = lines[1].replacing("\"commitment\":\"", with: "\"commitment\":\"AAAA").replacing(
            "==\"", with: "\"")
        try "\(flipped)\n".write(toFile: path, atomically: false, encoding: .utf8)
        let refused = try place.run("us", "quarantine", "show", name)
        #expect(refused.status == 1 && refused.output.isEmpty)
        refused.expectOneLine()
        // Who names the import is rid of all of it.
        try place.must("us", "quarantine", "remove", name, "--yes")
        #expect(try files(place).isEmpty)
    }

    @Test func aRowThatIsTooLongIsKeptByItsBeginning() throws {
        let place = try Place()
        try place.found("us")
        let file = try place.file("long.jsonl", String(repeating: "x", count: 3_000_000) + "\n")
        try place.must("us", "import", file)
        let listed = try place.must("us", "quarantine", "list", "--json").objects.first
        #expect(listed?["bytes"] as? Int == 3_000_000)
        let shown = try place.must("us", "quarantine", "show", "long.jsonl")
        #expect(shown.output.count == 1_000_001)
        #expect(shown.errors.contains("only the first 1,000,000 of 3,000,000 bytes"))
    }

    /// As they were before rows were in envelopes.
    @Test func rowsWithoutAnEnvelopeAreReadToo() throws {
        let place = try Place()
        try place.found("us")
        let folder = "\(place.path)/us"
        let key = try String(contentsOfFile: "\(folder)/keys/sealing-1.key", encoding: .utf8)
        var secret = try #require(key.split(whereSeparator: \.isWhitespace).last.flatMap { Base64.decode(String($0)) })
        var row = Array("a row".utf8)
        let box = try Base64.encode(
            SealedBox.PrivateKey(secret: SecretBytes(wiping: &secret)).publicKey.seal(SecretBytes(wiping: &row)))
        let batch = "20260101T000000Z-1"
        let path = "\(folder)/quarantine/\(batch).jsonl"
        let line = #"{"file":"old.csv","line":7,"reason":"bad","row_box":"\#(box)"}"# + "\n"
        try (line + line).write(toFile: path, atomically: false, encoding: .utf8)
        chmod(path, 0o600)
        try place.must("us", "key", "rotate", "sealing")
        #expect(try place.must("us", "quarantine", "show", "old.csv").output == "a row\na row\n")
        // A row that was known by its line alone keeps that number.
        try place.must("us", "quarantine", "remove", "\(batch)#1", "--yes")
        let left = try place.must("us", "quarantine", "list", "--json").objects
        #expect(left.map { $0["id"] as? String } == ["\(batch)#2"])
        #expect(try place.must("us", "quarantine", "show", "\(batch)#2").output == "a row\n")
        #expect(try place.run("us", "key", "destroy", "1").errors.contains("perhaps 1 older quarantined row"))
        try place.must("us", "key", "destroy", "1", "--yes")
        let lost = try place.run("us", "quarantine", "show", "\(batch)#2")
        #expect(lost.status == 1 && lost.errors.contains("destroyed"))
    }

    @Test func whatIsNoFileOfRowsIsLeftOut() throws {
        let place = try Place()
        try place.found("us")
        try imported(place, Self.sources[0])
        let folder = "\(place.path)/us/quarantine"
        #expect(mkfifo("\(folder)/pipe.jsonl", 0o600) == 0)
        #expect(symlink("/etc/passwd", "\(folder)/link.jsonl") == 0)
        let list = try place.must("us", "quarantine", "list", "--json")
        #expect(list.objects.count == 2)
        for name in ["pipe", "link"] { #expect(list.errors.contains("/\(name).jsonl is no plain file")) }
        try place.must("us", "quarantine", "remove", "--all", "--yes")
        #expect(try place.must("us", "key", "rotate", "sealing").status == 0)
        try place.must("us", "key", "destroy", "1", "--yes")
        #expect(try files(place).count == 2)
    }

    /// An import may end while the question stands there.
    @Test func onlyWhatWasAskedAboutIsRemoved() throws {
        let place = try Place()
        try place.found("us")
        try imported(place, Self.sources[0])
        // A terminal of its own: TIOCSPTLCK and TIOCGPTN of ioctl_tty(2).
        let terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        defer { close(terminal) }
        var lock: Int32 = 0
        var number: UInt32 = 0
        let isUnlocked = ioctl(terminal, 0x4004_5431, &lock) == 0 && ioctl(terminal, 0x8004_5430, &number) == 0
        #expect(isUnlocked)
        let name = "/dev/pts/\(number)"
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Entente.path)
        process.arguments = ["--home", "\(place.path)/us", "quarantine", "remove", "--all"]
        process.standardInput = FileHandle(forUpdatingAtPath: name)
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        var asked = ""
        while !asked.contains("[y/N]") {
            let data = errors.fileHandleForReading.availableData
            try #require(!data.isEmpty, "\(asked)")
            asked += String(decoding: data, as: UTF8.self)
        }
        #expect(asked.contains("2 refused rows go for good"))
        try imported(place, Self.sources[4])
        #expect(write(terminal, "y\n", 2) == 2)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(
            String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self) == "removed 2 rows\n")
        let left = try place.must("us", "quarantine", "list", "--json").objects
        #expect(left.map { $0["file"] as? String } == [Self.sources[4].name, Self.sources[4].name])
    }
}
