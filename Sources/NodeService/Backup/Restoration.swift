import Cryptography
import Home
public import LogStore
import Records

/// What was restored, and what is left to do.
public struct RestoreReport: Sendable {
    public let manifest: BackupManifest
    public let home: String
    /// Files that were put in their places, and those that were there already and stayed.
    public var restored: [String] = []
    public var kept: [String] = []
    /// What an audit of the backup found; `nil` where none was asked for.
    public var audit: AuditReport?
    /// How the own logs stand.
    public var standings: [String: RestoredDatabase.Standing] = [:]
    /// The logs as they are now.
    public var logs: [StoredLog] = []
    /// Why nothing is appended to own logs, until partners were asked.
    public var obstacles: [StoreError] = []
}

/// A backup that is put back into a home.
///
/// Nothing is written over. The database comes last and in one step, and is prepared before that: there is no moment in
/// which something could be appended that would contradict what was signed after the backup.
public struct Restoration {
    private let source: String
    private let path: String
    /// What is found on the way, in its order.
    public enum Step: Sendable {
        case copying(done: UInt64, total: UInt64)
        case auditing(done: UInt64, total: UInt64)
    }

    /// Why a backup was not restored: what it says is not what was signed.
    public struct Refusal: Error {
        public let report: AuditReport
    }

    public init(_ source: String, into path: String) {
        self.source = source
        self.path = path
    }

    /// - Parameters:
    ///   - audits: reads every entry and signature before anything is put in place; otherwise the files, the structure
    ///     of the database and the checkpoints' sizes are checked.
    ///   - willWrite: is told the name of what is unfinished.
    public func restore(
        audits: Bool, willWrite: (String) -> Void = { _ in }, progress: (Step) -> Void = { _ in }
    ) throws -> RestoreReport {
        guard StoredBackup.isBackup(source) else {
            throw HomeError(.badInput, "is no backup that `entente backup` wrote", path: source)
        }
        // Damage of the manifest is found before there is a home.
        guard let manifest = try StoredBackup(FoundDatabase(source)).manifest,
            let time = Timestamp(manifest.time)?.seconds
        else {
            throw HomeError(
                .badInput, "has a damaged manifest; `entente verify` says what is left of it", path: source)
        }
        let home = try HomeFolder.forRestoring(path)
        let lock = try RunLock(home)
        defer { withExtendedLifetime(lock) {} }
        try checkNode(manifest, home)

        let copy = try PartialFile(for: home.nodeDatabase, willWrite: willWrite)
        try copy.copy(source) { progress(.copying(done: $0, total: $1)) }
        var report = RestoreReport(manifest: manifest, home: home.path)
        report.standings = try check(copy.partialPath, manifest, home, audits: audits, &report, progress)
        try putFiles(copy.partialPath, manifest, home, &report)
        try RestoredDatabase.prepare(
            copy.partialPath, standings: report.standings, time: UInt64(clamping: time))
        try home.removeIndex()
        try copy.create()
        // What was erased by the marks' word goes before anybody can read it; and marks that are new begin with what
        // the backup knows.
        let store = try SQLiteLogStore(
            path: home.nodeDatabase, signedPath: home.signedDatabase, node: manifest.node)
        try store.remarkCosignatures()
        report.logs = try store.logs()
        report.obstacles = try store.rollbacks()
        return report
    }

    /// Whoever has keys has those of this node, and a home that is there is that of this node.
    private func checkNode(_ manifest: BackupManifest, _ home: HomeFolder) throws {
        if try home.hasKeys || (!manifest.hasKeys && Keystore.hasName(in: home)) {
            let name = try Keystore.nodeName(in: home)
            guard name == manifest.node else {
                throw HomeError(
                    .configuration, "are keys of \(name), and the backup is one of \(manifest.node)",
                    path: home.keysFolder)
            }
        } else if !manifest.hasKeys {
            throw HomeError(
                .noInput,
                "has no mirror.key, and the backup no private keys; put the keys of \(manifest.node) there first (0600, "
                    + "the folder 0700)", path: home.keysFolder)
        }
        if let node = home.foundNode, node != manifest.node {
            throw HomeError(
                .exists, "is that of \(node), and the backup is one of \(manifest.node)", path: home.configurationFile)
        }
    }

    /// Checks the copy, which nobody else can change. Throws ``Refusal`` for one that is not sound.
    private func check(
        _ copy: String, _ manifest: BackupManifest, _ home: HomeFolder, audits: Bool, _ report: inout RestoreReport,
        _ progress: (Step) -> Void
    ) throws -> [String: RestoredDatabase.Standing] {
        let source = try BackupSource(path: copy, keys: [], home: home)
        guard source.backup.manifest == manifest else {
            throw HomeError(.busy, "changed while it was read; try again", path: self.source)
        }
        var found = AuditReport()
        if audits {
            found = try withoutActuallyEscaping(progress) { progress in
                try LogAuditor(store: source.backup.store, keys: source.mirrorKeys, logKeys: source.logKeys)
                    .audit(source.backup.store.logs()) { progress(.auditing(done: $0, total: $1)) }
            }
        }
        try source.add(to: &found)
        found.unproved += source.unproved
        guard found.isSound else { throw Refusal(report: found) }
        if audits { report.audit = found }
        return try RestoredDatabase.standings(of: source.backup.store, marks: home.marksFile)
    }

    /// Puts the other files in their places. Keys come together or not at all: those of one passphrase belong together.
    private func putFiles(
        _ copy: String, _ manifest: BackupManifest, _ home: HomeFolder, _ report: inout RestoreReport
    ) throws {
        let backup = try StoredBackup(FoundDatabase(copy))
        let keepsKeys = try home.hasKeys
        for name in HomeFolder.restoringOrder(manifest.files.map(\.path)) {
            let isPut =
                try !(keepsKeys && name.hasPrefix("keys/"))
                && home.restore(name) { piece in try backup.read(name, piece) }
            if isPut { report.restored.append(name) } else { report.kept.append(name) }
        }
    }
}
