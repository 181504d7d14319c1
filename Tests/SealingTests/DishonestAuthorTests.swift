import Cryptography
import Sealing
import Testing

/// An author signs whatever it likes: header and blob agree, hash and size are right. What is left to find out is
/// whether all recipients see one plaintext.
@Suite struct DishonestAuthorTests {
    /// An envelope whose fields are encrypted with one key each and whose boxes hold one key each.
    private func forge(
        _ example: Example, boxes: [SecretBytes], fields: [SecretBytes], committed: SecretBytes, padded: [UInt8]? = nil
    ) throws -> (header: SealedHeader, blob: [UInt8]) {
        var forged = try example.changed { content in
            for (index, reader) in example.readers.enumerated() {
                content.recipients[index].box = try reader.key.publicKey.seal(boxes[index])
            }
            for (index, value) in try Example.fields().enumerated() {
                let plain: SecretBytes
                if var padded {
                    plain = try SecretBytes(wiping: &padded)
                } else {
                    plain = try value.value.padded(to: 64)
                }
                content.fields[index].ciphertext = try XChaCha20Poly1305.seal(
                    plain, key: SealingKeys(dataKey: fields[index]).fieldKey(at: index),
                    nonce: content.fields[index].nonce,
                    associatedData: SealingKeys.associatedData(
                        origin: Example.origin, salt: content.salt, recordType: Example.recordType,
                        field: value.name))
            }
        }
        forged.header.commitment = try SealingKeys(dataKey: committed).commitment(
            to: SealedBlob(parsing: forged.blob), origin: Example.origin)
        return forged
    }

    @Test func theForgeryItselfIsSound() throws {
        let example = try Example()
        let key = try SecretBytes.random(count: 32)
        let honest = try forge(example, boxes: [key, key, key], fields: [key, key, key], committed: key)
        #expect(try example.open(honest.blob, header: honest.header).count == 3)
    }

    @Test func aRecipientWithAnotherDataKeyNoticesBeforeItReadsAField() throws {
        let example = try Example()
        let one = try SecretBytes.random(count: 32)
        let other = try SecretBytes.random(count: 32)
        // Every field opens with kr.example's key, so that only the commitment can tell.
        let forged = try forge(example, boxes: [one, other, one], fields: [other, other, other], committed: one)
        #expect(throws: SealingError.wrongCommitment) { try example.open(forged.blob, header: forged.header) }
        #expect(throws: SealingError.fieldDoesNotOpen(name: "case_number")) {
            try example.open(forged.blob, header: forged.header, as: "us.example", keys: [example.us])
        }
    }

    @Test func fieldsUnderDifferentKeysOpenForNobody() throws {
        let example = try Example()
        let one = try SecretBytes.random(count: 32)
        let other = try SecretBytes.random(count: 32)
        let forged = try forge(example, boxes: [one, other, one], fields: [one, other, one], committed: one)
        for (node, key) in example.readers {
            #expect(throws: SealingError.self) {
                try example.open(forged.blob, header: forged.header, as: node, keys: [key])
            }
        }
    }

    @Test func aPlaintextHasOnePaddedFormOnly() throws {
        let example = try Example()
        let key = try SecretBytes.random(count: 32)
        let value: [UInt8] = [0x31, 0x80]
        let forms = [
            [UInt8](repeating: 0, count: 64),
            [UInt8](repeating: 1, count: 64),
            value + [UInt8](repeating: 0, count: 70),
        ]
        for padded in forms {
            let forged = try forge(
                example, boxes: [key, key, key], fields: [key, key, key], committed: key, padded: padded)
            #expect(throws: SealingError.badPadding(name: "case_number")) {
                try example.open(forged.blob, header: forged.header)
            }
        }
    }

    @Test func aCiphertextOfNoPaddedLengthIsRefusedWithoutAKey() throws {
        let example = try Example()
        for count in [0, 1, 15, 16, 79, 81, 64 + 9 + 16] {
            let forged = try example.changed {
                $0.fields[1].ciphertext = [UInt8](repeating: 7, count: count)
            }
            #expect(throws: SealingError.self) { try Envelope.check(blob: forged.blob, against: forged.header) }
        }
    }
}
