import Foundation
import Testing

/// The tour of the README is run as it stands there, and must print what it says it prints.
@Suite struct ReadmeTests {
    private static let root: URL = {
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { url.deleteLastPathComponent() }
        return url
    }()

    /// The commands of the console blocks, each with the lines that it prints.
    private func tour() throws -> [(command: String, output: [String])] {
        let text = try String(contentsOf: Self.root.appendingPathComponent("README.md"), encoding: .utf8)
        var steps: [(command: String, output: [String])] = []
        var isInside = false
        for line in text.components(separatedBy: "\n") {
            if line.hasPrefix("```") {
                isInside = line == "```console"
            } else if isInside, line.hasPrefix("$ ") {
                steps.append((String(line.dropFirst(2)), []))
            } else if isInside, !line.isEmpty, !steps.isEmpty {
                steps[steps.count - 1].output.append(line)
            }
        }
        return steps
    }

    /// Without what differs from run to run: keys, hashes, times, byte counts, ports.
    private func masked(_ line: String) -> String {
        var line = line
        for (pattern, mask) in [
            (#"([0-9a-f]{4} ){15}[0-9a-f]{4}"#, "FINGERPRINT"), (#"[0-9a-f]{64}"#, "HASH"),
            (#"[A-Za-z0-9+/]{43}="#, "ROOT"), (#"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:]{8}Z)?"#, "TIME"),
            (#"[0-9,]+ bytes in, [0-9,]+ out"#, "BYTES"), (#"[0-9.]+ s\b"#, "SECONDS"),
            (#"127\.0\.0\.1:[0-9]+"#, "ADDRESS"),
            (#"author: .*"#, "AUTHOR"),
            // Columns are as wide as the port.
            (#" {2,}"#, "  "),
            // The running node tries the partner that only ever calls, sooner or later.
            (#"(SECONDS ago  -)  .*"#, "$1  ERROR"),
        ] {
            line = line.replacingOccurrences(of: pattern, with: mask, options: .regularExpression)
        }
        return line.trimmingCharacters(in: .whitespaces)
    }

    @Test func theTourPrintsWhatTheReadmeSays() throws {
        let steps = try tour()
        try #require(steps.count > 12)
        let place = try Place()
        try FileManager.default.createDirectory(atPath: "\(place.path)/bin", withIntermediateDirectories: false)
        try FileManager.default.createSymbolicLink(
            atPath: "\(place.path)/bin/entente", withDestinationPath: Entente.path)
        try FileManager.default.createSymbolicLink(
            atPath: "\(place.path)/Examples", withDestinationPath: Place.examples)
        let ports = try [Place.freePort(), Place.freePort()]
        var script = "exec 2>/dev/null\n"
        for (number, step) in steps.enumerated() {
            let command = step.command.replacingOccurrences(of: "7962", with: "\(ports[0])")
                .replacingOccurrences(of: "7963", with: "\(ports[1])")
            script += "echo '@@\(number)'\n\(command)\n"
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", script]
        process.currentDirectoryURL = URL(fileURLWithPath: place.path)
        process.environment = ["PATH": "\(place.path)/bin:/usr/bin:/bin", "HOME": "/nonexistent"]
        let output = Pipe()
        process.standardOutput = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        var printed: [Int: [String]] = [:]
        var current = -1
        for line in text.components(separatedBy: "\n") where !line.isEmpty {
            if line.hasPrefix("@@"), let number = Int(line.dropFirst(2)) {
                current = number
            } else {
                printed[current, default: []].append(
                    line.replacingOccurrences(of: "\(place.path)/", with: ""))
            }
        }
        for (number, step) in steps.enumerated() {
            #expect((printed[number] ?? []).map(masked) == step.output.map(masked), "\(step.command)")
        }
    }
}
