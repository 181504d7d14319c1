/// Characters of addresses, as bytes.
enum ASCII {
    @inline(__always)
    static func lowercased(_ byte: UInt8) -> UInt8 {
        isUpper(byte) ? byte | 0x20 : byte
    }

    @inline(__always)
    static func isUpper(_ byte: UInt8) -> Bool {
        byte &- UInt8(ascii: "A") < 26
    }

    @inline(__always)
    static func isLower(_ byte: UInt8) -> Bool {
        byte &- UInt8(ascii: "a") < 26
    }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool {
        byte &- UInt8(ascii: "0") < 10
    }

    @inline(__always)
    static func isHexadecimal(_ byte: UInt8) -> Bool {
        isDigit(byte) || (byte | 0x20) &- UInt8(ascii: "a") < 6
    }

    /// Whether the text begins with the prefix, which is in lower case, in either letter case.
    static func begins(_ text: UnsafeBufferPointer<UInt8>, with prefix: String) -> Bool {
        guard text.count >= prefix.utf8.count else { return false }
        var index = 0
        for byte in prefix.utf8 {
            guard lowercased(text[index]) == byte else { return false }
            index += 1
        }
        return true
    }

    /// The text from this position on; empty where there is no such position.
    static func rest(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(rebasing: text.dropFirst(start))
    }

    /// Whether there are this many bytes and all are hexadecimal digits.
    static func isHexadecimal(_ text: UnsafeBufferPointer<UInt8>, count: Int) -> Bool {
        text.count == count && text.allSatisfy(isHexadecimal(_:))
    }
}
