import Records
import TransparencyLog

/// What the index keeps of some entries of one log, collected before it is written.
struct RecordTerms {
    private var terms = TermBuilder()
    /// The terms of all entries, sorted, once ``finish()`` was called.
    private(set) var sorted: [TermEntry] = []
    /// Unix seconds of each entry, in order; 0 where it has no time that can be read.
    private(set) var times: [Int64] = []
    private(set) var effects: [RecordMark] = []
    /// Entries that were passed over, each range within one bundle.
    private(set) var unread: [Range<UInt64>] = []
    /// By bundle: why it cannot be read.
    var unreadable: [UInt64: String] = [:]
    private let origin: String
    private let log: Int64

    init(origin: String, log: Int64) {
        self.origin = origin
        self.log = log
    }

    /// Leaves an entry without terms, since it is damaged.
    mutating func passOver(_ index: UInt64) {
        times.append(0)
        if let last = unread.last, last.upperBound == index, !index.isMultiple(of: UInt64(EntryBundle.maximumEntries)) {
            unread[unread.count - 1] = last.lowerBound..<(index + 1)
        } else {
            unread.append(index..<(index + 1))
        }
    }

    mutating func add(_ body: [UInt8], index: UInt64) {
        let id = RecordNumber.make(log: log, index: index)
        guard let record = EntryRecord.read(body).record else {
            terms.add(.type, "unreadable", record: id)
            times.append(0)
            return
        }
        times.append(record.time?.seconds ?? 0)
        terms.add(.type, record.type.rawValue, record: id)
        if let subject = record.subject { add(subject, id) }
        for party in record.sources { add(party.subject, id) }
        for party in record.destinations { add(party.subject, id) }
        for transaction in record.transactions { add(transaction, id) }
        let slug = record.slug
        if let actor = record.actor ?? (record.type == .actor ? slug : nil) { terms.add(.actor, actor, record: id) }
        if let incident = record.incident ?? (record.type == .incident ? slug : nil) {
            terms.add(.incident, incident, record: id)
        }
        for text in [record.label, record.actor, slug, record.incident, record.service, record.asset] {
            if let text { addWords(of: text, id) }
        }
        for list in [record.aliases, record.concepts, record.actors] {
            for text in list { addWords(of: text, id) }
        }
        addEffect(of: record, id)
    }

    /// Sorts what was collected.
    mutating func finish() {
        sorted = terms.sorted()
        terms = TermBuilder()
    }

    private mutating func add(_ subject: RecordSubject, _ id: Int64) {
        if let address = subject.canonicalAddress { terms.add(.address, address, record: id) }
        if let transaction = subject.transactionHash { terms.add(.transaction, transaction.lowercased(), record: id) }
    }

    private mutating func addWords(of text: String, _ id: Int64) {
        Words.each(of: text) { terms.add(.word, $0, record: id) }
    }

    private mutating func addEffect(of record: EntryRecord, _ id: Int64) {
        guard record.type == .withdrawal || record.type == .assessment,
            let mark = RecordMark(of: record, in: origin, by: id)
        else { return }
        effects.append(mark)
        // Only records of the same log can be hidden.
        if mark.kind == .withdrawn || mark.kind == .superseded, mark.index < RecordNumber.maximumIndex {
            terms.add(.hidden, "", record: RecordNumber.make(log: log, index: mark.index))
        }
    }
}

/// What one record says of another.
struct RecordMark {
    let origin: String
    let index: UInt64
    let kind: RecordEffect
    let replacement: String?
    let record: Int64

    /// A withdrawal has effect in its own log only; an assessment of any log counts.
    init?(of record: EntryRecord, in origin: String, by id: Int64) {
        guard let target = record.target?.reference else { return nil }
        switch record.type {
        case .withdrawal:
            guard target.origin.text == origin else { return nil }
            kind = record.action == "supersedes" ? .superseded : .withdrawn
        case .assessment: kind = record.verdict == "disputes" ? .disputed : .corroborated
        default: return nil
        }
        self.origin = target.origin.text
        index = target.index
        replacement = record.replacement?.reference.text
        self.record = id
    }
}

/// Entries as the index numbers them: 24 bits for the log, 40 for the position in it.
enum RecordNumber {
    static let maximumIndex: UInt64 = 1 << 40

    static func make(log: Int64, index: UInt64) -> Int64 { log << 40 | Int64(index) }
    static func log(_ record: Int64) -> Int64 { record >> 40 }
    static func index(_ record: Int64) -> UInt64 { UInt64(record & 0xff_ffff_ffff) }
    /// 256 neighbours share one row of times.
    static func span(_ record: Int64) -> Int64 { record >> 8 }
}
