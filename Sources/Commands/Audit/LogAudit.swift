import ArgumentParser
import Home
import LogStore
import NodeService
import Records
import TransparencyLog

/// One audit of logs: whose they are, and what they are held against.
struct LogAudit {
    /// What is audited, as the report names it.
    let name: String
    let store: SQLiteLogStore
    let mirrorKeys: [String: MirrorKeys]
    let logKeys: [String: [VerifierKey]]
    /// Where evidence lies; `nil` of a backup.
    var home: HomeFolder?
    /// Where it is a home or a database that was found somewhere.
    var source: AuditSource?
    /// Where it is a backup that is audited.
    var backup: BackupSource?
    /// Own logs of this home that came back older than its keys, which vouch for nothing in them until they are recovered.
    var unvouched: Set<String> = []
    /// What is known beforehand not to be proved.
    var unproved: [String] = []
    /// Where the index is, if it is to be held against the logs.
    var index: String?

    /// Whether this is no home of the user's own: keys that stand in the database alone then prove nothing.
    var isForeign: Bool { source != nil || backup != nil }

    /// Whether what was read is vouched for as far as it has to be.
    func isVouched(_ report: AuditReport) -> Bool {
        isForeign ? report.unanchored.isEmpty : unvouched.isDisjoint(with: report.unanchored)
    }

    static func keys(_ texts: [String]) throws -> [VerifierKey] {
        try texts.map { text in
            do {
                return try VerifierKey(parsing: text)
            } catch {
                throw CommandFailure(.usage, "--vkey is no verifier key: \(CommandFailure(error).description)")
            }
        }
    }

    static func earlier(_ path: String) throws -> AuditRecord {
        try AuditRecord(
            parsing: InputFile.read(path, limit: AuditRecord.maximumByteCount), path: path)
    }

    func run(
        origins: [String], since: AuditRecord?, progress: (_ done: UInt64, _ total: UInt64) -> Void
    ) throws -> AuditReport {
        let all = try store.logs()
        let logs =
            try origins.isEmpty
            ? all
            : origins.map { origin in
                guard let log = all.first(where: { $0.origin == origin }) else {
                    throw CommandFailure(.noInput, "no log \(printable(origin)) here; `entente status` lists them")
                }
                return log
            }
        var report = try withoutActuallyEscaping(progress) { progress in
            try LogAuditor(store: store, keys: mirrorKeys, logKeys: logKeys, since: since)
                .audit(logs, progress: progress)
        }
        try report.checkEvidence(in: home, store, origins: origins)
        report.unproved += source?.unproved ?? backup?.unproved ?? unproved
        try backup?.add(to: &report)
        if let index {
            report.problems += try store.structureProblems().map { AuditReport.Problem(database: $0) }
            try report.add(audit(index, of: logs, since, progress), path: index)
        }
        if logs.isEmpty { report.unproved.append("anything: there is no log in \(name)") }
        let changed = source?.changedFiles ?? (backup?.hasChanged == true ? [name] : [])
        if !changed.isEmpty {
            throw CommandFailure(
                .busy, "\(changed.joined(separator: ", ")) changed while it was read; verify a copy, or try again")
        }
        return report
    }

    /// The index says what the logs say, or is deleted. What an earlier audit has read is not read again.
    private func audit(
        _ path: String, of logs: [StoredLog], _ since: AuditRecord?, _ progress: (UInt64, UInt64) -> Void
    ) throws -> IndexAudit {
        let earlier = (since?.logs ?? [:]).filter { $0.value.isSound }.mapValues(\.size)
        return try RecordIndex.audit(FoundDatabase(path), of: store, logs: logs, since: earlier, progress: progress)
    }

    /// What stands at the head of a report, so that it can be archived.
    func header(of report: AuditReport) -> [JSONMember] {
        [
            JSONMember("format", .string(AuditRecord.format)),
            JSONMember("time", .string(Clock.timestamp.text)),
            JSONMember("program", .string("entente \(EntenteCommand.configuration.version)")),
            JSONMember("audited", .string(name)),
            JSONMember("node", store.node.isEmpty ? .null : .string(store.node)),
            JSONMember(
                "checked",
                .array(
                    (LogAudit.checked + (backup == nil ? [] : LogAudit.checkedOfBackups)
                        + (index == nil ? [] : LogAudit.checkedOfIndex)
                        + (report.sealed.map { [LogAudit.checked($0)] } ?? [])).map { .string($0) })),
        ]
    }

    /// What every audit of a log holds against what was signed.
    private static let checked = [
        "every body against its leaf hash, and every tile byte by byte against the bodies",
        "the root of the bodies at the size of every checkpoint kept, so that each is consistent with the next",
        "the log key's signature on every checkpoint kept, and that nothing lies behind the newest",
        "every cosignature and blob receipt of a node whose key is known",
        "the hash and size of every sealed part that is here",
        "who may hold the log, and what this node has signed last, where that is kept beside it",
        "the evidence of forks and of records that is kept",
    ]

    private static let structure = "that tables and their indexes lie in the file as SQLite wrote them"

    private static let checkedOfIndex = [
        "the index, where there is one: every term, time and effect against the entries that it is made of", structure,
    ]

    /// What is opened with this node's keys.
    private static func checked(_ sealed: SealedCensus) -> String {
        "what is sealed to this node, opened and held against the signed record: "
            + counted(sealed.opened, "sealed part", "sealed parts")
    }

    /// What is held against a backup's manifest beside that.
    private static let checkedOfBackups = [
        "the SHA-256 of the manifest and of every file in the backup",
        "the size and newest checkpoint of every log in the manifest", structure,
    ]
}

extension LogAudit {
    init(backup: BackupSource) {
        self.init(
            name: backup.backup.path, store: backup.backup.store, mirrorKeys: backup.mirrorKeys,
            logKeys: backup.logKeys, backup: backup)
    }
}

extension AuditReport.Problem {
    /// Pages of the database that are not as SQLite wrote them.
    fileprivate init(database text: String) {
        self.init(
            origin: "node.sqlite", entry: nil,
            text: "\(text); what was signed is judged by itself above: make a `backup` where that works, and see "
                + "docs/recovery.md")
    }
}

extension AuditReport {
    fileprivate mutating func add(_ index: IndexAudit, path: String) {
        indexed = index.entries
        unproved += index.unproved
        problems += index.problems.map {
            Problem(
                origin: "index.sqlite", entry: nil,
                text: "\($0); delete \(path), it is made again from the logs")
        }
    }
}

extension AuditReport.End {
    var members: [JSONMember] {
        [
            JSONMember("first_read", .integer(Int64(clamping: first))),
            JSONMember("vkey", .string(key)),
            JSONMember("compact_range", .array(compactRange.map { .string($0) })),
            JSONMember("checkpoint", checkpoint.map { .string($0) } ?? .null),
        ]
    }
}
