import Cryptography
import Sealing
import Testing

/// What a relay, a thief of a disk or another agency can do to a blob, and to a body that it republishes as its own.
@Suite struct TamperingTests {
    @Test func everyFlippedByteOfABlobIsNoticedWithoutAKey() throws {
        let example = try Example()
        for position in example.blob.indices {
            for mask in [UInt8(1), 0x80, 0xff] {
                var blob = example.blob
                blob[position] ^= mask
                #expect(throws: SealingError.wrongHash) { try Envelope.check(blob: blob, against: example.header) }
            }
        }
    }

    @Test func everyFlippedByteOfABlobIsRefusedEvenUnderAFittingHash() throws {
        let example = try Example()
        for position in example.blob.indices {
            var blob = example.blob
            blob[position] ^= UInt8(1) << UInt8(position % 8)
            let header = example.header(for: blob)
            #expect(throws: SealingError.self, "byte \(position)") { try example.open(blob, header: header) }
        }
    }

    @Test func everyFlippedByteOfAHeaderIsRefused() throws {
        let example = try Example()
        func refuse(_ change: (inout SealedHeader) -> Void) {
            var header = example.header
            change(&header)
            #expect(throws: SealingError.self) { try example.open(header: header) }
        }
        func flipped(_ text: String, _ position: Int) -> String {
            var bytes = [UInt8](text.utf8)
            bytes[position] ^= 1
            return String(decoding: bytes, as: UTF8.self)
        }
        func flipped(_ bytes: [UInt8], _ position: Int) -> [UInt8] {
            var bytes = bytes
            bytes[position] ^= 1
            return bytes
        }
        for position in example.header.suite.utf8.indices.enumerated().map(\.offset) {
            refuse { $0.suite = flipped($0.suite, position) }
        }
        for position in 0..<16 { refuse { $0.salt = flipped($0.salt, position) } }
        for position in 0..<32 { refuse { $0.commitment = flipped($0.commitment, position) } }
        for position in 0..<32 {
            guard let digest = SHA256Digest(flipped(example.header.sha256.bytes, position)) else { continue }
            refuse { $0.sha256 = digest }
        }
        for bit in 0..<20 { refuse { $0.size ^= 1 << bit } }
        for index in example.header.recipients.indices {
            let old = example.header.recipients[index]
            for position in 0..<old.node.utf8.count {
                refuse { $0.recipients[index] = .init(node: flipped(old.node, position), keyID: old.keyID) }
            }
            for position in 0..<32 {
                refuse { $0.recipients[index] = .init(node: old.node, keyID: flipped(old.keyID, position)) }
            }
        }
        for index in example.header.fields.indices {
            for position in 0..<example.header.fields[index].utf8.count {
                refuse { $0.fields[index] = flipped($0.fields[index], position) }
            }
        }
    }

    @Test func aHeaderThatBreaksTheFormIsRefusedBeforeTheBlobIsRead() throws {
        let example = try Example()
        func expect(_ rule: String, _ change: (inout SealedHeader) -> Void) {
            var header = example.header
            change(&header)
            #expect(throws: SealingError.malformedHeader(rule)) { try Envelope.check(blob: [], against: header) }
        }
        expect("the salt must have 16 bytes") { $0.salt.append(0) }
        expect("the commitment must have 32 bytes") { $0.commitment.removeLast() }
        for size in [0, -1, 1_048_577, Int.max, Int.min] {
            expect("the size must be 1 to 1048576") { $0.size = size }
        }
        expect("the recipients must be sorted and named once") { $0.recipients.swapAt(0, 1) }
        expect("the recipients must be sorted and named once") { $0.recipients.append($0.recipients[2]) }
        expect("the fields must be sorted and named once") { $0.fields.swapAt(0, 1) }
        expect("the fields must be sorted and named once") { $0.fields.append("victim") }
        let counts = "there must be 1 to 64 recipients with a name and a key id of 32 bytes"
        expect(counts) { $0.recipients = [] }
        expect(counts) { $0.recipients[0] = .init(node: "jp.example", keyID: []) }
        expect(counts) { $0.recipients[0] = .init(node: "jp example", keyID: $0.salt + $0.salt) }
        expect(counts) { $0.recipients = (0..<65).map { .init(node: "n\($0 + 10)", keyID: example.header.commitment) } }
        expect("there must be 1 to 64 fields with a name") { $0.fields = [] }
        expect("there must be 1 to 64 fields with a name") { $0.fields = (0..<65).map { "f\($0 + 10)" } }
        expect("there must be 1 to 64 fields with a name") { $0.fields[0] = "" }
    }

    @Test func anotherSuiteIsNamedAsSuch() throws {
        let example = try Example()
        var header = example.header
        header.suite = "entente-seal/2"
        #expect(throws: SealingError.unknownSuite) { try example.open(header: header) }
        var blob = example.blob
        blob[17] = UInt8(ascii: "2")
        #expect(throws: SealingError.unknownSuite) { try example.open(blob, header: example.header(for: blob)) }
    }

