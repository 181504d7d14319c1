import Cryptography
import Glibc

/// A node's home folder: where everything stands, and who may touch it.
///
/// Folders are 0700 and files 0600, whatever the umask.
public struct HomeFolder: Sendable, Hashable {
    /// The path from the root.
    public let path: String

    init(unchecked path: String) {
        self.path = path
    }

    /// This node: name, addresses, communities and their members, defaults.
    public var configurationFile: String { "\(path)/node.yaml" }
    /// Peer cards, one file a partner.
    public var peersFolder: String { "\(path)/peers" }
    /// TLS certificates, CA bundles, revocation lists.
    public var certificatesFolder: String { "\(path)/certs" }
    /// Private keys.
    public var keysFolder: String { "\(path)/keys" }
    /// Logs, replicas and blobs.
    public var nodeDatabase: String { "\(path)/node.sqlite" }
    /// What is derived from the logs; may be deleted.
    public var indexDatabase: String { "\(path)/index.sqlite" }
    /// What was signed and cosigned last; never restored from a backup.
    public var signedDatabase: String { "\(path)/signed.sqlite" }
    /// Rows that an import did not take, sealed.
    public var quarantineFolder: String { "\(path)/quarantine" }
    /// Who opened which sealed fields, and when.
    public var journalFile: String { "\(path)/journal" }
    /// Proofs of forks.
    public var evidenceFolder: String { "\(path)/evidence" }

    /// The files of evidence that are there, sorted; none where there is no such folder.
    public func evidenceFiles() throws -> [String] {
        guard try SystemCall.status(evidenceFolder) != nil else { return [] }
        return try SystemCall.names(in: evidenceFolder, limit: HomeFolder.maximumEvidenceCount)
            .map { "\(evidenceFolder)/\($0)" }
    }

    /// The bytes of a file of evidence.
    public func evidence(at path: String, limit: Int) throws -> [UInt8] {
        try OpenFile(path, O_RDONLY | O_NONBLOCK).readAll(limit: limit)
    }

    private static let maximumEvidenceCount = 4_096

    /// Where the evidence against a log that forked is written.
    public func evidenceFile(of origin: String) -> String {
        HomeFolder.evidenceFile(of: origin, in: evidenceFolder)
    }

    package static func evidenceFile(of origin: String, in folder: String) -> String {
        "\(folder)/\(origin.split(separator: "/").joined(separator: "_")).fork"
    }

    /// Where the evidence against a log outside the communities is written, whose origin may be any line.
    public func witnessEvidenceFile(of origin: String) -> String {
        "\(evidenceFolder)/witness-\(SHA256.hash([UInt8](origin.utf8)).hex.prefix(16)).fork"
    }

    /// Where a running node listens for commands.
    public var socket: String { "\(path)/node.sock" }
    /// Held by the running node.
    public var lockFile: String { "\(path)/run.lock" }

    static let folders = ["peers", "certs", "keys", "quarantine", "evidence"]

    /// The home to use where none is named: `ENTENTE_HOME`, then `.entente` in the user's own folder.
    ///
    /// - Throws: `usage` where the user has no folder.
    public static func defaultPath() throws -> String {
        try defaultPath { name in getenv(name).map { String(cString: $0) } }
    }

    /// The same, with the environment's variables as the closure gives them.
    package static func defaultPath(environment: (String) -> String?) throws -> String {
        if let path = environment("ENTENTE_HOME"), !path.isEmpty { return try SystemCall.absolute(path) }
        if let path = environment("HOME"), path.utf8.first == UInt8(ascii: "/") { return "\(path)/.entente" }
        throw HomeError(.usage, "no home folder is known; name one with --home or ENTENTE_HOME")
    }

