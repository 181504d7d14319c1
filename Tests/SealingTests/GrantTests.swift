import Cryptography
import Sealing
import Testing

@Suite struct GrantTests {
    private func grant(_ example: Example) throws -> Grant {
        try Grant.make(
            blob: example.blob, header: example.header, origin: Example.origin, reference: Example.reference,
            leafHash: Example.leafHash, newRecipients: [Example.recipient("fr", example.fr)], as: "us.example",
            keys: [example.us])
    }

    private func open(
        _ grant: Grant, _ example: Example, blob: [UInt8]? = nil, header: SealedHeader? = nil,
        reference: String = Example.reference, leafHash: SHA256Digest = Example.leafHash,
        origin: String = Example.origin, recordType: String = Example.recordType
    ) throws -> [SealedField] {
        try grant.open(
            blob: blob ?? example.blob, header: header ?? example.header, origin: origin, recordType: recordType,
            reference: reference, leafHash: leafHash, as: "fr.example", keys: [example.fr])
    }

    @Test func aGranteeOpensTheOriginal() throws {
        let example = try Example()
        let fields = try open(grant(example), example)
        #expect(fields.map(\.text) == Example.values.map(\.1))
    }

    @Test func onlyTheGranteeOpensIt() throws {
        let example = try Example()
        let grant = try grant(example)
        #expect(throws: SealingError.notARecipient(node: "kr.example")) {
            try grant.open(
                blob: example.blob, header: example.header, origin: Example.origin, recordType: Example.recordType,
                reference: Example.reference, leafHash: Example.leafHash, as: "kr.example", keys: [example.kr])
        }
        #expect(throws: SealingError.keyMissing(node: "fr.example")) {
            try grant.open(
                blob: example.blob, header: example.header, origin: Example.origin, recordType: Example.recordType,
                reference: Example.reference, leafHash: Example.leafHash, as: "fr.example", keys: [example.kr])
        }
    }

    @Test func whoCannotOpenCannotGrant() throws {
        let example = try Example()
        #expect(throws: SealingError.notARecipient(node: "fr.example")) {
            try Grant.make(
                blob: example.blob, header: example.header, origin: Example.origin, reference: Example.reference,
                leafHash: Example.leafHash, newRecipients: [Example.recipient("fr", example.fr)], as: "fr.example",
                keys: [example.fr])
        }
    }

    @Test func aGrantGoesToNewKeysOnly() throws {
        let example = try Example()
        func make(_ recipients: [SealingRecipient], reference: String = Example.reference) throws {
            _ = try Grant.make(
                blob: example.blob, header: example.header, origin: Example.origin, reference: reference,
                leafHash: Example.leafHash, newRecipients: recipients, as: "us.example", keys: [example.us])
        }
        #expect(throws: SealingError.notSealable("the record is already sealed to this key of kr.example")) {
            try make([Example.recipient("kr", example.kr)])
        }
        // A further key of a recipient is new: that is how a node that lost a key gets access again.
        try make([Example.recipient("kr", example.fr)])
        let fr = Example.recipient("fr", example.fr)
        #expect(throws: SealingError.notSealable("fr.example is named twice with the same key")) { try make([fr, fr]) }
        #expect(throws: SealingError.notSealable("there must be 1 to 64 recipients")) { try make([]) }
        for reference in ["kr.example/krus#1", "us.example/krus", "us.example/krus#", "us.example/krus#1a", ""] {
            #expect(throws: SealingError.notSealable("the reference is not that of a record of us.example/krus")) {
                try make([fr], reference: reference)
            }
        }
    }

    @Test func aGrantOfAnotherKeyIsRefused() throws {
        let example = try Example()
        let other = try Example()
        // The author boxes the key of another plaintext and says that it is this one's.
        var forged = try grant(other)
        forged.originalCommitment = example.header.commitment
        forged.commitment = try SealingKeys(dataKey: other.dataKey()).grantCommitment(
            reference: forged.reference, leafHash: forged.leafHash, originalCommitment: forged.originalCommitment,
            recipients: forged.recipients)
        #expect(throws: SealingError.wrongCommitment) { try open(forged, example) }
        // With the blob of that plaintext it fails earlier: the original body names another blob.
        #expect(throws: SealingError.wrongHash) { try open(forged, example, blob: other.blob) }
    }

    @Test func aGrantServesItsRecordOnly() throws {
        let example = try Example()
        let other = try Example()
        let grant = try grant(example)
        #expect(throws: SealingError.wrongGrantTarget) {
            try open(grant, example, blob: other.blob, header: other.header)
        }
        #expect(throws: SealingError.wrongGrantTarget) { try open(grant, example, reference: "us.example/krus#1043") }
        #expect(throws: SealingError.wrongGrantTarget) { try open(grant, example, leafHash: SHA256.hash("other")) }
        #expect(throws: SealingError.wrongGrantTarget) { try open(grant, example, origin: "kr.example/krus") }
        #expect(throws: SealingError.fieldDoesNotOpen(name: "case_number")) {
            try open(grant, example, recordType: "incident")
        }
        // Whoever rewrites the target without the key is found out.
        var moved = grant
        moved.reference = "us.example/krus#1043"
        #expect(throws: SealingError.wrongGrantCommitment) { try open(moved, example, reference: moved.reference) }
        moved = grant
        moved.leafHash = SHA256.hash("other")
        #expect(throws: SealingError.wrongGrantCommitment) { try open(moved, example, leafHash: moved.leafHash) }
    }

    @Test func everyFlippedByteOfAGrantIsRefused() throws {
        let example = try Example()
        let grant = try Grant.make(
            blob: example.blob, header: example.header, origin: Example.origin, reference: Example.reference,
            leafHash: Example.leafHash,
            newRecipients: [Example.recipient("fr", example.fr), Example.recipient("de", try Example.key(9))],
            as: "us.example", keys: [example.us])
        func refuse(_ change: (inout Grant) -> Void) {
            var changed = grant
            change(&changed)
            #expect(throws: SealingError.self) { try open(changed, example) }
        }
        for position in 0..<32 {
            refuse { $0.commitment[position] ^= 1 }
            refuse { $0.originalCommitment[position] ^= 1 }
        }
        for index in 0..<2 {
            let old = grant.recipients[index]
            for position in 0..<80 {
                var box = old.box
                box[position] ^= 1
                refuse { $0.recipients[index] = BoxedKey(node: old.node, keyID: old.keyID, box: box) }
            }
            for position in 0..<32 {
                var keyID = old.keyID
                keyID[position] ^= 1
                refuse { $0.recipients[index] = BoxedKey(node: old.node, keyID: keyID, box: old.box) }
            }
            refuse { $0.recipients[index] = BoxedKey(node: "es.example", keyID: old.keyID, box: old.box) }
        }
        refuse { $0.recipients.swapAt(0, 1) }
        refuse { $0.recipients.append($0.recipients[1]) }
        refuse { $0.recipients.removeFirst() }
        refuse { $0.recipients = [] }
        refuse { $0.commitment = [] }
        refuse { $0.recipients[0] = BoxedKey(node: "de.example", keyID: [], box: []) }
    }
}
