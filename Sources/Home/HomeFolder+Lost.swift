import Glibc

// A home of which only keys/ and peers/ are left.
extension HomeFolder {
    /// Whether a home stood at this path whose `node.yaml` is gone, while its keys and partners' cards are there.
    public static func isLost(_ path: String) throws -> Bool {
        let home = HomeFolder(unchecked: normal(try SystemCall.absolute(path)))
        guard try SystemCall.status(home.configurationFile) == nil else { return false }
        return try [home.keysFolder, home.peersFolder].allSatisfy { folder in
            guard let status = try SystemCall.status(folder), status.st_mode & S_IFMT == S_IFDIR else { return false }
            return try !SystemCall.names(in: folder, limit: 10_000).isEmpty
        }
    }

    /// Opens what is left of a home and makes the folders that are missing. Like a home that is being made, it counts
    /// as unfinished until `node.yaml` is written.
    public static func reopenLost(_ path: String) throws -> HomeFolder {
        let home = HomeFolder(unchecked: normal(try SystemCall.absolute(path)))
        guard let status = try SystemCall.status(home.path), status.st_mode & S_IFMT == S_IFDIR else {
            throw HomeError(.noInput, "is no folder", path: home.path)
        }
        try Ownership.check(status, home.path)
        try FileSystemKind.check(home.path)
        try home.checkPrivateFiles()
        for name in folders { try makeFolder("\(home.path)/\(name)") }
        try SystemCall.synchronise(folder: home.path)
        return home
    }

    /// Says, as long as it is there, that the members in `node.yaml` were taken from peer cards, and not decided here.
    private var derivedMembersFile: String { "\(path)/members.derived" }

    public var hasDerivedMembers: Bool {
        (try? SystemCall.status(derivedMembersFile)) != nil
    }

    public func setDerivedMembers(_ areDerived: Bool) throws {
        guard areDerived else {
            guard unlink(derivedMembersFile) == 0 || errno == ENOENT else {
                throw SystemCall.error("cannot be removed", derivedMembersFile)
            }
            return try SystemCall.synchronise(folder: path)
        }
        let text = "node.yaml was lost; its members are those of the peer cards until the own logs are recovered.\n"
        try AtomicFile.write(Array(text.utf8), to: derivedMembersFile)
    }
}
