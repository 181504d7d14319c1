public import Cryptography

/// The address or transaction that a record is about.
public struct RecordSubject: Sendable, Hashable {
    /// CAIP-2.
    public let chain: String?
    public let address: String?
    public let transactionHash: String?

    public init(chain: String?, address: String? = nil, transactionHash: String? = nil) {
        self.chain = chain
        self.address = address
        self.transactionHash = transactionHash
    }

    /// The key under which spellings of the address match; `nil` without chain or address.
    public var canonicalAddress: String? {
        guard let chain, let address else { return nil }
        return AddressCheck.canonicalKey(address, on: chain)
    }
}

/// How sure an author is.
public struct RecordConfidence: Sendable, Hashable {
    public let scheme: String
    /// 0 to 100, from the level where only that is given and its scheme is TagPack's.
    public let value: Int64?
    public let level: String?

    public init(scheme: String = ConfidenceLevel.scheme, value: Int64?, level: String?) {
        self.scheme = scheme
        self.value = value
        self.level = level
    }
}

/// Another record, by its place and its leaf hash.
public struct RecordTarget: Sendable, Hashable {
    public let reference: Reference
    public let hash: SHA256Digest

    public init(reference: Reference, hash: SHA256Digest) {
        self.reference = reference
        self.hash = hash
    }

    /// `nil` where a part is missing or malformed.
    public init?(_ value: JSONValue) {
        guard let reference = value["reference"]?.string.flatMap(Reference.init),
            let hash = value["hash"]?.string.flatMap(SealedHeader.digest)
        else { return nil }
        self.init(reference: reference, hash: hash)
    }

    /// The object that a record holds.
    public var value: JSONValue {
        .object([
            JSONMember("reference", .string(reference.text)),
            JSONMember("hash", .string(hash.hex)),
        ])
    }
}

/// One side of a transfer.
public struct TransferParty: Sendable, Hashable {
    public let subject: RecordSubject
    public let asset: String?
    /// A decimal number.
    public let amount: String?
}

/// Fields by name. Each gives `nil`, or an empty list, where the field is absent, sealed or of the wrong kind.
extension EntryRecord {
    /// The value at a path of names, for example `confidence.level`.
    public subscript(path: String) -> JSONValue? { RecordValidator.value(at: path, in: value) }

    public var time: Timestamp? { text("time").flatMap { Timestamp($0) } }
    public var author: String? { text("author") }
    public var tlp: TLP? { text("tlp").flatMap(TLP.init(rawValue:)) }
    /// The incident that the record belongs to, by its slug.
    public var incident: String? { text("incident") }
    /// The identifier that an actor or an incident record defines.
    public var slug: String? { text("slug") }

    public var subject: RecordSubject? {
        guard let subject = value["subject"], case .object = subject else { return nil }
        return EntryRecord.subject(subject)
    }

    /// A field that holds a time or a day, as `observed_at`; a day counts from its midnight in UTC.
    public func moment(_ name: String) -> Timestamp? { text(name).flatMap(RecordValidator.moment) }

    public var asset: String? { text("asset") }
    /// What to call the subject or the actor; the name of an incident.
    public var label: String? { text("label") ?? text("name") }
    public var actor: String? { text("actor") }
    /// The actors of an incident.
    public var actors: [String] { texts("actors") }
    public var aliases: [String] { texts("aliases") }
    /// The concepts of an attribution, the categories of an actor.
    public var concepts: [String] { value["concepts"] == nil ? texts("categories") : texts("concepts") }
    public var kind: String? { text("kind") }
    public var source: String? { text("source") }

    public var confidence: RecordConfidence? {
        guard let object = value["confidence"], case .object = object else { return nil }
        let scheme = object["scheme"]?.string ?? ConfidenceLevel.scheme
        let level = object["level"]?.string
        let known = scheme == ConfidenceLevel.scheme ? level.flatMap(ConfidenceLevel.named)?.value : nil
        return RecordConfidence(scheme: scheme, value: object["value"]?.integer ?? known, level: level)
    }

    /// The record that an assessment, withdrawal, grant or erasure is about.
    public var target: RecordTarget? { value["target"].flatMap(RecordTarget.init) }
    /// The record that stands for a superseded one.
    public var replacement: RecordTarget? { value["replacement"].flatMap(RecordTarget.init) }
    /// `corroborates` or `disputes`.
    public var verdict: String? { text("verdict") }
    /// What a withdrawal or a key record does.
    public var action: String? { text("action") }
    public var reason: String? { text("reason") }
    /// The blob that an erasure is about.
    public var erasedBlob: SHA256Digest? { text("sha256").flatMap(SealedHeader.digest) }

    /// To whom a grant opens its target, and the commitment that it says the target has; `nil` where either is
    /// malformed.
    public var grantedAccess: (nodes: [NodeName], commitment: [UInt8])? {
        guard let listed = value["recipients"]?.array, (1...SealedHeader.maximumRecipientCount).contains(listed.count),
            let commitment = text("original_commitment").flatMap(Base64.decode),
            commitment.count == SealedHeader.commitmentByteCount
        else { return nil }
        let nodes = listed.compactMap { $0["node"]?.string.flatMap(NodeName.init) }
        return nodes.count == listed.count ? (nodes, commitment) : nil
    }

    /// The nodes of a members record; empty where one name is malformed.
    public var members: [NodeName] {
        let names = texts("members")
        let nodes = names.compactMap(NodeName.init)
        return nodes.count == names.count && names.count == value["members"]?.array?.count ? nodes : []
    }

    /// The logs that a members record, the first of a successor, says were given up: how many entries their owner had
    /// written in each by then, and the root of those where it says that. Those of which it does not say how many are left
    /// out.
    public var givenUp: [(origin: LogOrigin, size: UInt64, root: SHA256Digest?)] {
        guard let before = value["predecessor"] else { return [] }
        return ([before] + (before["earlier"]?.array ?? [])).compactMap { log in
            guard let origin = log["origin"]?.string.flatMap({ LogOrigin($0) }),
                let size = log["size"]?.integer.flatMap({ UInt64(exactly: $0) })
            else { return nil }
            return (origin, size, log["root"]?.string.flatMap(SealedHeader.digest))
        }
    }

    /// Whether members carry sealed blobs that they cannot open.
    public var membersCarrySealed: Bool { text("carry_sealed") == "members" }

    public var sources: [TransferParty] { parties("from") }
    public var destinations: [TransferParty] { parties("to") }
    public var transactions: [RecordSubject] { (value["txs"]?.array ?? []).map(EntryRecord.subject) }
    public var service: String? { text("service") }

    /// The member `sealed` as it is written.
    public var sealedValue: JSONValue? { value["sealed"] }
    public var sealed: SealedHeader? { value["sealed"].flatMap(SealedHeader.init) }

    private func text(_ name: String) -> String? { value[name]?.string }

    private func texts(_ name: String) -> [String] { (value[name]?.array ?? []).compactMap(\.string) }

    private func parties(_ name: String) -> [TransferParty] {
        (value[name]?.array ?? []).map { party in
            TransferParty(
                subject: EntryRecord.subject(party), asset: party["asset"]?.string, amount: party["amount"]?.string)
        }
    }

    private static func subject(_ value: JSONValue) -> RecordSubject {
        RecordSubject(
            chain: value["chain"]?.string, address: value["address"]?.string,
            transactionHash: value["tx_hash"]?.string)
    }
}
