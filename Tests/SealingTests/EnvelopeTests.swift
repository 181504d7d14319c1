import Cryptography
import Sealing
import Testing

@Suite struct EnvelopeTests {
    @Test func everyRecipientOpensTheSameFields() throws {
        let example = try Example()
        for (node, key) in example.readers {
            let fields = try example.open(as: node, keys: [key])
            #expect(fields.map(\.name) == ["case_number", "note", "victim"])
            #expect(fields.map(\.text) == Example.values.map(\.1))
        }
    }

    @Test func headerSaysWhatTheBlobHolds() throws {
        let example = try Example()
        #expect(example.header.suite == "entente-seal/1")
        #expect(example.header.recipients.map(\.node) == ["jp.example", "kr.example", "us.example"])
        #expect(example.header.recipients[1].keyID == SHA256.hash(example.kr.publicKey.bytes).bytes)
        #expect(example.header.fields == ["case_number", "note", "victim"])
        #expect(example.header.size == example.blob.count)
        #expect(example.header.sha256 == SHA256.hash(example.blob))
        try Envelope.check(blob: example.blob, against: example.header)
    }

    @Test func sealingTwiceSharesNothing() throws {
        let one = try Example()
        let other = try Example()
        #expect(one.header.salt != other.header.salt)
        #expect(one.header.commitment != other.header.commitment)
        #expect(try !one.dataKey().equals(other.dataKey()))
        // One sender's key for an envelope, and another one for the next.
        let senders = try [one, other].map { example in
            Set(try SealedBlob(parsing: example.blob).recipients.map { $0.box.prefix(32) })
        }
        #expect(senders.allSatisfy { $0.count == 1 })
        #expect(senders[0].isDisjoint(with: senders[1]))
    }

    @Test func valuesDoNotStandInTheBlobOrInErrors() throws {
        let example = try Example()
        let text = String(decoding: example.blob, as: UTF8.self)
        #expect(!text.contains("2025-17"))
        #expect(!"\(try example.open())".contains("2025-17"))
    }

    @Test func anyValueComesBack() throws {
        let example = try Example()
        let long = String(repeating: "x", count: 100_000)
        let values = ["", "null", "0", "\"\"", "[]", "\u{0}\u{0}", "a\u{0}", String(long), "\u{80}"]
        let fields = try values.enumerated().map { try SealedField(name: "f\($0.offset)", text: $0.element) }
        let sealed = try Envelope.seal(
            fields: fields, origin: Example.origin, recordType: "x", recipients: [Example.recipient("us", example.us)])
        let opened = try Envelope.open(
            blob: sealed.blob, header: sealed.header, origin: Example.origin, recordType: "x", as: "us.example",
            keys: [example.us])
        #expect(opened.map(\.text) == values)
    }

