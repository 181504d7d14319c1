import Glibc

/// The rule for everything in a home: it belongs to the user who runs the program, and nobody else has any rights.
enum Ownership {
    /// Refuses what belongs to another user, or gives others rights; the error has the command that mends it.
    ///
    /// - Parameter forbidden: The rights of others that are refused; all unless given.
    static func check(_ status: stat, _ path: String, forbidden: mode_t = 0o077) throws(HomeError) {
        let user = geteuid()
        guard status.st_uid == user else {
            throw HomeError(
                .notPermitted,
                "belongs to user \(status.st_uid), and this program runs as user \(user); run it as the owner, or: "
                    + "chown \(user) \(Display.shellWord(path))",
                path: path)
        }
        let mode = status.st_mode & 0o7777
        guard mode & forbidden == 0 else {
            let proper = status.st_mode & S_IFMT == S_IFDIR ? "700" : "600"
            throw HomeError(
                .notPermitted,
                "is open to other users (mode 0\(String(mode, radix: 8))); run: chmod \(proper) "
                    + Display.shellWord(path),
                path: path)
        }
    }

    /// Checks what stands at the path; `noInput` for nothing.
    static func check(folder path: String) throws(HomeError) {
        guard let status = try SystemCall.status(path) else {
            throw HomeError(
                .noInput, "is missing; run: mkdir -m 700 \(Display.shellWord(path))", path: path)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw HomeError(.configuration, "is not a folder", path: path) }
        try check(status, path)
    }
}