    /// Makes a home: its folders, without keys or configuration, which the caller adds. `node.yaml` should be written
    /// last: until then the home counts as unfinished.
    ///
    /// - Throws: `exists` where something stands at the path that is not an empty folder, `noInput` without a parent
    ///   folder, `configuration` on a network file system, `usage` for a path too long for a socket in it.
    public static func create(_ path: String) throws -> HomeFolder {
        let home = HomeFolder(unchecked: normal(try SystemCall.absolute(path)))
        // A socket's address has 108 bytes with the final zero (unix(7)).
        guard home.socket.utf8.count < 108, !home.path.utf8.contains(0) else {
            throw HomeError(
                .usage, "is too long a path for the socket in it; choose one under 97 bytes", path: home.path)
        }
        if let status = try SystemCall.status(home.path) {
            try home.checkEmpty(status)
        } else {
            let parent = SystemCall.folder(of: home.path)
            guard try SystemCall.status(parent) != nil else {
                throw HomeError(.noInput, "does not exist; make it first", path: parent)
            }
            try FileSystemKind.check(parent)
            try makeFolder(home.path)
        }
        try FileSystemKind.check(home.path)
        try setMode(home.path)
        for name in folders { try makeFolder("\(home.path)/\(name)") }
        try SystemCall.synchronise(folder: home.path)
        try SystemCall.synchronise(folder: SystemCall.folder(of: home.path))
        return home
    }

    /// Opens a finished home.
    ///
    /// - Throws: `noInput` where there is none, `notPermitted` where owner or permissions of the home, its keys or
    ///   databases are wrong, with the command that mends them, `configuration` on a network file system.
    public static func open(_ path: String) throws -> HomeFolder {
        let home = try openToAudit(path)
        try home.checkDatabases()
        return home
    }

    /// The same for whoever reads databases that are a copy, and may have any permissions.
    public static func openToAudit(_ path: String) throws -> HomeFolder {
        let home = HomeFolder(unchecked: normal(try SystemCall.absolute(path)))
        guard let status = try SystemCall.status(home.path) else {
            throw HomeError(
                .noInput,
                "is no home: it does not exist; make one with init, or name another with --home or ENTENTE_HOME",
                path: home.path)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw HomeError(.noInput, "is no home: it is not a folder", path: home.path)
        }
        try Ownership.check(status, home.path)
        try FileSystemKind.check(home.path)
        guard try SystemCall.status(home.configurationFile) != nil else {
            throw HomeError(
                .noInput,
                "is no finished home: it has no node.yaml; make one with init in an empty folder, or, where keys/ and "
                    + "peers/ of a lost home are here, run `entente recover`",
                path: home.path)
        }
        try home.checkKeys()
        return home
    }

    /// Accepts an empty folder of this user, or one in which making a home was interrupted before anything was in it.
    private func checkEmpty(_ status: stat) throws {
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw HomeError(.exists, "exists and is not a folder; choose another path", path: path)
        }
        guard status.st_uid == geteuid() else {
            throw HomeError(.notPermitted, "belongs to another user; choose another path", path: path)
        }
        let names = try SystemCall.names(in: path, limit: 10_000)
        if names.contains("node.yaml") {
            throw HomeError(.exists, "is a home already; choose another path", path: path)
        }
        for name in names {
            let isEmpty =
                try HomeFolder.folders.contains(name)
                && SystemCall.names(in: "\(path)/\(name)", limit: 10_000).isEmpty
            guard isEmpty else {
                throw HomeError(
                    .exists,
                    "is not empty (it has \(Display.quoted(name))) and has no node.yaml; choose another path, or empty it",
                    path: path)
            }
        }
    }

    static func makeFolder(_ path: String) throws {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw SystemCall.error("cannot be made", path) }
        try setMode(path)
    }

    /// Sets 0700 whatever the umask was.
    private static func setMode(_ path: String) throws {
        guard chmod(path, 0o700) == 0 else { throw SystemCall.error("cannot be given its permissions", path) }
    }

    /// Without slashes at the end.
    static func normal(_ path: String) -> String {
        var bytes = Array(path.utf8)
        while bytes.count > 1, bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension HomeFolder: CustomStringConvertible {
    public var description: String { path }
}
