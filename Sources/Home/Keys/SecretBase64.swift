import Cryptography

/// Base64 of secrets, from guarded memory to guarded memory, without tables or branches that depend on them.
enum SecretBase64 {
    /// Writes the text of 32 bytes, 44 characters, to `target`, which must have that many.
    static func encode(_ bytes: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer) {
        var index = 0
        for start in stride(from: 0, to: 32, by: 3) {
            let first = Int(bytes[start])
            let second = start + 1 < 32 ? Int(bytes[start + 1]) : 0
            let third = start + 2 < 32 ? Int(bytes[start + 2]) : 0
            target[index] = character(first >> 2)
            target[index + 1] = character((first & 3) << 4 | second >> 4)
            target[index + 2] = character((second & 15) << 2 | third >> 6)
            target[index + 3] = start + 2 < 32 ? character(third & 63) : UInt8(ascii: "=")
            index += 4
        }
    }

    /// The 32 bytes of 44 characters of canonical base64; `nil` for anything else.
    static func decode(_ text: UnsafeRawBufferPointer) throws -> SecretBytes? {
        guard text.count == 44, text[43] == UInt8(ascii: "=") else { return nil }
        var invalid = 0
        let bytes = try SecretBytes(count: 32) { target in
            var index = 0
            for start in stride(from: 0, to: 44, by: 4) {
                let first = value(Int(text[start]))
                let second = value(Int(text[start + 1]))
                let third = value(Int(text[start + 2]))
                invalid |= first | second | third
                target[index] = UInt8(truncatingIfNeeded: first << 2 | second >> 4)
                target[index + 1] = UInt8(truncatingIfNeeded: second << 4 | third >> 2)
                if start == 40 {
                    // The last character before the padding gives four bits; two more would be stray.
                    invalid |= -(third & 3)
                } else {
                    let fourth = value(Int(text[start + 3]))
                    invalid |= fourth
                    target[index + 2] = UInt8(truncatingIfNeeded: third << 6 | fourth)
                }
                index += 3
            }
        }
        return invalid < 0 ? nil : bytes
    }

    /// The character of six bits: A–Z, a–z, 0–9, +, /, by the differences between their ranges.
    private static func character(_ bits: Int) -> UInt8 {
        let afterUpper = (25 - bits) >> 8 & 6
        let afterLower = (51 - bits) >> 8 & 75
        let afterDigits = (61 - bits) >> 8 & 15
        let afterPlus = (62 - bits) >> 8 & 3
        return UInt8(truncatingIfNeeded: bits + 65 + afterUpper - afterLower - afterDigits + afterPlus)
    }

    /// The six bits of a character; −1 for one outside the alphabet. Each term is 0 unless its range has the character.
    private static func value(_ character: Int) -> Int {
        let upper = ((64 - character) & (character - 91)) >> 8 & (character - 64)
        let lower = ((96 - character) & (character - 123)) >> 8 & (character - 70)
        let digit = ((47 - character) & (character - 58)) >> 8 & (character + 5)
        let plus = ((42 - character) & (character - 44)) >> 8 & 63
        let slash = ((46 - character) & (character - 48)) >> 8 & 64
        return upper + lower + digit + plus + slash - 1
    }
}
