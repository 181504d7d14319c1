import Foundation
import Glibc
import Testing

/// The descriptor that a passphrase comes from, in the real program.
@Suite(.serialized) struct PassphraseDescriptorTests {
    private let place: Place
    private let phrase: String

    init() throws {
        place = try Place()
        phrase = try place.file("phrase.txt", "the old passphrase\n")
        try place.found("us", under: phrase)
    }

    /// The flags of an open file of a process, and what it is; `nil` where the number is free.
    private func descriptor(_ number: Int, of process: Process) -> (flags: Int, target: String)? {
        let folder = "/proc/\(process.processIdentifier)"
        guard let info = try? String(contentsOfFile: "\(folder)/fdinfo/\(number)", encoding: .utf8),
            let line = info.split(separator: "\n").first(where: { $0.hasPrefix("flags:") }),
            let flags = line.split(separator: "\t").last.flatMap({ Int($0, radix: 8) }),
            let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/fd/\(number)")
        else { return nil }
        return (flags, target)
    }

    private func isOpen(_ file: String, in process: Process) throws -> Bool {
        let folder = "/proc/\(process.processIdentifier)/fd"
        return try FileManager.default.contentsOfDirectory(atPath: folder).contains {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)")) == file
        }
    }

    @Test func aRunningNodeHasNotKeptTheDescriptorOfItsPassphrase() throws {
        let running = try place.serve("us", under: phrase)
        #expect(try !isOpen(phrase, in: running))
        // Otherwise nothing is shown.
        #expect(try isOpen("\(place.path)/us/run.lock", in: running))
        place.stop()
        // Nor where the keys are plain, and nobody reads it.
        #expect(try place.detached("us", ["key", "passphrase", "--no-passphrase"], phrase: phrase).status == 0)
        #expect(try !isOpen(phrase, in: place.serve("us", under: phrase)))
        place.stop()
    }

    /// Its number would be that of a file which the program opens itself, and closes later as the passphrase's.
    @Test(arguments: [3, 7, 9, 16]) func aDescriptorThatIsNotOpenIsRefused(number: Int) throws {
        for command in ["run", "status", "submit --dry-run"] {
            let words = command.split(separator: " ").map(String.init)
            let outcome = try place.detached("us", words + ["--passphrase-fd", "\(number)"])
            #expect(outcome.status == 64 && outcome.errors.contains("no such descriptor is open"), "\(outcome)")
        }
    }

    @Test func noChildWouldInheritTheDescriptorsOfPassphrases() throws {
        let pipe = "\(place.path)/pipe"
        #expect(mkfifo(pipe, 0o600) == 0)
        for (command, number) in [
            ("status --passphrase-fd 3 3<>'\(pipe)'", 3),
            ("key passphrase --passphrase-fd 3 --new-passphrase-fd 4 3<>'\(pipe)' 4<'\(phrase)'", 4),
        ] {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/bin/bash")
            process.arguments = ["-c", "exec '\(Entente.path)' --home '\(place.path)/us' \(command)"]
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            // It waits for the passphrase, which nobody gives.
            let isSet = Entente.waits { (descriptor(number, of: process)?.flags ?? 0) & Int(O_CLOEXEC) != 0 }
            #expect(isSet && process.isRunning, "\(command)")
            process.terminate()
            process.waitUntilExit()
        }
    }

    @Test func oneDescriptorMayGiveThePassphraseSoFarAndTheNewOne() throws {
        let both = try place.file("both.txt", "the old passphrase\nthe new passphrase\n")
        let changed = try place.detached(
            "us", ["key", "passphrase", "--new-passphrase-fd", "3"], phrase: both)
        #expect(changed.status == 0, "\(changed.errors)")
        let new = try place.file("new.txt", "the new passphrase\n")
        #expect(try place.detached("us", ["key", "rotate", "sealing"], phrase: new).status == 0)
        #expect(try place.detached("us", ["key", "rotate", "sealing"], phrase: phrase).status == 77)
    }
}
