import Foundation
import Testing

/// The console excerpts of the auditors' pages are run as they stand there, and print what they say they print: their
/// numbers, keys, hashes and times aside.
@Suite(.serialized) struct DocumentTests {
    private struct Step {
        let command: String
        var output: [String] = []
    }

    /// The indented blocks that begin with a command, each command with what it prints. A backslash goes on with it.
    private static func steps(of document: String) throws -> [Step] {
        let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "../../docs/\(document)")
        var steps: [Step] = []
        var isInside = false
        var isUnfinished = false
        for line in try String(contentsOf: url, encoding: .utf8).components(separatedBy: "\n") {
            let text = line.trimmingCharacters(in: .whitespaces)
            guard line.hasPrefix("    ") else {
                isInside = false
                continue
            }
            if isUnfinished {
                let before = steps.removeLast().command.dropLast()
                steps.append(Step(command: before + text))
            } else if text.hasPrefix("$ ") {
                isInside = true
                steps.append(Step(command: String(text.dropFirst(2))))
            } else if isInside {
                steps[steps.count - 1].output.append(text)
            }
            isUnfinished = isInside && text.hasSuffix("\\")
        }
        return steps
    }

    /// Without what differs from run to run, on one line: how lines are broken is the page's own affair.
    private static func masked(_ text: String) -> String {
        var line = text
        for (pattern, mask) in [
            (#"[A-Za-z0-9+/]{43}="#, "ROOT"), (#"[a-z.]+(/krus)?\+[0-9a-f]{8}\+[A-Za-z0-9+/=…]+"#, "KEY"),
            (#"sha256:[0-9a-f…]+"#, "PIN"), (#"\b[0-9a-f]{6}…|\b[0-9a-f]{64}\b"#, "HASH"),
            (#"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:]{8}Z)?"#, "TIME"), (#"\b[0-9][0-9,.]*\b"#, "N"),
            (#"\b(N|0) (s|min|h)\b"#, "N s"), (#"\S*/(?=tiles\b)"#, ""), (#"\s+"#, " "),
        ] {
            line = line.replacingOccurrences(of: pattern, with: mask, options: .regularExpression)
        }
        return line.trimmingCharacters(in: .whitespaces)
    }

    /// Whether the output is what the page says; `…` stands for whatever is left out.
    private static func matches(_ output: String, _ said: [String]) -> Bool {
        let pattern = masked(said.joined(separator: " ")).components(separatedBy: "…")
            .map { NSRegularExpression.escapedPattern(for: $0.trimmingCharacters(in: .whitespaces)) }
            .joined(separator: ".*")
        return masked(output).range(of: "^\(pattern)$", options: .regularExpression) != nil
    }

    /// Runs commands one after the other in a shell; what each has printed.
    private static func run(_ commands: [String], in place: Place) throws -> [String] {
        let bin = "\(place.path)/bin"
        try FileManager.default.createDirectory(atPath: bin, withIntermediateDirectories: false)
        try FileManager.default.createSymbolicLink(atPath: "\(bin)/entente", withDestinationPath: Entente.path)
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { root.deleteLastPathComponent() }
        try FileManager.default.createSymbolicLink(
            atPath: "\(place.path)/docs", withDestinationPath: root.appendingPathComponent("docs").path)
        let script = commands.enumerated().map { "echo '@@\($0)'\n\($1)\n" }.joined()
        let shell =
            "cd '\(place.path)'; export PATH='\(bin)':/usr/bin:/bin:/usr/local/bin:$PATH HOME=/nonexistent "
            + "ENTENTE_HOME='\(place.path)/us'; exec 2>&1 </dev/null; \(script)"
        let output = try #require(Tool.run("bash", "-c", shell)).output
        var printed: [[String]] = []
        for line in output.components(separatedBy: "\n") {
            if line.hasPrefix("@@") {
                printed.append([])
            } else if !printed.isEmpty {
                printed[printed.count - 1].append(line)
            }
        }
        return printed.map { $0.joined(separator: "\n") }
    }

    /// - Parameters:
    ///   - replacements: What stands for the example's names and keys in this run.
    ///   - before: What is done before the command that has such words in it.
    private static func check(
        _ document: String, in place: Place, _ replacements: [(pattern: String, with: String)],
        before: [(words: String, commands: String)] = [], leavingOut: [String] = []
    ) throws {
        let steps = try steps(of: document).filter { step in !leavingOut.contains { step.command.contains($0) } }
        try #require(steps.count > 4)
        let commands = steps.map { step in
            var command = step.command
            for (pattern, text) in replacements {
                command = command.replacingOccurrences(
                    of: pattern, with: NSRegularExpression.escapedTemplate(for: text), options: .regularExpression)
            }
            let first =
                before.first { step.command.contains($0.words) }.map { "{ \($0.commands); } >/dev/null 2>&1\n" } ?? ""
            return first + command
        }
        let printed = try run(commands, in: place)
        #expect(printed.count == steps.count)
        for (step, output) in zip(steps, printed) where !step.output.isEmpty {
            #expect(
                matches(output, step.output),
                "\(document): \(step.command)\n\(masked(output))\n\(masked(step.output.joined(separator: " ")))")
        }
    }

    /// us and kr with each other's logs, us cosigned by both, and serving tiles.
    private struct Scene {
        let place: Place
        let port: Int
        var replacements: [(pattern: String, with: String)]

        init() throws {
            place = try Place()
            try place.federate("us", "kr")
            _ = try place.fill("us", records: 1_050)
            port = try Place.freePort()
            let file = "\(place.path)/us/node.yaml"
            try String(contentsOfFile: file, encoding: .utf8)
                .replacingOccurrences(of: "# tiles: 0.0.0.0:7963", with: "tiles: 127.0.0.1:\(port)")
                .write(toFile: file, atomically: false, encoding: .utf8)
            try place.serve("us")
            // The owner dates its checkpoint first.
            sleep(2)
            try place.must("kr", "sync", "us.example")
            func word(_ prefix: String, _ node: String, in place: Place) throws -> String {
                let card = try String(contentsOfFile: "\(place.path)/\(node).yaml", encoding: .utf8)
                let line = try #require(card.split(separator: "\n").first { $0.contains(prefix) })
                return String(try #require(line.split(separator: " ").last))
            }
            replacements = [
                (#"us\.example/krus\+[0-9a-f]{8}\+\S+…"#, try word(" vkey: ", "us", in: place)),
                (#"us\.example\+[0-9a-f]{8}\+\S+…"#, try word("mirror_key: ", "us", in: place)),
                (#"kr\.example\+[0-9a-f]{8}\+\S+…"#, try word("mirror_key: ", "kr", in: place)),
                (#"--pin sha256:\S+"#, "--pin " + (try word("- sha256:", "us", in: place))),
                ("node.us.example:7963", "127.0.0.1:\(port)"), ("/srv/tiles", "tiles"),
                ("2026-11-24T20:30:00Z", "2099-01-01T00:00:00Z"), ("2026-01-01", "2020-01-01"),
            ]
            let keys = replacements.map(\.with)
            _ = try place.file(
                "agencies.policy",
                """
                log \(keys[0])
                witness owner \(keys[1])
                witness partner \(keys[2])
                group agencies all owner partner
                quorum agencies

                """)
            try DatabaseFile("\(place.path)/us/node.sqlite").execute("VACUUM INTO '\(place.path)/copy.sqlite'")
        }
    }

    private static let hasTools =
        Tool.run("python3", "-c", "import cryptography")?.status == 0 && Tool.run("openssl", "version")?.status == 0
        && Tool.run("curl", "--version")?.status == 0

    @Test(.enabled(if: hasTools, "skipped: no python3 with cryptography, openssl or curl here"))
    func auditingPrintsWhatThePageSays() throws {
        let scene = try Scene()
        try Self.check(
            "auditing.md", in: scene.place, scene.replacements,
            // The running node obeys within moments.
            before: [("verify https://", "sleep 2")],
            // What it says of a log that is late takes days to come about.
            leavingOut: ["entente status"])
        scene.place.stop()
    }

    @Test(.enabled(if: hasTools, "skipped: no python3 with cryptography, openssl or curl here"))
    func tilesPrintsWhatThePageSays() throws {
        let scene = try Scene()
        let more =
            "entente submit attribution --field chain=BTC --field address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa --field label=a"
        try Self.check(
            "tiles.md", in: scene.place,
            scene.replacements + [("verify broken", "verify broken-tiles"), ("^curl", "curl -s")],
            before: [
                (
                    "verify broken",
                    "cp -r tiles broken-tiles; printf X | dd of=broken-tiles/krus/tile/entries/002 bs=1 seek=600 conv=notrunc"
                ),
                ("--format tiles", "[ ! -d tiles ] || \(more)"),
                ("verify /srv/tiles", "entente --home kr sync us.example; entente export --format tiles tiles"),
            ], leavingOut: ["entente run", "--vkey … "])
        scene.place.stop()
    }
}
