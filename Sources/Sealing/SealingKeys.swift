package import Cryptography

/// What follows from a data key: the key of the commitment and one key a field, and what is computed with them.
package struct SealingKeys: Sendable {
    package let dataKey: SecretBytes
    package let commitmentKey: SecretBytes

    /// Keys of the commitment and of fields differ by the derivation's id, all under this context.
    private static let context: StaticString = "entseal1"
    private static let commitmentID: UInt64 = 0

    /// - Throws: `CryptographyError` for a data key that has not 32 bytes.
    package init(dataKey: SecretBytes) throws {
        self.dataKey = dataKey
        commitmentKey = try KeyDerivation.subkey(
            of: dataKey, id: SealingKeys.commitmentID, context: SealingKeys.context, isPassing: true)
    }

    /// The key of the field at this position, from 0, among the sorted fields.
    package func fieldKey(at position: Int) throws -> SecretBytes {
        try KeyDerivation.subkey(of: dataKey, id: UInt64(position) + 1, context: SealingKeys.context, isPassing: true)
    }

    /// What binds a field's ciphertext to its place: moved to another field, record or origin, it does not open.
    package static func associatedData(
        origin: String, salt: [UInt8], recordType: String, field: String
    ) -> [UInt8] {
        var writer = ItemWriter()
        writer.item(SealingSuite.name)
        writer.item(origin)
        writer.item(salt)
        writer.item(recordType)
        writer.item(field)
        return writer.bytes
    }

    /// The commitment: 32 bytes. XChaCha20-Poly1305 alone does not commit to its key: an author can make one
    /// ciphertext that opens under two keys to two plaintexts, and box either key to either recipient.
    package func commitment(to blob: SealedBlob, origin: String) -> [UInt8] {
        var writer = ItemWriter()
        writer.item(SealingSuite.name)
        writer.item(origin)
        writer.item(blob.salt)
        writer.boxes(blob.recipients)
        writer.count(blob.fields.count)
        for field in blob.fields {
            writer.item(field.name)
            writer.item(field.nonce)
            writer.item(SHA256.hash(field.ciphertext).bytes)
        }
        return BLAKE2b.hash(writer.bytes, key: commitmentKey)
    }

    /// The commitment of a grant: 32 bytes. The first item keeps it apart from a record's.
    package func grantCommitment(
        reference: String, leafHash: SHA256Digest, originalCommitment: [UInt8], recipients: [BoxedKey]
    ) -> [UInt8] {
        var writer = ItemWriter()
        writer.item("grant")
        writer.item(reference)
        writer.item(leafHash.bytes)
        writer.item(originalCommitment)
        writer.boxes(recipients)
        return BLAKE2b.hash(writer.bytes, key: commitmentKey)
    }
}
