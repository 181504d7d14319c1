import Cryptography
import Sealing

/// A record of us.example, sealed to three nodes, and what tests do with it.
struct Example {
    static let origin = "us.example/krus"
    static let recordType = "attribution"
    static let reference = "us.example/krus#1042"
    static let leafHash = SHA256.hash("a record")
    static let values = [("case_number", "\"2025-17\""), ("note", "null"), ("victim", "\"Åsa & Søn\"")]

    let us: SealedBox.PrivateKey
    let kr: SealedBox.PrivateKey
    let jp: SealedBox.PrivateKey
    /// Not a recipient.
    let fr: SealedBox.PrivateKey
    var header: SealedHeader
    var blob: [UInt8]

    init() throws {
        us = try Example.key(1)
        kr = try Example.key(2)
        jp = try Example.key(3)
        fr = try Example.key(4)
        (header, blob) = try Envelope.seal(
            fields: Example.fields(), origin: Example.origin, recordType: Example.recordType,
            recipients: [Example.recipient("us", us), Example.recipient("kr", kr), Example.recipient("jp", jp)])
    }

    static func key(_ number: UInt8) throws -> SealedBox.PrivateKey {
        var seed = [UInt8](repeating: number, count: 32)
        return try SealedBox.PrivateKey(secret: SecretBytes(wiping: &seed))
    }

    static func recipient(_ country: String, _ key: SealedBox.PrivateKey) -> SealingRecipient {
        SealingRecipient(node: "\(country).example", key: key.publicKey)
    }

    static func fields() throws -> [SealedField] {
        try values.map { try SealedField(name: $0.0, text: $0.1) }
    }

    /// The three recipients by name.
    var readers: [(node: String, key: SealedBox.PrivateKey)] {
        [("jp.example", jp), ("kr.example", kr), ("us.example", us)]
    }

    func open(
        _ blob: [UInt8]? = nil, header: SealedHeader? = nil, origin: String = Example.origin,
        recordType: String = Example.recordType, as node: String = "kr.example", keys: [SealedBox.PrivateKey]? = nil
    ) throws -> [SealedField] {
        try Envelope.open(
            blob: blob ?? self.blob, header: header ?? self.header, origin: origin, recordType: recordType, as: node,
            keys: BoxOpener(keys ?? [kr]))
    }

    /// The header that an author who changes the blob would sign: size and hash follow, the commitment stays.
    func header(for blob: [UInt8]) -> SealedHeader {
        var changed = header
        changed.size = blob.count
        changed.sha256 = SHA256.hash(blob)
        return changed
    }

    /// A blob changed in its structure, with a header that says the same.
    func changed(_ change: (inout SealedBlob) throws -> Void) throws -> (header: SealedHeader, blob: [UInt8]) {
        var content = try SealedBlob(parsing: blob)
        try change(&content)
        let blob = content.serialized()
        var header = header(for: blob)
        header.salt = content.salt
        header.recipients = content.recipients.map { .init(node: $0.node, keyID: $0.keyID) }
        header.fields = content.fields.map(\.name)
        return (header, blob)
    }

    /// The data key, as any recipient can take it out.
    func dataKey() throws -> SecretBytes {
        let content = try SealedBlob(parsing: blob)
        for boxed in content.recipients where boxed.node == "us.example" {
            return try us.open(boxed.box)
        }
        throw SealingError.notARecipient(node: "us.example")
    }
}

extension SealedField {
    init(name: String, text: String) throws {
        var bytes = [UInt8](text.utf8)
        self.init(name: name, value: try SecretBytes(wiping: &bytes))
    }

    var text: String {
        value.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }
}

/// A small seeded generator (SplitMix64), so that a failure can be run again.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
