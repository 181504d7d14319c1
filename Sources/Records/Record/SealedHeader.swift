public import Cryptography

/// The signed part of a sealed record: which fields are sealed and to whom, and what names the blob that has them.
///
/// In a body it is the member `sealed`: salt and commitment in standard base64, key ids and SHA-256 in lower-case
/// hexadecimal, recipients and fields sorted by their bytes. The boxes themselves stand in the blob, so that bodies
/// stay small.
public struct SealedHeader: Sendable, Hashable {
    public struct Recipient: Sendable, Hashable {
        public let node: NodeName
        /// SHA-256 of the node's sealing key.
        public let keyID: SHA256Digest

        public init(node: NodeName, keyID: SHA256Digest) {
            self.node = node
            self.keyID = keyID
        }
    }

    public static let suite = "entente-seal/1"
    public static let saltByteCount = 16
    public static let commitmentByteCount = 32
    public static let maximumRecipientCount = 64
    public static let maximumFieldCount = 64
    public static let maximumBlobByteCount = 1_048_576

    public let suite: String
    /// 16 bytes.
    public let salt: [UInt8]
    /// Sorted by node, then key id; no doubles.
    public let recipients: [Recipient]
    /// Paths of the sealed fields, sorted by their bytes, no doubles; for example `note`, `subject.address`.
    public let fields: [String]
    /// The bytes of the blob.
    public let size: Int
    /// The blob's hash.
    public let sha256: SHA256Digest
    /// 32 bytes that bind key, recipients and ciphertexts together.
    public let commitment: [UInt8]

    /// Sorts recipients and fields; `nil` where a length or a count is out of bounds, or something is there twice.
    public init?(
        suite: String = SealedHeader.suite, salt: [UInt8], recipients: [Recipient], fields: [String], size: Int,
        sha256: SHA256Digest, commitment: [UInt8]
    ) {
        let recipients = recipients.sorted()
        let fields = fields.sorted(by: ByteText.precedes)
        guard (1...64).contains(suite.utf8.count), salt.count == SealedHeader.saltByteCount,
            (1...SealedHeader.maximumRecipientCount).contains(recipients.count),
            (1...SealedHeader.maximumFieldCount).contains(fields.count),
            (1...SealedHeader.maximumBlobByteCount).contains(size),
            commitment.count == SealedHeader.commitmentByteCount,
            zip(recipients, recipients.dropFirst()).allSatisfy({ $0 < $1 }),
            zip(fields, fields.dropFirst()).allSatisfy({ ByteText.precedes($0, $1) })
        else { return nil }
        self.suite = suite
        self.salt = salt
        self.recipients = recipients
        self.fields = fields
        self.size = size
        self.sha256 = sha256
        self.commitment = commitment
    }

    /// Reads the member `sealed` of a body; `nil` where something is missing, malformed or out of order. Members
    /// that this version does not know are ignored.
    public init?(_ value: JSONValue) {
        guard let suite = value["suite"]?.string, let salt = value["salt"]?.string.flatMap(Base64.decode),
            let listed = value["recipients"]?.array, listed.count <= SealedHeader.maximumRecipientCount,
            let names = value["fields"]?.array, names.count <= SealedHeader.maximumFieldCount,
            let size = value["size"]?.integer.flatMap(Int.init(exactly:)),
            let sha256 = value["sha256"]?.string.flatMap(SealedHeader.digest),
            let commitment = value["commitment"]?.string.flatMap(Base64.decode)
        else { return nil }
        var recipients: [Recipient] = []
        for entry in listed {
            guard let node = entry["node"]?.string.flatMap(NodeName.init),
                let keyID = entry["key_id"]?.string.flatMap(SealedHeader.digest)
            else { return nil }
            recipients.append(Recipient(node: node, keyID: keyID))
        }
        let fields = names.compactMap(\.string)
        self.init(
            suite: suite, salt: salt, recipients: recipients, fields: fields, size: size, sha256: sha256,
            commitment: commitment)
        // One order only: two bodies that seal the same to the same nodes look the same.
        guard fields.count == names.count, self.recipients == recipients, self.fields == fields else { return nil }
    }

    /// The member `sealed` of a body.
    public var value: JSONValue {
        .object([
            JSONMember("suite", .string(suite)),
            JSONMember("salt", .string(Base64.encode(salt))),
            JSONMember(
                "recipients",
                .array(
                    recipients.map { recipient in
                        .object([
                            JSONMember("node", .string(recipient.node.text)),
                            JSONMember("key_id", .string(recipient.keyID.hex)),
                        ])
                    })),
            JSONMember("fields", .array(fields.map(JSONValue.string))),
            JSONMember("size", .integer(Int64(size))),
            JSONMember("sha256", .string(sha256.hex)),
            JSONMember("commitment", .string(Base64.encode(commitment))),
        ])
    }

    /// Whether the field at a path is sealed, or what it stands in is.
    public func covers(_ path: String) -> Bool {
        fields.contains { SealedHeader.path($0, covers: path) }
    }

    package static func path(_ sealed: String, covers path: String) -> Bool {
        let sealed = sealed.utf8
        let path = path.utf8
        guard path.starts(with: sealed) else { return false }
        return path.count == sealed.count || path.dropFirst(sealed.count).first == UInt8(ascii: ".")
    }

    /// A hash in lower case, as every hash of a body is written.
    static func digest(_ text: String) -> SHA256Digest? {
        guard text.utf8.count == 64, text.utf8.allSatisfy(ASCIIText.isLowerHexadecimal) else { return nil }
        return SHA256Digest(hex: text)
    }

    static let shape = ObjectShape([
        RecordSchema.required("suite", .constantText(suite), "the construction"),
        RecordSchema.required("salt", .base64(saltByteCount...saltByteCount), "16 random bytes"),
        RecordSchema.required(
            "recipients",
            .list(
                .object(
                    ObjectShape([
                        RecordSchema.required("node", .node, "a node that can open the fields"),
                        RecordSchema.required("key_id", .sha256, "SHA-256 of its sealing key"),
                    ])), 1...maximumRecipientCount), "who can open the fields, sorted"),
        RecordSchema.required(
            "fields", .list(.line(256), 1...maximumFieldCount), "the sealed fields by path, sorted"),
        RecordSchema.required("size", .integer(1...Int64(maximumBlobByteCount)), "bytes of the blob"),
        RecordSchema.required("sha256", .sha256, "hash of the blob"),
        RecordSchema.required(
            "commitment", .base64(commitmentByteCount...commitmentByteCount), "binds key, recipients and ciphertexts"),
    ])
}

extension SealedHeader.Recipient: Comparable {
    public static func < (left: SealedHeader.Recipient, right: SealedHeader.Recipient) -> Bool {
        left.node == right.node ? left.keyID < right.keyID : left.node < right.node
    }
}
