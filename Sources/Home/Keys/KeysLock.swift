import Glibc

/// Held while key files are made or their protection is changed, so that none is encrypted under a key that is being
/// taken away.
enum KeysLock {
    /// Waits for whoever holds it, which nobody does for long. It is released when the process ends, too.
    static func hold<Result>(_ home: HomeFolder, _ body: () throws -> Result) throws -> Result {
        try hold(folder: home.keysFolder, body)
    }

    static func hold<Result>(folder path: String, _ body: () throws -> Result) throws -> Result {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemCall.error("cannot be opened", path) }
        defer { close(descriptor) }
        guard SystemCall.retrying({ flock(descriptor, LOCK_EX) }) == 0 else {
            throw SystemCall.error("cannot be locked", path)
        }
        return try body()
    }
}
