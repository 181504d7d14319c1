import Foundation
import Glibc
import Testing

/// A value that is to be left nowhere: as it is, as search spells it, and encoded.
struct Marker {
    let text: String
    let forms: [[UInt8]]

    init() {
        let text = "Kestrel\(UUID().uuidString.prefix(13)) Ltd"
        self.text = text
        let normalised = text.lowercased().replacingOccurrences(of: "-", with: " ")
        // Base64 of the bytes at each of the three offsets, without the ends that depend on the neighbours.
        let encoded = (0..<3).map { offset in
            let padded = Data(repeating: 0, count: offset) + Data(text.utf8)
            return String(padded.base64EncodedString().dropFirst(4).dropLast(4))
        }
        let hex = text.utf8.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        // Read as UTF-16 of either order; the first byte is the same place in both but for a zero.
        let wide: [UInt8] = text.utf8.flatMap { [$0, 0] }.dropLast()
        let texts: [[UInt8]] = ([text, text.lowercased(), normalised, hex, hex.uppercased()] + encoded).map {
            Array($0.utf8)
        }
        forms = texts + [wide]
    }

    func stands(in data: Data) -> Bool { forms.contains { MemoryImage.stands($0, in: data) } }
    func stands(in text: String) -> Bool { stands(in: Data(text.utf8)) }
}

/// Three nodes that run with all that they log in files, a folder for temporary files that only they have, and all
/// places where a value may be left.
final class PlaintextScene {
    let place: Place
    let marker = Marker()
    private let started = Date()
    private var running: [Process] = []
    /// Files that are given to the program and have the value.
    let inputs: String
    private let temporary: String

    static let nodes = ["us", "kr", "jp"]

    init() throws {
        place = try Place()
        inputs = "\(place.path)/inputs"
        temporary = "\(place.path)/temporary"
        for folder in [inputs, temporary] {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        }
        try place.federate("us", "kr", "jp")
        for node in Self.nodes { try serve(node) }
    }

    deinit { stop() }

    private var environment: [String: String] {
        // SQLite spills pages of its files now and then, which are looked at where they lie.
        [
            "PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "SWIFT_BACKTRACE": "enable=no", "TMPDIR": temporary,
            "SQLITE_TMPDIR": place.path,
        ]
    }

    /// A file that has the value where the text has `VALUE`.
    func input(_ name: String, _ text: String) throws -> String {
        let path = "\(inputs)/\(name)"
        try Data(text.replacingOccurrences(of: "VALUE", with: marker.text).utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    /// Starts `run` with all that it logs going to a file.
    func serve(_ node: String) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Entente.path)
        process.arguments = ["--home", "\(place.path)/\(node)", "run", "--json", "--verbose"]
        process.environment = environment
        let output = Pipe()
        process.standardOutput = output
        process.standardInput = FileHandle.nullDevice
        let log = "\(place.path)/\(node).log"
        if !FileManager.default.fileExists(atPath: log) {
            #expect(FileManager.default.createFile(atPath: log, contents: nil))
        }
        let errors = try FileHandle(forWritingTo: URL(fileURLWithPath: log))
        try errors.seekToEnd()
        process.standardError = errors
        try process.run()
        place.keep(node, process)
        running.append(process)
        #expect(String(decoding: output.fileHandleForReading.availableData, as: UTF8.self).contains("listening"))
    }

    func stop() {
        for node in Self.nodes { place.stop(node) }
        running = []
    }

    /// Stops one node.
    func stop(_ node: String) {
        let process = place.lastRun(of: node)
        place.stop(node)
        running.removeAll { $0 === process }
    }

