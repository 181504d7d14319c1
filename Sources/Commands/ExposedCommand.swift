import ArgumentParser
import Cryptography
import Home
import NodeService
import Records

struct ExposedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exposed",
        abstract: "Own records that have in the open what node.yaml seals today.",
        discussion: """
            Sealing is decided when a record is written. What was submitted or imported before node.yaml sealed a field \
            stands in the own logs as it was written, and no command can take it out: a log only grows, and partners \
            hold it. This finds such records and names the fields, never their values. Look before you admit further \
            partners to a community.

            A field is marked "refused" where node.yaml has it as never_in_clear, or the record's tlp asks for sealing; \
            the others are sealed by default, and may have been left open by --in-clear.

            EXAMPLES
              entente exposed
              entente exposed --community krus --json
              entente exposed --check > /dev/null
            """)

    @OptionGroup var global: GlobalOptions

    @Option(help: "Only the own logs of this community.")
    var community: String?

    @Flag(help: "End with status 1 where there is such a record.")
    var check = false

    func run() throws {
        let node = try global.open()
        let scan = try ExposureScan(node: node, community: try community.map { try node.community($0).name })
        let bar = ProgressBar("looking", unit: "records", isQuiet: global.json)
        let total = scan.total
        let report = try scan.run(progress: { bar.update($0, of: total) }) { record in
            if global.json { return Output.json(record.members) }
            let fields = record.fields.map { $0.isRefused ? "\($0.field) (refused)" : $0.field }
            Output.line(
                "\(record.reference)  \(record.time.map { String($0.text.prefix(10)) } ?? "-")  \(record.type.rawValue)  "
                    + printable(fields.joined(separator: ", ")))
        }
        bar.finish()
        say(report)
        if check, report.exposed > 0 { throw ExitCode(ExitStatus.answerIsNo.rawValue) }
    }

    private func say(_ report: ExposureScan.Report) {
        if report.unread > 0 {
            Output.note(
                "entente: \(groupedCount(report.unread, "entry is", "entries are")) damaged here and not looked at; "
                    + "`entente scrub --repair` mends them")
        }
        guard !global.json else { return }
        let all = groupedCount(report.records, "own record", "own records")
        guard report.exposed > 0 else {
            return Output.note("nothing that node.yaml seals today stands in the open in \(all)")
        }
        let others = report.holders.sorted().joined(separator: ", ")
        Output.note(
            """
            \(grouped(report.exposed)) of \(all) \(report.exposed == 1 ? "has" : "have") in the open what node.yaml seals \
            today, \(grouped(report.refused)) of them what it refuses in the open.
            A log only grows: nothing takes these values back, `withdraw` and `erase` do not either. Who holds the log \
            reads them\(others.isEmpty ? "" : " (may hold it: \(others))"), and so does whoever is admitted later.
            What can be done: admit nobody else to this community, and begin another one with new partners; write the \
            record again, sealed, with `entente submit TYPE … --replaces REF --reason TEXT`, so that views hide the old \
            one (who wants to read it still can); agree with those who have it how it is handled.
            """)
    }
}

extension ExposedRecord {
    fileprivate var members: [JSONMember] {
        func names(_ fields: [SealingPolicy.Exposure]) -> JSONValue { .array(fields.map { .string($0.field) }) }
        return [
            JSONMember("ref", .string(reference)), JSONMember("hash", .string(leafHash.hex)),
            JSONMember("type", .string(type.rawValue)), JSONMember("time", time.map { .string($0.text) } ?? .null),
            JSONMember("fields", names(fields)), JSONMember("refused", names(fields.filter(\.isRefused))),
        ]
    }
}
