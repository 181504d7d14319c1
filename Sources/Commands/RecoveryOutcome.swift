import LogStore
import NodeService
import Records

/// What a recovery came to, for people and for programs.
struct RecoveryOutcome {
    /// As it was before what could be ended was ended, and as it is now.
    let before: [LogRecovery]
    let recoveries: [LogRecovery]
    let reports: [SessionReport]
    let wasRebuilt: Bool

    /// Members that have not answered for some log.
    var missing: [String] { Set(recoveries.flatMap(\.missing)).sorted() }

    var isComplete: Bool { recoveries.allSatisfy { $0.state == nil } }

    var status: ExitStatus {
        let isForked = recoveries.contains { $0.log.frozen != nil && successor(of: $0) == nil }
        if isForked || reports.contains(where: { $0.error?.kind == .fork })
            || recoveries.contains(where: { $0.hasLostEntries || $0.laterLog != nil })
        {
            return .answerIsNo
        }
        if !isComplete { return .unreachable }
        // Whoever could not be reached now has answered before.
        if before.contains(where: { $0.state != nil }) { return .done }
        return reports.reduce(.done) { worst, report in
            report.error.map { worst.worse(ExitStatus($0.kind)) } ?? worst
        }
    }

    /// The own log that goes on in the place of one that takes no more entries.
    private func successor(of recovery: LogRecovery) -> String? {
        guard let origin = LogOrigin(recovery.log.origin) else { return nil }
        return recoveries.compactMap { LogOrigin($0.log.origin) }
            .filter { $0.community == origin.community && $0.generation > origin.generation }
            .max { $0.generation < $1.generation }?.text
    }

    var members: [JSONMember] {
        [
            JSONMember("complete", .bool(isComplete)), JSONMember("rebuilt", .bool(wasRebuilt)),
            JSONMember("missing", .array(missing.map { .string($0) })),
            JSONMember("logs", .array(recoveries.map { .object($0.members(answers: answers(of: $0))) })),
            JSONMember("peers", .array(reports.map { .object($0.members) })),
        ]
    }

    /// What members have said that they hold.
    private func answers(of recovery: LogRecovery) -> [RecoveryAnswer] {
        (recovery.state ?? before.first { $0.log.id == recovery.log.id }?.state)?.answers ?? []
    }

    func show() {
        if wasRebuilt { Output.line("made node.yaml, certificate and databases again from keys/ and peers/") }
        for report in reports {
            if let error = report.error {
                Output.note("entente: \(error.description)")
            } else {
                Output.line("\(report.peer): received \(groupedCount(report.received, "record", "records"))")
            }
            for refused in report.refused { Output.note("  \(printable(refused))") }
        }
        var table = Table("OWN LOG", "ENTRIES", "SIGNED", "ANSWERED", "MISSING", "STATE")
        for recovery in recoveries {
            let answers = answers(of: recovery).map { "\($0.member) \(grouped($0.size))" }
            table.add(
                recovery.log.origin, grouped(recovery.log.size),
                grouped(max(recovery.state?.signed ?? 0, recovery.log.size)), answers.joined(separator: ", "),
                recovery.missing.joined(separator: ", "), recovery.log.stateText)
        }
        table.print()
        for recovery in recoveries { advise(recovery) }
        if isComplete, status == .done { Output.line(Style.green("all own logs are whole; appending works")) }
    }

    private func advise(_ recovery: LogRecovery) {
        let origin = recovery.log.origin
        if let reason = recovery.log.frozen {
            let next =
                successor(of: recovery).map { "\($0) goes on in its place" }
                ?? "go on in a successor log, `entente community successor`"
            Output.note("\(origin) takes no more entries: \(reason); \(next)")
        }
        if let later = recovery.laterLog {
            let reason = StoreError.laterLog(origin: origin, later: later.origin, holders: later.holders)
            Output.note("\(reason)")
        }
        if let state = recovery.state {
            if !recovery.missing.isEmpty {
                Output.note(
                    "\(origin): \(recovery.missing.joined(separator: ", ")) must answer before anything is appended; "
                        + "repeat `entente recover`, or go on in a successor log: `entente community successor`")
            } else if recovery.hasLostEntries {
                Output.note(
                    "\(origin): \(groupedCount(state.signed, "entry was", "entries were")) signed, "
                        + "\(grouped(recovery.log.size)) \(recovery.log.size == 1 ? "is" : "are") left, "
                        + "and no member has more: go on in a successor log, `entente community successor`")
            } else {
                Output.note("\(origin): none of its members has a peer card here; add them with `entente peer add`")
            }
            for member in recovery.withoutCard { Output.note("\(origin): \(member) has no card and cannot be asked") }
        }
        if recovery.wantedBlobs > 0 {
            Output.note(
                "\(origin): \(groupedCount(recovery.wantedBlobs, "sealed part has", "sealed parts have")) not come back yet"
            )
        }
    }
}

extension LogRecovery {
    func members(answers: [RecoveryAnswer]) -> [JSONMember] {
        log.members(cosigners: []).filter { $0.name != "cosigned_by" } + [
            JSONMember("signed", .integer(Int64(clamping: max(state?.signed ?? 0, log.size)))),
            JSONMember(
                "answered",
                .array(
                    answers.map {
                        .object([
                            JSONMember("node", .string($0.member)),
                            JSONMember("size", .integer(Int64(clamping: $0.size))),
                        ])
                    })),
            JSONMember("missing", .array(missing.map { .string($0) })),
            JSONMember("without_card", .array(withoutCard.map { .string($0) })),
            JSONMember("sealed_parts_missing", .integer(Int64(wantedBlobs))),
            JSONMember("later_log", laterLog.map { .string($0.origin) } ?? .null),
        ]
    }
}