    /// Runs a command to its end. Neither what it says nor its arguments have the value, and it makes no file in the
    /// temporary folder, not even for a moment.
    ///
    /// - Parameters:
    ///   - typed: given on a terminal at the first prompt.
    ///   - shows: whether it is a command that shows values.
    ///   - sorts: whether SQLite may have a file of its own there for a moment, as it does where it copies a database.
    @discardableResult
    func run(
        _ node: String, _ arguments: [String], typed: String? = nil, status: Int32? = 0, shows: Bool = false,
        sorts: Bool = false, at location: SourceLocation = #_sourceLocation
    ) throws -> Entente.Outcome {
        let before = try times(of: temporary)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Entente.path)
        process.arguments = ["--home", "\(place.path)/\(node)"] + arguments
        process.environment = environment
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        let terminal = try typed.map { _ in try Terminal() }
        process.standardInput = terminal?.program ?? FileHandle.nullDevice
        try process.run()
        for name in ["cmdline", "environ"] {
            let data = FileManager.default.contents(atPath: "/proc/\(process.processIdentifier)/\(name)") ?? Data()
            #expect(!marker.stands(in: data), sourceLocation: location)
        }
        var err = Data()
        if let typed, let terminal {
            // The prompt comes when nothing typed is shown any more.
            while !String(decoding: err, as: UTF8.self).contains(": ") {
                let more = errors.fileHandleForReading.availableData
                guard !more.isEmpty else { break }
                err += more
            }
            terminal.type(typed + "\n")
        }
        let out = output.fileHandleForReading.readDataToEndOfFile()
        err += errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let errorText = String(decoding: err, as: UTF8.self)
        if let status {
            #expect(process.terminationStatus == status, "\(arguments): \(errorText)", sourceLocation: location)
        }
        #expect(marker.stands(in: out) == shows, "\(arguments)", sourceLocation: location)
        #expect(!marker.stands(in: err), "\(arguments): \(errorText)", sourceLocation: location)
        if let shown = terminal?.shown() { #expect(!marker.stands(in: shown), sourceLocation: location) }
        #expect(
            try sorts || times(of: temporary) == before, "\(arguments) made a temporary file", sourceLocation: location)
        return Entente.Outcome(
            status: process.terminationStatus, output: String(decoding: out, as: UTF8.self), errors: errorText)
    }

    private func times(of folder: String) throws -> [Int] {
        var status = stat()
        try #require(stat(folder, &status) == 0)
        return [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
    }

    // MARK: Where it may be left

    /// In homes with their write-ahead logs, in logs, backups, exports and anything else that lies in the place but what
    /// was given to the program; in temporary files; and in processes that run on.
    func expectNone(at location: SourceLocation = #_sourceLocation) throws {
        var count = 0
        for name in try FileManager.default.subpathsOfDirectory(atPath: place.path) where !name.hasPrefix("inputs/") {
            #expect(!marker.stands(in: name), "\(name)", sourceLocation: location)
            guard let data = FileManager.default.contents(atPath: "\(place.path)/\(name)") else { continue }
            count += 1
            #expect(!marker.stands(in: data), "\(name)", sourceLocation: location)
        }
        #expect(count > 0, sourceLocation: location)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: temporary) == [], sourceLocation: location)
        expectNoneInTemporaryFolders(at: location)
        for process in running {
            for name in ["cmdline", "environ"] {
                let data = FileManager.default.contents(atPath: "/proc/\(process.processIdentifier)/\(name)") ?? Data()
                #expect(!marker.stands(in: data), sourceLocation: location)
            }
            // Running nodes pass envelopes on and open none.
            for region in Self.memory(of: process) ?? [] {
                #expect(!marker.stands(in: region.bytes), sourceLocation: location)
            }
        }
    }

    /// What records say in the open is compressed in databases and backups; tiles have it as it is.
    func expectNoneInBodies(at location: SourceLocation = #_sourceLocation) throws {
        for node in Self.nodes {
            try run(node, ["export", "--format", "tiles", "\(place.path)/tiles-\(node)"], at: location)
        }
    }

    /// Files that anybody made in the usual places since the test began.
    private func expectNoneInTemporaryFolders(at location: SourceLocation) {
        for folder in Set(["/tmp", "/var/tmp", "/dev/shm", NSTemporaryDirectory()]) {
            for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
                let path = (folder.hasSuffix("/") ? folder : folder + "/") + name
                guard path != place.path, let attributes = try? FileManager.default.attributesOfItem(atPath: path),
                    attributes[.type] as? FileAttributeType == .typeRegular,
                    (attributes[.modificationDate] as? Date).map({ $0 >= started.addingTimeInterval(-1) }) == true,
                    (attributes[.size] as? Int ?? 0) < 64 << 20,
                    let data = FileManager.default.contents(atPath: path)
                else { continue }
                #expect(!marker.stands(in: data), "\(path)", sourceLocation: location)
            }
        }
    }

    /// What a process may read and write; `nil`, with a line that says so, where it does not let itself be read: then
    /// nothing is known of its memory.
    static func memory(of process: Process) -> [MemoryImage.Region]? {
        guard let image = MemoryImage(of: process) else {
            print("memory not looked at: this system does not let that of another process be read (root may)")
            return nil
        }
        return image.regions.filter(\.isWritable)
    }
}

/// A terminal for a program that asks; what is written here is typed.
final class Terminal {
    private let descriptor: Int32
    let program: FileHandle

    init() throws {
        descriptor = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        var lock: Int32 = 0
        var number: Int32 = 0
        // TIOCSPTLCK and TIOCGPTN of ioctl_tty(2): the other end is unlocked, and its number asked for.
        try #require(
            descriptor >= 0 && ioctl(descriptor, 0x4004_5431, &lock) == 0
                && ioctl(descriptor, 0x8004_5430, &number) == 0)
        let end = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
        try #require(end >= 0)
        program = FileHandle(fileDescriptor: end, closeOnDealloc: true)
    }

    deinit { close(descriptor) }

    func type(_ text: String) {
        let bytes = Array(text.utf8)
        #expect(write(descriptor, bytes, bytes.count) == bytes.count)
    }

    /// What stands on the screen so far.
    func shown() -> Data {
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = read(descriptor, &bytes, bytes.count)
        return Data(bytes.prefix(max(0, count)))
    }
}
