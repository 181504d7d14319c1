package import Cryptography
public import LogStore
public import Records
import Sealing

/// Turns drafts into entries: seals what is to be sealed, makes the body, and knows it again as a double.
public struct RecordWriter: Sendable {
    /// An entry, and what became sealed in it.
    public struct Prepared: Sendable {
        public let entry: NewEntry
        public let sealedFields: [String]
        public let readers: [String]
    }

    public let origin: String
    public let policy: SealingPolicy
    /// Newest sealing key of each node that fields can be sealed to, this one among them.
    private let sealingKeys: [String: SealedBox.PublicKey]
    private let doublesKey: SecretBytes

    package init(
        origin: String, policy: SealingPolicy, sealingKeys: [String: SealedBox.PublicKey],
        doublesKey: SecretBytes
    ) {
        self.origin = origin
        self.policy = policy
        self.sealingKeys = sealingKeys
        self.doublesKey = doublesKey
    }

    /// Makes the entry of a draft. Throws `RecordProblems`, ``SealingRefusal``, or ``RecordWriterError`` for a reader
    /// without a key.
    public func prepare(_ draft: RecordDraft, wishes: SealingPolicy.Wishes = .init()) throws -> Prepared {
        try prepare(draft, decision: policy.decision(on: draft, wishes: wishes))
    }

    private func prepare(_ draft: RecordDraft, decision: SealingPolicy.Decision) throws -> Prepared {
        try RecordWriter.checkMayBeSubmitted(draft.schema.type)
        var draft = draft
        let hash = doubleHash(draft.ordered)
        let (fields, readers) = (decision.fields, decision.readers)
        guard !fields.isEmpty else {
            return Prepared(entry: NewEntry(body: try draft.body(), doubleHash: hash), sealedFields: [], readers: [])
        }
        let recipients = try readers.map { reader -> SealingRecipient in
            guard let key = sealingKeys[reader] else {
                throw reader == policy.node
                    ? RecordWriterError.noOwnSealingKey : RecordWriterError.noSealingKey(node: reader)
            }
            return SealingRecipient(node: reader, key: key)
        }
        let problems = draft.problems()
        guard problems.isEmpty else { throw RecordProblems(problems) }
        let values = try draft.takeFields(fields).map { path, value -> SealedField in
            var text = JSONWriter.write(value)
            return SealedField(name: path, value: try SecretBytes(wiping: &text, isPassing: true))
        }
        let (header, blob) = try Envelope.seal(
            fields: values, origin: origin, recordType: draft.schema.type.rawValue, recipients: recipients)
        guard let inBody = Records.SealedHeader(header) else { throw RecordWriterError.badEnvelope }
        draft.setSealed(inBody)
        return Prepared(
            entry: NewEntry(
                body: try draft.body(), doubleHash: hash, blob: NewBlob(sha256: header.sha256, bytes: blob)),
            sealedFields: fields, readers: readers)
    }

    /// Makes the entry of a body that was validated for submission already. It stays as it is, to the byte, unless
    /// something in it is to be sealed.
    public func prepare(body: [UInt8], wishes: SealingPolicy.Wishes) throws -> Prepared {
        let value = try JSONScanner.scan(body)
        if let type = value["type"]?.string.flatMap(RecordType.init(rawValue:)) {
            try RecordWriter.checkMayBeSubmitted(type)
        }
        let time = value["time"]?.string.flatMap { Timestamp($0) } ?? Clock.timestamp
        let draft = try RecordDraft(object: value, time: time, author: "", tlp: .green)
        let decision = try policy.decision(on: draft, wishes: wishes)
        let mustBeSealed = value["tlp"]?.string.flatMap(TLP.init(rawValue:))?.requiresSealing == true
        guard decision.fields.isEmpty, !mustBeSealed else { return try prepare(draft, decision: decision) }
        // Its size counts only now that nothing more of it is taken out.
        if body.count > EntryRecord.maximumBodyByteCount {
            _ = try EntryRecord.validate(body: body, forSubmission: true)
        }
        return Prepared(entry: NewEntry(body: body, doubleHash: doubleHash(value)), sealedFields: [], readers: [])
    }

    /// Refuses records that act on this node's log, its keys, its members or what others may read of it: each belongs to
    /// a command that asks, checks and does what goes with it. A line of a file could publish somebody else's key.
    private static func checkMayBeSubmitted(_ type: RecordType) throws {
        guard type.isWrittenByCommands else { return }
        throw RecordProblem(
            path: "type", reason: "\(type.rawValue) records are written by the commands that they belong to")
    }

    /// Equal for records that say the same at another time or by another author; never 0, which stands for none.
    private func doubleHash(_ record: JSONValue) -> UInt64 {
        RecordWriter.doubleHash(record, key: doublesKey)
    }

    static func doubleHash(_ record: JSONValue, key: SecretBytes) -> UInt64 {
        doubleHash(BLAKE2b.hash(DoubleKey.canonicalBytes(of: record), key: key))
    }

    /// The same of the canonical bytes.
    static func doubleHash(of bytes: SecretBytes, key: SecretBytes) -> UInt64 {
        doubleHash(BLAKE2b.hash(bytes, key: key))
    }

    private static func doubleHash(_ hash: [UInt8]) -> UInt64 {
        max(1, hash.prefix(8).reduce(0) { $0 << 8 | UInt64($1) })
    }
}

/// Why an entry could not be made of a draft.
public enum RecordWriterError: Error, Sendable, Hashable, CustomStringConvertible {
    case noSealingKey(node: String)
    /// Without one this node could not read again what it seals.
    case noOwnSealingKey
    case badEnvelope

    public var description: String {
        switch self {
        case .noSealingKey(let node): "no sealing key of \(node) is known; add its peer card with `entente peer add`"
        case .noOwnSealingKey:
            "there is no sealing key in keys/: put it back from a backup, or make one with `entente key rotate sealing`"
        case .badEnvelope: "the sealed part exceeds what a record can name: at most 64 readers, 64 fields and 1 MiB"
        }
    }
}

extension Records.SealedHeader {
    /// The header of an envelope, as it stands in a body.
    init?(_ header: Sealing.SealedHeader) {
        var recipients: [Recipient] = []
        for recipient in header.recipients {
            guard let node = NodeName(recipient.node), let keyID = SHA256Digest(recipient.keyID) else { return nil }
            recipients.append(Recipient(node: node, keyID: keyID))
        }
        self.init(
            suite: header.suite, salt: header.salt, recipients: recipients, fields: header.fields, size: header.size,
            sha256: header.sha256, commitment: header.commitment)
    }
}
