import Cryptography

/// Addresses of Ethereum and the chains that run its machine.
enum EVMAddress {
    /// `0x` and 40 hexadecimal digits; letters of both cases must follow EIP-55.
    /// A salt is what EIP-1191 puts before the digits: an address that follows either is good.
    static func check(_ text: UnsafeBufferPointer<UInt8>, salt: String = "") -> AddressOutcome {
        guard text.count == 42, text[0] == UInt8(ascii: "0"), text[1] | 0x20 == UInt8(ascii: "x") else {
            return .invalid("not 0x and 40 hexadecimal digits")
        }
        return checkDigits(ASCII.rest(text, from: 2), salt: salt)
    }

    static func checkXDC(_ text: UnsafeBufferPointer<UInt8>) -> AddressOutcome {
        guard text.count == 43, ASCII.begins(text, with: "xdc") else { return check(text) }
        return checkDigits(ASCII.rest(text, from: 3))
    }

    private static func checkDigits(_ digits: UnsafeBufferPointer<UInt8>, salt: String = "") -> AddressOutcome {
        var upper = false
        var lower = false
        for digit in digits {
            guard ASCII.isHexadecimal(digit) else { return .invalid("not 0x and 40 hexadecimal digits") }
            upper = upper || ASCII.isUpper(digit)
            lower = lower || ASCII.isLower(digit)
        }
        // One case carries no checksum.
        guard upper && lower else { return .unchecked }
        return followsChecksum(digits) || !salt.isEmpty && followsChecksum(digits, salt: salt)
            ? .valid : .invalid("EIP-55 letter case does not match")
    }

    /// A letter is upper case where the same digit of the lower-case text's Keccak-256 is 8 or more.
    private static func followsChecksum(_ digits: UnsafeBufferPointer<UInt8>, salt: String = "") -> Bool {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: salt.utf8.count + digits.count) { folded in
            let start = salt.utf8.count
            for (index, byte) in salt.utf8.enumerated() { folded[index] = byte }
            for index in digits.indices {
                folded[start + index] = ASCII.lowercased(digits[index])
            }
            return Keccak256.withDigest(of: UnsafeRawBufferPointer(folded)) { digest in
                for index in digits.indices where !ASCII.isDigit(digits[index]) {
                    let nibble = index & 1 == 0 ? digest[index / 2] >> 4 : digest[index / 2] & 15
                    guard ASCII.isUpper(digits[index]) == (nibble >= 8) else { return false }
                }
                return true
            }
        }
    }
}
