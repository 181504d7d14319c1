public import Cryptography

/// What stands in the signed body about sealed fields. It names the blob, says who can open it, and commits its
/// author to one key, thus to one plaintext for every recipient.
public struct SealedHeader: Hashable, Sendable {
    public struct Recipient: Hashable, Sendable {
        public let node: String
        /// SHA-256 of the recipient's public key: 32 bytes.
        public let keyID: [UInt8]

        public init(node: String, keyID: [UInt8]) {
            self.node = node
            self.keyID = keyID
        }
    }

    public var suite: String
    /// 16 bytes.
    public var salt: [UInt8]
    /// Sorted by the bytes of the node, then of the key id; no doubles.
    public var recipients: [Recipient]
    /// Sorted by their bytes; no doubles.
    public var fields: [String]
    /// The blob's size in bytes.
    public var size: Int
    /// The blob's hash.
    public var sha256: SHA256Digest
    /// 32 bytes.
    public var commitment: [UInt8]

    /// Takes what a body says as it stands; ``validate()`` judges it.
    public init(
        suite: String, salt: [UInt8], recipients: [Recipient], fields: [String], size: Int, sha256: SHA256Digest,
        commitment: [UInt8]
    ) {
        self.suite = suite
        self.salt = salt
        self.recipients = recipients
        self.fields = fields
        self.size = size
        self.sha256 = sha256
        self.commitment = commitment
    }

    /// The header of a blob that no record names: what it would say, with the commitment that is kept beside the blob.
    package init(of blob: [UInt8], commitment: [UInt8]) throws(SealingError) {
        let content = try SealedBlob(parsing: blob)
        self.init(
            suite: SealingSuite.name, salt: content.salt,
            recipients: content.recipients.map { Recipient(node: $0.node, keyID: $0.keyID) },
            fields: content.fields.map(\.name), size: blob.count, sha256: SHA256.hash(blob), commitment: commitment)
    }

    /// Refuses a header that breaks a rule of the format, without looking at a blob.
    public func validate() throws(SealingError) {
        guard suite.utf8.elementsEqual(SealingSuite.name.utf8) else { throw .unknownSuite }
        guard salt.count == SealingSuite.saltByteCount else { throw .malformedHeader("the salt must have 16 bytes") }
        guard commitment.count == SealingSuite.commitmentByteCount else {
            throw .malformedHeader("the commitment must have 32 bytes")
        }
        guard (1...SealingSuite.maximumBlobByteCount).contains(size) else {
            throw .malformedHeader("the size must be 1 to \(SealingSuite.maximumBlobByteCount)")
        }
        guard (1...SealingSuite.maximumRecipientCount).contains(recipients.count),
            recipients.allSatisfy({
                SealingSuite.isName($0.node.utf8, SealingSuite.nodeByteCounts)
                    && $0.keyID.count == SealingSuite.keyIDByteCount
            })
        else { throw .malformedHeader("there must be 1 to 64 recipients with a name and a key id of 32 bytes") }
        guard
            zip(recipients, recipients.dropFirst()).allSatisfy({
                RecipientOrder.precedes(($0.node, $0.keyID), ($1.node, $1.keyID))
            })
        else { throw .malformedHeader("the recipients must be sorted and named once") }
        guard (1...SealingSuite.maximumFieldCount).contains(fields.count),
            fields.allSatisfy({ SealingSuite.isName($0.utf8, SealingSuite.fieldNameByteCounts) })
        else { throw .malformedHeader("there must be 1 to 64 fields with a name") }
        guard zip(fields, fields.dropFirst()).allSatisfy({ FieldOrder.precedes($0, $1) }) else {
            throw .malformedHeader("the fields must be sorted and named once")
        }
    }
}
