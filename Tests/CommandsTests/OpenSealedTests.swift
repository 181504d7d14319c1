import Foundation
import Testing

/// docs/examples/open_sealed.py, which shares no code with this program, opens what a home has sealed.
///
/// `ENTENTE_PYTHON` names the Python that has PyNaCl, or else it is python3 on the path.
@Suite struct OpenSealedTests {
    private static let python = ProcessInfo.processInfo.environment["ENTENTE_PYTHON"] ?? "python3"
    private static let program = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../docs/examples/open_sealed.py").standardized.path

    private static let isRunnable: Bool = {
        let unpacks = "import shutil, importlib.util as u; assert u.find_spec('zstandard') or shutil.which('zstd')"
        return Tool.run(python, "-c", "import nacl.bindings; \(unpacks)")?.status == 0
    }()

    private static let comment: Comment =
        "skipped: no python3 with PyNaCl and zstd here (pip install pynacl; ENTENTE_PYTHON names another one)"

    private static let submission = [
        "submit", "attribution", "--field", "chain=BTC", "--field", "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "--json",
    ]

    /// Runs the program on a home; `phrase` is a file that has a passphrase.
    private func open(_ reference: String, in home: String, phrase: String? = nil) throws -> Tool.Outcome {
        let line = "exec \"$@\"" + (phrase.map { " --passphrase-fd 3 3<'\($0)'" } ?? "")
        return try #require(
            Tool.run("setsid", ["-w", "bash", "-c", line, "bash", Self.python, Self.program, "home", home, reference]))
    }

    private func values(_ outcome: Tool.Outcome) -> [String: String] {
        #expect(outcome.status == 0, "\(outcome.output)")
        var values: [String: String] = [:]
        for line in outcome.output.split(separator: "\n") {
            let object = (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: Any]
            if let name = object?["field"] as? String { values[name] = object?["value"] as? String }
        }
        return values
    }

    @Test(.enabled(if: isRunnable, comment)) func anotherProgramOpensWhatAHomeHolds() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let secret = try place.file("secret.txt", "Sky \"Mavis\" é\n")
        func submit(_ label: String, _ more: String...) throws -> String {
            let outcome = try Entente.run(
                ["--home", "\(place.path)/us"] + Self.submission
                    + ["--field", "label=\(label)", "--field", "victim=@\(secret)", "--field", "note=@\(secret)"] + more
            )
            return try #require(outcome.objects.first?["ref"] as? String, "\(outcome.errors)")
        }
        // Enough entries for bundles that are compressed, and one that is not.
        let first = try submit("first", "--to", "kr.example")
        _ = try place.fill("us", records: 600)
        try place.must("us", "key", "rotate", "sealing")
        let second = try submit("second")
        try place.must("us", "grant", second, "--to", "jp.example")
        let us = try place.serve("us")
        for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
        let expected = ["victim": "Sky \"Mavis\" é", "note": "Sky \"Mavis\" é"]
        // While the node runs, with the keys of both epochs.
        for reference in [first, second] {
            #expect(try values(open(reference, in: "\(place.path)/us")) == expected)
        }
        us.terminate()
        us.waitUntilExit()
        #expect(try values(open(first, in: "\(place.path)/kr")) == expected)
        #expect(try values(open(second, in: "\(place.path)/jp")) == expected, "by the grant")
        for (reference, home, reason) in [
            (second, "kr", "not_here_or_was_erased"), ("us.example/krus#0", "us", "nothing_is_sealed"),
            ("us.example/krus#9999", "us", "no_such_record"), ("xx.example/krus#1", "us", "no_such_log"),
            ("us.example/krus", "us", "no_reference: write the log, # and"),
            ("us.example/krus/3", "us", "no_reference: write the log, # and"),
        ] {
            let refused = try open(reference, in: "\(place.path)/\(home)")
            #expect(refused.status == 1 && refused.output.contains(reason), "\(refused.output)")
        }
        try place.must("us", "key", "destroy", "1", "--yes")
        let lost = try open(first, in: "\(place.path)/us")
        #expect(lost.status == 1 && lost.output == "refused: key_missing\n")
    }

    @Test(.enabled(if: isRunnable, comment)) func itTakesThePassphraseOfTheKeys() throws {
        let place = try Place()
        let phrase = try place.file("phrase.txt", "a passphrase é\n")
        let wrong = try place.file("wrong.txt", "another passphrase\n")
        try place.found("us", under: phrase)
        let secret = try place.file("secret.txt", "Sky Mavis")
        let submitted = try place.detached(
            "us", Self.submission + ["--field", "label=x", "--field", "victim=@\(secret)"], phrase: phrase)
        let reference = try #require(submitted.objects.first?["ref"] as? String, "\(submitted.errors)")
        #expect(try values(open(reference, in: "\(place.path)/us", phrase: phrase)) == ["victim": "Sky Mavis"])
        let refused = try open(reference, in: "\(place.path)/us", phrase: wrong)
        #expect(refused.status == 1 && refused.output.contains("wrong_passphrase"), "\(refused.output)")
        // Nobody is there to be asked.
        #expect(try open(reference, in: "\(place.path)/us").status == 77)
    }

    /// Changes the database of a home as another release would have left it.
    private func alter(_ home: String, _ statements: String) throws {
        let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])"
        let done = try #require(Tool.run(Self.python, "-c", script, "\(home)/node.sqlite", statements))
        #expect(done.status == 0, "\(done.output)")
    }

    @Test(.enabled(if: isRunnable, comment)) func itReadsDatabasesOfLaterAndOfEarlierReleases() throws {
        let place = try Place()
        try place.federate("us", "jp")
        let secret = try place.file("secret.txt", "Sky Mavis")
        let submitted = try Entente.run(
            ["--home", "\(place.path)/us"] + Self.submission
                + ["--field", "label=x", "--field", "victim=@\(secret)", "--to", "us.example"])
        let reference = try #require(submitted.objects.first?["ref"] as? String, "\(submitted.errors)")
        try place.must("us", "grant", reference, "--to", "jp.example")
        try place.serve("us")
        try place.must("jp", "sync", "us.example")
        let home = "\(place.path)/jp"
        try alter(home, "PRAGMA user_version = 99; CREATE TABLE of_tomorrow (number INTEGER)")
        #expect(try values(open(reference, in: home)) == ["victim": "Sky Mavis"])
        try alter(
            home,
            """
            CREATE TABLE sealed_grant AS SELECT number, log.id AS log, entry, record FROM access_grant
                JOIN log USING (log_id);
            DROP TABLE access_grant; PRAGMA user_version = 6
            """)
        #expect(try values(open(reference, in: home)) == ["victim": "Sky Mavis"])
        try alter(home, "DROP TABLE sealed_grant; PRAGMA user_version = 2")
        let ungranted = try open(reference, in: home)
        #expect(ungranted.status == 1 && ungranted.output.contains("grants are not looked for"), "\(ungranted.output)")
        try alter(home, "ALTER TABLE bundle RENAME TO bundle_of_tomorrow")
        let unknown = try open(reference, in: home)
        #expect(unknown.status == 1 && unknown.output.contains("version_2_is_not_known_here"), "\(unknown.output)")
    }

    @Test(.enabled(if: isRunnable, comment)) func aKeyFileThatCannotBeReadIsNamedAndAnotherOneOpens() throws {
        let place = try Place()
        try place.found("us")
        let secret = try place.file("secret.txt", "Sky Mavis")
        let submitted = try Entente.run(
            ["--home", "\(place.path)/us"] + Self.submission + ["--field", "label=x", "--field", "victim=@\(secret)"])
        let reference = try #require(submitted.objects.first?["ref"] as? String, "\(submitted.errors)")
        let home = "\(place.path)/us"
        let key = "entente-key/1 plain x25519 us.example#2"
        for text in ["", "no key\n", "\(key) !!!\n", "\(key) AAAA\n"] {
            try Data(text.utf8).write(to: URL(fileURLWithPath: "\(home)/keys/sealing-2.key"))
            let outcome = try open(reference, in: home)
            #expect(outcome.output.contains("left out: \(home)/keys/sealing-2.key"), "\(outcome.output)")
            #expect(values(outcome) == ["victim": "Sky Mavis"])
        }
        for number in ["x", "-1", ""] {
            let refused = try #require(
                Tool.run(Self.python, Self.program, "home", home, reference, "--passphrase-fd", number))
            #expect(
                refused.status == 64 && refused.output.contains("--passphrase-fd takes the number"), "\(refused.output)"
            )
        }
    }
}
