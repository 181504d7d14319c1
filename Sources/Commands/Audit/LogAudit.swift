import ArgumentParser
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
    /// Where this is no home of the user's own: keys that stand in the database alone then prove nothing.
    var source: AuditSource?

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
        report.unproved += source?.unproved ?? []
        if logs.isEmpty { report.unproved.append("anything: there is no log in \(name)") }
        if let changed = source?.changedFiles, !changed.isEmpty {
            throw CommandFailure(
                .busy, "\(changed.joined(separator: ", ")) changed while it was read; verify a copy, or try again")
        }
        return report
    }

    /// What stands at the head of a report, so that it can be archived.
    var header: [JSONMember] {
        [
            JSONMember("format", .string(AuditRecord.format)),
            JSONMember("time", .string(Clock.timestamp.text)),
            JSONMember("program", .string("entente \(EntenteCommand.configuration.version)")),
            JSONMember("audited", .string(name)),
            JSONMember("node", store.node.isEmpty ? .null : .string(store.node)),
            JSONMember("checked", .array(LogAudit.checked.map { .string($0) })),
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
    ]
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
