public import Cryptography
import Home
import Records
import TransparencyLog

/// The report of an earlier audit, as it was archived: where the next one may begin.
public struct AuditRecord: Sendable {
    public struct Log: Sendable, Hashable {
        public let origin: String
        public let size: UInt64
        public let root: SHA256Digest
        /// Whether nothing was wrong with it then. A later audit begins behind nothing else.
        public let isSound: Bool

        public init(origin: String, size: UInt64, root: SHA256Digest, isSound: Bool) {
            self.origin = origin
            self.size = size
            self.root = root
            self.isSound = isSound
        }
    }

    /// What stands in the report's `format`.
    public static let format = "entente-audit/1"
    /// The longest report that is read.
    public static let maximumByteCount = 64 << 20

    /// When that audit was done, as it says.
    public let time: String
    public let logs: [String: Log]

    /// Throws for whatever is no report of an audit, with the member that is missing or wrong.
    public init(parsing bytes: [UInt8], path: String) throws {
        func wrong(_ what: String) -> HomeError {
            HomeError(
                .badInput, "is no report of an audit: \(what); give what `entente verify --json` printed", path: path)
        }
        let value: JSONValue
        do {
            value = try JSONScanner.scan(bytes)
        } catch {
            throw wrong("\(error)")
        }
        guard value["format"]?.string == AuditRecord.format else {
            throw wrong("its format is not \(AuditRecord.format)")
        }
        guard let time = value["time"]?.string, Timestamp(time) != nil else { throw wrong("it has no time") }
        guard let items = value["logs"]?.array else { throw wrong("it has no logs") }
        var logs: [String: Log] = [:]
        for item in items {
            guard let origin = item["origin"]?.string, LogOrigin(origin) != nil, logs[origin] == nil,
                let size = item["size"]?.integer, size >= 0, let text = item["root"]?.string,
                let root = SHA256Digest(base64: text), let isSound = item["ok"]?.bool
            else { throw wrong("log \(logs.count + 1) in it has no origin, size, root or ok") }
            logs[origin] = Log(origin: origin, size: UInt64(size), root: root, isSound: isSound)
        }
        self.time = time
        self.logs = logs
    }
}
