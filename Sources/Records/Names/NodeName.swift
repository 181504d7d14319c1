/// The name of a node: like a DNS name in lower case, for example `us.example`.
///
/// One or more labels of 1 to 63 letters, digits and inner hyphens, joined by dots, 253 bytes at most.
public struct NodeName: Sendable, Hashable {
    public static let maximumByteCount = 253

    public let text: String

    /// `nil` for a text that is no node name.
    public init?(_ text: String) {
        guard NodeName.isValid(text.utf8) else { return nil }
        self.text = text
    }

    static func isValid(_ bytes: some Collection<UInt8>) -> Bool {
        guard !bytes.isEmpty, bytes.count <= maximumByteCount else { return false }
        return bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
            guard let first = label.first, label.count <= 63 else { return false }
            var last = first
            for byte in label {
                guard ASCIIText.isLowerOrDigit(byte) || byte == UInt8(ascii: "-") else { return false }
                last = byte
            }
            return first != UInt8(ascii: "-") && last != UInt8(ascii: "-")
        }
    }
}

/// The name of a community, for example `krus`: `[a-z0-9][a-z0-9-]{0,31}`.
public struct CommunityName: Sendable, Hashable {
    public static let maximumByteCount = 32

    public let text: String

    /// `nil` for a text that is no community name.
    public init?(_ text: String) {
        guard CommunityName.isValid(text.utf8) else { return nil }
        self.text = text
    }

    static func isValid(_ bytes: some Collection<UInt8>) -> Bool {
        guard let first = bytes.first, bytes.count <= maximumByteCount, ASCIIText.isLowerOrDigit(first) else {
            return false
        }
        return bytes.allSatisfy { ASCIIText.isLowerOrDigit($0) || $0 == UInt8(ascii: "-") }
    }
}

extension NodeName: Comparable, CustomStringConvertible {
    public static func < (left: NodeName, right: NodeName) -> Bool { ByteText.precedes(left.text, right.text) }
    public var description: String { text }
}

extension CommunityName: Comparable, CustomStringConvertible {
    public static func < (left: CommunityName, right: CommunityName) -> Bool {
        ByteText.precedes(left.text, right.text)
    }
    public var description: String { text }
}

/// Classes of ASCII bytes.
enum ASCIIText {
    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool {
        UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
    }

    @inline(__always)
    static func isLowerOrDigit(_ byte: UInt8) -> Bool {
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || isDigit(byte)
    }

    @inline(__always)
    static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20 || isDigit(byte)
    }

    @inline(__always)
    static func isLowerHexadecimal(_ byte: UInt8) -> Bool {
        UInt8(ascii: "a")...UInt8(ascii: "f") ~= byte || isDigit(byte)
    }

    /// A decimal number without sign or leading zeros, at most ``JSONScanner/maximumInteger``.
    static func unsigned(_ digits: some Collection<UInt8>) -> UInt64? {
        guard let first = digits.first, digits.count <= 16, digits.count == 1 || first != UInt8(ascii: "0") else {
            return nil
        }
        var number: UInt64 = 0
        for digit in digits {
            guard isDigit(digit) else { return nil }
            number = number * 10 + UInt64(digit - UInt8(ascii: "0"))
        }
        return number <= UInt64(JSONScanner.maximumInteger) ? number : nil
    }
}
