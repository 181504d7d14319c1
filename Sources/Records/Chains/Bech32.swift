/// Bech32 (BIP-173) and bech32m (BIP-350): a prefix, a separator, and digits of five bits with a checksum.
enum Bech32 {
    enum Variant {
        case bech32
        case bech32m
    }

    /// What a text with a good checksum holds.
    struct Decoded {
        let variant: Variant
        /// How many of the values in the target are data; the checksum's six are left out.
        let count: Int
    }

    static let digits = [UInt8]("qpzry9x8gf2tvdw0s3jn54khce6mua7l".utf8)

    /// The value of each character, upper case too; 0xff where it is no digit.
    static let values: [UInt8] = {
        var table = [UInt8](repeating: 0xff, count: 256)
        for (value, digit) in digits.enumerated() {
            table[Int(digit)] = UInt8(value)
            if ASCII.isLower(digit) { table[Int(digit & 0xdf)] = UInt8(value) }
        }
        return table
    }()

    /// The generator's multiples: one entry for each value of the five bits that leave the register.
    private static let generator: [UInt32] = (0..<32).map { top in
        let terms: [UInt32] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3]
        return terms.enumerated().reduce(0) { top >> $1.offset & 1 == 1 ? $0 ^ $1.element : $0 }
    }

    enum Fault: Error {
        case wrongPrefix
        case mixedCase
        case badCharacter
        case tooShort
        case checksum

        var reason: StaticString {
            switch self {
            case .wrongPrefix: "the prefix is of another network"
            case .mixedCase: "bech32 in mixed letter case"
            case .badCharacter: "not bech32: a character that is not of its alphabet"
            case .tooShort: "too short for a bech32 checksum"
            case .checksum: "bech32 checksum does not match"
            }
        }
    }

    /// Decodes text with exactly this prefix (lower case); the values go to the target, which holds at least as
    /// many as the text has characters.
    static func decode(
        _ text: UnsafeBufferPointer<UInt8>, prefix: String, into target: UnsafeMutableBufferPointer<UInt8>
    ) -> Result<Decoded, Fault> {
        let start = prefix.utf8.count + 1
        guard text.count >= start, target.count >= text.count, ASCII.begins(text, with: prefix),
            text[start - 1] == UInt8(ascii: "1")
        else { return .failure(.wrongPrefix) }
        guard text.count >= start + 6 else { return .failure(.tooShort) }
        return values.withUnsafeBufferPointer { values in
            generator.withUnsafeBufferPointer { generator in
                var register: UInt32 = 1
                func feed(_ value: UInt8) {
                    register = (register & 0x1ff_ffff) << 5 ^ UInt32(value) ^ generator[Int(register >> 25)]
                }
                for byte in prefix.utf8 { feed(byte >> 5) }
                feed(0)
                for byte in prefix.utf8 { feed(byte & 31) }
                for index in start..<text.count {
                    let value = values[Int(text[index])]
                    if value == 0xff { return .failure(.badCharacter) }
                    target[index - start] = value
                    feed(value)
                }
                if text.contains(where: ASCII.isUpper) && text.contains(where: ASCII.isLower) {
                    return .failure(.mixedCase)
                }
                let count = text.count - start - 6
                switch register {
                case 1: return .success(Decoded(variant: .bech32, count: count))
                case 0x2bc8_30a3: return .success(Decoded(variant: .bech32m, count: count))
                default: return .failure(.checksum)
                }
            }
        }
    }

    /// Turns values of five bits into bytes, in place. `nil` where the bits left over are not zero, or are five.
    static func pack(_ values: UnsafeMutableBufferPointer<UInt8>, from start: Int, count: Int) -> Int? {
        var bits: UInt32 = 0
        var bitCount = 0
        var written = 0
        for index in start..<(start + count) {
            bits = (bits << 5 | UInt32(values[index])) & 0xfff
            bitCount += 5
            if bitCount >= 8 {
                bitCount -= 8
                values[written] = UInt8(truncatingIfNeeded: bits >> UInt32(bitCount))
                written += 1
            }
        }
        guard bitCount < 5, bits & (1 << UInt32(bitCount) - 1) == 0 else { return nil }
        return written
    }

    /// Decodes text with this prefix into bytes and lends them to the closure with the variant of its checksum.
    static func withBytes(
        _ text: UnsafeBufferPointer<UInt8>, prefix: String,
        _ judge: (Variant, UnsafeBufferPointer<UInt8>) -> AddressOutcome
    ) -> AddressOutcome {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: text.count) { target in
            switch decode(text, prefix: prefix, into: target) {
            case .failure(let fault): return .invalid(fault.reason)
            case .success(let decoded):
                guard let count = pack(target, from: 0, count: decoded.count) else {
                    return .invalid("bech32 padding is not zero")
                }
                return judge(decoded.variant, UnsafeBufferPointer(rebasing: target[..<count]))
            }
        }
    }
}
