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
        func changed(
            _ name: String, _ outcome: String, isCommitted: Bool = false, _ change: (inout Grant) throws -> Void
        ) throws -> Grant {
            var made = try grant(name, dataKey: envelope.dataKey, outcome: outcome)
            try change(&made)
            guard isCommitted else { return made }
            let keys = try SealingKeys(dataKey: secret(envelope.dataKey))
            made.commitment = Hexadecimal.encode(
                keys.grantCommitment(
                    reference: made.reference, leafHash: Example.leafHash,
                    originalCommitment: try bytes(made.originalCommitment),
                    recipients: try made.recipients.map { try $0.boxed() }))
            return made
        }
        return [
            try grant("a further reader", dataKey: envelope.dataKey, outcome: "opened"),
            try grant("the key of another plaintext", dataKey: other.dataKey, outcome: "wrong_commitment"),
            try changed("moved to another record", "wrong_grant_commitment") { $0.reference = "us.example/krus#1043" },
            try changed("for a record in another log", "wrong_grant_target", isCommitted: true) {
                $0.reference = "kr.example/krus#1042"
            },
            try changed("for another record's commitment", "wrong_grant_target", isCommitted: true) {
                $0.originalCommitment = Hexadecimal.encode(try other.header.header().commitment)
            },
            try changed("a reader named twice", "malformed_grant", isCommitted: true) {
                $0.recipients.append($0.recipients[0])
            },
            try changed("for nobody", "malformed_grant", isCommitted: true) { $0.recipients = [] },
            try changed("for another node", "not_a_recipient", isCommitted: true) {
                $0.readers = [Reader("de.example", fr)]
            },
            try changed("to a key that the reader has not", "key_missing", isCommitted: true) {
                $0.readers = [Reader("fr.example", try Example.key(5))]
            },
            try changed("a box that does not open", "box_does_not_open", isCommitted: true) {
                var box = try bytes($0.recipients[0].box)
                box[79] ^= 1
                $0.recipients[0].box = Hexadecimal.encode(box)
            },
        ]
    }
}
