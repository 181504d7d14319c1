import Home
import Testing

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers from the same seed everywhere.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

@Suite("A file damaged at random")
struct MutationTests {
    private static let pieces = [
        "\n", " ", ":", "- ", "\"", "'", "#", "[", "]", ",", "{", "&a ", "*a", "!", "|", "? ", "\\x41", "---\n", "\r",
        "\t", "\u{0}", "\u{FEFF}", "\u{85}", "\u{2028}", "é", "0", "~", "<<: ", "\\ud800",
    ].map { [UInt8]($0.utf8) }

    /// Deletes, repeats, overwrites or inserts in a few places.
    private static func damaged(_ bytes: [UInt8], _ random: inout Seeded) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
            let start = Int.random(in: bytes.indices, using: &random)
            let end = min(bytes.count, start + Int.random(in: 0...30, using: &random))
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes.removeSubrange(start..<end)
            case 1: bytes.insert(contentsOf: bytes[start..<end], at: start)
            case 2: bytes[start] = UInt8.random(in: 0...255, using: &random)
            default: bytes.insert(contentsOf: pieces.randomElement(using: &random) ?? [], at: start)
            }
        }
        return bytes
    }

    @Test(
        "is refused in one line, or reads as something that reads back the same",
        arguments: 1...8 as ClosedRange<UInt64>)
    func neverStops(seed: UInt64) throws {
        var random = Seeded(state: seed)
        for _ in 0..<400 {
            do {
                let bytes = Self.damaged([UInt8](Samples.card.utf8), &random)
                let card = try PeerCard(parsing: bytes, path: "p.yaml")
                #expect(try Samples.parsedCard(card.text()) == card)
            } catch let error as HomeError {
                #expect(error.category == .badInput && !error.description.contains("\n"))
            }
            do {
                let bytes = Self.damaged([UInt8](NodeConfigurationTests.sample.utf8), &random)
                let configuration = try NodeConfiguration(parsing: bytes, path: "node.yaml")
                #expect(try NodeConfigurationTests.parsed(configuration.text()) == configuration)
            } catch let error as HomeError {
                #expect(error.category == .configuration && !error.description.contains("\n"))
            }
        }
    }
}
