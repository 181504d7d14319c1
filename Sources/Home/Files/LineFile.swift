import Glibc

/// Files of this user that hold a line for each thing, read a line at a time whatever their size.
package enum LineFile {
    /// Reads a file from its beginning: each line without its break, `nil` for one that is longer than the limit. A
    /// file that is not there has no lines.
    package static func read(_ path: String, maximumLine: Int, _ body: ([UInt8]?) throws -> Void) throws {
        guard try SystemCall.status(path) != nil else { return }
        try read(OpenFile(path, O_RDONLY | O_NONBLOCK), maximumLine: maximumLine, body)
    }

    private static func read(
        _ file: borrowing OpenFile, maximumLine: Int, _ body: ([UInt8]?) throws -> Void
    ) throws {
        let status = try file.status()
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw HomeError(.configuration, "is not a regular file", path: file.path)
        }
        try Ownership.check(status, file.path)
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var line: [UInt8] = []
        var isTooLong = false
        func add(_ part: ArraySlice<UInt8>) {
            isTooLong = isTooLong || line.count + part.count > maximumLine
            if !isTooLong { line += part }
        }
        func finish() throws {
            try body(isTooLong ? nil : line)
            line.removeAll(keepingCapacity: true)
            isTooLong = false
        }
        while true {
            let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
            if count == 0 { break }
            var rest = buffer[..<count]
            while let end = rest.firstIndex(of: 0x0A) {
                add(rest[..<end])
                try finish()
                rest = rest[(end + 1)...]
            }
            add(rest)
        }
        if !line.isEmpty || isTooLong { try finish() }
    }

    /// Writes a file anew with what the closure makes of each line: `nil` leaves it out. The lines stand there whole,
    /// as they were or as they are to be, whatever happens; throws `busy` while somebody writes the file.
    package static func rewrite(
        _ path: String, maximumLine: Int, _ body: ([UInt8]) throws -> [UInt8]?
    ) throws {
        let file = try locked(path)
        let copy = copyPath(of: path)
        unlink(copy)
        do {
            let new = try LineWriter(creating: copy)
            try read(file, maximumLine: maximumLine) { line in
                guard let line else {
                    throw HomeError(.badInput, "has a line over \(maximumLine) bytes; remove it as a whole", path: path)
                }
                if let line = try body(line) { try new.write(line + [0x0A]) }
            }
            try new.finish()
        } catch {
            unlink(copy)
            throw error
        }
        guard rename(copy, path) == 0 else { throw SystemCall.error("cannot be replaced", path) }
        try SystemCall.synchronise(folder: SystemCall.folder(of: path))
    }

    /// Removes a file, and what writing it anew may have left; throws `busy` while somebody writes it.
    package static func remove(_ path: String) throws {
        let file = try locked(path)
        try Ownership.check(file.status(), path)
        unlink(copyPath(of: path))
        guard unlink(path) == 0 else { throw SystemCall.error("cannot be removed", path) }
        try SystemCall.synchronise(folder: SystemCall.folder(of: path))
    }

    /// The files in a folder whose names end like this, without that end, sorted.
    package static func names(in folder: String, ending suffix: String) throws -> [String] {
        try SystemCall.names(in: folder, limit: 1 << 20).filter { $0.hasSuffix(suffix) && !$0.hasPrefix(".") }
            .map { String($0.dropLast(suffix.count)) }
    }

    /// Whether a file stands at the path itself: no link, no pipe, no folder.
    package static func isPlain(_ path: String) -> Bool {
        guard let status = try? SystemCall.linkStatus(path) else { return false }
        return status.st_mode & S_IFMT == S_IFREG
    }

    private static func locked(_ path: String) throws -> OpenFile {
        let file = try OpenFile(path, O_RDONLY | O_NONBLOCK)
        // Whoever was faster has put another file in its place.
        guard flock(file.descriptor, LOCK_EX | LOCK_NB) == 0,
            try SystemCall.status(path)?.st_ino == file.status().st_ino
        else { throw HomeError(.busy, "is being written; try again", path: path) }
        return file
    }

    private static func copyPath(of path: String) -> String {
        let name = path.split(separator: "/").last.map(String.init) ?? "file"
        return "\(SystemCall.folder(of: path))/.\(name).tmp"
    }
}

/// A new file of lines, readable by its owner alone. What was written is there although the rest never came; until it is
/// finished it is locked.
package struct LineWriter: ~Copyable {
    private let file: OpenFile

    /// Throws `exists` where there is a file already.
    package init(creating path: String) throws {
        let file = try OpenFile(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND)
        try file.setMode(0o600)
        _ = flock(file.descriptor, LOCK_EX | LOCK_NB)
        self.file = file
    }

    package func write(_ lines: [UInt8]) throws {
        try lines.withUnsafeBytes { try file.write($0) }
    }

    /// Makes it durable.
    package consuming func finish() throws {
        try file.synchronise()
        try SystemCall.synchronise(folder: SystemCall.folder(of: file.path))
    }
}
