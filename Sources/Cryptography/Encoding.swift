import CSodium

/// Hexadecimal: lower case out, either case in.
public enum Hexadecimal {
    private static let digits = [UInt8]("0123456789abcdef".utf8)

    public static func encode(_ bytes: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The bytes of an even number of digits and nothing else; otherwise `nil`.
    public static func decode(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var high: UInt8?
        for character in text.utf8 {
            guard let value = value(of: character) else { return nil }
            if let first = high {
                bytes.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return high == nil ? bytes : nil
    }

    private static func value(of digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

/// Base64 with the standard alphabet and padding (RFC 4648, section 4), as C2SP formats use it.
public enum Base64 {
    private static let variant = sodium_base64_VARIANT_ORIGINAL

    public static func encode(_ bytes: [UInt8]) -> String {
        var text = [CChar](repeating: 0, count: sodium_base64_encoded_len(bytes.count, variant))
        sodium_bin2base64(&text, text.count, bytes, bytes.count, variant)
        return String(decoding: text.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The bytes of canonical text only: padded, no white space, no stray bits. Otherwise `nil`.
    public static func decode(_ text: String) -> [UInt8]? {
        let characters = Array(text.utf8)
        guard characters.count.isMultiple(of: 4) else { return nil }
        if characters.isEmpty { return [] }
        var bytes = [UInt8](repeating: 0, count: characters.count / 4 * 3)
        let capacity = bytes.count
        var count = 0
        var end: UnsafePointer<CChar>?
        let decoded = characters.withUnsafeBytes { source -> Bool in
            let start = source.baseAddress?.assumingMemoryBound(to: CChar.self)
            guard let start else { return false }
            return sodium_base642bin(&bytes, capacity, start, source.count, nil, &count, &end, variant) == 0
                && end == start + source.count
        }
        guard decoded else { return nil }
        bytes.removeLast(capacity - count)
        // The library tolerates nothing that would encode differently, but one comparison proves it.
        return encode(bytes) == text ? bytes : nil
    }
}
