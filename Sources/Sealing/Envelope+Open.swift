import Cryptography

extension Envelope {
    /// Checks, without any key, that a blob is the one a signed header names: size, hash, form, and that both say
    /// the same about suite, salt, recipients and fields. For nodes that carry what they cannot open.
    public static func check(blob: [UInt8], against header: SealedHeader) throws {
        _ = try agreed(blob: blob, header: header)
    }

    /// Opens all fields as one of the recipients.
    ///
    /// - Parameters:
    ///   - origin: of the log in which the record was found, and ``SealedHeader`` its signed part.
    ///   - recordType: the `type` of that record.
    ///   - node: the name under which this node is a recipient.
    ///   - keys: what opens with the sealing keys of this node; the one that the header names is taken.
    /// - Returns: the fields, sorted by name.
    /// - Throws: ``SealingError``, from the first check that fails: the blob's hash, the agreement of header and
    ///   blob, the box, the commitment, then the fields; `CryptographyError.outOfSecretMemory`.
    public static func open(
        blob: [UInt8], header: SealedHeader, origin: String, recordType: String, as node: String,
        keys: BoxOpener
    ) throws -> [SealedField] {
        let content = try agreed(blob: blob, header: header)
        let sealing = try unbox(content.recipients, as: node, with: keys)
        try verify(content, header: header, origin: origin, with: sealing)
        return try openFields(of: content, origin: origin, recordType: recordType, with: sealing)
    }

    /// The content of a blob that is the header's.
    static func agreed(blob: [UInt8], header: SealedHeader) throws(SealingError) -> SealedBlob {
        try header.validate()
        guard blob.count == header.size else { throw .wrongSize(expected: header.size, actual: blob.count) }
        guard SHA256.hash(blob) == header.sha256 else { throw .wrongHash }
        let content = try SealedBlob(parsing: blob)
        guard content.salt == header.salt else { throw .disagreement("salts") }
        guard
            content.recipients.elementsEqual(
                header.recipients, by: { $0.node.utf8.elementsEqual($1.node.utf8) && $0.keyID == $1.keyID })
        else { throw .disagreement("recipients") }
        guard content.fields.elementsEqual(header.fields, by: { $0.name.utf8.elementsEqual($1.utf8) }) else {
            throw .disagreement("fields")
        }
        return content
    }

    /// The keys that a box for this node holds, opened with whichever of its keys the box names.
    static func unbox(
        _ boxes: [BoxedKey], as node: String, with keys: BoxOpener
    ) throws -> SealingKeys {
        let own = boxes.filter { $0.node.utf8.elementsEqual(node.utf8) }
        guard !own.isEmpty else { throw SealingError.notARecipient(node: node) }
        for keyID in keys.keyIDs {
            guard let boxed = own.first(where: { $0.keyID == keyID }) else { continue }
            do {
                return try SealingKeys(dataKey: keys.dataKey(in: boxed))
            } catch CryptographyError.notAuthentic {
                throw SealingError.boxDoesNotOpen(node: node)
            }
        }
        throw SealingError.keyMissing(node: node)
    }

    /// Refuses keys other than those that the author committed to in the signed body.
    static func verify(
        _ content: SealedBlob, header: SealedHeader, origin: String, with keys: SealingKeys
    ) throws(SealingError) {
        guard ConstantTime.equal(keys.commitment(to: content, origin: origin), header.commitment) else {
            throw .wrongCommitment
        }
    }

    static func openFields(
        of content: SealedBlob, origin: String, recordType: String, with keys: SealingKeys
    ) throws -> [SealedField] {
        try content.fields.enumerated().map { position, field in
            let padded: SecretBytes
            do {
                padded = try XChaCha20Poly1305.open(
                    field.ciphertext, key: keys.fieldKey(at: position), nonce: field.nonce,
                    associatedData: SealingKeys.associatedData(
                        origin: origin, salt: content.salt, recordType: recordType, field: field.name),
                    isPassing: true)
            } catch CryptographyError.notAuthentic {
                throw SealingError.fieldDoesNotOpen(name: field.name)
            }
            return SealedField(name: field.name, value: try unpad(padded, name: field.name))
        }
    }

    /// One plaintext has one padded form: any other is refused.
    private static func unpad(_ padded: SecretBytes, name: String) throws -> SecretBytes {
        do {
            let value = try padded.unpadded()
            guard FieldPadding.paddedCount(of: value.count) == padded.count else {
                throw SealingError.badPadding(name: name)
            }
            return value
        } catch CryptographyError.badPadding {
            throw SealingError.badPadding(name: name)
        }
    }
}
