import Glibc

/// Held by the one `run` of a home, until it is released or the process ends, however that happens.
public final class RunLock: Sendable {
    private let file: OpenFile

    /// Takes the lock of the home. Throws `busy`, naming the process that has it.
    public init(_ home: HomeFolder) throws {
        file = try OpenFile(home.lockFile, O_RDWR | O_CREAT | O_NONBLOCK)
        // The file is never removed: two processes could then lock two files of one name.
        try file.setMode(0o600)
        let descriptor = file.descriptor
        guard SystemCall.retrying({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 else {
            guard errno == EWOULDBLOCK else { throw SystemCall.error("cannot be locked", home.lockFile) }
            let holder = (try? file.readAll(limit: 200)).flatMap(RunLock.holder) ?? "another process"
            throw HomeError(.busy, "is run by \(holder) already; stop that first", path: home.path)
        }
        guard ftruncate(descriptor, 0) == 0 else { throw SystemCall.error("cannot be emptied", home.lockFile) }
        try file.write(text: "process \(getpid()) since \(RunLock.time())\n")
    }

    /// The process that holds the lock of a home; `nil` where none does, or nobody can tell.
    static func holder(of home: HomeFolder) -> String? {
        guard let file = try? OpenFile(home.lockFile, O_RDONLY | O_NONBLOCK) else { return nil }
        let descriptor = file.descriptor
        guard SystemCall.retrying({ flock(descriptor, LOCK_SH | LOCK_NB) }) != 0, errno == EWOULDBLOCK else {
            return nil
        }
        return (try? file.readAll(limit: 200)).flatMap(holder) ?? "another process"
    }

    /// What the holder wrote of itself, if it is one plain line.
    private static func holder(_ bytes: [UInt8]) -> String? {
        let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first.map(String.init)
        return line.flatMap { $0.hasPrefix("process ") ? Display.text($0) : nil }
    }

    /// The present time, RFC 3339 in UTC.
    private static func time() -> String {
        var seconds = Glibc.time(nil)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        var buffer = [CChar](repeating: 0, count: 32)
        let count = strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
        return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension HomeFolder {
    /// Throws `busy` while a node is running: it was started by the release that a database is of, and would not know the
    /// tables of this one. For before the file at this path is brought on.
    @Sendable public func requireNoOlderRun(_ path: String) throws {
        guard let holder = RunLock.holder(of: self) else { return }
        throw HomeError(
            .busy,
            "is of an earlier release, which \(holder) is still running; stop that, and start `entente run` of this release",
            path: path)
    }
}
