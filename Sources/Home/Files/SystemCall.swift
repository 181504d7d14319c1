import Cryptography
import Glibc

/// An open file, closed when it goes out of scope.
struct OpenFile: ~Copyable {
    let descriptor: Int32
    let path: String

    /// Opens without following a symbolic link in the last component, and never in a child process.
    init(_ path: String, _ flags: Int32, mode: mode_t = 0o600) throws(HomeError) {
        let descriptor = SystemCall.retrying { Glibc.open(path, flags | O_CLOEXEC | O_NOFOLLOW, mode) }
        guard descriptor >= 0 else { throw SystemCall.error("cannot be opened", path) }
        self.descriptor = descriptor
        self.path = path
    }

    deinit {
        close(descriptor)
    }

    func status() throws(HomeError) -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw SystemCall.error("cannot be examined", path) }
        return status
    }

    /// Reads until the buffer is full or the file ends; returns the count.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(HomeError) -> Int {
        var count = 0
        while count < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
            let step = SystemCall.retrying { Glibc.read(descriptor, rest.baseAddress, rest.count) }
            guard step >= 0 else { throw SystemCall.error("cannot be read", path) }
            if step == 0 { break }
            count += step
        }
        return count
    }

    /// Reads the whole file, which must be a regular one of at most `limit` bytes.
    func readAll(limit: Int) throws(HomeError) -> [UInt8] {
        // One byte more than the size shows a file that has grown.
        var bytes = [UInt8](repeating: 0, count: try regularSize(limit: limit) + 1)
        var result: Result<Int, HomeError> = .success(0)
        bytes.withUnsafeMutableBytes { buffer in
            do throws(HomeError) {
                result = .success(try read(into: buffer))
            } catch {
                result = .failure(error)
            }
        }
        let count = try result.get()
        guard count < bytes.count else { throw HomeError(.io, "changed while it was read; try again", path: path) }
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    /// The size of a regular file of at most `limit` bytes.
    func regularSize(limit: Int) throws(HomeError) -> Int {
        let status = try status()
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw HomeError(.badInput, "is not a regular file", path: path)
        }
        guard let size = Int(exactly: status.st_size), 0...limit ~= size else {
            throw HomeError(.badInput, "is longer than the \(limit) bytes that are read", path: path)
        }
        return size
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(HomeError) {
        var rest = bytes
        while !rest.isEmpty {
            let step = SystemCall.retrying { Glibc.write(descriptor, rest.baseAddress, rest.count) }
            guard step > 0 else { throw SystemCall.error("cannot be written", path) }
            rest = UnsafeRawBufferPointer(rebasing: rest[step...])
        }
    }

    func write(text: String) throws(HomeError) {
        var result: Result<Void, HomeError> = .success(())
        Array(text.utf8).withUnsafeBytes { bytes in
            do throws(HomeError) {
                try write(bytes)
            } catch {
                result = .failure(error)
            }
        }
        try result.get()
    }

    func synchronise() throws(HomeError) {
        guard SystemCall.retrying({ fsync(descriptor) }) == 0 else {
            throw SystemCall.error("cannot be made durable", path)
        }
    }

    /// Sets the mode whatever the umask was.
    func setMode(_ mode: mode_t) throws(HomeError) {
        guard fchmod(descriptor, mode) == 0 else { throw SystemCall.error("cannot be given its permissions", path) }
    }
}

/// Calls of the operating system that are not about one open file.
enum SystemCall {
    /// The error of the call that has just failed.
    static func error(_ what: String, _ path: String, hint: String? = nil) -> HomeError {
        let code = errno
        let category: HomeError.Category =
            switch code {
            case ENOENT, ENOTDIR: .noInput
            case EEXIST, ENOTEMPTY: .exists
            case EACCES, EPERM, EROFS: .notPermitted
            default: .io
            }
        let reason = code == ELOOP ? "is a symbolic link; put the file itself there" : nil
        let text = reason ?? "\(what): \(String(cString: strerror(code)))"
        return HomeError(category, hint.map { "\(text); \($0)" } ?? text, path: path)
    }

    /// Repeats a call that a signal interrupted.
    static func retrying<Number: SignedInteger>(_ call: () -> Number) -> Number {
        while true {
            let result = call()
            if result >= 0 || errno != EINTR { return result }
        }
    }

    /// What stands at the path, following a symbolic link; `nil` for nothing.
    static func status(_ path: String) throws(HomeError) -> stat? {
        var status = stat()
        if stat(path, &status) == 0 { return status }
        if errno == ENOENT { return nil }
        throw error("cannot be examined", path)
    }

    /// What stands at the path itself, a symbolic link among it; `nil` for nothing.
    static func linkStatus(_ path: String) throws(HomeError) -> stat? {
        var status = stat()
        if lstat(path, &status) == 0 { return status }
        if errno == ENOENT { return nil }
        throw error("cannot be examined", path)
    }

    /// The names in a folder, sorted; throws where there are over `limit`.
    static func names(in folder: String, limit: Int) throws(HomeError) -> [String] {
        guard let stream = opendir(folder) else { throw error("cannot be listed", folder) }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name == "." || name == ".." { continue }
            guard names.count < limit else {
                throw HomeError(.io, "holds over \(limit) files; remove what does not belong there", path: folder)
            }
            names.append(name)
        }
        guard errno == 0 else { throw error("cannot be listed", folder) }
        return names.sorted()
    }

    /// Makes a folder's entries durable: what was created, renamed or removed in it.
    static func synchronise(folder: String) throws(HomeError) {
        // With "/." the folder itself may be reached through a symbolic link.
        try OpenFile("\(folder)/.", O_RDONLY | O_DIRECTORY).synchronise()
    }

    /// The folder that holds the path.
    static func folder(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The path from the root, where it does not begin there already.
    static func absolute(_ path: String) throws(HomeError) -> String {
        if path.utf8.first == UInt8(ascii: "/") { return path }
        guard let current = getcwd(nil, 0) else { throw error("the current folder cannot be found", path) }
        defer { free(current) }
        return "\(String(cString: current))/\(path)"
    }
}
