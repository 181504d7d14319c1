import Cryptography
import Sealing

/// What must be refused. For each check of an opener there is something that only it finds, so that one without it
/// does not come to the published answers.
extension SealingVectors {
    static func refusals(of envelope: Envelope, reader: Reader) throws -> [Refusal] {
        let forge = try Forge(envelope, reader)
        return try forge.moved() + forge.contents() + forge.headers() + forge.paddings() + forge.boxes()
            + forge.encodings()
    }
}

/// Makes forgeries of one published envelope.
private struct Forge {
    private typealias Refusal = SealingVectors.Refusal
    private typealias Change = (inout SealedBlob) throws -> Void

    private let envelope: SealingVectors.Envelope
    private let reader: SealingVectors.Reader
    private let original: SealedBlob
    private let keys: SealingKeys

    init(_ envelope: SealingVectors.Envelope, _ reader: SealingVectors.Reader) throws {
        self.envelope = envelope
        self.reader = reader
        original = try SealedBlob(parsing: bytes(envelope.blob))
        keys = try SealingKeys(dataKey: secret(envelope.dataKey))
    }

    /// Changes the content; size and hash follow, so do the recipients that the header names, and the commitment if it is
    /// committed to anew.
    private func refusal(
        _ name: String, _ outcome: String, origin: String = Example.origin, recordType: String = Example.recordType,
        committed: Bool = false, _ change: Change = { _ in }
    ) throws -> Refusal {
        var content = original
        try change(&content)
        var header = try envelope.header.header()
        header.recipients = content.recipients.map { .init(node: $0.node, keyID: $0.keyID) }
        if committed { header.commitment = keys.commitment(to: content, origin: origin) }
        return refusal(
            name, outcome, header: header, blob: content.serialized(), origin: origin, recordType: recordType)
    }

    /// The blob as it is given; what the header says of size and hash follows.
    private func refusal(
        _ name: String, _ outcome: String, header: SealedHeader, blob: [UInt8], origin: String = Example.origin,
        recordType: String = Example.recordType
    ) -> Refusal {
        var header = header
        header.size = blob.count
        header.sha256 = SHA256.hash(blob)
        return Refusal(
            name: name, origin: origin, recordType: recordType, reader: reader, header: .init(header),
            blob: Hexadecimal.encode(blob), outcome: outcome)
    }

    /// A changed encoding under the original header.
    private func encoding(_ name: String, _ outcome: String = "malformed_blob", blob: [UInt8]) throws -> Refusal {
        refusal(name, outcome, header: try envelope.header.header(), blob: blob)
    }

    private func encoding(
        _ name: String, _ outcome: String = "malformed_blob", committed: Bool = false, _ change: Change
    ) throws -> Refusal {
        var content = original
        try change(&content)
        var header = try envelope.header.header()
        if committed { header.commitment = keys.commitment(to: content, origin: Example.origin) }
        return refusal(name, outcome, header: header, blob: content.serialized())
    }

    /// Puts a plaintext of the author's choice into the first field.
    private func seal(_ plain: [UInt8], in content: inout SealedBlob) throws {
        var plain = plain
        content.fields[0].ciphertext = try XChaCha20Poly1305.seal(
            SecretBytes(wiping: &plain), key: keys.fieldKey(at: 0), nonce: content.fields[0].nonce,
            associatedData: SealingKeys.associatedData(
                origin: Example.origin, salt: content.salt, recordType: Example.recordType,
                field: content.fields[0].name))
    }

    private func fixed(_ number: Int) throws -> SecretBytes {
        var bytes = (0..<32).map { UInt8(truncatingIfNeeded: $0 + number * 16) }
        return try SecretBytes(wiping: &bytes)
    }

    func moved() throws -> [SealingVectors.Refusal] {
        [
            try refusal("published under another origin", "wrong_commitment", origin: "kr.example/krus"),
            try refusal(
                "published under another origin with a new commitment", "field_does_not_open",
                origin: "kr.example/krus", committed: true),
            try refusal("in a record of another type", "field_does_not_open", recordType: "incident"),
        ]
    }

    func contents() throws -> [SealingVectors.Refusal] {
        [
            try refusal("another data key for one reader", "wrong_commitment") { content in
                content.recipients[1].box = try reader.key().publicKey.seal(fixed(7))
            },
            try refusal("ciphertexts of two fields swapped", "field_does_not_open", committed: true) { content in
                (content.fields[0].ciphertext, content.fields[2].ciphertext) =
                    (content.fields[2].ciphertext, content.fields[0].ciphertext)
            },
            try refusal("a reader left out", "wrong_commitment") { $0.recipients.remove(at: 0) },
            try refusal("a byte of a ciphertext changed, under a new hash", "wrong_commitment") {
                $0.fields[3].ciphertext[0] ^= 1
            },
            try refusal(
                "a byte of a ciphertext changed, under a new commitment", "field_does_not_open", committed: true
            ) {
                $0.fields[3].ciphertext[0] ^= 1
            },
        ]
    }

