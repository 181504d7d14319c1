import Glibc

// What of a home nobody but its user may touch: files that belong to somebody else, or that others have rights on, are
// refused. The errors have the commands that mend that.
extension HomeFolder {
    func checkPrivateFiles() throws {
        try checkKeys()
        try checkDatabases()
    }

    func checkKeys() throws {
        try Ownership.check(folder: keysFolder)
        for name in try SystemCall.names(in: keysFolder, limit: 10_000) {
            let key = "\(keysFolder)/\(name)"
            // What another process was writing may be gone again.
            guard let status = try SystemCall.linkStatus(key) else { continue }
            guard status.st_mode & S_IFMT != S_IFLNK else {
                throw HomeError(
                    .notPermitted,
                    "is a symbolic link, and what it leads to is not in this folder; put the key itself here, with mode "
                        + "600", path: key)
            }
            try Ownership.check(status, key)
        }
    }

    /// The files beside a database have its mode, so that one command is to name all that are open.
    func checkDatabases() throws {
        var wide: [(path: String, mode: mode_t)] = []
        for database in [nodeDatabase, signedDatabase, indexDatabase] {
            for path in [database, "\(database)-wal", "\(database)-shm"] {
                // What is no file at all is refused by whoever opens it.
                guard let status = try SystemCall.linkStatus(path), status.st_mode & S_IFMT == S_IFREG else { continue }
                try Ownership.check(status, path, forbidden: 0)
                if status.st_mode & 0o077 != 0 { wide.append((path, status.st_mode & 0o7777)) }
            }
        }
        guard let first = wide.first else { return }
        throw HomeError(
            .notPermitted,
            "is open to other users (mode 0\(String(first.mode, radix: 8))); run: chmod 600 "
                + wide.map { Display.shellWord($0.path) }.joined(separator: " "),
            path: first.path)
    }
}
