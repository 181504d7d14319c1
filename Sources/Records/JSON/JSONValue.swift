/// One JSON value as it was written: members keep their order, numbers that are no small integer keep their literal.
///
/// Two values are equal when their texts have the same bytes; Unicode normalisation plays no part.
public enum JSONValue: Sendable {
    case null
    case bool(Bool)
    /// An integer literal between −(2^53−1) and 2^53−1.
    case integer(Int64)
    /// The literal of any other number, for example `0.10` or `1e3`.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([JSONMember])

    /// The value of the first member with this name; `nil` where there is none or this is no object.
    public subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        for member in members where ByteText.same(member.name, name) {
            return member.value
        }
        return nil
    }

    /// The text, where this is one.
    public var string: String? {
        if case .string(let text) = self { return text }
        return nil
    }

    /// The integer, where this is one.
    public var integer: Int64? {
        if case .integer(let number) = self { return number }
        return nil
    }

    /// The truth value, where this is one.
    public var bool: Bool? {
        if case .bool(let value) = self { return value }
        return nil
    }

    /// The elements, where this is an array.
    public var array: [JSONValue]? {
        if case .array(let elements) = self { return elements }
        return nil
    }

    /// The members, where this is an object.
    public var object: [JSONMember]? {
        if case .object(let members) = self { return members }
        return nil
    }
}

/// A name and its value in a JSON object.
public struct JSONMember: Sendable {
    public var name: String
    public var value: JSONValue

    public init(_ name: String, _ value: JSONValue) {
        self.name = name
        self.value = value
    }
}

/// Texts by their bytes. Swift's `==` also calls texts equal that differ in Unicode normalisation.
enum ByteText {
    @inline(__always)
    static func same(_ left: String, _ right: String) -> Bool {
        // Texts with the same bytes are always `==`, which is quick to say no.
        left == right && sameBytes(left, right)
    }

    private static func sameBytes(_ left: String, _ right: String) -> Bool {
        let fast = left.utf8.withContiguousStorageIfAvailable { left in
            right.utf8.withContiguousStorageIfAvailable { right in
                left.count == right.count && left.indices.allSatisfy { left[$0] == right[$0] }
            }
        }
        return (fast ?? nil) ?? left.utf8.elementsEqual(right.utf8)
    }

    static func precedes(_ left: String, _ right: String) -> Bool {
        left.utf8.lexicographicallyPrecedes(right.utf8)
    }
}

extension JSONMember: Hashable {
    public static func == (left: JSONMember, right: JSONMember) -> Bool {
        ByteText.same(left.name, right.name) && left.value == right.value
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        hasher.combine(value)
    }
}

extension JSONValue: Hashable {
    public static func == (left: JSONValue, right: JSONValue) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let left), .bool(let right)): left == right
        case (.integer(let left), .integer(let right)): left == right
        case (.number(let left), .number(let right)): ByteText.same(left, right)
        case (.string(let left), .string(let right)): ByteText.same(left, right)
        case (.array(let left), .array(let right)): left == right
        case (.object(let left), .object(let right)): left == right
        default: false
        }
    }

    public func hash(into hasher: inout Hasher) {
        switch self {
        case .null: hasher.combine(0)
        case .bool(let value): hasher.combine(value)
        case .integer(let number): hasher.combine(number)
        case .number(let text), .string(let text): hasher.combine(text)
        case .array(let elements): hasher.combine(elements)
        case .object(let members): hasher.combine(members)
        }
    }
}
