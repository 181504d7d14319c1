import Cryptography
import Glibc
public import Records

/// Who opened which sealed fields of which records, who exported what, and when: `HOME/journal`, one JSON object a
/// line. It is only ever added to, names records and fields, and never holds a value. What cannot be noted is neither
/// opened nor exported.
public struct Journal: Sendable {
    public enum Deed: String, Sendable, CaseIterable {
        /// The values were shown.
        case show
        /// The record was found by a sealed value, and shown without it.
        case search
        /// The record was opened to further nodes.
        case grant
        /// Records were opened to note, in keyed hashes, what they can be found by.
        case index
        /// The running node opened boxes for another process.
        case agent
        /// A record, or a whole log, was written to files for others.
        case export
        /// Rows that an import had refused were shown.
        case quarantine
    }

    /// What is about to be opened.
    public struct Entry: Sendable, Hashable {
        public var deed: Deed
        /// The record, where it is one, or the quarantined row.
        public var reference: String?
        /// The names of the fields.
        public var fields: [String]
        /// How many boxes, where the records are not named.
        public var count: Int?

        public init(_ deed: Deed, reference: String? = nil, fields: [String] = [], count: Int? = nil) {
            self.deed = deed
            self.reference = reference
            self.fields = fields
            self.count = count
        }
    }

    /// For whom it is opened: the operating system's user and process.
    public struct Reader: Sendable, Hashable {
        public let user: UInt32
        public let process: UInt32

        public init(user: UInt32, process: UInt32) {
            self.user = user
            self.process = process
        }

        public static var thisProcess: Reader {
            Reader(user: geteuid(), process: UInt32(bitPattern: getpid()))
        }

        fileprivate var name: String {
            guard let entry = getpwuid(user), let name = entry.pointee.pw_name else { return "uid-\(user)" }
            return String(cString: name)
        }
    }

    public let path: String

    public init(_ home: HomeFolder) {
        path = home.journalFile
    }

    /// Adds a line for each, together and durably. Throws where that is not possible: then nothing may be opened.
    public func note(_ entries: [Entry], for reader: Reader = .thisProcess) throws {
        guard !entries.isEmpty, let time = Timestamp(seconds: Int64(Glibc.time(nil))) else { return }
        let who = [
            JSONMember("time", .string(time.text)), JSONMember("user", .string(reader.name)),
            JSONMember("uid", .integer(Int64(reader.user))), JSONMember("pid", .integer(Int64(reader.process))),
        ]
        do {
            try add(entries.flatMap { JSONWriter.write(.object(who + $0.members)) + [0x0A] })
        } catch let error as HomeError {
            throw HomeError(
                error.category, "\(error.message); nothing is opened or exported without a line in this journal",
                path: path)
        }
    }

    private func add(_ lines: [UInt8]) throws {
        let isNew = try SystemCall.status(path) == nil
        let file = try OpenFile(path, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK)
        if isNew { try file.setMode(0o600) }
        let status = try file.status()
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw HomeError(.configuration, "is not a regular file", path: path)
        }
        try Ownership.check(status, path)
        // Others add whole lines, too. Released when the file is closed.
        let descriptor = file.descriptor
        guard SystemCall.retrying({ flock(descriptor, LOCK_EX) }) == 0 else {
            throw SystemCall.error("cannot be locked", path)
        }
        // A process that was killed, or a full disk, may have left a piece of a line; it stays a line of its own.
        let size = try file.status().st_size
        var last: UInt8 = 0x0A
        if size > 0, pread(descriptor, &last, 1, size - 1) != 1 { throw SystemCall.error("cannot be read", path) }
        let text = last == 0x0A ? lines : [0x0A] + lines
        try text.withUnsafeBytes { try file.write($0) }
        try file.synchronise()
        if isNew { try SystemCall.synchronise(folder: SystemCall.folder(of: path)) }
    }

    /// Reads the journal, from its beginning: each line as an object, `nil` for one that is none. A journal that was
    /// never written is empty.
    public func read(_ body: (JSONValue?) throws -> Void) throws {
        try LineFile.read(path, maximumLine: Journal.maximumLine) { line in
            guard line?.isEmpty != true else { return }
            let value = line.flatMap { try? JSONScanner.scan($0) }
            try body(value?.object == nil ? nil : value)
        }
    }

    private static let maximumLine = 1 << 16
}

extension Journal.Entry {
    fileprivate var members: [JSONMember] {
        var members = [JSONMember("deed", .string(deed.rawValue))]
        if let reference { members.append(JSONMember("ref", .string(reference))) }
        if !fields.isEmpty { members.append(JSONMember("fields", .array(fields.map { .string($0) }))) }
        if let count { members.append(JSONMember("count", .integer(Int64(count)))) }
        return members
    }
}
