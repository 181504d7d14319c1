import ArgumentParser
import Glibc
import Home
import LogStore
import NodeService
import Records

struct ScrubCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scrub",
        abstract: "Find what the disk has damaged, and mend it.",
        discussion: """
            Reads every record, tile and sealed part again at low priority and compares it with what was signed. \
            Tiles are made anew from the records below them; with --repair, records and sealed parts are asked from \
            partners, who cannot pass off anything else for them. What is damaged is not sent to partners and not \
            cosigned until it is mended; every sync asks for it, too.

            Exit status 0: all is sound, or was mended. 1: damage remains; it is listed by reference.

            EXAMPLES
              entente scrub
              entente scrub --repair --json
            """)

    @OptionGroup var global: GlobalOptions

    @Flag(help: "Ask partners for what this node cannot mend by itself.")
    var repair = false

    func run() async throws {
        Interruption.exitsWith130()
        // Others on this machine go first.
        _ = nice(10)
        let node = try global.open()
        let bar = ProgressBar("scrubbing", isQuiet: global.json)
        var report = try await Scrubber(store: node.store).scrub(node.store.logs()) { bar.update($0, of: $1) }
        bar.finish()
        if repair, !report.damaged.isEmpty {
            for note in try await askPartners(node, &report) { Output.note("entente: \(note)") }
        }
        if global.json { Output.json(report.members) } else { show(report) }
        if !report.isSound { throw ExitCode(ExitStatus.answerIsNo.rawValue) }
    }

    /// Synchronises with one partner after the other until nothing is damaged. Answers what kept a partner from
    /// helping.
    private func askPartners(_ node: Node, _ report: inout ScrubReport) async throws -> [String] {
        let partners = try node.partners()
        guard !partners.isEmpty else { return ["no partner with an endpoint to ask for what is damaged"] }
        let synchroniser = try node.synchroniser()
        var notes: [String] = []
        for partner in partners where !report.damaged.isEmpty {
            let bar = ProgressBar(partner.node, isQuiet: global.json)
            let targets = Targets()
            let session = await synchroniser.synchronise(with: partner) { progress in
                let (done, total) = targets.take(progress)
                bar.update(done, of: total)
            }
            bar.finish()
            if let error = session.error { notes.append("\(partner.node): \(error.description)") }
            try report.update(from: node.store)
        }
        return report.damaged.isEmpty ? [] : notes
    }

    private func show(_ report: ScrubReport) {
        if !report.damaged.isEmpty || !report.repaired.isEmpty {
            var table = Table("DAMAGED", "WHAT", "STATE", "WHY")
            for finding in report.damaged { table.add(finding.reference, finding.kind, "damaged", finding.reason) }
            for finding in report.repaired { table.add(finding.reference, finding.kind, "mended", finding.reason) }
            table.print()
        }
        for problem in report.problems { Output.line(Style.red(printable(problem))) }
        let mended = report.repaired.isEmpty ? "" : "; \(grouped(report.repaired.count)) mended"
        if report.isSound {
            Output.line(Style.green(areSigned(report.checked)) + mended)
        } else {
            let hint = repair ? "" : "; `entente scrub --repair` asks partners for it"
            Output.line(Style.red("\(grouped(report.damaged.count)) damaged") + mended + hint)
        }
    }
}

extension ScrubReport {
    var members: [JSONMember] {
        [
            JSONMember("ok", .bool(isSound)), JSONMember("checked", .integer(Int64(clamping: checked))),
            JSONMember("damaged", .array(ScrubReport.references(damaged))),
            JSONMember("repaired", .array(ScrubReport.references(repaired))),
            JSONMember(
                "details",
                .array(
                    damaged.map { .object($0.members(state: "damaged")) }
                        + repaired.map { .object($0.members(state: "repaired")) })),
            JSONMember("problems", .array(problems.map { .string($0) })),
        ]
    }

    /// One reference for a bundle and its tile, which hold the same entries.
    private static func references(_ findings: [Finding]) -> [JSONValue] {
        var seen: Set<String> = []
        return findings.map(\.reference).filter { seen.insert($0).inserted }.map { .string($0) }
    }
}

extension ScrubReport.Finding {
    fileprivate func members(state: String) -> [JSONMember] {
        [
            JSONMember("ref", .string(reference)), JSONMember("kind", .string(kind)),
            JSONMember("state", .string(state)), JSONMember("reason", .string(reason)),
        ]
    }
}
