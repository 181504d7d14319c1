import Cryptography
import Foundation
import Sealing

/// Makes the published vectors. Keys, salts and nonces are fixed; boxes are sealed anew each time, since their sender's
/// key is always fresh.
extension SealingVectors {
    static func make() throws -> SealingVectors {
        let us = Reader("us.example", try Example.key(1))
        let kr = Reader("kr.example", try Example.key(2))
        let long = "\"" + String(repeating: "0123456789", count: 30) + "\""
        let three = try envelope(
            "three readers", number: 1, readers: [kr, us, Reader("jp.example", try Example.key(3))],
            values: Example.values + [("method", long)])
        let one = try envelope(
            "the author alone", number: 2, readers: [us], values: [("source", "\"" + String(repeating: "x", count: 62))]
        )
        return SealingVectors(
            envelopes: [three, one], grants: try grants(of: three, other: one),
            refused: try refusals(of: three, reader: kr))
    }

    private static func fixed(_ count: Int, _ number: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 + number * 16) }
    }

    private static func envelope(
        _ name: String, number: Int, readers: [Reader], values: [(String, String)]
    ) throws -> Envelope {
        var seed = fixed(32, number)
        let dataKey = try SecretBytes(wiping: &seed)
        let boxes = try readers.sorted { $0.node < $1.node }.map { reader in
            let key = try reader.key().publicKey
            return BoxedKey(node: reader.node, keyID: key.sealingKeyID, box: try key.seal(dataKey))
        }
        let values = values.sorted { $0.0 < $1.0 }
        let salt = fixed(16, number + 4)
        let nonces = values.indices.map { fixed(24, number + 8 + $0) }
        let sealed = try Sealing.Envelope.seal(
            fields: values.map { try SealedField(name: $0.0, text: $0.1) }, origin: Example.origin,
            recordType: Example.recordType, boxes: boxes, dataKey: dataKey, salt: salt, nonces: nonces)
        let keys = try SealingKeys(dataKey: dataKey)
        let content = try SealedBlob(parsing: sealed.blob)
        let fields = try content.fields.enumerated().map { position, field in
            let data = SealingKeys.associatedData(
                origin: Example.origin, salt: salt, recordType: Example.recordType, field: field.name)
            let key = try keys.fieldKey(at: position)
            let padded = try XChaCha20Poly1305.open(
                field.ciphertext, key: key, nonce: field.nonce, associatedData: data)
            return Field(
                name: field.name, value: values[position].1, padded: hex(padded), key: hex(key),
                nonce: Hexadecimal.encode(field.nonce), associatedData: Hexadecimal.encode(data),
                ciphertext: Hexadecimal.encode(field.ciphertext))
        }
        return Envelope(
            name: name, origin: Example.origin, recordType: Example.recordType, dataKey: hex(dataKey),
            commitmentKey: hex(keys.commitmentKey), boxes: boxes.map(Box.init), readers: readers, fields: fields,
            header: Header(sealed.header), blob: Hexadecimal.encode(sealed.blob))
    }

    private static func grants(of envelope: Envelope, other: Envelope) throws -> [Grant] {
        let fr = try Example.key(4)
        let header = try envelope.header.header()
        func grant(_ name: String, dataKey: String, outcome: String) throws -> Grant {
            let keys = try SealingKeys(dataKey: secret(dataKey))
            let boxes = [
                BoxedKey(
                    node: "fr.example", keyID: fr.publicKey.sealingKeyID, box: try fr.publicKey.seal(keys.dataKey))
            ]
            let commitment = keys.grantCommitment(
                reference: Example.reference, leafHash: Example.leafHash, originalCommitment: header.commitment,
                recipients: boxes)
            return Grant(
                name: name, envelope: envelope.name, reference: Example.reference, leafHash: Example.leafHash.hex,
                originalCommitment: Hexadecimal.encode(header.commitment), recipients: boxes.map(Box.init),
                commitment: Hexadecimal.encode(commitment), readers: [Reader("fr.example", fr)], outcome: outcome)
        }
        var changed = try grant(
            "moved to another record", dataKey: envelope.dataKey, outcome: "wrong_grant_commitment")
        changed.reference = "us.example/krus#1043"
        return [
            try grant("a further reader", dataKey: envelope.dataKey, outcome: "opened"),
            try grant("the key of another plaintext", dataKey: other.dataKey, outcome: "wrong_commitment"),
            changed,
        ]
    }

    private static func refusals(of envelope: Envelope, reader: Reader) throws -> [Refusal] {
        let original = try SealedBlob(parsing: bytes(envelope.blob))
        let keys = try SealingKeys(dataKey: secret(envelope.dataKey))
        /// Changes the content; size and hash follow, so does the commitment if it is committed to anew.
        func refusal(
            _ name: String, _ outcome: String, origin: String = Example.origin, recordType: String = Example.recordType,
            committed: Bool = false, trailing: [UInt8] = [], _ change: (inout SealedBlob) throws -> Void = { _ in }
        ) throws -> Refusal {
            var content = original
            try change(&content)
            let blob = content.serialized() + trailing
            var header = try envelope.header.header()
            header.size = blob.count
            header.sha256 = SHA256.hash(blob)
            header.recipients = content.recipients.map { .init(node: $0.node, keyID: $0.keyID) }
            if committed { header.commitment = keys.commitment(to: content, origin: origin) }
            return Refusal(
                name: name, origin: origin, recordType: recordType, reader: reader, header: Header(header),
                blob: Hexadecimal.encode(blob), outcome: outcome)
        }
        return [
            try refusal("published under another origin", "wrong_commitment", origin: "kr.example/krus"),
            try refusal(
                "published under another origin with a new commitment", "field_does_not_open",
                origin: "kr.example/krus", committed: true),
            try refusal("in a record of another type", "field_does_not_open", recordType: "incident"),
            try refusal("another data key for one reader", "wrong_commitment") { content in
                var other = fixed(32, 7)
                let dataKey = try SecretBytes(wiping: &other)
                content.recipients[1].box = try reader.key().publicKey.seal(dataKey)
            },
            try refusal("ciphertexts of two fields swapped", "field_does_not_open", committed: true) { content in
                (content.fields[0].ciphertext, content.fields[2].ciphertext) =
                    (content.fields[2].ciphertext, content.fields[0].ciphertext)
            },
            try refusal("no padding", "bad_padding", committed: true) { content in
                let plain = try SecretBytes(count: 64) { $0.initializeMemory(as: UInt8.self, repeating: 0x20) }
                content.fields[0].ciphertext = try XChaCha20Poly1305.seal(
                    plain, key: keys.fieldKey(at: 0), nonce: content.fields[0].nonce,
                    associatedData: SealingKeys.associatedData(
                        origin: Example.origin, salt: content.salt, recordType: Example.recordType,
                        field: content.fields[0].name))
            },
            try refusal("a reader left out", "wrong_commitment") { $0.recipients.remove(at: 0) },
            try refusal("fields not sorted", "malformed_blob", committed: true) { $0.fields.swapAt(0, 1) },
            try refusal("a byte after the end", "malformed_blob", trailing: [0]),
        ]
    }
}
