/// A mapping whose keys are taken one by one; ``finish()`` then refuses those that nobody took.
struct YAMLMapping {
    let source: YAMLSource
    let line: Int
    private var pairs: [(key: String, line: Int, value: YAMLValue)]
    private var known: [String] = []

    init(_ value: YAMLValue, of source: YAMLSource, what: String) throws(HomeError) {
        guard case .mapping(let pairs) = value.content else {
            throw source.error("\(what) must be a mapping: lines of \"key: value\"", line: value.line)
        }
        self.source = source
        self.line = value.line
        self.pairs = pairs
    }

    /// Takes the value of a key, `nil` where the key is absent.
    mutating func take(_ key: String) -> YAMLValue? {
        known.append(key)
        guard let index = pairs.firstIndex(where: { $0.key == key }) else { return nil }
        return pairs.remove(at: index).value
    }

    /// Takes the value of a key that must be there.
    mutating func require(_ key: String) throws(HomeError) -> YAMLValue {
        guard let value = take(key) else { throw source.error("the key \"\(key)\" is missing; add it", line: line) }
        return value
    }

    /// Refuses whatever has not been taken.
    func finish() throws(HomeError) {
        guard let stranger = pairs.first else { return }
        throw source.error(
            "unknown key \(Display.quoted(stranger.key)); the keys here are \(known.joined(separator: ", "))",
            line: stranger.line)
    }

    /// The text of a value: quoted, or plain and impossible to mistake for another type.
    func text(_ value: YAMLValue, _ what: String) throws(HomeError) -> String {
        guard case .text(let text, let isQuoted) = value.content else {
            throw source.error("\(what) must be a text", line: value.line)
        }
        if isQuoted { return text }
        if text.isEmpty {
            throw source.error("\(what) has no value; give one or remove the line", line: value.line)
        }
        if PlainScalar.isAmbiguous(text) {
            throw source.error(
                "\(what) is \(Display.text(text)), which YAML takes for another type than text; put it in quotation marks",
                line: value.line)
        }
        return text
    }

    /// A whole number within the range, written in digits without quotation marks.
    func number(_ value: YAMLValue, _ what: String, _ range: ClosedRange<UInt64>) throws(HomeError) -> UInt64 {
        guard case .text(let text, isQuoted: false) = value.content,
            let number = Names.number(text.utf8, maximum: range.upperBound), range.contains(number)
        else {
            throw source.error(
                "\(what) must be a whole number from \(range.lowerBound) to \(range.upperBound)", line: value.line)
        }
        return number
    }

    /// The items of a list, at most `limit`.
    func list(_ value: YAMLValue, _ what: String, limit: Int) throws(HomeError) -> [YAMLValue] {
        guard case .list(let items) = value.content else {
            throw source.error("\(what) must be a list: lines of \"- value\"", line: value.line)
        }
        guard items.count <= limit else {
            throw source.error("\(what) has \(items.count) items; at most \(limit) are accepted", line: value.line)
        }
        return items
    }
}

/// Unquoted YAML values.
enum PlainScalar {
    private static let words: Set<String> = [
        "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", "-.inf", "+.inf", ".nan", "<<", "=",
    ]

    /// Whether some YAML parser takes the unquoted text for a null, truth value, number or date.
    static func isAmbiguous(_ text: String) -> Bool {
        if text.isEmpty || words.contains(text.lowercased()) { return true }
        var bytes = Array(text.utf8)[...]
        if let sign = bytes.first, "+-".utf8.contains(sign) { bytes.removeFirst() }
        guard let first = bytes.first, ASCII.isDigit(first) || first == UInt8(ascii: ".") else { return false }
        if bytes.starts(with: "0x".utf8) || bytes.starts(with: "0o".utf8) || bytes.starts(with: "0b".utf8) {
            return bytes.dropFirst(2).allSatisfy { ASCII.isLetterOrDigit($0) || $0 == UInt8(ascii: "_") }
        }
        // Digits with one kind of separator: numbers, numbers to base 60, dates; 192.0.2.1 has too many dots.
        let isNumeric = bytes.allSatisfy { ASCII.isDigit($0) || "_.:-+eE".utf8.contains($0) }
        return isNumeric && bytes.filter { $0 == UInt8(ascii: ".") }.count <= 1
    }

    /// The text as a YAML value that every parser reads back as the same text: plain where that is beyond doubt.
    static func write(_ text: String) -> String {
        let isPlain =
            text.utf8.allSatisfy { ASCII.isLetterOrDigit($0) || "+/=._:-".utf8.contains($0) }
            && (text.utf8.first.map { ASCII.isLetterOrDigit($0) || $0 == UInt8(ascii: "/") } ?? false)
            && text.utf8.last != UInt8(ascii: ":")
        if isPlain, !isAmbiguous(text) { return text }
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                quoted += "\\x" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
