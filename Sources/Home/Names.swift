/// Checks of the names that files in the home folder carry.
package enum Names {
    /// A node: labels of 1 to 63 lower-case letters, digits and inner hyphens, joined by dots; 253 bytes at most.
    package static func isNode(_ text: String) -> Bool {
        let bytes = text.utf8
        guard !bytes.isEmpty, bytes.count <= 253 else { return false }
        return bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
            guard let first = label.first, let last = label.last, label.count <= 63 else { return false }
            return label.allSatisfy { ASCII.isLowerOrDigit($0) || $0 == UInt8(ascii: "-") }
                && first != UInt8(ascii: "-") && last != UInt8(ascii: "-")
        }
    }

    /// A community: `[a-z0-9][a-z0-9-]{0,31}`.
    package static func isCommunity(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= 32, ASCII.isLowerOrDigit(first) else { return false }
        return text.utf8.allSatisfy { ASCII.isLowerOrDigit($0) || $0 == UInt8(ascii: "-") }
    }

    /// A file of a home's own folders, named without a path: letters, digits, dot, hyphen, underscore, no leading
    /// dot, 128 bytes at most.
    package static func isFile(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= 128, first != UInt8(ascii: ".") else { return false }
        return text.utf8.allSatisfy { ASCII.isLetterOrDigit($0) || "._-".utf8.contains($0) }
    }

    /// A whole number without sign or leading zeros, `nil` beyond `maximum`.
    package static func number(_ digits: some Collection<UInt8>, maximum: UInt64) -> UInt64? {
        guard let first = digits.first, digits.count <= 19, digits.count == 1 || first != UInt8(ascii: "0"),
            digits.allSatisfy(ASCII.isDigit)
        else { return nil }
        // Nineteen digits fit in 64 bits.
        let number = digits.reduce(UInt64(0)) { $0 * 10 + UInt64($1 - UInt8(ascii: "0")) }
        return number <= maximum ? number : nil
    }

    static let nodeRule = "a node is named like a DNS name in lower case, for example us.example"
    static let communityRule =
        "a community is 1 to 32 lower-case letters, digits and hyphens, for example krus"
}

/// Classes of ASCII bytes.
enum ASCII {
    static func isDigit(_ byte: UInt8) -> Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte }

    static func isLowerOrDigit(_ byte: UInt8) -> Bool {
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || isDigit(byte)
    }

    static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20 || isDigit(byte)
    }
}
