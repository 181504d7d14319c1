import Glibc
public import Home
public import LogStore
import Records
public import TransparencyLog

/// A home, or a copy of its database, opened to be audited: nothing is written, not even beside the files, and no
/// private key is needed.
public struct AuditSource: Sendable {
    public let store: SQLiteLogStore
    /// Keys that check cosignatures, by node.
    public let mirrorKeys: [String: MirrorKeys]
    /// Keys of logs, by origin, from peer cards and from the command line.
    public let logKeys: [String: [VerifierKey]]
    /// What cannot be proved from what is here.
    public let unproved: [String]
    /// The folder that the database lies in, as the home that it is or was.
    public let home: HomeFolder
    private let files: [FoundDatabase]

    /// The databases at a path: those of the folder, or the file itself with its neighbour. `nil` for anything else.
    public static func databases(at path: String) -> (database: String, marks: String)? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        let name = "node.sqlite"
        if status.st_mode & S_IFMT == S_IFDIR {
            return stat("\(path)/\(name)", &status) == 0 ? ("\(path)/\(name)", "\(path)/signed.sqlite") : nil
        }
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var magic = [UInt8](repeating: 0, count: 16)
        let isDatabase = fread(&magic, 1, 16, file) == 16 && magic == [UInt8]("SQLite format 3\u{0}".utf8)
        // One whose first bytes are damaged is a damaged database still.
        guard isDatabase || path.hasSuffix(".sqlite") else { return nil }
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
        return (path, folder + "signed.sqlite")
    }

    /// The index in the folder of a home; `nil` of a single file, beside which any index may lie.
    public static func index(beside database: String, at path: String) -> String? {
        guard database != path, let slash = database.lastIndex(of: "/") else { return nil }
        return "\(database[..<slash])/index.sqlite"
    }

    /// Opens what ``databases(at:)`` has found.
    ///
    /// - Parameter keys: of logs (0x01) and of cosigners (0x04), beside those of the cards in the folder.
    public init(path: String, databases: (database: String, marks: String), keys: [VerifierKey]) throws {
        let database = FoundDatabase(databases.database)
        let marks = FoundDatabase(databases.marks)
        var unproved: [String] = []
        for file in [database, marks] where file.writeAheadBytes > 0 {
            unproved.append(
                file.isWriteAheadRead
                    ? "\(file.path)-wal (\(file.writeAheadBytes) bytes) lies beside the database and was read with it; "
                        + "what its writer has not finished is not in it"
                    : "\(file.path)-wal (\(file.writeAheadBytes) bytes) lies beside the database and was not read: it "
                        + "can be applied only by writing; open a copy of both with sqlite3, and verify that")
        }
        if marks.access == .absent {
            unproved.append(
                "that nothing is missing at the end: \(marks.path), where the node keeps what it has signed, is not here"
            )
        }
        files = [database, marks]
        home = try HomeFolder.found(
            at: databases.marks.lastIndex(of: "/").map { String(databases.marks[..<$0]) } ?? ".")
        let node = home.foundNode
        store = try AuditSource.explaining { try SQLiteLogStore(reading: database, marks: marks, node: node) }

        var known = KnownKeys()
        for card in (try? PeerDirectory(home).all())?.cards ?? [] { known.add(card) }
        // The keys of the node itself, where this is a home of the user's own.
        if let node, let own = try? HomeFolder.openToAudit(home.path) {
            unproved += try known.addOwn(of: own, node, recoveringIn: store)
            unproved += try known.addCosigned(by: node, in: store)
        }
        self.unproved = unproved
        known.add(keys)
        mirrorKeys = known.mirrorKeys(ledBy: store)
        logKeys = known.logKeys
    }

    /// Whoever audits what was found somewhere mends nothing in it.
    private static func explaining<Value>(_ open: () throws -> Value) throws -> Value {
        do {
            return try open()
        } catch StoreError.damaged(let path, let reason) {
            throw HomeError(.io, "is damaged: \(reason); take another copy of it", path: path)
        } catch StoreError.cannotOpen(let path, let reason) {
            throw HomeError(
                .configuration,
                "cannot be read: \(reason); give the folder of a home, a copy of its node.sqlite, or a backup",
                path: path)
        }
    }

    /// The files that were written while they were read as ones that nobody changes.
    public var changedFiles: [String] { files.filter(\.hasChanged).map(\.path) }
}
