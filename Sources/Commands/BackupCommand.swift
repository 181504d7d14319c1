import ArgumentParser
import Cryptography
import Glibc
import LogStore
import NodeService
import Records

struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Write a backup of this node into one file, while it works.",
        discussion: """
            The file has the logs and all that lies beside them as of one moment, node.yaml, peers/, certs/, evidence/, \
            quarantine/ and the journal. `entente restore` makes a home of it, `entente verify` audits it, and sqlite3 \
            reads it. It is there whole and durable, or not at all; a file of that name is never written over. \
            signed.sqlite is in no backup. A home whose own log is lost is not backed up: recover it first.

            Private keys are not in it, and without them no node comes back: keep keys/ apart. --with-keys takes them \
            along where they are under a passphrase; whoever gets such a file can try passphrases on it.

            Sealed parts that were erased before are not in it; those that are erased later stay in it as they are. \
            Delete backups that are older than what you may keep.

            EXAMPLES
              entente backup /mnt/backup/us.example-2026-11-30.entente
              entente backup --json /mnt/backup/us.example-$(date +%F).entente
              entente backup --with-keys us.example.entente
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("The file to write.", valueName: "file"))
    var file: String

    @Flag(help: "Take the private keys along, which have to be under a passphrase.")
    var withKeys = false

    func run() throws {
        Interruption.exitsWith130()
        let node = try global.open()
        let bar = ProgressBar("backing up", unit: "bytes", isQuiet: global.json)
        let report: BackupReport
        do {
            defer {
                Interruption.keepsAll()
                bar.finish()
            }
            report = try node.backUp(
                to: file, withKeys: withKeys, program: "entente \(EntenteCommand.configuration.version)",
                willWrite: Interruption.removes
            ) { bar.update($0, of: $1) }
        }
        if global.json { Output.json(report.members(path: file)) } else { show(report) }
    }

    private func show(_ report: BackupReport) {
        var table = Table("LOG", "ENTRIES", "")
        for log in report.manifest.logs {
            table.add(log.origin, grouped(log.size), log.isOwn ? "own" : "replica")
        }
        table.print()
        Output.line(
            "\(printable(file)): \(grouped(report.size)) bytes, \(groupedCount(report.manifest.files.count, "other file", "other files"))"
        )
        Output.line("SHA-256 \(report.sha256.hex)")
        if !report.manifest.hasKeys {
            Output.note(
                "private keys are not in it; keep \(global.home ?? "HOME")/keys apart, they are needed to restore it")
        }
        for name in report.leftOut { Output.note("left out: \(printable(name)) is no plain file") }
    }
}

extension BackupReport {
    func members(path: String) -> [JSONMember] {
        [
            JSONMember("file", .string(path)), JSONMember("node", .string(manifest.node)),
            JSONMember("time", .string(manifest.time)), JSONMember("bytes", .integer(Int64(clamping: size))),
            JSONMember("sha256", .string(sha256.hex)), JSONMember("keys", .bool(manifest.hasKeys)),
            JSONMember(
                "logs",
                .array(
                    manifest.logs.map {
                        .object([
                            JSONMember("origin", .string($0.origin)), JSONMember("own", .bool($0.isOwn)),
                            JSONMember("size", .integer(Int64(clamping: $0.size))),
                            JSONMember("root", $0.checkpoint.map { .string($0.root.base64) } ?? .null),
                        ])
                    })),
            JSONMember("files", .array(manifest.files.map { .string($0.path) })),
            JSONMember("left_out", .array(leftOut.map { .string($0) })),
        ]
    }
}
