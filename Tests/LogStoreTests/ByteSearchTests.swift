import LogStore
import Testing

@Suite struct ByteSearchTests {
    private let search = ByteSearch("\"sealed\"", probing: (1, 6, 7))
    private let text = Array("\"sealed\"".utf8)

    private func isIn(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { search.isIn($0) }
    }

    @Test func theTextIsFoundAtEveryPlaceOfEveryLength() {
        for count in text.count...70 {
            for place in 0...(count - text.count) {
                var bytes = [UInt8](repeating: UInt8(ascii: "s"), count: count)
                bytes.replaceSubrange(place..<place + text.count, with: text)
                #expect(isIn(bytes), "at \(place) of \(count)")
                // Wrong by one byte, wherever that stands.
                for offset in text.indices {
                    var other = bytes
                    other[place + offset] ^= 0x20
                    #expect(!isIn(other), "at \(place) of \(count), wrong at \(offset)")
                }
            }
        }
    }

    @Test func whatIsCutOffIsNotFound() {
        for count in 0...40 {
            let filler = [UInt8](repeating: UInt8(ascii: "x"), count: count)
            #expect(!isIn(filler))
            for kept in 1..<text.count {
                #expect(!isIn(filler + text.prefix(kept)))
                #expect(!isIn(text.suffix(kept) + filler))
            }
        }
    }
}
