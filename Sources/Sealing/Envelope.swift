package import Cryptography

/// Seals fields of a record to named nodes, and opens them: the suite `entente-seal/1` of docs/sealing.md.
///
/// Nothing here has state: every function may run on several threads at once.
public enum Envelope {
    /// Seals fields to recipients, the author's own node among them.
    ///
    /// - Parameters:
    ///   - fields: 1 to 64, with distinct names of at most 256 printable ASCII bytes.
    ///   - origin: of the log that will hold the record, for example `us.example/krus`.
    ///   - recordType: the record's `type`.
    ///   - recipients: 1 to 64 with distinct keys, in any order.
    /// - Returns: what goes into the signed body, and the blob (at most 1 MiB) that goes beside the log.
    /// - Throws: ``SealingError``; `CryptographyError.outOfSecretMemory`.
    public static func seal(
        fields: [SealedField], origin: String, recordType: String, recipients: [SealingRecipient]
    ) throws -> (header: SealedHeader, blob: [UInt8]) {
        try seal(
            fields: fields, origin: origin, recordType: recordType, recipients: recipients,
            dataKey: SecretBytes.random(count: SealingSuite.dataKeyByteCount, isPassing: true),
            salt: RandomBytes.make(count: SealingSuite.saltByteCount),
            nonces: fields.map { _ in RandomBytes.make(count: XChaCha20Poly1305.nonceByteCount) })
    }

    /// The same with chosen randomness, for known answers only: nonces of 24 bytes, by sorted field. The boxes still
    /// differ each time.
    package static func seal(
        fields: [SealedField], origin: String, recordType: String, recipients: [SealingRecipient],
        dataKey: SecretBytes, salt: [UInt8], nonces: [[UInt8]]
    ) throws -> (header: SealedHeader, blob: [UInt8]) {
        try check(fields: fields, origin: origin, recordType: recordType, nodes: recipients.map(\.node))
        return try seal(
            fields: fields, origin: origin, recordType: recordType, boxes: BoxedKey.box(dataKey, to: recipients),
            dataKey: dataKey, salt: salt, nonces: nonces)
    }

    /// The same with chosen boxes, already sorted: every byte follows from the input.
    package static func seal(
        fields: [SealedField], origin: String, recordType: String, boxes: [BoxedKey], dataKey: SecretBytes,
        salt: [UInt8], nonces: [[UInt8]]
    ) throws -> (header: SealedHeader, blob: [UInt8]) {
        let fields = try check(fields: fields, origin: origin, recordType: recordType, nodes: boxes.map(\.node))
        guard salt.count == SealingSuite.saltByteCount, nonces.count == fields.count else {
            throw SealingError.notSealable("the salt must have 16 bytes, and every field a nonce")
        }
        let keys = try SealingKeys(dataKey: dataKey)
        var sealed: [SealedBlob.Field] = []
        for (position, field) in fields.enumerated() {
            let padded = try field.value.padded(to: FieldPadding.paddedCount(of: field.value.count))
            let ciphertext = try XChaCha20Poly1305.seal(
                padded, key: keys.fieldKey(at: position), nonce: nonces[position],
                associatedData: SealingKeys.associatedData(
                    origin: origin, salt: salt, recordType: recordType, field: field.name))
            sealed.append(SealedBlob.Field(name: field.name, nonce: nonces[position], ciphertext: ciphertext))
        }
        let content = SealedBlob(salt: salt, recipients: boxes, fields: sealed)
        let blob = content.serialized()
        let header = SealedHeader(
            suite: SealingSuite.name, salt: salt,
            recipients: boxes.map { SealedHeader.Recipient(node: $0.node, keyID: $0.keyID) },
            fields: fields.map(\.name), size: blob.count, sha256: SHA256.hash(blob),
            commitment: keys.commitment(to: content, origin: origin))
        return (header, blob)
    }

    /// Refuses what cannot be sealed, before anything of its size is allocated; the fields come back sorted.
    @discardableResult
    private static func check(
        fields: [SealedField], origin: String, recordType: String, nodes: [String]
    ) throws(SealingError) -> [SealedField] {
        guard SealingSuite.isName(origin.utf8, SealingSuite.originByteCounts) else {
            throw .notSealable("the origin is not that of a log")
        }
        guard SealingSuite.isName(recordType.utf8, SealingSuite.recordTypeByteCounts) else {
            throw .notSealable("the record's type is not a name")
        }
        guard (1...SealingSuite.maximumFieldCount).contains(fields.count) else {
            throw .notSealable("there must be 1 to \(SealingSuite.maximumFieldCount) fields")
        }
        guard fields.allSatisfy({ SealingSuite.isName($0.name.utf8, SealingSuite.fieldNameByteCounts) }) else {
            throw .notSealable("a field's name is not 1 to 256 bytes of printable ASCII")
        }
        let sorted = fields.sorted { FieldOrder.precedes($0.name, $1.name) }
        for (one, next) in zip(sorted, sorted.dropFirst()) where one.name == next.name {
            throw .notSealable("the field \(one.name) is given twice")
        }
        let author = origin.prefix { $0 != "/" }
        guard nodes.contains(where: { $0 == author }) else {
            throw .notSealable("the author's own node, \(author), must be a recipient")
        }
        for field in sorted where field.value.count > SealingSuite.maximumBlobByteCount {
            throw .blobTooLarge(byteCount: field.value.count)
        }
        let byteCount = SealedBlob.byteCount(
            nodes: nodes,
            fields: sorted.map { ($0.name, FieldPadding.paddedCount(of: $0.value.count)) })
        guard byteCount <= SealingSuite.maximumBlobByteCount else { throw .blobTooLarge(byteCount: byteCount) }
        return sorted
    }
}
