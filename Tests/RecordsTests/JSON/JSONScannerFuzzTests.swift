import Foundation
import Records
import Testing

/// A small generator (SplitMix64), so that a failure comes back with its seed.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }
}

@Suite("The JSON scanner on damaged input")
struct JSONScannerFuzzTests {
    static let fragments =
        [
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u0000", "\\ud800", "\\udc00", "\\u00e9", "null", "true", "-",
            "0", "1e9",
            "1e999", ".", "9007199254740992", "\u{0}", "\u{1F}", "é", "😀", "\"a\":1", " ", "\n",
        ].map { Array($0.utf8) } + [[0xC0], [0xED, 0xA0, 0x80], [0xFF], [0xF4, 0x90, 0x80, 0x80]]

    static func mutate(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...3, using: &generator) {
            let place = Int.random(in: 0...bytes.count, using: &generator)
            switch Int.random(in: 0..<5, using: &generator) {
            case 0: bytes.insert(contentsOf: fragments.randomElement(using: &generator) ?? [], at: place)
            case 1: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 0...4, using: &generator)))
            case 2: bytes = Array(bytes[..<place])
            case 3 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &generator)
            case 4 where place < bytes.count: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            default: break
            }
        }
        return bytes
    }

    @Test("never crashes, and what it accepts is written and read back the same, by others too", arguments: 0..<4)
    func mutations(seed: Int) throws {
        var generator = SeededGenerator(state: UInt64(seed))
        let seeds = Example.all.map { Array($0.utf8) } + JSONScannerTests.accepted.map { Array($0.utf8) }
        var acceptedCount = 0
        for _ in 0..<8_000 {
            let bytes = JSONScannerFuzzTests.mutate(try #require(seeds.randomElement(using: &generator)), &generator)
            guard let value = try? JSONScanner.scan(bytes) else { continue }
            acceptedCount += 1
            let written = JSONWriter.write(value)
            #expect(try JSONScanner.scan(written) == value)
            #expect(JSONWriter.write(try JSONScanner.scan(written)) == written)
            // What this scanner takes, a lenient parser takes as well and means the same by it.
            let theirs = try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
            #expect(agree(value, theirs), "\(String(decoding: bytes, as: UTF8.self))")
        }
        #expect(acceptedCount > 100)
    }

    @Test("records made of damaged bodies are refused or read, never a crash", arguments: 0..<4)
    func damagedRecords(seed: Int) throws {
        var generator = SeededGenerator(state: UInt64(seed) + 100)
        let seeds = Example.all.map { Array($0.utf8) }
        for _ in 0..<8_000 {
            let bytes = JSONScannerFuzzTests.mutate(try #require(seeds.randomElement(using: &generator)), &generator)
            _ = try? EntryRecord.validate(body: bytes, forSubmission: true)
            guard case .record(let record) = EntryRecord.read(bytes) else { continue }
            _ = (
                record.problems(), record.addressProblems(), record.subject, record.sealed, record.target,
                record.members
            )
            _ = (record.confidence, record.sources, record.transactions, record.time, record.tlp, record.label)
            _ = DoubleKey.canonicalBytes(of: record.value)
        }
    }

    /// Whether Foundation read the same value.
    private func agree(_ value: JSONValue, _ other: Any) -> Bool {
        switch value {
        case .null: return other is NSNull
        case .bool(let flag): return other as? Bool == flag
        case .integer(let number): return other as? Int64 == number || other as? Double == Double(number)
        case .number(let literal):
            // Foundation's decimal numbers are not exact to the last bit.
            guard let mine = Double(literal), let theirs = other as? Double else { return false }
            return abs(mine - theirs) <= abs(mine) * 1e-12
        case .string(let text): return (other as? String).map { $0.utf8.elementsEqual(text.utf8) } ?? false
        case .array(let elements):
            guard let others = other as? [Any], others.count == elements.count else { return false }
            return zip(elements, others).allSatisfy { agree($0, $1) }
        case .object(let members):
            guard let others = other as? [String: Any] else { return false }
            // A dictionary of Swift has one place for names that only normalisation makes equal.
            if others.count < members.count { return true }
            return members.allSatisfy { member in others[member.name].map { agree(member.value, $0) } ?? false }
        }
    }
}
