import Cryptography
import Sealing
import Testing

@Suite struct SealedBlobTests {
    @Test func whatParsesSerialisesBackToTheSameBytes() throws {
        let example = try Example()
        #expect(try SealedBlob(parsing: example.blob).serialized() == example.blob)
    }

    @Test func nothingIsAllocatedForALengthThatIsNotThere() throws {
        let example = try Example()
        // Every length and count set to the largest number in turn.
        var positions = 0
        for position in 0..<example.blob.count - 4 {
            var blob = example.blob
            blob.replaceSubrange(position..<position + 4, with: [255, 255, 255, 255])
            if (try? SealedBlob(parsing: blob)) == nil { positions += 1 }
        }
        #expect(positions > 30)
    }

    @Test func moreThanTheLimitIsRefusedUnread() {
        #expect(throws: SealingError.blobTooLarge(byteCount: 1_048_577)) {
            try SealedBlob(parsing: [UInt8](repeating: 0, count: 1_048_577))
        }
    }

    @Test func noInputMakesTheParserCrashOrAcceptTwoSpellings() throws {
        let example = try Example()
        var generator = SeededGenerator(state: 20_250_221)
        var accepted = 0
        for round in 0..<20_000 {
            var blob = round.isMultiple(of: 10) ? [] : example.blob
            if blob.isEmpty {
                blob = (0..<Int.random(in: 0...200, using: &generator)).map { _ in
                    UInt8.random(in: 0...255, using: &generator)
                }
            }
            for _ in 0..<Int.random(in: 1...4, using: &generator) where !blob.isEmpty {
                let position = Int.random(in: 0..<blob.count, using: &generator)
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: blob[position] = UInt8.random(in: 0...255, using: &generator)
                case 1: blob.remove(at: position)
                case 2: blob.insert(UInt8.random(in: 0...255, using: &generator), at: position)
                case 3: blob.removeSubrange(position...)
                default:
                    let end = min(blob.count, position + Int.random(in: 0...200, using: &generator))
                    blob.insert(contentsOf: [UInt8](blob[position..<end]), at: position)
                }
            }
            guard let content = try? SealedBlob(parsing: blob) else { continue }
            accepted += 1
            #expect(content.serialized() == blob)
            if blob != example.blob {
                #expect(throws: SealingError.self) { try example.open(blob, header: example.header(for: blob)) }
            }
        }
        // Changes within salt, boxes, nonces and ciphertexts keep the form.
        #expect(accepted > 100)
    }
}
