import Foundation
import Glibc
import Testing

/// A crash ends the program and nothing more: what the Swift runtime would report of it has the memory that registers
/// point to, and standard error goes into a service's log.
@Suite(.serialized) struct CrashTests {
    private let place: Place

    init() throws {
        place = try Place()
        try place.found("us")
    }

    /// The program without the variable that other tests set to have no report, or with what asks for one. What the
    /// operator's shell sets beside it is not inherited.
    private func start(_ arguments: [String], backtrace: String?, output: Pipe, errors: Pipe) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Entente.path)
        process.arguments = ["--home", "\(place.path)/us"] + arguments
        process.environment = ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"]
        if let backtrace { process.environment?["SWIFT_BACKTRACE"] = backtrace }
        // The reporter, where it is not found by the place of the runtime.
        if let root = ProcessInfo.processInfo.environment["SWIFT_ROOT"] { process.environment?["SWIFT_ROOT"] = root }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        return process
    }

    /// Signals that the runtime handles: those of a crash, by somebody else here.
    private static let signals = [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGQUIT]

    private func expectNoReport(
        of process: Process, _ errors: Pipe, after signal: Int32, _ what: String,
        at location: SourceLocation = #_sourceLocation
    ) {
        kill(process.processIdentifier, signal)
        let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationReason == .uncaughtSignal, "\(what)", sourceLocation: location)
        #expect(process.terminationStatus == signal, "\(what)", sourceLocation: location)
        for mark in ["Registers", "Backtrace", "Crash", "rsp", "Thread ", "Images"] {
            #expect(!said.contains(mark), "\(what): \(said.prefix(2_000))", sourceLocation: location)
        }
        #expect(said.utf8.count < 500, "\(what): \(said.prefix(2_000))", sourceLocation: location)
    }

    @Test(arguments: [nil, "enable=yes", "enable=yes,color=no,registers=all,threads=all"] as [String?])
    func aNodeThatCrashesReportsNoMemory(backtrace: String?) throws {
        for signal in backtrace == nil ? Self.signals : [SIGSEGV, SIGABRT] {
            let (output, errors) = (Pipe(), Pipe())
            let node = try start(["run", "--json"], backtrace: backtrace, output: output, errors: errors)
            #expect(
                String(decoding: output.fileHandleForReading.availableData, as: UTF8.self).contains("listening"))
            expectNoReport(of: node, errors, after: signal, "run, signal \(signal), \(backtrace ?? "nothing set")")
        }
    }

    @Test(arguments: [nil, "enable=yes"] as [String?])
    func aCommandThatCrashesWithAValueInItsHandsReportsNoMemory(backtrace: String?) throws {
        // Rows that were refused, more of them than a pipe takes: the command stops in the middle of showing them.
        let value = "KestrelQuartz9431Holdings"
        let row =
            #"{"type":"attribution","label":"x","victim":"\#(value)","subject":{"chain":"eip155:1","address":"no"}}"#
        let file = try place.file("rows.jsonl", String(repeating: row + "\n", count: 3_000))
        try place.run("us", "import", file)
        let (output, errors) = (Pipe(), Pipe())
        let command = try start(
            ["quarantine", "show", "rows.jsonl"], backtrace: backtrace, output: output, errors: errors)
        // It has begun to write, and nobody reads on.
        let begun = output.fileHandleForReading.readData(ofLength: 1)
        #expect(begun.count == 1)
        usleep(300_000)
        #expect(command.isRunning)
        expectNoReport(of: command, errors, after: SIGSEGV, "quarantine show, \(backtrace ?? "nothing set")")
    }
}
