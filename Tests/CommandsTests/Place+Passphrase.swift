import Foundation
import Testing

/// Homes whose keys are under a passphrase, which stands in a file.
extension Place {
    /// Makes a home that partners reach at a free port.
    func found(_ node: String, under phrase: String) throws {
        let port = try Place.freePort()
        let made = try detached(
            node,
            [
                "init", "--node", "\(node).example", "--community", "krus", "--listen", "127.0.0.1:\(port)",
                "--endpoint", "127.0.0.1:\(port)",
            ], phrase: phrase)
        #expect(made.status == 0, "\(made.errors)")
        _ = try file("\(node).yaml", try must(node, "identity").output)
    }

    /// Starts `run` with the passphrase, and waits until it listens.
    ///
    /// - Parameters:
    ///   - before: a command that runs it.
    ///   - errors: where it logs; nowhere without.
    @discardableResult
    func serve(_ node: String, under phrase: String, before: String = "", errors: FileHandle? = nil) throws -> Process {
        let output = Pipe()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = [
            "-c",
            "exec \(before) '\(Entente.path)' --home '\(path)/\(node)' run --json --passphrase-fd 3 3<'\(phrase)'",
        ]
        process.environment = ["PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "SWIFT_BACKTRACE": "enable=no"]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = errors ?? FileHandle.nullDevice
        try process.run()
        keep(node, process)
        let first = output.fileHandleForReading.availableData
        #expect(String(decoding: first, as: UTF8.self).contains("listening"))
        return process
    }

    /// Runs a command without a terminal, on which the passphrase would be asked for. Descriptor 3 has it, where a file
    /// is named, and descriptor 4 a new one.
    func detached(
        _ node: String, _ arguments: [String], phrase: String? = nil, new: String? = nil, below tool: [String] = []
    ) throws -> Entente.Outcome {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/setsid")
        let line =
            "exec \"$@\"" + (phrase.map { " --passphrase-fd 3 3<'\($0)'" } ?? "")
            + (new.map { " --new-passphrase-fd 4 4<'\($0)'" } ?? "")
        process.arguments =
            ["-w", "/bin/bash", "-c", line, "bash"] + tool + [Entente.path, "--home", "\(path)/\(node)"] + arguments
        process.environment = ["PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "SWIFT_BACKTRACE": "enable=no"]
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let out = output.fileHandleForReading.readDataToEndOfFile()
        let err = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Entente.Outcome(
            status: process.terminationStatus, output: String(decoding: out, as: UTF8.self),
            errors: String(decoding: err, as: UTF8.self))
    }

    /// Whether no private key of a home is on the disk in clear.
    func isEncrypted(_ node: String) throws -> Bool {
        let folder = "\(path)/\(node)/keys"
        let text = try FileManager.default.contentsOfDirectory(atPath: folder)
            .map { try String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8) }.joined()
        return !text.contains("entente-key/1 plain") && !text.contains("PRIVATE KEY")
            && text.contains("entente-passphrase/1 argon2id \(node).example 3 268435456 ")
    }
}
