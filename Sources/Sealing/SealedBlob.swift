import Cryptography

/// The blob's content: who can open it and the encrypted fields. What parses serialises back to the same bytes.
///
///     item suite, item salt,
///     count recipients, each: item node, item key id, item box,
///     count fields, each: item name, item nonce, item ciphertext
package struct SealedBlob: Hashable, Sendable {
    package struct Field: Hashable, Sendable {
        package var name: String
        /// 24 bytes.
        package var nonce: [UInt8]
        /// The padded value and 16 bytes more.
        package var ciphertext: [UInt8]

        package init(name: String, nonce: [UInt8], ciphertext: [UInt8]) {
            self.name = name
            self.nonce = nonce
            self.ciphertext = ciphertext
        }
    }

    package var salt: [UInt8]
    package var recipients: [BoxedKey]
    package var fields: [Field]

    package init(salt: [UInt8], recipients: [BoxedKey], fields: [Field]) {
        self.salt = salt
        self.recipients = recipients
        self.fields = fields
    }

    package init(parsing bytes: [UInt8]) throws(SealingError) {
        guard bytes.count <= SealingSuite.maximumBlobByteCount else {
            throw .blobTooLarge(byteCount: bytes.count)
        }
        var reader = ItemReader(bytes)
        guard try reader.item(1...64, of: "suite").elementsEqual(SealingSuite.name.utf8) else { throw .unknownSuite }
        salt = try reader.item(exactly: SealingSuite.saltByteCount, of: "salt")
        recipients = try SealedBlob.recipients(&reader)
        fields = try SealedBlob.fields(&reader)
        guard reader.isAtEnd else { throw .malformedBlob(offset: reader.offset, expected: "the end") }
    }

    private static func recipients(_ reader: inout ItemReader) throws(SealingError) -> [BoxedKey] {
        var recipients: [BoxedKey] = []
        for _ in 0..<(try reader.count(1...SealingSuite.maximumRecipientCount, of: "recipients")) {
            let start = reader.offset
            let next = BoxedKey(
                node: try reader.name(SealingSuite.nodeByteCounts, of: "a node's name"),
                keyID: try reader.item(exactly: SealingSuite.keyIDByteCount, of: "key id"),
                box: try reader.item(exactly: SealingSuite.boxByteCount, of: "box"))
            if let last = recipients.last,
                !RecipientOrder.precedes((last.node, last.keyID), (next.node, next.keyID))
            {
                throw .malformedBlob(offset: start, expected: "recipients sorted and named once")
            }
            recipients.append(next)
        }
        return recipients
    }

    private static func fields(_ reader: inout ItemReader) throws(SealingError) -> [Field] {
        var fields: [Field] = []
        for _ in 0..<(try reader.count(1...SealingSuite.maximumFieldCount, of: "fields")) {
            let start = reader.offset
            let name = try reader.name(SealingSuite.fieldNameByteCounts, of: "a field's name")
            if let last = fields.last, !FieldOrder.precedes(last.name, name) {
                throw .malformedBlob(offset: start, expected: "fields sorted and named once")
            }
            let nonce = try reader.item(exactly: XChaCha20Poly1305.nonceByteCount, of: "nonce")
            let position = reader.offset
            let ciphertext = try reader.item(0...SealingSuite.maximumBlobByteCount, of: "ciphertext")
            guard FieldPadding.isPaddedCount(ciphertext.count - XChaCha20Poly1305.overhead) else {
                throw .malformedBlob(offset: position, expected: "a ciphertext of a padded length")
            }
            fields.append(Field(name: name, nonce: nonce, ciphertext: ciphertext))
        }
        return fields
    }

    package func serialized() -> [UInt8] {
        var writer = ItemWriter(capacity: 4096)
        writer.item(SealingSuite.name)
        writer.item(salt)
        writer.boxes(recipients)
        writer.count(fields.count)
        for field in fields {
            writer.item(field.name)
            writer.item(field.nonce)
            writer.item(field.ciphertext)
        }
        return writer.bytes
    }

    /// The bytes that a blob with these names and padded lengths takes.
    static func byteCount(nodes: [String], fields: [(name: String, paddedCount: Int)]) -> Int {
        let fixed = 4 + SealingSuite.name.utf8.count + 4 + SealingSuite.saltByteCount + 4 + 4
        let boxes = nodes.reduce(0) {
            $0 + 12 + $1.utf8.count + SealingSuite.keyIDByteCount + SealingSuite.boxByteCount
        }
        return fields.reduce(fixed + boxes) {
            $0 + 12 + $1.name.utf8.count + XChaCha20Poly1305.nonceByteCount + $1.paddedCount
                + XChaCha20Poly1305.overhead
        }
    }
}