    @Test func aCiphertextMovedToAnotherFieldIsRefused() throws {
        let example = try Example()
        let moved = try example.changed { content in
            let first = content.fields[0]
            content.fields[0].nonce = content.fields[2].nonce
            content.fields[0].ciphertext = content.fields[2].ciphertext
            content.fields[2].nonce = first.nonce
            content.fields[2].ciphertext = first.ciphertext
        }
        try Envelope.check(blob: moved.blob, against: moved.header)
        #expect(throws: SealingError.wrongCommitment) { try example.open(moved.blob, header: moved.header) }
        // Even a holder of the data key who commits to it anew does not get it opened under the other name.
        var committed = moved.header
        committed.commitment = try SealingKeys(dataKey: example.dataKey()).commitment(
            to: SealedBlob(parsing: moved.blob), origin: Example.origin)
        #expect(throws: SealingError.fieldDoesNotOpen(name: "case_number")) {
            try example.open(moved.blob, header: committed)
        }
    }

    @Test func aBlobOfAnotherRecordIsRefused() throws {
        let one = try Example()
        let other = try Example()
        #expect(throws: SealingError.wrongHash) { try one.open(other.blob) }
        #expect(throws: SealingError.disagreement("salts")) {
            try one.open(other.blob, header: one.header(for: other.blob))
        }
        var header = one.header(for: other.blob)
        header.salt = other.header.salt
        #expect(throws: SealingError.wrongCommitment) { try one.open(other.blob, header: header) }
    }

    @Test func anotherAgencyCannotRepublishAnEnvelopeAsItsOwn() throws {
        let example = try Example()
        for origin in ["kr.example/krus", "us.example/krus/2", "us.example/other", "us.example/kru", ""] {
            #expect(throws: SealingError.wrongCommitment) { try example.open(origin: origin) }
            // A recipient knows the data key, so it can make a commitment for its own origin; the fields still refuse.
            var header = example.header
            header.commitment = try SealingKeys(dataKey: example.dataKey()).commitment(
                to: SealedBlob(parsing: example.blob), origin: origin)
            #expect(throws: SealingError.fieldDoesNotOpen(name: "case_number")) {
                try example.open(header: header, origin: origin)
            }
        }
    }

    @Test func anEnvelopeOpensOnlyInARecordOfItsType() throws {
        let example = try Example()
        for type in ["incident", "attributio", "", "attribution "] {
            #expect(throws: SealingError.fieldDoesNotOpen(name: "case_number")) {
                try example.open(recordType: type)
            }
        }
    }

    @Test func aTruncatedOrExtendedBlobIsRefused() throws {
        let example = try Example()
        for count in 0..<example.blob.count {
            let blob = [UInt8](example.blob[..<count])
            #expect(throws: SealingError.wrongSize(expected: example.blob.count, actual: count)) {
                try example.open(blob)
            }
            if count > 0 {
                #expect(throws: SealingError.self) { try example.open(blob, header: example.header(for: blob)) }
            }
        }
        let longer = example.blob + [0]
        #expect(throws: SealingError.malformedBlob(offset: example.blob.count, expected: "the end")) {
            try example.open(longer, header: example.header(for: longer))
        }
    }

    @Test func partsInAnotherOrderOrTwiceAreRefused() throws {
        let example = try Example()
        func refuse(_ change: (inout SealedBlob) -> Void) throws {
            let changed = try example.changed(change)
            #expect {
                _ = try SealedBlob(parsing: changed.blob)
            } throws: { error in
                if case .malformedBlob = error as? SealingError { true } else { false }
            }
            // Also where the header keeps to the form.
            #expect(throws: SealingError.self) {
                try example.open(changed.blob, header: example.header(for: changed.blob))
            }
        }
        try refuse { $0.recipients.swapAt(0, 1) }
        try refuse { $0.fields.swapAt(1, 2) }
        try refuse { $0.recipients.insert($0.recipients[1], at: 1) }
        try refuse { $0.fields.insert($0.fields[1], at: 1) }
        try refuse { $0.recipients = [] }
        try refuse { $0.fields = [] }
    }

    @Test func headerAndBlobMustAgree() throws {
        let example = try Example()
        let fewer = try example.changed { content in
            content.recipients.remove(at: 0)
            content.fields.remove(at: 0)
        }
        #expect(throws: SealingError.disagreement("recipients")) {
            try Envelope.check(blob: fewer.blob, against: example.header(for: fewer.blob))
        }
        var header = example.header(for: fewer.blob)
        header.recipients = fewer.header.recipients
        #expect(throws: SealingError.disagreement("fields")) { try Envelope.check(blob: fewer.blob, against: header) }
        // Agreeing about less than what was sealed does not help: the commitment has it all.
        try Envelope.check(blob: fewer.blob, against: fewer.header)
        #expect(throws: SealingError.wrongCommitment) { try example.open(fewer.blob, header: fewer.header) }
    }
}
