import GRDB
import Records

/// What the index keeps of one entry.
struct IndexRow {
    let index: UInt64
    let type: String
    /// Unix seconds; 0 where the record has none that can be read.
    let time: Int64
    let chain: String?
    let addressKey: String?
    let transaction: String?
    let actor: String?
    let incident: String?
    /// What full text search finds: names, labels, aliases.
    let text: String
    /// Addresses other than the subject.
    let mentions: Set<String>
    let effect: Effect?

    struct Effect {
        let origin: String
        let index: UInt64
        let kind: RecordEffect
        let replacement: String?

        /// A withdrawal has effect in its own log only; an assessment of any log counts.
        init?(of record: EntryRecord, in origin: String) {
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
        }
    }

    init(body: [UInt8], index: UInt64, origin: String) {
        self.index = index
        let record = EntryRecord.read(body).record
        let subject = record?.subject
        type = record?.type.rawValue ?? "unreadable"
        time = record?.time?.seconds ?? 0
        chain = subject?.chain
        addressKey = subject?.canonicalAddress
        transaction = subject?.transactionHash?.lowercased()
        actor = record?.actor ?? (record?.type == .actor ? record?.slug : nil)
        incident = record?.incident ?? (record?.type == .incident ? record?.slug : nil)
        let names = [record?.label, record?.actor, record?.slug, record?.incident, record?.service, record?.asset]
        let lists = [record?.aliases, record?.concepts, record?.actors]
        text = (names.compactMap { $0 } + lists.compactMap { $0 }.flatMap { $0 }).joined(separator: " ")
            .replacing("_", with: " ")
        let parties = (record?.sources ?? []) + (record?.destinations ?? [])
        mentions = Set(parties.compactMap(\.subject.canonicalAddress))
        effect = record.flatMap { Effect(of: $0, in: origin) }
    }

    func insert(_ db: Database, log: Int64) throws {
        let id = log << 40 | Int64(index)
        try db.cachedStatement(
            sql: """
                INSERT INTO record (id, type, time, chain, address_key, tx_hash, actor, incident)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [id, type, time, chain, addressKey, transaction, actor, incident])
        if !text.isEmpty {
            try db.cachedStatement(sql: "INSERT INTO words (rowid, text) VALUES (?, ?)").execute(arguments: [id, text])
        }
        for mention in mentions {
            try db.cachedStatement(sql: "INSERT OR IGNORE INTO mention (address_key, record) VALUES (?, ?)")
                .execute(arguments: [mention, id])
        }
        if let effect {
            try db.cachedStatement(
                sql: """
                    INSERT OR IGNORE INTO effect (target_origin, target_index, kind, record, replacement)
                    VALUES (?, ?, ?, ?, ?)
                    """
            ).execute(
                arguments: [effect.origin, Int64(effect.index), effect.kind.rawValue, id, effect.replacement])
        }
    }
}
