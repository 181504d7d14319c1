public import Cryptography

/// Opens a sealed record to further nodes: the record's original data key, boxed to each of them.
///
/// A grantee opens the original blob with it and so learns what the first recipients learn, provably to itself: the
/// original commitment admits one key only.
public struct Grant: Hashable, Sendable {
    /// The sealed record, for example `us.example/krus#1042`.
    public var reference: String
    /// The leaf hash of that record.
    public var leafHash: SHA256Digest
    /// The commitment in that record: 32 bytes.
    public var originalCommitment: [UInt8]
    /// The data key for each new recipient; 1 to 64, sorted by the bytes of node, then key id; no doubles.
    public var recipients: [BoxedKey]
    /// Binds all of the above under the record's commitment key: 32 bytes.
    public var commitment: [UInt8]

    /// Takes what a body says as it stands; opening judges it.
    public init(
        reference: String, leafHash: SHA256Digest, originalCommitment: [UInt8], recipients: [BoxedKey],
        commitment: [UInt8]
    ) {
        self.reference = reference
        self.leafHash = leafHash
        self.originalCommitment = originalCommitment
        self.recipients = recipients
        self.commitment = commitment
    }

    /// Makes a grant, after checking the original as an opener does.
    ///
    /// - Parameters:
    ///   - blob: the original's blob; `header` its signed part, `origin` its log.
    ///   - reference: the original's: its origin, `#` and its index.
    ///   - leafHash: the original's.
    ///   - newRecipients: 1 to 64, none of which the original is already sealed to with the same key.
    ///   - node: the node that grants, a recipient of the original; `keys` opens with its sealing keys of all epochs.
    public static func make(
        blob: [UInt8], header: SealedHeader, origin: String, reference: String, leafHash: SHA256Digest,
        newRecipients: [SealingRecipient], as node: String, keys: BoxOpener
    ) throws -> Grant {
        guard names(reference, aRecordOf: origin) else {
            throw SealingError.notSealable("the reference is not that of a record of \(origin)")
        }
        let content = try Envelope.agreed(blob: blob, header: header)
        let sealing = try Envelope.unbox(content.recipients, as: node, with: keys)
        try Envelope.verify(content, header: header, origin: origin, with: sealing)
        for recipient in newRecipients
        where header.recipients.contains(.init(node: recipient.node, keyID: recipient.keyID)) {
            throw SealingError.notSealable("the record is already sealed to this key of \(recipient.node)")
        }
        let boxes = try BoxedKey.box(sealing.dataKey, to: newRecipients)
        return Grant(
            reference: reference, leafHash: leafHash, originalCommitment: header.commitment, recipients: boxes,
            commitment: sealing.grantCommitment(
                reference: reference, leafHash: leafHash, originalCommitment: header.commitment, recipients: boxes))
    }

    /// Checks, without any key, that this grant is well formed and for this record.
    ///
    /// - Parameters:
    ///   - header: the signed part of the record that was found at `reference`, and has the hash `leafHash`.
    ///   - origin: the log that holds both that record and this grant.
    public func check(
        against header: SealedHeader, origin: String, reference: String, leafHash: SHA256Digest
    ) throws {
        guard (1...SealingSuite.maximumRecipientCount).contains(recipients.count),
            recipients.allSatisfy({
                SealingSuite.isName($0.node.utf8, SealingSuite.nodeByteCounts)
                    && $0.keyID.count == SealingSuite.keyIDByteCount && $0.box.count == SealingSuite.boxByteCount
            })
        else { throw SealingError.malformedGrant("1 to 64 recipients with name, key id and box are needed") }
        guard
            zip(recipients, recipients.dropFirst()).allSatisfy({
                RecipientOrder.precedes(($0.node, $0.keyID), ($1.node, $1.keyID))
            })
        else { throw SealingError.malformedGrant("the recipients must be sorted and named once") }
        guard commitment.count == SealingSuite.commitmentByteCount else {
            throw SealingError.malformedGrant("the commitment must have 32 bytes")
        }
        guard Grant.names(reference, aRecordOf: origin), self.reference.utf8.elementsEqual(reference.utf8),
            self.leafHash == leafHash, originalCommitment == header.commitment
        else { throw SealingError.wrongGrantTarget }
    }

    /// Opens the original's fields as a grantee.
    ///
    /// The parameters are those of ``check(against:origin:reference:leafHash:)`` and
    /// ``Envelope/open(blob:header:origin:recordType:as:keys:)``.
    /// - Throws: ``SealingError``, from the first check that fails: the blob's hash, the agreement of header and
    ///   blob, the grant's form and target, its box, the original commitment, the grant's, then the fields.
    public func open(
        blob: [UInt8], header: SealedHeader, origin: String, recordType: String, reference: String,
        leafHash: SHA256Digest, as node: String, keys: BoxOpener
    ) throws -> [SealedField] {
        let content = try Envelope.agreed(blob: blob, header: header)
        try check(against: header, origin: origin, reference: reference, leafHash: leafHash)
        let sealing = try Envelope.unbox(recipients, as: node, with: keys)
        try Envelope.verify(content, header: header, origin: origin, with: sealing)
        let expected = sealing.grantCommitment(
            reference: reference, leafHash: leafHash, originalCommitment: originalCommitment, recipients: recipients)
        guard ConstantTime.equal(expected, commitment) else { throw SealingError.wrongGrantCommitment }
        return try Envelope.openFields(of: content, origin: origin, recordType: recordType, with: sealing)
    }

    /// Whether a reference is this origin, `#` and a number.
    private static func names(_ reference: String, aRecordOf origin: String) -> Bool {
        guard SealingSuite.isName(origin.utf8, SealingSuite.originByteCounts),
            reference.utf8.starts(with: "\(origin)#".utf8)
        else { return false }
        let index = reference.utf8.dropFirst(origin.utf8.count + 1)
        return (1...16).contains(index.count)
            && index.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}