    @Test func theLargestNumbersOfFieldsAndRecipientsFit() throws {
        let example = try Example()
        let recipients = try (1...64).map { number in
            SealingRecipient(
                node: number == 1 ? "us.example" : "n\(number).example", key: try Example.key(UInt8(number)).publicKey)
        }
        let fields = try (1...64).map { try SealedField(name: "f\($0)", text: "\($0)") }
        let sealed = try Envelope.seal(
            fields: fields, origin: Example.origin, recordType: "x", recipients: recipients)
        let opened = try Envelope.open(
            blob: sealed.blob, header: sealed.header, origin: Example.origin, recordType: "x", as: "n64.example",
            keys: [Example.key(64)])
        #expect(Set(opened.map(\.text)) == Set((1...64).map { "\($0)" }))
        let more = recipients + [SealingRecipient(node: "n65.example", key: example.fr.publicKey)]
        #expect(throws: SealingError.notSealable("there must be 1 to 64 recipients")) {
            try Envelope.seal(fields: fields, origin: Example.origin, recordType: "x", recipients: more)
        }
        #expect(throws: SealingError.notSealable("there must be 1 to 64 fields")) {
            try Envelope.seal(
                fields: fields + [SealedField(name: "f65", text: "1")], origin: Example.origin, recordType: "x",
                recipients: recipients)
        }
    }

    @Test func aBlobIsAtMostOneMebibyte() throws {
        let example = try Example()
        func seal(_ count: Int) throws -> Int {
            let field = try SealedField(name: "note", text: String(repeating: "x", count: count))
            return try Envelope.seal(
                fields: [field], origin: Example.origin, recordType: "x",
                recipients: [Example.recipient("us", example.us)]
            ).blob.count
        }
        // 2^20 − 2^14 is the largest padded length below one mebibyte.
        #expect(try seal(1_048_576 - 16_384 - 1) <= 1_048_576)
        for count in [1_048_576 - 16_384, 1_048_576, 1_048_577, 3_000_000] {
            #expect {
                try seal(count)
            } throws: { error in
                if case .blobTooLarge = error as? SealingError { true } else { false }
            }
        }
    }

    @Test func theAuthorIsAlwaysARecipient() throws {
        let example = try Example()
        #expect(throws: SealingError.notSealable("the author's own node, us.example, must be a recipient")) {
            try Envelope.seal(
                fields: Example.fields(), origin: Example.origin, recordType: "x",
                recipients: [Example.recipient("kr", example.kr)])
        }
    }

    @Test func doublesAreNotSealed() throws {
        let example = try Example()
        let us = Example.recipient("us", example.us)
        #expect(throws: SealingError.notSealable("us.example is named twice with the same key")) {
            try Envelope.seal(
                fields: Example.fields(), origin: Example.origin, recordType: "x", recipients: [us, us])
        }
        #expect(throws: SealingError.notSealable("the field note is given twice")) {
            try Envelope.seal(
                fields: Example.fields() + [SealedField(name: "note", text: "1")], origin: Example.origin,
                recordType: "x", recipients: [us])
        }
    }

    @Test(arguments: ["", "a b", "å", "a\n", String(repeating: "n", count: 257)])
    func namesThatTwoReadersCouldTakeDifferentlyAreNotSealed(name: String) throws {
        let us = Example.recipient("us", try Example().us)
        let field = try SealedField(name: name, text: "1")
        #expect(throws: SealingError.self) {
            try Envelope.seal(fields: [field], origin: Example.origin, recordType: "x", recipients: [us])
        }
        #expect(throws: SealingError.self) {
            try Envelope.seal(
                fields: Example.fields(), origin: Example.origin, recordType: name, recipients: [us])
        }
        #expect(throws: SealingError.self) {
            try Envelope.seal(
                fields: Example.fields(), origin: Example.origin, recordType: "x",
                recipients: [us, SealingRecipient(node: name, key: us.key)])
        }
    }

    /// All encodings of points of small order, also those with the ignored top bit or not reduced.
    @Test(arguments: [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ])
    func keysOfSmallOrderAreRefused(hex: String) throws {
        let example = try Example()
        for top in [UInt8(0), 0x80] {
            var bytes = try #require(Hexadecimal.decode(hex))
            bytes[31] |= top
            let weak = SealingRecipient(node: "kr.example", key: try SealedBox.PublicKey(bytes))
            #expect(throws: SealingError.badRecipientKey(node: "kr.example")) {
                try Envelope.seal(
                    fields: Example.fields(), origin: Example.origin, recordType: "x",
                    recipients: [Example.recipient("us", example.us), weak])
            }
            // As the sender's key in a box it does not open either.
            let forged = try example.changed { $0.recipients[1].box.replaceSubrange(0..<32, with: bytes) }
            #expect(throws: SealingError.boxDoesNotOpen(node: "kr.example")) {
                try example.open(forged.blob, header: forged.header)
            }
        }
    }

    @Test func anEarlierEpochsKeyOpensWhatWasSealedToIt() throws {
        let example = try Example()
        let newer = try SealedBox.PrivateKey()
        #expect(try example.open(keys: [newer, example.kr]).count == 3)
        #expect(throws: SealingError.keyMissing(node: "kr.example")) { try example.open(keys: [newer]) }
        #expect(throws: SealingError.keyMissing(node: "kr.example")) { try example.open(keys: []) }
    }

    @Test func aNodeMayHoldTwoEpochsInOneEnvelope() throws {
        let example = try Example()
        let newer = try SealedBox.PrivateKey()
        let sealed = try Envelope.seal(
            fields: Example.fields(), origin: Example.origin, recordType: Example.recordType,
            recipients: [
                Example.recipient("us", example.us), Example.recipient("kr", example.kr),
                Example.recipient("kr", newer),
            ])
        for key in [newer, example.kr] {
            #expect(try example.open(sealed.blob, header: sealed.header, keys: [key]).count == 3)
        }
    }

    @Test func othersCannotOpen() throws {
        let example = try Example()
        #expect(throws: SealingError.notARecipient(node: "fr.example")) {
            try example.open(as: "fr.example", keys: [example.fr])
        }
        #expect(throws: SealingError.keyMissing(node: "kr.example")) {
            try example.open(as: "kr.example", keys: [example.jp])
        }
    }

    @Test func manyThreadsSealAndOpenAtOnce() async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    let example = try Example()
                    return try example.open().map(\.text) == Example.values.map(\.1)
                }
            }
            for try await matches in group { #expect(matches) }
        }
    }
}
