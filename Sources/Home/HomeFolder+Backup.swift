import Cryptography
import Glibc

/// A file of a home that goes into a backup.
package struct HomeFile: Sendable {
    /// Its path in the home, as `peers/kr.example.yaml`.
    package let name: String
    private let path: String
    private let bytes: [UInt8]?

    fileprivate init(_ name: String, in home: HomeFolder, bytes: [UInt8]? = nil) {
        self.name = name
        path = "\(home.path)/\(name)"
        self.bytes = bytes
    }

    /// Gives its bytes piece by piece, of at most `limit`: those that it had when this began.
    package func read(limit: Int, _ piece: (UnsafeRawBufferPointer) throws -> Void) throws {
        if let bytes { return try bytes.withUnsafeBytes(piece) }
        let file = try OpenFile(path, O_RDONLY | O_NONBLOCK)
        var rest = try file.regularSize(limit: Int.max)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, min(limit, rest)), alignment: 16)
        defer { buffer.deallocate() }
        while rest > 0 {
            let count = try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, rest)]))
            guard count > 0 else { throw HomeError(.io, "changed while it was read; try again", path: path) }
            try piece(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            rest -= count
        }
    }
}

// What of a home goes into a backup beside the database, and what comes out of one.
extension HomeFolder {
    /// The most files of one folder.
    private static let maximumFiles = 10_000
    private static let kept = ["node.yaml", "members.derived", "journal"]
    private static let keptFolders = ["certs", "evidence", "peers", "quarantine"]

    /// The files that a backup takes along, and the names of others that it leaves where they are: folders in folders,
    /// and what is no plain file. Configuration and cards are of one moment.
    package func filesToBackUp() throws -> (files: [HomeFile], leftOut: [String]) {
        try withChangeLock {
            var files: [HomeFile] = []
            var leftOut: [String] = []
            for name in HomeFolder.kept where try SystemCall.status("\(path)/\(name)") != nil {
                files.append(HomeFile(name, in: self))
            }
            for folder in HomeFolder.keptFolders where try SystemCall.status("\(path)/\(folder)") != nil {
                for name in try SystemCall.names(in: "\(path)/\(folder)", limit: HomeFolder.maximumFiles) {
                    // What a crash left of a file that was being written.
                    if name.hasPrefix("."), name.hasSuffix(".tmp") { continue }
                    var status = stat()
                    if lstat("\(path)/\(folder)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFREG {
                        files.append(HomeFile("\(folder)/\(name)", in: self))
                    } else {
                        leftOut.append("\(folder)/\(name)")
                    }
                }
            }
            let small = try files.map { file in
                // As they are now; the others only grow.
                guard file.name == "node.yaml" || file.name.hasPrefix("peers/") else { return file }
                var bytes: [UInt8] = []
                try file.read(limit: PeerCard.maximumByteCount) { bytes += $0 }
                return HomeFile(file.name, in: self, bytes: bytes)
            }
            return (small, leftOut)
        }
    }

    /// The private keys, all of one moment. Throws `notPermitted` where one of them is not under a passphrase.
    package func keysToBackUp() throws -> [HomeFile] {
        try KeysLock.hold(self) {
            var files: [HomeFile] = []
            for name in try SystemCall.names(in: keysFolder, limit: HomeFolder.maximumFiles) {
                if name.hasPrefix("."), name.hasSuffix(".tmp") { continue }
                let file = "\(keysFolder)/\(name)"
                // In guarded memory until it is known to be none that opens by itself.
                let text = try SecretFile.read(file, limit: 2 * Keystore.maximumTLSByteCount)
                guard name == KeyProtection.fileName || KeyFile.isProtected(text) else {
                    throw HomeError(
                        .notPermitted,
                        "is not under a passphrase, and whoever gets the backup would have it; set one with `entente key "
                            + "passphrase`, or copy keys/ apart from the backup, to a place as secret as this machine",
                        path: file)
                }
                files.append(HomeFile("keys/\(name)", in: self, bytes: text.withUnsafeBytes { Array($0) }))
            }
            return files
        }
    }

    // MARK: Restoring

    /// What may be in a folder that a backup is restored into.
    private static let known: Set<String> = Set(
        kept + ["node.yaml.partial", "run.lock", "node.sock"] + folders
            + ["signed.sqlite", "index.sqlite"].flatMap { [$0, "\($0)-wal", "\($0)-shm"] })

