import Foundation
import Glibc
import Records

/// Another process of this same program.
final class ChildProcess {
    private let process = Process()
    private let output = Pipe()

    /// Starts `entente` with these arguments. What it says on standard error is
    /// dropped unless `showsErrors`, or goes to a file.
    init(_ arguments: [String], showsErrors: Bool = false, errorFile: String? = nil) throws {
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = arguments
        process.standardOutput = output
        process.standardInput = FileHandle.nullDevice
        if let errorFile {
            _ = FileManager.default.createFile(atPath: errorFile, contents: nil, attributes: [.posixPermissions: 0o600])
            process.standardError = FileHandle(forWritingAtPath: errorFile) ?? FileHandle.nullDevice
        } else if !showsErrors {
            process.standardError = FileHandle.nullDevice
        }
        try process.run()
    }

    /// Its process id.
    var identifier: Int32 { process.processIdentifier }

    /// The first line that the process prints; waits for it.
    func firstLine() -> String {
        var line: [UInt8] = []
        while let byte = try? output.fileHandleForReading.read(upToCount: 1), let first = byte.first, first != 0x0A {
            line.append(first)
        }
        return String(decoding: line, as: UTF8.self)
    }

    /// Everything that it prints, and its exit status, once it has ended.
    func finish() -> (status: Int32, output: String) {
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }

    /// SIGKILL: no goodbye of any kind.
    func kill() {
        Glibc.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// SIGTERM, and waits for the end.
    func stop() {
        process.terminate()
        process.waitUntilExit()
    }

    /// Runs to the end; throws where the status is not among those expected.
    @discardableResult
    static func run(_ arguments: [String], expecting statuses: Set<Int32> = [0]) throws -> String {
        let child = try ChildProcess(arguments, showsErrors: statuses == [0])
        let (status, output) = child.finish()
        guard statuses.contains(status) else {
            throw CommandFailure(
                .internal, "`entente \(arguments.joined(separator: " "))` ended with \(status): \(output.prefix(400))")
        }
        return output
    }

    /// Runs to the end and reads its output as JSON, one value a line.
    static func json(_ arguments: [String], expecting statuses: Set<Int32> = [0]) throws -> [JSONValue] {
        try run(arguments + ["--json"], expecting: statuses).split(separator: "\n").map {
            try JSONScanner.scan(text: String($0))
        }
    }
}
