import Records

/// What the running node tells a command for which it synchronises: how far it is, and at last a report, whose lists
/// come before it.
///
///     version (1 byte) | kind (1 byte, 16) | JSON
package enum SessionNews: Sendable {
    case progress(SyncProgress)
    case log(SessionReport.LogState)
    case refused(String)
    /// The session is over. The report's lists are empty.
    case ended(SessionReport)

    static let kind: UInt8 = 16
    static let maximumByteCount = 65_536

    /// A report as messages.
    static func messages(of report: SessionReport) -> [SessionNews] {
        report.logs.map { .log($0) } + report.refused.map { .refused($0) } + [.ended(report)]
    }

    package func encoded() -> [UInt8] {
        [AgentRequest.version, SessionNews.kind] + JSONWriter.write(.object(members))
    }

    private var members: [JSONMember] {
        switch self {
        case .progress(.began(let origin, let held, let target)):
            [
                JSONMember("began", .string(origin)), JSONMember("held", Self.number(held)),
                JSONMember("target", Self.number(target)),
            ]
        case .progress(.committed(let origin, let held)):
            [JSONMember("committed", .string(origin)), JSONMember("held", Self.number(held))]
        case .log(let log):
            [
                JSONMember("log", .string(log.origin)), JSONMember("size", Self.number(log.size)),
                JSONMember("root", .string(log.root)),
            ]
        case .refused(let text): [JSONMember("refused", .string(text))]
        case .ended(let report):
            [
                JSONMember("peer", .string(report.peer)),
                JSONMember("failure", report.error.map { .string($0.kind.rawValue) } ?? .null),
                JSONMember("error", report.error.map { .string($0.description) } ?? .null),
                JSONMember("received", Self.number(report.received)), JSONMember("sent", Self.number(report.sent)),
                JSONMember("repaired", Self.number(UInt64(clamping: report.repaired))),
                JSONMember("bytes_in", Self.number(UInt64(clamping: report.bytesIn))),
                JSONMember("bytes_out", Self.number(UInt64(clamping: report.bytesOut))),
                JSONMember("round_trips", Self.number(UInt64(clamping: report.roundTrips))),
                JSONMember("microseconds", Self.number(UInt64(max(0, report.seconds) * 1_000_000))),
            ]
        }
    }

    private static func number(_ number: UInt64) -> JSONValue {
        .integer(Int64(min(number, 9_007_199_254_740_991)))
    }

    /// `nil` for what is none.
    package init?(_ message: some Collection<UInt8>) {
        let bytes = Array(message)
        guard bytes.count > 2, bytes.count <= SessionNews.maximumByteCount, bytes[0] == AgentRequest.version,
            bytes[1] == SessionNews.kind, let value = try? JSONScanner.scan(Array(bytes[2...]))
        else { return nil }
        func number(_ name: String) -> UInt64? { value[name]?.integer.flatMap { UInt64(exactly: $0) } }
        if let origin = value["began"]?.string, let held = number("held"), let target = number("target") {
            self = .progress(.began(origin: origin, held: held, target: target))
        } else if let origin = value["committed"]?.string, let held = number("held") {
            self = .progress(.committed(origin: origin, held: held))
        } else if let origin = value["log"]?.string, let size = number("size"), let root = value["root"]?.string {
            self = .log(SessionReport.LogState(origin: origin, size: size, root: root))
        } else if let text = value["refused"]?.string {
            self = .refused(text)
        } else if let peer = value["peer"]?.string {
            var report = SessionReport(peer: peer)
            if let text = value["error"]?.string {
                guard let kind = value["failure"]?.string.flatMap({ SessionFailure.Kind(rawValue: $0) }) else {
                    return nil
                }
                report.error = SessionFailure(kind, text)
            }
            guard let received = number("received"), let sent = number("sent"), let repaired = number("repaired"),
                let bytesIn = number("bytes_in"), let bytesOut = number("bytes_out"),
                let roundTrips = number("round_trips"), let microseconds = number("microseconds")
            else { return nil }
            (report.received, report.sent, report.repaired) = (received, sent, Int(repaired))
            (report.bytesIn, report.bytesOut, report.roundTrips) = (Int(bytesIn), Int(bytesOut), Int(roundTrips))
            report.seconds = Double(microseconds) / 1_000_000
            self = .ended(report)
        } else {
            return nil
        }
    }
}
