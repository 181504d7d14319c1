/// Reads I-JSON (RFC 7493), and nothing else that some parser might also call JSON.
///
/// Refused, because two parsers could read it differently: a name twice in one object (after unescaping),
/// lone surrogates, noncharacters, NUL, invalid UTF-8, control characters in texts, a byte order mark, anything
/// after the value, integers beyond ±(2^53−1), numbers that no finite double can hold, and more than 32 levels.
public struct JSONScanner {
    /// Arrays and objects nest at most this deep.
    public static let maximumDepth = 32
    /// The largest integer that every parser reads alike: 2^53 − 1 (RFC 7493, section 2.2).
    public static let maximumInteger: Int64 = 9_007_199_254_740_991

    /// The value that the bytes spell. Time and memory are proportional to their count, which the caller bounds.
    public static func scan(_ bytes: [UInt8]) throws(JSONError) -> JSONValue {
        // Typed errors do not pass through the closure in every compiler; a result does.
        let result = bytes.withUnsafeBufferPointer { buffer in scanning(buffer) }
        return try result.get()
    }

    /// The value that the bytes spell, as ``scan(_:)-swift.type.method``.
    public static func scan(_ bytes: UnsafeBufferPointer<UInt8>) throws(JSONError) -> JSONValue {
        try scanning(bytes).get()
    }

    /// The value that the text spells.
    public static func scan(text: String) throws(JSONError) -> JSONValue {
        var text = text
        return try text.withUTF8 { scanning($0) }.get()
    }

    private static func scanning(_ bytes: UnsafeBufferPointer<UInt8>) -> Result<JSONValue, JSONError> {
        guard let base = bytes.baseAddress, bytes.count > 0 else {
            return .failure(JSONError(offset: 0, reason: "nothing here: expected a JSON value"))
        }
        var scanner = JSONScanner(base: base, end: bytes.count)
        do throws(JSONError) {
            return .success(try scanner.document())
        } catch {
            return .failure(error)
        }
    }

    let base: UnsafePointer<UInt8>
    let end: Int
    var index = 0
    private var depth = 0
    /// Fingerprints of the names of the objects that are open, innermost last.
    private var fingerprints: [UInt64] = []
    /// Where an escaped text is put together.
    var scratch: [UInt8] = []

    private init(base: UnsafePointer<UInt8>, end: Int) {
        self.base = base
        self.end = end
        fingerprints.reserveCapacity(32)
    }

    func error(_ reason: String, at offset: Int? = nil) -> JSONError {
        JSONError(offset: offset ?? index, reason: reason)
    }

    private mutating func document() throws(JSONError) -> JSONValue {
        if base[0] == 0xEF { throw error("a byte order mark is not allowed") }
        skipSpace()
        let value = try value()
        skipSpace()
        if index != end { throw error("something follows the value") }
        return value
    }

    @inline(__always)
    private mutating func skipSpace() {
        while index < end {
            switch base[index] {
            case 0x20, 0x0A, 0x0D, 0x09: index += 1
            default: return
            }
        }
    }

    private mutating func value() throws(JSONError) -> JSONValue {
        guard index < end else { throw error("the input ends where a value is expected") }
        switch base[index] {
        case UInt8(ascii: "\""): return .string(try text())
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: throw error("expected a value")
        }
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        guard end - index >= word.utf8CodeUnitCount else { throw error("expected a value") }
        for offset in 0..<word.utf8CodeUnitCount where base[index + offset] != word.utf8Start[offset] {
            throw error("expected a value")
        }
        index += word.utf8CodeUnitCount
        return value
    }

    private mutating func enter() throws(JSONError) {
        depth += 1
        if depth > JSONScanner.maximumDepth {
            throw error("more than \(JSONScanner.maximumDepth) levels of arrays and objects")
        }
        index += 1
    }

    private mutating func array() throws(JSONError) -> JSONValue {
        try enter()
        var elements: [JSONValue] = []
        skipSpace()
        if index < end, base[index] == UInt8(ascii: "]") {
            index += 1
            depth -= 1
            return .array(elements)
        }
        while true {
            skipSpace()
            elements.append(try value())
            skipSpace()
            guard index < end else { throw error("the input ends inside an array") }
            switch base[index] {
            case UInt8(ascii: ","): index += 1
            case UInt8(ascii: "]"):
                index += 1
                depth -= 1
                return .array(elements)
            default: throw error("expected a comma or the end of the array")
            }
        }
    }

    private mutating func object() throws(JSONError) -> JSONValue {
        try enter()
        var members: [JSONMember] = []
        skipSpace()
        if index < end, base[index] == UInt8(ascii: "}") {
            index += 1
            depth -= 1
            return .object(members)
        }
        members.reserveCapacity(depth == 1 ? 16 : 4)
        let firstFingerprint = fingerprints.count
        var names = Set<NameBytes>()
        while true {
            skipSpace()
            guard index < end, base[index] == UInt8(ascii: "\"") else { throw error("expected a name in quotes") }
            let start = index
            let name = try text()
            try note(name, at: start, among: members, from: firstFingerprint, &names)
            skipSpace()
            guard index < end, base[index] == UInt8(ascii: ":") else { throw error("expected a colon") }
            index += 1
            skipSpace()
            members.append(JSONMember(name, try value()))
            skipSpace()
            guard index < end else { throw error("the input ends inside an object") }
            switch base[index] {
            case UInt8(ascii: ","): index += 1
            case UInt8(ascii: "}"):
                index += 1
                depth -= 1
                fingerprints.removeLast(fingerprints.count - firstFingerprint)
                return .object(members)
            default: throw error("expected a comma or the end of the object")
            }
        }
    }

    /// Remembers a name of the object being read, and refuses it the second time.
    private mutating func note(
        _ name: String, at start: Int, among members: [JSONMember], from first: Int, _ names: inout Set<NameBytes>
    ) throws(JSONError) {
        let fingerprint = JSONScanner.fingerprint(name)
        // A few names are compared one by one. Many go into a set whose hashes nobody can foresee, so that time
        // stays proportional to the input whatever the names are.
        if members.count < 48 {
            for position in 0..<members.count where fingerprints[first + position] == fingerprint {
                if ByteText.same(members[position].name, name) { throw error("the name appears twice", at: start) }
            }
        } else {
            if names.isEmpty { names = Set(members.map { NameBytes(name: $0.name) }) }
            guard names.insert(NameBytes(name: name)).inserted else { throw error("the name appears twice", at: start) }
        }
        fingerprints.append(fingerprint)
    }

    /// Equal for equal names; different for most others.
    private static func fingerprint(_ name: String) -> UInt64 {
        name.utf8.withContiguousStorageIfAvailable { bytes in
            var word = UInt64(truncatingIfNeeded: bytes.count)
            for index in 0..<min(bytes.count, 12) {
                word = (word << 5 | word >> 59) ^ UInt64(bytes[index])
            }
            return word
        } ?? 0
    }

    /// A name that equals another only byte for byte.
    private struct NameBytes: Hashable {
        let name: String

        static func == (left: NameBytes, right: NameBytes) -> Bool {
            ByteText.same(left.name, right.name)
        }

        func hash(into hasher: inout Hasher) {
            for byte in name.utf8 {
                hasher.combine(byte)
            }
        }
    }
}
