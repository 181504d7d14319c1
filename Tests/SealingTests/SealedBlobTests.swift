import Cryptography
import Sealing
import Testing

@Suite struct SealedBlobTests {
    @Test func whatParsesSerialisesBackToTheSameBytes() throws {
        let example = try Example()
        #expect(try SealedBlob(parsing: example.blob).serialized() == example.blob)
    }

    @Test func everyLengthAndCountBeyondWhatIsThereIsRefused() throws {
        let example = try Example()
        let blob = example.blob
        // Where the lengths and counts stand, found by walking over the blob as the format says.
        var places: [Int] = []
        var offset = 0
        func number() -> Int {
            places.append(offset)
            offset += 4
            return blob[offset - 4..<offset].reduce(0) { $0 << 8 | Int($1) }
        }
        func items(_ count: Int) {
            for _ in 0..<count {
                let length = number()
                offset += length
            }
        }
        items(2)
        for _ in 0..<2 { items(3 * number()) }
        #expect(offset == blob.count && places.count > 10)
        for place in places {
            for bytes in [[255, 255, 255, 255], [127, 255, 255, 255], [0, 255, 255, 255]] as [[UInt8]] {
                var forged = blob
                forged.replaceSubrange(place..<place + 4, with: bytes)
                #expect(throws: SealingError.self, "\(bytes) at \(place)") { try SealedBlob(parsing: forged) }
            }
        }
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
