import Cryptography

/// The receipts of one session: those that wait to be sent, and what the two sides have compared.
struct ReceiptExchange {
    /// News of this node that the peer has not been sent.
    private(set) var waiting: [LogID: [ReceiptLine]] = [:]
    /// Logs whose receipts were compared at the wish of this side.
    private var compared: Set<LogID> = []
    /// Logs whose comparison the peer has not answered completely, with the pages it has told so far.
    private var answers: [LogID: [UInt64: SHA256Digest]] = [:]
    /// Logs of which pages or receipts are being sent.
    private var sending: [LogID: Int] = [:]
    /// Messages of the peer's that are being judged.
    private var judging: [LogID: Int] = [:]
    /// How often the peer has asked to compare a log.
    private var asked: [LogID: Int] = [:]

    /// Receipts of one log that wait for the peer to hold their records; further ones are left to the next session.
    static let maximumWaiting = 4_096
    /// A peer has reason to compare a log once a session.
    static let maximumComparisons = 16

    /// Whether the two have nothing under way about receipts.
    var isSettled: Bool { answers.isEmpty && sending.isEmpty && judging.isEmpty }
    /// Whether the peer owes an answer.
    var isOwed: Bool { !answers.isEmpty }

    /// How many things are kept in mind because of what the peer has said.
    var footprint: Int { asked.count + judging.count + sending.count + answers.values.reduce(0) { $0 + $1.count } }

    mutating func add(_ lines: [ReceiptLine], of log: LogID) {
        let room = ReceiptExchange.maximumWaiting - (waiting[log]?.count ?? 0)
        waiting[log, default: []] += lines.prefix(max(0, room))
    }

    /// Takes out what waits of a log for records below this size.
    mutating func take(_ log: LogID, below size: UInt64) -> [ReceiptLine] {
        guard let lines = waiting[log] else { return [] }
        let rest = lines.filter { $0.index >= size }
        waiting[log] = rest.isEmpty ? nil : rest
        return lines.filter { $0.index < size }
    }

    /// Whether a log is to be compared now: once a session.
    mutating func begin(_ log: LogID) -> Bool {
        guard compared.insert(log).inserted else { return false }
        answers[log] = [:]
        return true
    }

    /// Takes in a part of the peer's answer. Answers its pages when it is complete.
    mutating func receive(_ pages: ReceiptPages, limit: UInt64) throws -> [UInt64: SHA256Digest]? {
        guard let known = answers[pages.log] else { throw ProtocolViolation("pages of receipts that nobody asked for") }
        let all = known.merging(pages.pages) { first, _ in first }
        guard UInt64(all.count) <= limit, !pages.more || all.count > known.count else {
            throw ProtocolViolation("more pages of receipts than its log has")
        }
        answers[pages.log] = pages.more ? all : nil
        return pages.more ? nil : all
    }

    mutating func ask(_ log: LogID) throws {
        asked[log, default: 0] += 1
        guard asked[log, default: 0] <= ReceiptExchange.maximumComparisons else {
            throw ProtocolViolation("receipts of one log compared again and again")
        }
    }

    mutating func send(_ log: LogID) { sending[log, default: 0] += 1 }

    mutating func sent(_ log: LogID) {
        sending[log, default: 1] -= 1
        if sending[log] == 0 { sending[log] = nil }
    }

    mutating func judge(_ log: LogID) { judging[log, default: 0] += 1 }

    /// Answers whether no more messages about this log are being judged.
    mutating func judged(_ log: LogID) -> Bool {
        judging[log, default: 1] -= 1
        if judging[log] == 0 { judging[log] = nil }
        return judging[log] == nil
    }

    /// Nothing more is expected of this log.
    mutating func forget(_ log: LogID) {
        waiting[log] = nil
        answers[log] = nil
    }
}
