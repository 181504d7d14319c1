public import Cryptography
import Records

/// What a backup says of itself: whose it is, of when, and what has to be in it. It shows damage, not forgery: what is
/// in the logs is proved by their own signatures, and nothing else is signed.
public struct BackupManifest: Sendable, Hashable {
    public struct Log: Sendable, Hashable {
        public let origin: String
        public let isOwn: Bool
        public let size: UInt64
        /// The newest checkpoint: the size that was signed, and the root there. `nil` of a log that has none yet.
        public let checkpoint: Checkpoint?

        public init(origin: String, isOwn: Bool, size: UInt64, checkpoint: Checkpoint?) {
            self.origin = origin
            self.isOwn = isOwn
            self.size = size
            self.checkpoint = checkpoint
        }
    }

    public struct Checkpoint: Sendable, Hashable {
        public let size: UInt64
        public let root: SHA256Digest
    }

    /// A file of the home, by its path in it.
    public struct File: Sendable, Hashable {
        public let path: String
        public let size: UInt64
        public let sha256: SHA256Digest
    }

    public static let format = "entente-backup/1"

    public let node: String
    /// When it was begun, RFC 3339.
    public let time: String
    /// What wrote it.
    public let program: String
    /// Whether the private keys are among the files, under their passphrase.
    public let hasKeys: Bool
    public let logs: [Log]
    public let files: [File]

    public init(node: String, time: String, program: String, hasKeys: Bool, logs: [Log], files: [File]) {
        self.node = node
        self.time = time
        self.program = program
        self.hasKeys = hasKeys
        self.logs = logs
        self.files = files
    }

    /// One JSON object.
    public var text: String {
        JSONWriter.text(
            .object([
                JSONMember("format", .string(BackupManifest.format)), JSONMember("node", .string(node)),
                JSONMember("time", .string(time)), JSONMember("program", .string(program)),
                JSONMember("keys", .bool(hasKeys)), JSONMember("logs", .array(logs.map(\.json))),
                JSONMember("files", .array(files.map(\.json))),
            ]))
    }

    /// `nil` for what this does not write.
    public init?(parsing text: String) {
        guard let value = try? JSONScanner.scan(Array(text.utf8)), value["format"]?.string == BackupManifest.format,
            let node = value["node"]?.string, let time = value["time"]?.string, Timestamp(time) != nil,
            let program = value["program"]?.string, let hasKeys = value["keys"]?.bool,
            let logs = value["logs"]?.array, let files = value["files"]?.array
        else { return nil }
        self.node = node
        self.time = time
        self.program = program
        self.hasKeys = hasKeys
        let (readLogs, readFiles) = (logs.compactMap(Log.init), files.compactMap(File.init))
        guard readLogs.count == logs.count, readFiles.count == files.count,
            Set(readFiles.map(\.path)).count == files.count
        else { return nil }
        self.logs = readLogs
        self.files = readFiles
    }
}

extension BackupManifest.Log {
    fileprivate var json: JSONValue {
        .object([
            JSONMember("origin", .string(origin)), JSONMember("own", .bool(isOwn)),
            JSONMember("size", .integer(Int64(clamping: size))),
            JSONMember(
                "checkpoint",
                checkpoint.map {
                    .object([
                        JSONMember("size", .integer(Int64(clamping: $0.size))),
                        JSONMember("root", .string($0.root.base64)),
                    ])
                } ?? .null),
        ])
    }

    fileprivate init?(_ value: JSONValue) {
        guard let origin = value["origin"]?.string, let isOwn = value["own"]?.bool,
            let size = value["size"]?.integer, size >= 0, let signed = value["checkpoint"]
        else { return nil }
        var checkpoint: BackupManifest.Checkpoint?
        if signed.object != nil {
            guard let size = signed["size"]?.integer, size >= 0,
                let root = signed["root"]?.string.flatMap({ SHA256Digest(base64: $0) })
            else { return nil }
            checkpoint = BackupManifest.Checkpoint(size: UInt64(size), root: root)
        }
        self.init(origin: origin, isOwn: isOwn, size: UInt64(size), checkpoint: checkpoint)
    }
}

extension BackupManifest.File {
    fileprivate var json: JSONValue {
        .object([
            JSONMember("path", .string(path)), JSONMember("size", .integer(Int64(clamping: size))),
            JSONMember("sha256", .string(sha256.hex)),
        ])
    }

    fileprivate init?(_ value: JSONValue) {
        guard let path = value["path"]?.string, let size = value["size"]?.integer, size >= 0,
            let sha256 = value["sha256"]?.string.flatMap({ SHA256Digest(hex: $0) })
        else { return nil }
        self.init(path: path, size: UInt64(size), sha256: sha256)
    }
}
