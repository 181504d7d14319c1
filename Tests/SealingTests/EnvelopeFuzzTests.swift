import Cryptography
import Records
import Sealing
import Testing

/// What a curious partner can learn by measuring, and what a hostile one can do with bytes.
@Suite struct EnvelopeFuzzTests {
    @Test func valuesOfOneSizeClassCannotBeToldApartByAnyLength() throws {
        let us = Example.recipient("us", try Example.key(1))
        func sizes(_ text: String) throws -> [Int] {
            let (header, blob) = try Envelope.seal(
                fields: [SealedField(name: "victim", text: text)], origin: Example.origin, recordType: "attribution",
                recipients: [us])
            let content = try SealedBlob(parsing: blob)
            return [blob.count, header.size] + content.fields.map(\.ciphertext.count)
        }
        let short = try sizes("null")
        for length in 1...63 {
            #expect(try sizes(String(repeating: "x", count: length)) == short, "\(length)")
        }
        #expect(try sizes(String(repeating: "x", count: 64)) != short)
        // Above the floor: few classes, each within an eighth.
        var classes: Set<[Int]> = []
        for length in 64...4_096 { classes.insert(try sizes(String(repeating: "x", count: length))) }
        #expect(classes.count < 110, "\(classes.count)")
    }

    @Test func boxesExchangedBetweenRecipientsOpenForNeither() throws {
        let example = try Example()
        let swapped = try example.changed { content in
            let box = content.recipients[0].box
            content.recipients[0].box = content.recipients[1].box
            content.recipients[1].box = box
        }
        for (node, key) in example.readers where node != "us.example" {
            #expect(throws: SealingError.boxDoesNotOpen(node: node)) {
                try example.open(swapped.blob, header: swapped.header, as: node, keys: [key])
            }
        }
        // The third, whose box is untouched, sees that the envelope is not the one that was committed to.
        #expect(throws: SealingError.wrongCommitment) {
            try example.open(swapped.blob, header: swapped.header, as: "us.example", keys: [example.us])
        }
    }

    @Test func aKeyUnderAnotherNodesNameIsNotItsKey() throws {
        let example = try Example()
        // The box of kr's key under jp's name: jp has no such key, and kr is not named.
        let renamed = try example.changed { content in
            content.recipients.removeFirst()
            content.recipients[0].node = "jp.example"
        }
        #expect(throws: SealingError.keyMissing(node: "jp.example")) {
            try example.open(renamed.blob, header: renamed.header, as: "jp.example", keys: [example.jp])
        }
        #expect(throws: SealingError.notARecipient(node: "kr.example")) {
            try example.open(renamed.blob, header: renamed.header, as: "kr.example", keys: [example.kr])
        }
        #expect(throws: SealingError.wrongCommitment) {
            try example.open(renamed.blob, header: renamed.header, as: "jp.example", keys: [example.kr])
        }
    }

    /// Changes that keep most of the form, so that they get past the first length: numbers, order, repetition.
    @Test func ofAHundredThousandMutationsNoneOpensAndNoneIsSpelledTwice() throws {
        let example = try Example()
        let other = try Example()
        var generator = SeededGenerator(state: 20_261_124)
        var parsed = 0
        for round in 0..<100_000 {
            var blob = example.blob
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let position = Int.random(in: 0..<blob.count, using: &generator)
                switch Int.random(in: 0..<7, using: &generator) {
                case 0: blob[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                case 1: blob[position] = UInt8.random(in: 0...255, using: &generator)
                case 2: blob.removeSubrange(position...)
                case 3: blob.append(contentsOf: blob.prefix(position))
                case 4:
                    // Bytes of another envelope of the same form in their place.
                    let end = min(blob.count, other.blob.count, position + 100)
                    if position < end { blob.replaceSubrange(position..<end, with: other.blob[position..<end]) }
                case 5:
                    let end = min(blob.count, position + Int.random(in: 1...120, using: &generator))
                    blob.insert(contentsOf: Array(blob[position..<end]), at: position)
                default:
                    let end = min(blob.count, position + 4)
                    let count = UInt32.random(in: 0...200, using: &generator)
                    blob.replaceSubrange(
                        position..<end,
                        with: (0..<(end - position)).map { UInt8(truncatingIfNeeded: count >> UInt32(24 - 8 * $0)) })
                }
                if blob.isEmpty { break }
            }
            guard blob != example.blob, let content = try? SealedBlob(parsing: blob) else { continue }
            parsed += 1
            #expect(content.serialized() == blob)
            // Opening costs a scalar multiplication: a sample of those that parse.
            guard parsed.isMultiple(of: 20) else { continue }
            #expect(throws: SealingError.self, "round \(round)") {
                try example.open(blob, header: example.header(for: blob))
            }
        }
        #expect(parsed > 5_000, "\(parsed)")
    }
}
