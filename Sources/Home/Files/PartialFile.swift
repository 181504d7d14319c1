import Glibc

/// A file that somebody else writes, under the name `FILE.partial` until it is whole.
///
/// What a crash has left under that name is begun anew by the next one.
package struct PartialFile: ~Copyable {
    /// Where to write: an empty file, readable by its owner alone.
    package let partialPath: String
    private let path: String
    private let file: OpenFile
    private let isPlaced = Flag()

    private final class Flag {
        var value = false
    }

    /// Throws `exists` where there is a file already, `busy` where another process writes it at this moment.
    ///
    /// - Parameter willWrite: is told the name of what is unfinished, before there is such a file.
    package init(for path: String, willWrite: (String) -> Void = { _ in }) throws {
        self.path = path
        partialPath = "\(path).partial"
        try PartialFile.checkFree(path)
        willWrite(partialPath)
        let file = try OpenFile(partialPath, O_RDWR | O_CREAT | O_NONBLOCK)
        // Some file systems on the network have no locks; two that write at once is then the operator's care.
        if flock(file.descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
            throw HomeError(.busy, "is being written by another process", path: partialPath)
        }
        guard try file.status().st_mode & S_IFMT == S_IFREG else {
            throw HomeError(.exists, "is in the way; remove it", path: partialPath)
        }
        try file.setMode(0o600)
        // Of a database that was not finished there may be a journal, too.
        unlink(PartialFile.journal(of: partialPath))
        guard ftruncate(file.descriptor, 0) == 0 else { throw SystemCall.error("cannot be emptied", partialPath) }
        self.file = file
    }

    deinit {
        guard !isPlaced.value else { return }
        unlink(partialPath)
        unlink(PartialFile.journal(of: partialPath))
    }

    /// What SQLite keeps beside a database while it is written.
    package static func journal(of path: String) -> String { "\(path)-journal" }

    private static func checkFree(_ path: String) throws {
        var status = stat()
        guard lstat(path, &status) != 0 else {
            throw HomeError(.exists, "exists already, and is left as it is; choose another name", path: path)
        }
        guard errno == ENOENT else { throw SystemCall.error("cannot be written", path) }
    }

    package func write(_ bytes: UnsafeRawBufferPointer) throws {
        try file.write(bytes)
    }

    /// Copies a file into this one; `progress` hears how many bytes are done of how many.
    package func copy(_ source: String, progress: (UInt64, UInt64) -> Void) throws {
        guard let resolved = realpath(source, nil) else { throw SystemCall.error("cannot be opened", source) }
        defer { free(resolved) }
        let source = try OpenFile(String(cString: resolved), O_RDONLY | O_NONBLOCK)
        let total = UInt64(clamping: try source.regularSize(limit: Int.max))
        var done: UInt64 = 0
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { piece.deallocate() }
        while true {
            let count = try source.read(into: piece)
            if count == 0 { return }
            try file.write(UnsafeRawBufferPointer(rebasing: piece[..<count]))
            done += UInt64(count)
            progress(done, max(done, total))
        }
    }

    /// Gives the bytes that were written to a closure, piece by piece.
    package func read(_ piece: (UnsafeRawBufferPointer) -> Void) throws {
        guard lseek(file.descriptor, 0, SEEK_SET) == 0 else { throw SystemCall.error("cannot be read", partialPath) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = try file.read(into: buffer)
            if count == 0 { return }
            piece(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    /// The bytes written so far.
    package var size: UInt64 {
        get throws { UInt64(clamping: try file.status().st_size) }
    }

    /// Makes it durable, and gives it its name, where nothing may be yet: throws `exists` otherwise.
    package consuming func create() throws {
        try file.synchronise()
        if link(partialPath, path) == 0 {
            unlink(partialPath)
        } else {
            guard errno != EEXIST else { throw SystemCall.error("cannot be created", path) }
            // Not every file system has a second name for a file.
            try PartialFile.checkFree(path)
            guard rename(partialPath, path) == 0 else { throw SystemCall.error("cannot be created", path) }
        }
        isPlaced.value = true
        try SystemCall.synchronise(folder: SystemCall.folder(of: path))
    }
}
