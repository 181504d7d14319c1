import Cryptography
import Sealing
import Testing

@Suite struct FieldPaddingTests {
    private func size(_ text: String) throws -> Int {
        let us = SealingRecipient(node: "us.example", key: try Example.key(1).publicKey)
        return try Envelope.seal(
            fields: [SealedField(name: "note", text: text)], origin: "us.example/krus", recordType: "x",
            recipients: [us]
        ).blob.count
    }

    @Test func shortValuesAllHaveOneSize() throws {
        let sizes = try Set(
            (0..<64).map { try size(String(repeating: "x", count: $0)) } + [size("null"), size("true")])
        #expect(sizes.count == 1)
        #expect(try size(String(repeating: "x", count: 64)) > (sizes.first ?? .max))
    }

    @Test func theDocumentedExampleHasItsSize() throws {
        // docs/sealing.md lists this blob's offsets: one recipient us.example, one field note.
        #expect(try size("null") == 300)
    }

    @Test func longValuesHaveFewSizesAndLittleOverhead() throws {
        let empty = try size("") - 64
        var sizes: Set<Int> = []
        for count in stride(from: 64, through: 8192, by: 61) {
            let padded = try size(String(repeating: "x", count: count)) - empty
            #expect(padded > count)
            #expect(Double(padded) <= Double(count + 1) * 1.12)
            sizes.insert(padded)
        }
        // Seven octaves; Padmé leaves 8 lengths in an octave from 64 on, 16 from 256 on.
        #expect(sizes.count <= 80)
    }

    /// Examples computed by hand from the paper's definition: of 1000 = 2^9 + …, the last 9 − 4 bits are rounded up.
    @Test(arguments: [
        (63, 64), (64, 72), (71, 72), (99, 104), (254, 256), (255, 256), (256, 272), (999, 1_024), (999_999, 1_015_808),
    ])
    func lengthsAreThoseOfPadme(count: Int, padded: Int) throws {
        let empty = try size("") - 64
        #expect(try size(String(repeating: "x", count: count)) - empty == padded)
    }
}