    /// Opens, or makes, the folder that a backup is restored into, and its folders. What is there of a home stays;
    /// anything else is in the way, and a database above all.
    package static func forRestoring(_ path: String) throws -> HomeFolder {
        let home = HomeFolder(unchecked: normal(try SystemCall.absolute(path)))
        guard home.socket.utf8.count < 108, !home.path.utf8.contains(0) else {
            throw HomeError(
                .usage, "is too long a path for the socket in it; choose one under 97 bytes", path: home.path)
        }
        if let status = try SystemCall.status(home.path) {
            guard status.st_mode & S_IFMT == S_IFDIR else {
                throw HomeError(.exists, "exists and is not a folder; choose another path", path: home.path)
            }
            let names = try SystemCall.names(in: home.path, limit: 10_000)
            if let database = names.first(where: { $0.hasPrefix("node.sqlite") && !$0.hasPrefix("node.sqlite.partial") }
            ) {
                throw HomeError(
                    .exists,
                    "is there, and nothing is written over it; stop the node, move node.sqlite, node.sqlite-wal and "
                        + "node.sqlite-shm out of the home, and try again",
                    path: "\(home.path)/\(database)")
            }
            // What a restore that was stopped has left is begun anew.
            let foreign = names.first { name in
                !known.contains(name) && !name.hasPrefix("node.sqlite.partial") && name != "journal.partial"
            }
            if let foreign {
                throw HomeError(
                    .exists, "has \(Display.quoted(foreign)) in it, which is no part of a home; choose another path",
                    path: home.path)
            }
            if names.isEmpty { try makeFolder(home.path) } else { try Ownership.check(status, home.path) }
        } else {
            let parent = SystemCall.folder(of: home.path)
            guard try SystemCall.status(parent) != nil else {
                throw HomeError(.noInput, "does not exist; make it first", path: parent)
            }
            try FileSystemKind.check(parent)
            try makeFolder(home.path)
        }
        try FileSystemKind.check(home.path)
        for name in folders { try makeFolder("\(home.path)/\(name)") }
        try home.checkPrivateFiles()
        try SystemCall.synchronise(folder: home.path)
        return home
    }

    /// Whether there are private keys: this one is made first, and put back last.
    package var hasKeys: Bool {
        get throws { try SystemCall.status("\(keysFolder)/\(HomeFolder.lastKey)") != nil }
    }

    /// The files of a backup in the order in which they are put in their places: each is there whole, and those that
    /// make a home of it come last.
    package static func restoringOrder(_ names: [String]) -> [String] {
        let last = ["keys/\(lastKey)", "node.yaml"]
        return names.filter { !last.contains($0) } + last.filter(names.contains)
    }

    private static let lastKey = "mirror.key"

    /// Puts a file of a backup in its place; `read` gives its bytes piece by piece. What is there stays: the answer then
    /// is false. Throws `badInput` for a path that no backup has.
    package func restore(
        _ name: String, _ read: (_ piece: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws -> Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let isKnown =
            parts.count == 1
            ? HomeFolder.kept.contains(name)
            : parts.count == 2 && (HomeFolder.keptFolders + ["keys"]).contains(parts[0])
                && !["", ".", ".."].contains(parts[1]) && !name.utf8.contains(0)
        guard isKnown else {
            throw HomeError(.badInput, "the backup has a file \(Display.quoted(name)), which is no part of a home")
        }
        do {
            let file = try PartialFile(for: "\(path)/\(name)")
            try read { try file.write($0) }
            try file.create()
            return true
        } catch let error as HomeError where error.category == .exists {
            guard parts[0] == "keys", try !holds(name, read) else { return false }
            throw HomeError(
                .exists,
                "is another key than the backup has; move what is in keys/ away, or put back all keys that belong to it",
                path: "\(path)/\(name)")
        }
    }

    /// Whether the file has these bytes.
    private func holds(
        _ name: String, _ read: (_ piece: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws -> Bool {
        let text = try SecretFile.read("\(path)/\(name)", limit: 2 * Keystore.maximumTLSByteCount)
        var bytes: [UInt8] = []
        try read { bytes += $0 }
        return text.withUnsafeBytes { $0.elementsEqual(bytes) }
    }

    /// Takes away what is derived from another database.
    package func removeIndex() throws {
        for file in ["", "-wal", "-shm"].map({ indexDatabase + $0 }) where unlink(file) != 0 {
            guard errno == ENOENT else { throw SystemCall.error("cannot be removed", file) }
        }
    }

    /// Where `signed.sqlite` is, if it is there.
    package var marksFile: String? {
        get throws { try SystemCall.status(signedDatabase) == nil ? nil : signedDatabase }
    }
}
