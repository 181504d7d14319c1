import Cryptography

/// What is wrong with a single value, by itself.
enum FieldCheck {
    /// Half a sentence, or `nil` where nothing is wrong. Lists and objects are looked at elsewhere.
    static func fault(_ value: JSONValue, _ kind: FieldKind) -> String? {
        switch kind {
        case .integer(let range):
            guard case .integer(let number) = value else { return "must be an integer" }
            if range.contains(number) { return nil }
            return range.lowerBound == range.upperBound
                ? "must be \(range.lowerBound)" : "must be from \(range.lowerBound) to \(range.upperBound)"
        case .boolean:
            guard case .bool = value else { return "must be true or false" }
            return nil
        case .anyObject:
            guard case .object = value else { return "must be an object" }
            return nil
        case .list, .object:
            return nil
        default:
            guard case .string(let text) = value else { return "must be a text" }
            return textFault(text, kind)
        }
    }

    static func textFault(_ text: String, _ kind: FieldKind) -> String? {
        switch kind {
        case .word(let vocabulary):
            // The value may belong to a field that can be sealed: the answer names the choices, not what was given.
            return vocabulary.contains(text) ? nil : "must be one of \(vocabulary.words.joined(separator: ", "))"
        case .constantText(let expected):
            return ByteText.same(text, expected) ? nil : "must be \(expected)"
        default:
            var text = text
            return text.withUTF8 { bytesFault($0, kind) }
        }
    }

    private static func bytesFault(_ bytes: UnsafeBufferPointer<UInt8>, _ kind: FieldKind) -> String? {
        switch kind {
        case .line(let maximum): return plainFault(bytes, maximum, isLine: true)
        case .text(let maximum): return plainFault(bytes, maximum, isLine: false)
        case .slug, .concept:
            return isSlug(bytes)
                ? nil : "must be 1 to 128 letters, digits, dots, hyphens and underscores, a letter or digit first"
        case .time: return Timestamp.parse(bytes) != nil ? nil : "must be a time such as 2026-03-01T12:00:00Z"
        case .moment:
            if bytes.count == 10 ? Timestamp.days(bytes) != nil : Timestamp.parse(bytes) != nil { return nil }
            return "must be a time such as 2026-03-01T12:00:00Z or a day such as 2026-03-01"
        case .decimal:
            return isDecimal(bytes) ? nil : "must be a decimal number such as 1500 or 0.25, without exponent"
        case .chain: return isCAIP2(bytes) ? nil : "must be a CAIP-2 identifier such as eip155:1"
        case .address, .transactionHash: return plainFault(bytes, 256, isLine: true)
        case .node: return NodeName.isValid(bytes) ? nil : "must be a node name such as us.example"
        case .origin:
            return LogOrigin(String(decoding: bytes, as: UTF8.self)) != nil
                ? nil : "must be a log's origin such as us.example/krus"
        case .reference:
            guard bytes.count <= 512, bytes.contains(UInt8(ascii: "#")),
                Reference(String(decoding: bytes, as: UTF8.self)) != nil
            else { return "must be a reference such as us.example/krus#1042" }
            return nil
        case .sha256:
            return bytes.count == 64 && bytes.allSatisfy(ASCIIText.isLowerHexadecimal)
                ? nil : "must be 64 hexadecimal digits in lower case"
        case .base64(let range):
            guard bytes.count <= (range.upperBound + 2) / 3 * 4,
                let decoded = Base64.decode(String(decoding: bytes, as: UTF8.self)), range.contains(decoded.count)
            else {
                let count =
                    range.lowerBound == range.upperBound
                    ? "\(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
                return "must be standard base64 of \(count) bytes"
            }
            return nil
        case .country:
            return bytes.count == 2 && bytes.allSatisfy { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 }
                ? nil : "must be two capital letters (ISO 3166-1)"
        case .word, .constantText, .integer, .boolean, .anyObject, .list, .object:
            return nil
        }
    }

    private static func plainFault(_ bytes: UnsafeBufferPointer<UInt8>, _ maximum: Int, isLine: Bool) -> String? {
        if bytes.isEmpty { return "must not be empty" }
        var characters = 0
        for byte in bytes {
            if byte & 0xC0 != 0x80 { characters += 1 }
            if byte >= 0x20 && byte != 0x7F { continue }
            // A tab and the ends of lines are the only controls that a text has a use for.
            if isLine || byte != 0x09 && byte != 0x0A && byte != 0x0D {
                return isLine ? "must be one line without control characters" : "must not have control characters"
            }
        }
        return characters <= maximum ? nil : "must have at most \(maximum) characters"
    }

    private static func isSlug(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        guard (1...128).contains(bytes.count), ASCIIText.isLetterOrDigit(bytes[0]) else { return false }
        return bytes.allSatisfy { byte in
            ASCIIText.isLetterOrDigit(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
                || byte == UInt8(ascii: ".")
        }
    }

    /// An optional minus, digits without leading zeros, optionally a dot and digits; 128 characters at most.
    private static func isDecimal(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        guard (1...128).contains(bytes.count) else { return false }
        var index = bytes[0] == UInt8(ascii: "-") ? 1 : 0
        let start = index
        while index < bytes.count, ASCIIText.isDigit(bytes[index]) {
            index += 1
        }
        guard index > start, index - start == 1 || bytes[start] != UInt8(ascii: "0") else { return false }
        if index == bytes.count { return true }
        guard bytes[index] == UInt8(ascii: "."), index + 1 < bytes.count else { return false }
        return bytes[(index + 1)...].allSatisfy(ASCIIText.isDigit)
    }

    /// CAIP-2: a namespace of 3 to 8 characters and a reference of 1 to 32.
    private static func isCAIP2(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")), (3...8).contains(colon),
            (1...32).contains(bytes.count - colon - 1)
        else { return false }
        return bytes[..<colon].allSatisfy { ASCIIText.isLowerOrDigit($0) || $0 == UInt8(ascii: "-") }
            && bytes[(colon + 1)...].allSatisfy {
                ASCIIText.isLetterOrDigit($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
            }
    }
}
