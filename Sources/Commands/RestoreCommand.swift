import ArgumentParser
import Home
import LogStore
import NodeService
import Records

struct RestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Make a home of a backup again, or give one its lost database back.",
        discussion: """
            The home is --home DIR: a new folder, or one in which keys/ are, and whatever else is left of the old home. \
            Nothing that is there is written over: a node.sqlite has to be moved away first, every other file stays as \
            it is. The private keys have to be in keys/, unless the backup has them.

            The backup is read first, every entry and signature of it, and nothing is put in place where something is \
            wrong.

            What was signed after the backup is not in it. Where signed.sqlite is left it tells; otherwise nobody here \
            knows. Until `entente recover` has asked the partners nothing is appended then, so that no log is forked. \
            Sealed parts that were erased after the backup are in it, too: partners get none from this node until their \
            authors were asked, and with the first news of it they are gone.

            Exit status 0: restored; it says what is to be done next. 1: something in the backup is not what was signed; \
            nothing was restored.

            EXAMPLES
              entente --home /srv/entente restore /mnt/backup/us.example-2026-11-30.entente
              entente --home /srv/entente recover
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("What `entente backup` wrote.", valueName: "file"))
    var file: String

    @Flag(help: "Do not read every entry first; check files and structure only.")
    var quick = false

    func run() throws {
        Interruption.exitsWith130()
        let path = try global.home ?? HomeFolder.defaultPath()
        let copying = ProgressBar("copying", unit: "bytes", isQuiet: global.json)
        let auditing = ProgressBar("verifying", isQuiet: global.json)
        let report: RestoreReport
        do {
            defer {
                Interruption.keepsAll()
                auditing.finish()
            }
            report = try Restoration(file, into: path).restore(
                audits: !quick, willWrite: Interruption.removes
            ) { step in
                switch step {
                case .copying(let done, let total): copying.update(done, of: total)
                case .auditing(let done, let total):
                    copying.finish()
                    auditing.update(done, of: total)
                }
            }
            copying.finish()
        } catch let refusal as Restoration.Refusal {
            copying.finish()
            return try refuse(refusal.report)
        }
        if global.json { Output.json(report.members) } else { show(report) }
    }

    /// Something in the backup is not what was signed.
    private func refuse(_ report: AuditReport) throws {
        if global.json {
            Output.json([JSONMember("restored", .bool(false))] + report.members)
        } else {
            for problem in report.problems {
                Output.line(
                    Style.red(printable("\(problem.origin)\(problem.entry.map { "#\($0)" } ?? ""): \(problem.text)")))
            }
        }
        Output.note(
            "entente: \(printable(file)) is damaged or was changed, and nothing was restored; take another backup")
        throw ExitCode(ExitStatus.answerIsNo.rawValue)
    }

    private func show(_ report: RestoreReport) {
        var table = Table("LOG", "ENTRIES", "STATE")
        for log in report.logs { table.add(log.origin, grouped(log.size), log.stateText) }
        table.print()
        Output.line(
            "\(report.manifest.node) in \(report.home), as of \(report.manifest.time); "
                + "\(groupedCount(report.restored.count, "other file", "other files")) put back, \(report.kept.count) "
                + (report.kept.count == 1 ? "was there and stayed" : "were there and stayed"))
        for text in Set(report.audit?.unproved ?? []).sorted() {
            Output.line(Style.yellow(printable("not proved: \(text)")))
        }
        if report.audit == nil { Output.note("its entries were not read; `entente verify` does that") }
        for text in report.advice { Output.note(text) }
    }
}

extension StoredLog {
    /// What it means that a log came back with a backup; `nil` where it did not.
    var restoredText: String? {
        restored.map { time in
            let day = Timestamp(seconds: Int64(clamping: time))?.text ?? "an unknown time"
            return
                "came back with the backup of \(day): sealed parts that were erased since may still be here, and none "
                + "is given away, until \(isOwn ? "its members have" : "\(node) has") been asked"
        }
    }
}

extension RestoreReport {
    /// What is left to do.
    var advice: [String] {
        var advice = obstacles.map(\.description)
        if !obstacles.isEmpty {
            advice.append(
                "members that joined after \(manifest.time) are not known here: `entente peer add` their cards first")
            advice.append(
                "next: `entente recover` asks the partners; where one never answers, go on in a successor log: `entente "
                    + "community successor COMMUNITY --abandon`")
        } else if logs.contains(where: \.isOwn) {
            advice.append("signed.sqlite shows that nothing was signed since the backup; appending works")
        }
        if logs.contains(where: { $0.restored != nil }) {
            advice.append(
                "sealed parts that were erased after \(manifest.time) may be here still, until their authors' logs are "
                    + "brought up to date: `entente \(obstacles.isEmpty ? "sync" : "recover")`")
        }
        return advice
    }

    var members: [JSONMember] {
        [
            JSONMember("restored", .bool(true)), JSONMember("node", .string(manifest.node)),
            JSONMember("home", .string(home)), JSONMember("time", .string(manifest.time)),
            JSONMember("recover", .bool(!obstacles.isEmpty)), JSONMember("audited", .bool(audit != nil)),
            JSONMember(
                "logs",
                .array(
                    logs.map {
                        .object([
                            JSONMember("origin", .string($0.origin)),
                            JSONMember("size", .integer(Int64(clamping: $0.size))),
                            JSONMember("state", .string($0.stateText)),
                        ])
                    })),
            JSONMember("files", .array(restored.map { .string($0) })),
            JSONMember("kept", .array(kept.map { .string($0) })),
            JSONMember("unproved", .array(Set(audit?.unproved ?? []).sorted().map { .string($0) })),
            JSONMember("next", .array(advice.map { .string($0) })),
        ]
    }
}
