extension JSONWriter {
    /// The text of a value for people and for files under version control: an element or a member a line, two spaces a
    /// level, lists of plain values on one line where they fit into 100 characters.
    public static func indentedText(_ value: JSONValue) -> String {
        var bytes: [UInt8] = []
        append(value, indentedBy: 0, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func append(_ value: JSONValue, indentedBy depth: Int, to bytes: inout [UInt8]) {
        switch value {
        case .array(let elements) where !elements.isEmpty:
            if elements.allSatisfy({ isPlain($0) }) {
                let line = elements.map(text).joined(separator: ", ")
                if line.utf8.count <= 100 {
                    bytes.append(contentsOf: "[\(line)]".utf8)
                    return
                }
            }
            bytes.append(UInt8(ascii: "["))
            for (position, element) in elements.enumerated() {
                newLine(position > 0, depth + 1, &bytes)
                append(element, indentedBy: depth + 1, to: &bytes)
            }
            newLine(false, depth, &bytes)
            bytes.append(UInt8(ascii: "]"))
        case .object(let members) where !members.isEmpty:
            bytes.append(UInt8(ascii: "{"))
            for (position, member) in members.enumerated() {
                newLine(position > 0, depth + 1, &bytes)
                append(member.name, to: &bytes)
                bytes.append(contentsOf: ": ".utf8)
                append(member.value, indentedBy: depth + 1, to: &bytes)
            }
            newLine(false, depth, &bytes)
            bytes.append(UInt8(ascii: "}"))
        default:
            append(value, to: &bytes)
        }
    }

    private static func newLine(_ hasComma: Bool, _ depth: Int, _ bytes: inout [UInt8]) {
        if hasComma { bytes.append(UInt8(ascii: ",")) }
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: depth * 2))
    }

    private static func isPlain(_ value: JSONValue) -> Bool {
        switch value {
        case .array(let elements): elements.isEmpty
        case .object(let members): members.isEmpty
        default: true
        }
    }
}
