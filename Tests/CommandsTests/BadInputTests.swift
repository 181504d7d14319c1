import Foundation
import Glibc
import Testing

/// Every refusal is one line that helps, with the right exit status, and changes nothing.
@Suite(.serialized) struct BadInputTests {
    @Test func submitRefusesWhatIsNoRecord() throws {
        let place = try Place()
        try place.found("us")
        let before = try place.state("us")
        let good =
            #"{"type":"attribution","subject":{"chain":"eip155:1","address":"0x098b716b8aaf21512996dc57eb0615e2383e2f96"},"label":"x"}"#
        let cases: [(name: String, text: Data, says: String)] = [
            (
                "large", Data(#"{"type":"attribution","label":"\#(String(repeating: "x", count: 20_000))"}"#.utf8),
                ":1: "
            ),
            ("utf8", Data(#"{"type":""#.utf8) + Data([0xFF, 0xFE]) + Data(#""}"#.utf8), "UTF-8"),
            ("json", Data("{not json}".utf8), "byte 1"),
            ("type", Data(#"{"type":"attributoin"}"#.utf8), "did you mean"),
            (
                "checksum",
                Data(good.replacingOccurrences(of: "0x098b7", with: "0x098B7").utf8), "EIP-55"
            ),
            ("second", Data("\(good)\n{}\n".utf8), ":2: "),
            ("empty", Data(), "no records"),
        ]
        for each in cases {
            let outcome = try place.run("us", "submit", "--file", place.file("\(each.name).jsonl", each.text))
            #expect(outcome.status == 65, "\(each.name)")
            #expect(outcome.errors.contains(each.says), "\(each.name): \(outcome.errors)")
            #expect(outcome.errors.split(separator: "\n").count == 1, "\(each.name): \(outcome.errors)")
        }
        #expect(try place.state("us") == before)
    }

    @Test func anErrorNeverQuotesASealableValue() throws {
        let place = try Place()
        try place.found("us")
        let value = "SECRET" + String(repeating: "x", count: 2_000)
        let file = try place.file("v.txt", value)
        let outcome = try place.run(
            "us", "submit", "attribution", "--field", "chain=ETH", "--field", "address=nonsense", "--field",
            "victim=@\(file)")
        #expect(outcome.status == 65)
        #expect(!outcome.errors.contains("SECRET"))
    }

    @Test func dryRunsSayWhatWouldHappenAndChangeNothing() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let before = try place.state("us")
        let secret = try place.file("n.txt", "note")
        let dry = try place.must(
            "us", "submit", "attribution", "--field", "chain=BTC", "--field",
            "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=x", "--field", "note=@\(secret)", "--to",
            "kr.example", "--dry-run", "--json"
        ).objects.first
        #expect(dry?["holders"] as? [String] == ["us.example", "kr.example"])
        #expect((dry?["readers"] as? [String: [String]])?["note"] == ["kr.example", "us.example"])
        let imported = try place.must(
            "us", "import", "\(Place.examples)/bybit-fbi-2025-02.csv", "--dry-run", "--json"
        ).objects.first
        #expect(imported?["imported"] as? Int == 51)
        #expect(try place.state("us") == before)
    }

    @Test func importQuarantinesBadRowsWithTheirPositionAndGoesOn() throws {
        let place = try Place()
        try place.found("us")
        let pack = try place.file(
            "bad.yaml",
            """
            title: Test
            creator: Test
            currency: BTC
            source: https://example.org/
            confidence: web_crawl
            tags:
            - address: 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa
              label: good
            - address: 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb
              label: bad checksum
            - address: 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa
              tx_hash: aa
              label: both
            - label: neither
            - address: 12cbQLTFMXRnSzktFkuoG3eHoMeFtpTu3S
              label: good too

            """)
        let report = try place.must("us", "import", pack, "--json").objects.first
        #expect(report?["imported"] as? Int == 2)
        let rejects = report?["rejects"] as? [[String: Any]] ?? []
        #expect(rejects.map { $0["position"] as? Int } == [9, 11, 14])
        #expect((rejects.first?["reason"] as? String)?.contains("base58") == true)
        let kept = try FileManager.default.contentsOfDirectory(atPath: "\(place.path)/us/quarantine")
        #expect(kept.count == 1)
        #expect(try place.run("us", "import", pack, "--strict").status == 65)
        let again = try place.must("us", "import", pack, "--json").objects.first
        #expect(again?["imported"] as? Int == 0 && again?["duplicates"] as? Int == 2)
    }

    @Test func homesAreMadeOnceAndGuarded() throws {
        let place = try Place()
        try place.found("us")
        let again = try place.run("us", "init", "--node", "us.example", "--community", "krus")
        #expect(again.status == 73)
        chmod("\(place.path)/us/keys/mirror.key", 0o644)
        let open = try place.run("us", "status")
        #expect(open.status == 77)
        #expect(open.errors.contains("chmod"))
        #expect(try place.run("nobody", "status").status == 66)
    }

    @Test func databasesThatOthersMayReadAreRefusedWithTheCommandThatMendsThem() throws {
        let place = try Place()
        try place.found("us")
        try place.submit("us", "one")
        #expect(try place.run("us", "search", "one").status == 0)
        for name in ["node", "signed", "index"] {
            let file = "\(place.path)/us/\(name).sqlite"
            for mode: mode_t in [0o644, 0o620, 0o601] {
                chmod(file, mode)
                for command in [["status"], ["search", "one"], ["verify"]] {
                    let refused = try Entente.run(["--home", "\(place.path)/us"] + command)
                    #expect(refused.status == 77, "\(name) \(command)")
                    #expect(refused.errors.hasSuffix("run: chmod 600 \(file)\n"), "\(refused.errors)")
                    refused.expectOneLine()
                }
                // An auditor takes it as it is.
                if name != "index" {
                    #expect(try place.run("nobody", "verify", "\(place.path)/us").status == 0, "\(name)")
                }
            }
            chmod(file, 0o600)
            try place.must("us", "status")
        }
        // All that is open beside a database is named at once: a log of changes is made with the mode that this had then.
        let running = try place.serve("us")
        let files = ["node.sqlite", "node.sqlite-wal", "node.sqlite-shm"].map { "\(place.path)/us/\($0)" }
        for file in files { chmod(file, 0o640) }
        let refused = try place.run("us", "status")
        #expect(refused.errors.hasSuffix("run: chmod 600 \(files.joined(separator: " "))\n"), "\(refused.errors)")
        #expect(running.isRunning)
        for file in files { chmod(file, 0o600) }
        try place.must("us", "status")
        place.stop()
    }

    @Test func aKeyThatIsASymbolicLinkOrSomebodyElsesIsRefused() throws {
        let place = try Place()
        try place.found("us")
        let (key, elsewhere) = ("\(place.path)/us/keys/doubles.key", "\(place.path)/elsewhere")
        #expect(rename(key, elsewhere) == 0)
        #expect(symlink(elsewhere, key) == 0)
        for command in [["status"], ["key", "list"], ["recover"]] {
            let refused = try Entente.run(["--home", "\(place.path)/us"] + command)
            #expect(refused.status == 77, "\(command)")
            #expect(refused.errors.contains("\(key): is a symbolic link"), "\(refused.errors)")
            refused.expectOneLine()
        }
        #expect(unlink(key) == 0 && rename(elsewhere, key) == 0)
        try place.must("us", "status")
        // Only root can give files away.
        guard geteuid() == 0 else { return }
        #expect(chown(key, 12_345, getegid()) == 0)
        let refused = try place.run("us", "status")
        #expect(refused.status == 77 && refused.errors.contains("chown 0 \(key)"), "\(refused.errors)")
    }

    @Test func cardsAreJudgedBeforeTheyAreBelieved() throws {
        let place = try Place()
        try place.found("us")
        try place.found("kr")
        let card = "\(place.path)/kr.yaml"
        let wrong = try place.run("us", "peer", "add", card, "--fingerprint", String(repeating: "0", count: 64))
        #expect(wrong.status == 77)
        let text = try String(contentsOfFile: card, encoding: .utf8)
        for (from, to) in [
            ("sha256:", "sha256:zz"), ("kr.example/krus+", "kr.example/krus+0"), ("version: 1", "version: 9"),
        ] {
            let bad = try place.file("bad.yaml", text.replacingOccurrences(of: from, with: to))
            let outcome = try place.run("us", "peer", "add", bad)
            #expect(outcome.status == 65, "\(from): \(outcome.errors)")
            #expect(outcome.errors.contains("bad.yaml:"), "\(outcome.errors)")
        }
        #expect(try place.must("us", "peer", "list", "--json").output.isEmpty)
    }

    @Test func aPartnerThatIsDownOrSomebodyElseIsNamedForWhatItIs() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let down = try place.run("kr", "sync", "us.example")
        #expect(down.status == 69)
        #expect(down.errors.contains("Connection refused"))

        // Another key at the same address.
        let port = try Place.freePort()
        try place.found("fake", port: port)
        try place.must("fake", "peer", "add", "\(place.path)/kr.yaml")
        try place.serve("fake")
        try place.must("kr", "peer", "add", "\(place.path)/us.yaml", "--endpoint", "127.0.0.1:\(port)", "--replace")
        let other = try place.run("kr", "sync", "us.example")
        #expect(other.status == 77)

        // A port in use.
        let taken = try place.run("fake", "run")
        #expect(taken.status == 75)
    }

    @Test func databasesThatCannotBeUsedAreLeftAsTheyAre() throws {
        let place = try Place()
        try place.found("us")
        let database = "\(place.path)/us/node.sqlite"
        let before = try Data(contentsOf: URL(fileURLWithPath: database))
        _ = try place.file("us/node.sqlite", Data("this is not a database, but long enough to be looked at".utf8))
        unlink(database + "-wal")
        unlink(database + "-shm")
        #expect(try place.run("us", "status").status == 74)
        _ = try place.file("us/node.sqlite", before)
        #expect(try place.run("us", "status").status == 0)
    }

    @Test func anImportDoesNotWaitForWhatIsNoFile() throws {
        let place = try Place()
        try place.found("us")
        let pipe = "\(place.path)/pipe.csv"
        #expect(mkfifo(pipe, 0o600) == 0)
        for path in [pipe, "/dev/zero", place.path] {
            let refused = try place.run("us", "import", path, "--format", "csv")
            #expect(refused.status == 66 && refused.errors.contains("is no plain file; - reads standard input"))
            refused.expectOneLine()
        }
        let row = "chain,address,label\nBTC,1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa,one\n"
        let piped = try Entente.run(["--home", "\(place.path)/us", "import", "-", "--format", "csv"], input: row)
        #expect(piped.status == 0 && piped.output.contains("imported 1 of 1"))
    }
}
