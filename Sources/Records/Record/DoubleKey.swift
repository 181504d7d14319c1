/// What a record says, in one spelling: two bodies with the same bytes here are doubles.
///
/// Left out are `time`, `author` and `provenance`. Members are sorted by the bytes of their names; white space,
/// escapes, the order of members and the spelling of numbers play no part. The order of lists does. Hash the bytes
/// with a secret key before storing them: a plain hash of few possible values can be searched.
///
/// A sealed body has a random salt and equals no other: take the bytes of a record before its fields are sealed.
public enum DoubleKey {
    /// The bytes to hash.
    public static func canonicalBytes(of record: JSONValue) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(512)
        if case .object(let members) = record {
            append(members.filter { !isLeftOut($0.name) }, to: &bytes)
        } else {
            append(record, to: &bytes)
        }
        return bytes
    }

    private static func isLeftOut(_ name: String) -> Bool {
        name == "time" || name == "author" || name == "provenance"
    }

    private static func append(_ members: [JSONMember], to bytes: inout [UInt8]) {
        // The first eight bytes of a name decide nearly always, and compare as one number.
        let sorted = members.indices.map { (prefix: prefix(members[$0].name), index: $0) }.sorted { left, right in
            left.prefix == right.prefix
                ? ByteText.precedes(members[left.index].name, members[right.index].name) : left.prefix < right.prefix
        }
        bytes.append(UInt8(ascii: "{"))
        for (_, index) in sorted {
            JSONWriter.append(members[index].name, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            append(members[index].value, to: &bytes)
            bytes.append(UInt8(ascii: ","))
        }
        bytes.append(UInt8(ascii: "}"))
    }

    private static func prefix(_ name: String) -> UInt64 {
        var word: UInt64 = 0
        var shift: UInt64 = 56
        for byte in name.utf8 {
            word |= UInt64(byte) << shift
            if shift == 0 { break }
            shift -= 8
        }
        return word
    }

    private static func append(_ value: JSONValue, to bytes: inout [UInt8]) {
        switch value {
        case .null, .bool, .string: JSONWriter.append(value, to: &bytes)
        case .integer(let number): bytes.append(contentsOf: normalised(number).utf8)
        case .number(let literal): bytes.append(contentsOf: normalised(literal).utf8)
        case .array(let elements):
            bytes.append(UInt8(ascii: "["))
            for element in elements {
                append(element, to: &bytes)
                bytes.append(UInt8(ascii: ","))
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let members): append(members, to: &bytes)
        }
    }

    private static func normalised(_ number: Int64) -> String {
        if number == 0 { return "0" }
        var significant = number
        var power = 0
        while significant % 10 == 0 {
            significant /= 10
            power += 1
        }
        return "\(significant)e\(power)"
    }

    /// A number as its significant digits and a power of ten, exactly: `1.50`, `15e-1` and `0.15E1` are one.
    static func normalised(_ literal: String) -> String {
        var digits: [UInt8] = []
        var power = 0
        var isNegative = false
        var isFraction = false
        var bytes = Substring(literal).utf8
        while let byte = bytes.popFirst() {
            switch byte {
            case UInt8(ascii: "-"): isNegative = true
            case UInt8(ascii: "."): isFraction = true
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                if isFraction { power -= 1 }
                digits.append(byte)
            default:
                // No literal that the scanner takes and that is not 0 has an exponent that overflows here: of a long
                // one only its spelling counts.
                let exponent = String(Substring(bytes))
                guard let number = Int(exponent), abs(number) < 1 << 32 else {
                    let isZero = digits.allSatisfy { $0 == UInt8(ascii: "0") }
                    return isZero ? "0" : literal
                }
                power += number
                bytes = Substring("").utf8
            }
        }
        while digits.last == UInt8(ascii: "0") {
            digits.removeLast()
            power += 1
        }
        let significant = digits.drop { $0 == UInt8(ascii: "0") }
        if significant.isEmpty { return "0" }
        return "\(isNegative ? "-" : "")\(String(decoding: significant, as: UTF8.self))e\(power)"
    }
}