    /// The blob is the original; what is signed of it is not.
    func headers() throws -> [SealingVectors.Refusal] {
        func changed(
            _ name: String, _ outcome: String, _ change: (inout SealingVectors.Header) -> Void
        ) -> SealingVectors.Refusal {
            var header = envelope.header
            change(&header)
            return SealingVectors.Refusal(
                name: name, origin: Example.origin, recordType: Example.recordType, reader: reader, header: header,
                blob: envelope.blob, outcome: outcome)
        }
        let other = SHA256.hash("another").hex
        return [
            changed("another hash in the record", "wrong_hash") { $0.sha256 = other },
            changed("one byte more in the record", "wrong_size") { $0.size += 1 },
            changed("another suite in the record", "unknown_suite") { $0.suite = "entente-seal/2" },
            changed("another salt in the record", "disagreement") {
                $0.salt = Base64.encode([UInt8](repeating: 7, count: 16))
            },
            changed("another reader's name in the record", "disagreement") { $0.recipients[0].node = "jq.example" },
            changed("another reader's key in the record", "disagreement") { $0.recipients[0].keyId = other },
            changed("a reader less in the record", "disagreement") { $0.recipients.removeLast() },
            changed("another field's name in the record", "disagreement") { $0.fields[2] = "notes" },
            changed("a field less in the record", "disagreement") { $0.fields.removeLast() },
        ]
    }

    func paddings() throws -> [SealingVectors.Refusal] {
        func padded(_ name: String, _ plain: [UInt8]) throws -> SealingVectors.Refusal {
            try refusal(name, "bad_padding", committed: true) { try seal(plain, in: &$0) }
        }
        let value = [UInt8]("\"2025-17\"".utf8)
        func filled(_ count: Int, _ rest: [UInt8] = []) -> [UInt8] {
            value + [0x80] + [UInt8](repeating: 0, count: count - value.count - 1 - rest.count) + rest
        }
        return [
            try padded("no padding", [UInt8](repeating: 0x20, count: 64)),
            try padded("nothing but zeros", [UInt8](repeating: 0, count: 64)),
            try padded("padding that does not end with a zero", filled(64, [1])),
            try padded("more padding than is prescribed", filled(72)),
        ]
    }

    func boxes() throws -> [SealingVectors.Refusal] {
        /// To a point of small order the shared secret is the same for all: who knows the construction could put a key
        /// into this box, or open it, without any secret. An opener has to refuse the point.
        let weak = try bytes(
            "0000000000000000000000000000000000000000000000000000000000000000"
                + "1c24977a6f97621764252314343d5fa457d318f5482fef976f14eb0c47a11e3590601e51f4898839329cee5edc6c3726")
        var stranger = try refusal("opened by another node", "not_a_recipient")
        stranger.reader = .init("fr.example", try Example.key(4))
        var keyless = try refusal("opened with another key", "key_missing")
        keyless.reader = .init(reader.node, try Example.key(5))
        return [
            stranger, keyless,
            try refusal("a box that does not open", "box_does_not_open", committed: true) {
                $0.recipients[1].box[79] ^= 1
            },
            try refusal("boxes of two readers exchanged", "box_does_not_open", committed: true) { content in
                (content.recipients[1].box, content.recipients[2].box) =
                    (content.recipients[2].box, content.recipients[1].box)
            },
            try refusal("a sender's key of small order", "box_does_not_open", committed: true) {
                $0.recipients[1].box = weak
            },
        ]
    }

    func encodings() throws -> [SealingVectors.Refusal] {
        let blob = try bytes(envelope.blob)
        var suite = blob
        suite[17] = UInt8(ascii: "2")
        return [
            try encoding("another suite in the blob", "unknown_suite", blob: suite),
            try encoding("fields not sorted", committed: true) { $0.fields.swapAt(0, 1) },
            try encoding("a field twice", committed: true) { $0.fields.insert($0.fields[0], at: 0) },
            try encoding("readers not sorted", committed: true) { $0.recipients.swapAt(0, 1) },
            try encoding("a reader twice", committed: true) { $0.recipients.insert($0.recipients[0], at: 0) },
            try encoding("no reader", committed: true) { $0.recipients = [] },
            try encoding("no field", committed: true) { $0.fields = [] },
            try encoding("a name with a space", committed: true) { $0.fields[2].name = "n te" },
            try encoding("a salt of 15 bytes", committed: true) { $0.salt.removeLast() },
            try encoding("a ciphertext of a length that nothing is padded to", committed: true) {
                try seal([UInt8]("\"2025-17\"".utf8) + [0x80] + [UInt8](repeating: 0, count: 55), in: &$0)
            },
            try encoding("a byte after the end", blob: blob + [0]),
            try encoding("the last byte cut off", blob: Array(blob.dropLast())),
            try encoding("cut off within a length", blob: Array(blob.prefix(40))),
        ]
    }
}
