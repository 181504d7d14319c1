public import Cryptography
import Glibc

/// Where passphrases come from: a descriptor, a credential of systemd, a terminal. Never from an argument or the
/// environment, which other users and log files may see.
public enum Passphrase {
    /// More is refused.
    public static let maximumByteCount = 1_024
    /// Fewer are refused in a new one.
    public static let minimumByteCount = 8
    /// The name of the credential, as in `LoadCredential=entente-passphrase:FILE`.
    public static let credentialName = "entente-passphrase"

    /// The first line of what a descriptor gives, without its line break.
    public static func read(descriptor: Int32) throws -> SecretBytes {
        var count = 0
        let line = try SecretBytes(count: maximumByteCount + 1) { buffer in
            // A byte at a time: what follows the line belongs to whoever reads the descriptor next.
            while count < buffer.count, let start = buffer.baseAddress {
                let step = SystemCall.retrying { Glibc.read(descriptor, start + count, 1) }
                guard step >= 0 else {
                    throw HomeError(
                        .io,
                        "the passphrase cannot be read from descriptor \(descriptor): "
                            + String(cString: strerror(errno)))
                }
                if step == 0 || buffer[count] == UInt8(ascii: "\n") { break }
                count += 1
            }
        }
        guard count <= maximumByteCount else {
            throw HomeError(.usage, "the passphrase is longer than \(maximumByteCount) bytes")
        }
        return try checked(line, count)
    }

    /// The credential that systemd has handed to this service; `nil` where there is none.
    public static func credential() throws -> SecretBytes? {
        try credential { name in getenv(name).map { String(cString: $0) } }
    }

    /// The same, with the environment's variables as the closure gives them: it says where the credential is.
    package static func credential(environment: (String) -> String?) throws -> SecretBytes? {
        guard let folder = environment("CREDENTIALS_DIRECTORY"), !folder.isEmpty else { return nil }
        let path = "\(folder)/\(credentialName)"
        guard try SystemCall.status(path) != nil else { return nil }
        // systemd gives root's file an access list for the service's user, so its mode is not ours to judge.
        let file = try OpenFile(path, O_RDONLY | O_NONBLOCK)
        let size = try file.regularSize(limit: maximumByteCount + 1)
        let text = try SecretBytes(count: size) { target in
            guard try file.read(into: target) == size else {
                throw HomeError(.io, "changed while it was read; try again", path: path)
            }
        }
        let length = text.withUnsafeBytes { bytes in bytes.firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count }
        return try checked(text, length)
    }

    /// Asks on the terminal of this process without showing what is typed; `nil` without a terminal.
    public static func ask(_ question: String) throws -> SecretBytes? {
        guard let terminal = try? OpenFile("/dev/tty", O_RDWR | O_NOCTTY) else { return nil }
        var before = termios()
        // In the background it would be stopped, and nobody would know why.
        guard tcgetpgrp(terminal.descriptor) == getpgrp(), tcgetattr(terminal.descriptor, &before) == 0 else {
            return nil
        }
        // Keys come one by one, Ctrl-C among them: a signal would end the process with the terminal still silent.
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO | ICANON | ISIG)
        tcsetattr(terminal.descriptor, TCSAFLUSH, &silent)
        try terminal.write(text: question)
        var count = 0
        var isInterrupted = false
        let line = try SecretBytes(count: maximumByteCount) { buffer in
            isInterrupted = try !type(terminal, into: buffer, &count)
        }
        tcsetattr(terminal.descriptor, TCSAFLUSH, &before)
        try terminal.write(text: "\n")
        if isInterrupted {
            // A handler elsewhere would be told later, and this would go on with half a passphrase.
            var interrupt = sigset_t()
            sigemptyset(&interrupt)
            sigaddset(&interrupt, SIGINT)
            signal(SIGINT, SIG_DFL)
            pthread_sigmask(SIG_UNBLOCK, &interrupt, nil)
            raise(SIGINT)
        }
        return try checked(line, count)
    }

    /// Takes what is typed up to the end of the line; false once Ctrl-C is.
    private static func type(
        _ terminal: borrowing OpenFile, into buffer: UnsafeMutableRawBufferPointer, _ count: inout Int
    ) throws -> Bool {
        guard let start = buffer.baseAddress else { return true }
        while count < buffer.count {
            guard SystemCall.retrying({ Glibc.read(terminal.descriptor, start + count, 1) }) == 1 else { return true }
            switch buffer[count] {
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"), 0x04: return true
            case 0x03, 0x1C: return false
            case 0x15: count = 0
            case 0x08, 0x7F:
                // A character of UTF-8 goes as a whole.
                repeat { count = max(0, count - 1) } while count > 0 && buffer[count] & 0xC0 == 0x80
            default: count += 1
            }
        }
        throw HomeError(.usage, "the passphrase is longer than \(maximumByteCount) bytes")
    }

    /// A new passphrase must be worth its name.
    package static func checkNew(_ passphrase: SecretBytes) throws {
        guard passphrase.count >= minimumByteCount else {
            throw HomeError(.usage, "a passphrase has at least \(minimumByteCount) bytes; choose a longer one")
        }
    }

    private static func checked(_ bytes: SecretBytes, _ count: Int) throws -> SecretBytes {
        var count = count
        bytes.withUnsafeBytes { if count > 0, $0[count - 1] == UInt8(ascii: "\r") { count -= 1 } }
        guard count > 0 else { throw HomeError(.usage, "the passphrase is empty") }
        return try SecretBytes(count: count) { target in
            bytes.withUnsafeBytes { target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        }
    }
}
