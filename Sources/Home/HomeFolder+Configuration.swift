import Glibc

extension HomeFolder {
    /// Reads `node.yaml`. Throws `configuration` with file and line for what is wrong in it.
    public func configuration() throws -> NodeConfiguration {
        let file = try OpenFile(configurationFile, O_RDONLY | O_NONBLOCK)
        // Editors may widen who can read it, which the home's own 0700 makes harmless.
        try Ownership.check(file.status(), configurationFile, forbidden: 0o022)
        return try NodeConfiguration(
            parsing: file.readAll(limit: NodeConfiguration.maximumByteCount), path: configurationFile)
    }

    /// Replaces `node.yaml` in one step, after checking what is to be written.
    public func write(_ configuration: NodeConfiguration) throws {
        try configuration.validate()
        let bytes = [UInt8](configuration.text().utf8)
        // What could not be read back, being too long for example, must not replace what can.
        guard try NodeConfiguration(parsing: bytes, path: configurationFile) == configuration else {
            throw HomeError(
                .configuration, "would not read back as it is; nothing was changed", path: configurationFile)
        }
        try AtomicFile.write(bytes, to: configurationFile)
    }

    /// Reads `node.yaml`, changes it and writes it back, while no other command can. Writes nothing where the closure
    /// changes nothing or throws. Returns the configuration as it then is.
    @discardableResult
    public func updateConfiguration(
        _ change: (inout NodeConfiguration) throws -> Void
    ) throws -> NodeConfiguration {
        try withChangeLock {
            let before = try configuration()
            var after = before
            try change(&after)
            if after != before { try write(after) }
            return after
        }
    }

    /// Runs the closure while this process alone changes the home's configuration and cards. Waits up to five seconds
    /// for another, then throws `busy`.
    package func withChangeLock<Result>(_ body: () throws -> Result) throws -> Result {
        // With "/." the home itself may be reached through a symbolic link.
        let folder = try OpenFile("\(path)/.", O_RDONLY | O_DIRECTORY)
        var attempts = 0
        while flock(folder.descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR else { throw SystemCall.error("cannot be locked", path) }
            attempts += 1
            guard attempts < 500 else {
                throw HomeError(.busy, "is being changed by another command; try again", path: path)
            }
            usleep(10_000)
        }
        return try body()
    }
}
