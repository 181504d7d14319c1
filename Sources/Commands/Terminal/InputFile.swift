import Glibc
import Interchange

/// Files and standard input that a command reads whole.
enum InputFile {
    static let maximumByteCount = 256 << 20

    /// The bytes of a file, or of standard input for `-`.
    ///
    /// - Parameter isPlain: refuses what is no plain file, such as a pipe that nobody may ever write to.
    static func read(_ path: String, limit: Int = maximumByteCount, isPlain: Bool = false) throws -> [UInt8] {
        let flags = O_RDONLY | O_CLOEXEC | (isPlain ? O_NONBLOCK : 0)
        let descriptor = path == "-" ? STDIN_FILENO : open(path, flags)
        guard descriptor >= 0 else {
            throw CommandFailure(
                errno == ENOENT ? .noInput : .io, "\(path) cannot be opened: \(String(cString: strerror(errno)))")
        }
        defer { if descriptor != STDIN_FILENO { close(descriptor) } }
        var status = stat()
        if isPlain, path != "-", fstat(descriptor, &status) != 0 || status.st_mode & S_IFMT != S_IFREG {
            throw CommandFailure(.noInput, "\(path) is no plain file; - reads standard input")
        }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw CommandFailure(.io, "\(path) cannot be read: \(String(cString: strerror(errno)))")
            }
            guard count > 0 else { return bytes }
            guard bytes.count + count <= limit else {
                throw CommandFailure(.badInput, "\(path) is longer than \(limit) bytes")
            }
            bytes += buffer[..<count]
        }
    }

    /// A value for a field: the text of a file without its last line break, and without a byte order mark before it.
    static func text(_ path: String) throws -> String {
        var bytes = TextBytes.withoutMark(try read(path, limit: 1 << 20))
        if bytes.last == 0x0A { bytes.removeLast() }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandFailure(.badInput, "\(path) is not UTF-8")
        }
        return text
    }
}

/// Asks on the terminal without showing what is typed.
enum HiddenPrompt {
    static func read(_ prompt: String) -> String? {
        guard isatty(STDIN_FILENO) == 1 else { return nil }
        var before = termios()
        guard tcgetattr(STDIN_FILENO, &before) == 0 else { return nil }
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent)
        defer {
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &before)
            Output.note("")
        }
        Output.write(prompt, to: STDERR_FILENO)
        return readLine()
    }
}
