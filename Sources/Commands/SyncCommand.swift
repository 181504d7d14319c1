import ArgumentParser
import Home
import Logging
import NodeService
import Records
import WebService

struct SyncCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sync",
        abstract: "Exchange what is new with partners, once.",
        discussion: """
            Without names, with every partner that has an endpoint. A transfer that breaks off goes on where it was \
            the next time. Where the private keys are under a passphrase and `entente run` runs on the same home, that one \
            exchanges it, and nobody is asked. After that the witnesses that node.yaml names are asked to cosign the own \
            logs, where these have grown or it is an hour ago.

            EXAMPLES
              entente sync
              entente sync kr.example --json
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: "Partners, by name.")
    var nodes: [String] = []

    func run() async throws {
        Interruption.exitsWith130()
        let node = try global.open()
        let partners = try node.partners(named: nodes)
        guard !partners.isEmpty else {
            throw CommandFailure(.noInput, "no partner with an endpoint; add one with `entente peer add`")
        }
        let synchroniser = try node.synchroniser()
        for problem in try synchroniser.prepare() { Output.note("entente: \(problem)") }
        var worst = ExitStatus.done
        for partner in partners {
            let bar = ProgressBar(partner.node, isQuiet: global.json)
            let targets = Targets()
            let report = await synchroniser.synchronise(with: partner) { progress in
                let (done, total) = targets.take(progress)
                bar.update(done, of: total)
            }
            bar.finish()
            try node.noteContact(report)
            show(report)
            if let error = report.error { worst = worst.worse(ExitStatus(error.kind)) }
        }
        try node.noteLogContacts()
        // What partners had erased; where this fails, the next search does it.
        try? node.forgetErasedValues()
        try await askWitnesses(node)
        if worst != .done { throw ExitCode(worst.rawValue) }
    }

    /// A witness that does not cosign is told of, here and by `status`; what was exchanged with partners stands.
    private func askWitnesses(_ node: Node) async throws {
        guard node.configuration.communities.contains(where: { !$0.witnesses.isEmpty }) else { return }
        let asking = WitnessAsking(
            transport: try WitnessClient(), logger: Logger(label: "entente") { _ in SwiftLogNoOpLogHandler() })
        for outcome in try await asking.askOnce(node) {
            if let problem = outcome.problem {
                Output.note("entente: \(outcome.witness) does not cosign \(outcome.origin): \(problem)")
            } else if !global.json {
                Output.line("\(outcome.witness): cosigned \(outcome.origin) at \(grouped(outcome.size)) entries")
            }
        }
    }

    private func show(_ report: SessionReport) {
        if global.json { return Output.json(report.members) }
        if let error = report.error {
            Output.note("entente: \(error.description)")
        } else {
            Output.line(
                "\(report.peer): received \(grouped(report.received)), sent \(groupedCount(report.sent, "record", "records")); "
                    + (report.repaired > 0 ? "mended \(grouped(report.repaired)) damaged places; " : "")
                    + "\(grouped(report.bytesIn)) bytes in, \(grouped(report.bytesOut)) out, "
                    + "\(seconds(report.seconds)) s")
        }
        for refused in report.refused where refused != report.error?.description { Output.note("  \(refused)") }
        for log in report.logs where report.error == nil {
            Output.line("  \(log.origin)  \(grouped(log.size))  \(Style.dim(log.root))")
        }
    }
}

extension SessionReport {
    var members: [JSONMember] {
        [
            JSONMember("node", .string(peer)), JSONMember("ok", .bool(error == nil)),
            JSONMember("error", error.map { .string($0.description) } ?? .null),
            JSONMember("received", .integer(Int64(clamping: received))),
            JSONMember("sent", .integer(Int64(clamping: sent))),
            JSONMember("repaired", .integer(Int64(repaired))),
            JSONMember("bytes_in", .integer(Int64(bytesIn))), JSONMember("bytes_out", .integer(Int64(bytesOut))),
            JSONMember("round_trips", .integer(Int64(roundTrips))),
            JSONMember("seconds", .number(Commands.seconds(seconds))),
            JSONMember(
                "logs",
                .array(
                    logs.map {
                        .object([
                            JSONMember("origin", .string($0.origin)),
                            JSONMember("size", .integer(Int64(clamping: $0.size))),
                            JSONMember("root", .string($0.root)),
                        ])
                    })),
            JSONMember("refused", .array(refused.map { .string($0) })),
        ]
    }
}

/// Seconds with three decimals.
func seconds(_ seconds: Double) -> String {
    let thousandths = Int((seconds * 1_000).rounded())
    let fraction = String(thousandths % 1_000)
    return "\(thousandths / 1_000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
}

extension ExitStatus {
    /// The status that weighs more; the numbers of sysexits.h have no order of their own.
    func worse(_ other: ExitStatus) -> ExitStatus {
        if self == .done { return other }
        if other == .answerIsNo { return other }
        return self
    }
}
