import Cryptography
import GRDB
import Glibc

import struct FoundationEssentials.Data

/// A backup file, opened to be read: by `verify`, and before it is restored.
public final class StoredBackup: Sendable {
    public let path: String
    /// `nil` where it is damaged.
    public let manifest: BackupManifest?
    /// What is wrong with the manifest.
    private let manifestProblem: String?
    private let database: NodeDatabase
    /// What it holds of the logs.
    public let store: SQLiteLogStore

    /// The longest manifest that is read.
    private static let maximumManifest = 64 << 20

    /// Whether the file says of itself that it is one.
    public static func isBackup(_ path: String) -> Bool {
        guard let file = fopen(path, "re") else { return false }
        defer { fclose(file) }
        var header = [UInt8](repeating: 0, count: 72)
        guard fread(&header, 1, 72, file) == 72 else { return false }
        return header[..<16].elementsEqual("SQLite format 3\u{0}".utf8) && header[68...].elementsEqual("Ent4".utf8)
    }

    /// Opens what ``isBackup(_:)`` has found. Nothing is written, not even beside it.
    public init(_ found: FoundDatabase) throws {
        path = found.path
        database = try NodeDatabase(path: found.path, kind: .backup, access: found.access)
        (manifest, manifestProblem) = try database.read { db in try StoredBackup.readManifest(db) }
        store = try SQLiteLogStore(
            database: database,
            marks: SignedMarks(reading: "\(found.path) (signed.sqlite)", access: .absent),
            node: manifest?.node
                ?? database.read { db in
                    try String.fetchOne(db, sql: "SELECT node FROM log WHERE own = 1 ORDER BY id LIMIT 1") ?? ""
                })
    }

    private static func readManifest(_ db: Database) throws -> (BackupManifest?, problem: String?) {
        let row: Row?
        do {
            row = try Row.fetchOne(
                db, sql: "SELECT manifest, sha256 FROM backup WHERE length(CAST(manifest AS BLOB)) <= ?",
                arguments: [maximumManifest])
        } catch let error as DatabaseError where error.resultCode == .SQLITE_ERROR {
            return (nil, "there is none")
        }
        guard let text = String.fromDatabaseValue(row?["manifest"] ?? .null),
            let digest = String.fromDatabaseValue(row?["sha256"] ?? .null)
        else { return (nil, "there is none") }
        guard let manifest = BackupManifest(parsing: text) else { return (nil, "it cannot be read") }
        return (manifest, SHA256.hash(text).hex == digest ? nil : "it does not have the SHA-256 that stands beside it")
    }

    /// What is not as the manifest says, by the file or log that it touches: every file byte by byte, every log by size
    /// and checkpoint, and how the rows lie in the database. What the logs say is audited by other means.
    public func problems() throws -> [(what: String, text: String)] {
        var problems: [(what: String, text: String)] = []
        if let manifestProblem { problems.append(("manifest", manifestProblem)) }
        problems += try database.structureProblems().map { ("database", $0) }
        guard let manifest else { return problems }
        for file in manifest.files {
            do {
                let (size, sha256) = try measure(file.path)
                if size != file.size {
                    problems.append((file.path, "it has \(size) bytes, not \(file.size)"))
                } else if sha256 != file.sha256 {
                    problems.append((file.path, "it does not have the SHA-256 that the manifest says"))
                }
            } catch StoreError.damaged(_, let reason) {
                problems.append((file.path, "it cannot be read: \(reason)"))
            }
        }
        let listed = Set(manifest.files.map(\.path))
        problems += try paths().filter { !listed.contains($0) }.map { ($0, "the manifest does not list it") }
        let logs = try database.read { db in try SQLiteLogStore.manifestLogs(db) }
        let here = Dictionary(logs.map { ($0.origin, $0) }, uniquingKeysWith: { first, _ in first })
        for log in manifest.logs where here[log.origin] != log {
            problems.append((log.origin, "the manifest says another size or checkpoint of it"))
        }
        let known = Set(manifest.logs.map(\.origin))
        problems += logs.filter { !known.contains($0.origin) }.map { ($0.origin, "the manifest does not list it") }
        return problems
    }

    private func paths() throws -> [String] {
        do {
            return try database.read { db in
                try String.fetchAll(db, sql: "SELECT DISTINCT path FROM backup_file ORDER BY path")
            }
        } catch StoreError.damaged {
            // Each file is looked for by itself.
            return []
        }
    }

    private func measure(_ path: String) throws -> (size: UInt64, SHA256Digest) {
        let hash = SHA256()
        hash.begin()
        var size: UInt64 = 0
        try read(path) { piece in
            hash.update(piece)
            size += UInt64(piece.count)
        }
        return (size, hash.finish())
    }

    /// Gives the bytes of a file piece by piece. Pieces that no backup has are passed over.
    public func read(_ path: String, _ piece: (UnsafeRawBufferPointer) throws -> Void) throws {
        try database.read { db in
            let rows = try Row.fetchCursor(
                db, sql: "SELECT data FROM backup_file WHERE path = ? AND length(data) <= ? ORDER BY part",
                arguments: [path, BackupContents.pieceSize])
            while let row = try rows.next() {
                try row.withUnsafeData(atIndex: 0) { data in try (data ?? Data()).withUnsafeBytes(piece) }
            }
        }
    }

    /// The bytes of a small file.
    public func bytes(_ path: String, limit: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try read(path) { piece in
            guard bytes.count + piece.count <= limit else {
                throw StoreError.damaged(path: path, reason: "it is longer than \(limit) bytes")
            }
            bytes += piece
        }
        return bytes
    }
}
