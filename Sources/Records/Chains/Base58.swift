import Cryptography

/// Base58 as Bitcoin uses it, and the same with Ripple's order of the digits.
enum Base58 {
    enum Alphabet {
        case bitcoin
        case ripple
    }

    private static let bitcoin = values(of: "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
    private static let ripple = values(of: "rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz")
    private static let none: UInt8 = 0xff

    private static func values(of digits: String) -> [UInt8] {
        var table = [UInt8](repeating: none, count: 256)
        for (value, digit) in digits.utf8.enumerated() {
            table[Int(digit)] = UInt8(value)
        }
        return table
    }

    /// Longer text is refused: its value would not fit the number's fixed space.
    static let maximumDigits = 128
    /// 128 digits of 58 are 750 bits: 24 words of 32.
    private static let wordCapacity = 24
    /// Decoded bytes never outnumber the digits.
    static let byteCapacity = maximumDigits

    /// Decodes into the target, which holds at least `byteCapacity` bytes. Returns the number of bytes, leading
    /// zeros included, or `nil` where a character is no digit or the text is too long.
    static func decode(
        _ text: UnsafeBufferPointer<UInt8>, alphabet: Alphabet = .bitcoin,
        into target: UnsafeMutableBufferPointer<UInt8>
    ) -> Int? {
        guard text.count <= maximumDigits, target.count >= byteCapacity else { return nil }
        return (alphabet == .bitcoin ? bitcoin : ripple).withUnsafeBufferPointer { values in
            withUnsafeTemporaryAllocation(of: UInt32.self, capacity: wordCapacity) { words in
                guard let wordCount = number(text, values, into: words) else { return nil }
                // Every leading digit of value zero stands for one zero byte.
                var count = 0
                while count < text.count, values[Int(text[count])] == 0 {
                    target[count] = 0
                    count += 1
                }
                var leading = true
                for index in stride(from: wordCount - 1, through: 0, by: -1) {
                    for shift in [24, 16, 8, 0] as [UInt32] {
                        let byte = UInt8(truncatingIfNeeded: words[index] >> shift)
                        if leading && byte == 0 { continue }
                        leading = false
                        // Fewer bytes than digits: a digit carries less than eight bits.
                        target[count] = byte
                        count += 1
                    }
                }
                return count
            }
        }
    }

    /// The value of the digits as little-endian words. Five digits are taken at a time: 58^5 fits a word.
    private static func number(
        _ text: UnsafeBufferPointer<UInt8>, _ values: UnsafeBufferPointer<UInt8>,
        into words: UnsafeMutableBufferPointer<UInt32>
    ) -> Int? {
        var wordCount = 0
        var position = 0
        while position < text.count {
            var factor: UInt64 = 1
            var carry: UInt64 = 0
            let end = min(position + 5, text.count)
            while position < end {
                let value = values[Int(text[position])]
                if value == none { return nil }
                carry = carry &* 58 &+ UInt64(value)
                factor = factor &* 58
                position += 1
            }
            for index in 0..<wordCount {
                // At most (2^32 - 1) * 58^5 + 2^32 - 1: no overflow.
                carry = UInt64(words[index]) &* factor &+ carry
                words[index] = UInt32(truncatingIfNeeded: carry)
                carry >>= 32
            }
            if carry > 0 {
                guard wordCount < wordCapacity else { return nil }
                words[wordCount] = UInt32(truncatingIfNeeded: carry)
                wordCount += 1
            }
        }
        return wordCount
    }

    /// Decodes and compares the last four bytes with the double SHA-256 of those before; lends the payload,
    /// version included, to the closure.
    static func withChecked(
        _ text: UnsafeBufferPointer<UInt8>, alphabet: Alphabet = .bitcoin,
        _ judge: (UnsafeRawBufferPointer) -> AddressOutcome
    ) -> AddressOutcome {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: byteCapacity) { target in
            guard let count = decode(text, alphabet: alphabet, into: target) else {
                return .invalid("not base58: a character that is not of its alphabet")
            }
            guard count > 4 else { return .invalid("too short for a base58 checksum") }
            let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(target)[..<count])
            let payload = UnsafeRawBufferPointer(rebasing: bytes[..<(count - 4)])
            let sha = SHA256()
            let digest = sha.hash(payload).withUnsafeBytes { sha.hash($0) }
            let matches = digest.withUnsafeBytes {
                $0.loadUnaligned(as: UInt32.self) == bytes.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self)
            }
            return matches ? judge(payload) : .invalid("base58 checksum does not match")
        }
    }
}
