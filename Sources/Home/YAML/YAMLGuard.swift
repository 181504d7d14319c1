/// Looks through a text before the YAML parser does, and refuses what could make parsing expensive or surprising:
/// anchors, aliases, tags, directives, block scalars, nested lists in brackets, deep nesting.
///
/// It reads a line at a time and demands that quoted values and bracketed lists end on their line. Its idea of where
/// a quotation begins then cannot drift from the parser's: at worst a line is refused that the parser would take.
struct YAMLGuard {
    static let maximumIndentation = 32
    /// The most lines and items in brackets, together: what a file of the largest size could hold beyond them would
    /// cost seconds to parse.
    static let maximumValueCount = 32_768

    struct Problem: Error {
        let line: Int
        let message: String
    }

    /// Throws a ``Problem`` for the first line that is refused.
    static func check(_ bytes: [UInt8]) throws(Problem) {
        var line = 1
        var commas = 0
        for content in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            var content = content
            if content.last == UInt8(ascii: "\r") { content.removeLast() }
            if let message = refusal(of: content) { throw Problem(line: line, message: message) }
            commas += content.count { $0 == UInt8(ascii: ",") }
            guard line + commas <= maximumValueCount else {
                throw Problem(line: line, message: "is one too many; at most \(maximumValueCount) values are read")
            }
            line += 1
        }
    }

    private enum State {
        /// Before a value or key.
        case start
        /// Within an unquoted value or key.
        case plain
        /// Just after a quoted value.
        case afterQuoted
    }

    /// Why the line is refused; `nil` where it is not.
    private static func refusal(of line: ArraySlice<UInt8>) -> String? {
        guard let first = line.firstIndex(where: { $0 != UInt8(ascii: " ") }) else { return nil }
        if first - line.startIndex > maximumIndentation { return "is indented by over \(maximumIndentation) spaces" }
        if line.starts(with: "---".utf8) || line.starts(with: "...".utf8) {
            return "begins another document; a file holds one, without --- or ..."
        }
        var state = State.start
        var inBrackets = false
        var dashes = 0
        var index = first
        while index < line.endIndex {
            let byte = line[index]
            let next = index + 1 < line.endIndex ? line[index + 1] : UInt8(ascii: " ")
            let isBeforeSpace = next == UInt8(ascii: " ")
            switch byte {
            case UInt8(ascii: " "):
                if next == UInt8(ascii: "#") { return inBrackets ? unclosed : nil }
            case UInt8(ascii: "#") where index == first:
                return nil
            case 0..<0x20, 0x7F:
                return byte == 0x09 ? "has a tab; indent and separate with spaces" : "has a control character"
            case UInt8(ascii: "\""), UInt8(ascii: "'"):
                guard state == .start else {
                    return "has a quotation mark inside a value; put the whole value in quotation marks"
                }
                guard let end = closingQuote(line, from: index) else {
                    return "has a quotation that does not end on its line"
                }
                index = end
                state = .afterQuoted
            case UInt8(ascii: "-") where state == .start && isBeforeSpace:
                dashes += 1
                if dashes > 1 { return "nests lists, which no field here holds" }
            case UInt8(ascii: ":") where isBeforeSpace:
                state = .start
            case UInt8(ascii: "[") where state == .start && !inBrackets:
                inBrackets = true
            case UInt8(ascii: ",") where inBrackets:
                state = .start
            case UInt8(ascii: "]") where inBrackets:
                inBrackets = false
                state = .afterQuoted
            case UInt8(ascii: "&"), UInt8(ascii: "*"), UInt8(ascii: "!"), UInt8(ascii: "|"), UInt8(ascii: ">"),
                UInt8(ascii: "%"), UInt8(ascii: "@"), UInt8(ascii: "`"), UInt8(ascii: "?"), UInt8(ascii: "{"),
                UInt8(ascii: "}"), UInt8(ascii: "["), UInt8(ascii: "]"):
                let character = Character(Unicode.Scalar(byte))
                return "has \(character) outside quotation marks; anchors, aliases, tags, block texts and braces are "
                    + "not accepted, and a value that holds this character needs quotation marks"
            default:
                state = .plain
            }
            index += 1
        }
        return inBrackets ? unclosed : nil
    }

    private static let unclosed = "opens a list in brackets that does not end on its line"

    /// The index of the quotation mark that ends what begins at `start`.
    private static func closingQuote(_ line: ArraySlice<UInt8>, from start: Int) -> Int? {
        let quote = line[start]
        var index = start + 1
        while index < line.endIndex {
            if quote == UInt8(ascii: "\""), line[index] == UInt8(ascii: "\\") {
                index += 2
            } else if line[index] != quote {
                index += 1
            } else if quote == UInt8(ascii: "'"), index + 1 < line.endIndex, line[index + 1] == quote {
                index += 2
            } else {
                return index
            }
        }
        return nil
    }
}
