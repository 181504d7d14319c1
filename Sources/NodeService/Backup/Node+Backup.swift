public import Cryptography
import Home
public import LogStore
import Records

/// A backup that was written.
public struct BackupReport: Sendable {
    public let manifest: BackupManifest
    public let size: UInt64
    /// Of the whole file.
    public let sha256: SHA256Digest
    /// What of the home is not in it, being no plain file.
    public let leftOut: [String]
}

extension Node {
    /// Writes a backup of this home, while commands and the running node go on: the logs as of one moment, and the other
    /// files. Never `signed.sqlite`, nor what is derived. It is there whole and durable, or not at all.
    ///
    /// - Parameters:
    ///   - withKeys: takes the private keys along, which have to be under a passphrase.
    ///   - willWrite: is told the name of what is unfinished, for whoever has to remove it when the process is ended.
    public func backUp(
        to path: String, withKeys: Bool, program: String, willWrite: (String) -> Void = { _ in },
        progress: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void = { _, _ in }
    ) throws -> BackupReport {
        try checkOwnLogs()
        let time = Clock.timestamp.text
        // Before the database: what they name is in it then.
        let (files, leftOut) = try home.filesToBackUp()
        let keys = withKeys ? try home.keysToBackUp() : []
        let file = try PartialFile(for: path, willWrite: willWrite)
        let manifest = try store.backUp(
            to: file.partialPath,
            BackupContents(
                time: time, program: program, hasKeys: withKeys,
                files: (files + keys).map { file in
                    BackupContents.File(path: file.name) { piece in
                        try file.read(limit: BackupContents.pieceSize, piece)
                    }
                }),
            progress: progress)
        let hash = SHA256()
        hash.begin()
        try file.read { hash.update($0) }
        let size = try file.size
        try file.create()
        return BackupReport(manifest: manifest, size: size, sha256: hash.finish(), leftOut: leftOut)
    }

    /// Throws ``lostLog(_:)`` where the database was made anew: what it has not is worth no backup in the place of others.
    private func checkOwnLogs() throws {
        if let lost = try ownLogs().absent.first { throw lostLog(lost) }
    }
}
