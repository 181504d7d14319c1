/// Looks for names in a text that is meant as JSON and is none: with a big number, a comma left out, names in other
/// quotation marks or in none, equals signs, comments. It is not parsed, so it errs on the side of finding one.
struct LooseNames {
    /// As `folded` makes them.
    let names: Set<[UInt8]>
    /// The letters of a name, in lower case; `nil` for what is between them.
    let folded: (UInt8) -> UInt8?
    private let longest: Int

    init(names: Set<[UInt8]>, folded: @escaping (UInt8) -> UInt8?) {
        self.names = names
        self.folded = folded
        longest = names.map(\.count).max() ?? 0
    }

    /// Texts in texts escape so many times at most.
    private static let maximumEscapes = 8

    /// Whether a name stands in quotation marks of its own or, unless `onlyQuoted`, right before a colon or an equals
    /// sign.
    func isIn(_ text: some StringProtocol, onlyQuoted: Bool) -> Bool {
        var bytes = Array(text.utf8)
        for _ in 0..<LooseNames.maximumEscapes {
            if hasQuoted(bytes) || (!onlyQuoted && hasAssigned(bytes)) { return true }
            guard let plainer = LooseNames.unescaped(bytes) else { return false }
            bytes = plainer
        }
        return hasQuoted(bytes) || (!onlyQuoted && hasAssigned(bytes))
    }

    /// Between any quotation mark and the next, since it cannot be told which of them open.
    private func hasQuoted(_ bytes: [UInt8]) -> Bool {
        var name: [UInt8] = []
        var isBehindMark = false
        for byte in bytes {
            if LooseNames.isMark(byte) {
                if isBehindMark, names.contains(name) { return true }
                isBehindMark = true
                name = []
            } else if let letter = folded(byte), name.count <= longest {
                name.append(letter)
            }
        }
        return false
    }

    /// Words before a colon or an equals sign, as one name or as several: all of a bracket that ends there, or the last
    /// ones since something began.
    private func hasAssigned(_ bytes: [UInt8]) -> Bool {
        var words: [[UInt8]] = []
        var isInWord = false
        // How many words were there when each open bracket began, and when the one that ended last did.
        var brackets: [Int] = []
        var ended: Int?
        for byte in bytes {
            if let letter = folded(byte) {
                if isInWord {
                    words[words.count - 1].append(letter)
                } else {
                    words.append([letter])
                }
                isInWord = true
                ended = nil
                continue
            }
            isInWord = byte == UInt8(ascii: "_") && isInWord
            switch byte {
            case UInt8(ascii: ":"), UInt8(ascii: "="):
                if endsWithName(words) { return true }
                if let ended, words[min(ended, words.count)...].contains(where: names.contains) { return true }
                words = []
                brackets = []
                ended = nil
            case UInt8(ascii: "["), UInt8(ascii: "{"), UInt8(ascii: "("):
                brackets.append(words.count)
                words.append([])
            case UInt8(ascii: "]"), UInt8(ascii: "}"), UInt8(ascii: ")"):
                ended = brackets.popLast() ?? 0
            case UInt8(ascii: ","), UInt8(ascii: ";"), 0x0A, 0x0D:
                words.append([])
            default: break
            }
        }
        return false
    }

    /// Whether the last words together are a name: `Case Number` is `casenumber`. An empty one is where they begin.
    private func endsWithName(_ words: [[UInt8]]) -> Bool {
        var name: [UInt8] = []
        for word in words.reversed() {
            if word.isEmpty { return false }
            name = word + name
            guard name.count <= longest else { return false }
            if names.contains(name) { return true }
        }
        return false
    }

    private static func isMark(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") || byte == UInt8(ascii: "`")
    }

    /// With each escape of JSON and JavaScript as the character that it stands for, or `nil` where there is none. What
    /// is beyond ASCII, which no name has, becomes a question mark.
    private static func unescaped(_ bytes: [UInt8]) -> [UInt8]? {
        let slash = UInt8(ascii: "\\")
        guard bytes.contains(slash) else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var rest = bytes[...]
        while let byte = rest.popFirst() {
            guard byte == slash, let kind = rest.popFirst() else {
                if byte != slash { result.append(byte) }
                continue
            }
            switch kind {
            case UInt8(ascii: "u"), UInt8(ascii: "U"), UInt8(ascii: "x"), UInt8(ascii: "X"):
                result.append(character(&rest, digits: kind | 0x20 == UInt8(ascii: "u") ? 4 : 2))
            case UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"), UInt8(ascii: "b"), UInt8(ascii: "f"):
                result.append(UInt8(ascii: " "))
            default: result.append(kind)
            }
        }
        return result
    }

    /// The character of so many hexadecimal digits, or of those in braces.
    private static func character(_ rest: inout ArraySlice<UInt8>, digits: Int) -> UInt8 {
        let isInBraces = rest.first == UInt8(ascii: "{")
        if isInBraces { rest.removeFirst() }
        var value: UInt32 = 0
        var count = 0
        while count < (isInBraces ? 6 : digits), let byte = rest.first,
            let digit = Character(Unicode.Scalar(byte)).hexDigitValue
        {
            value = value << 4 | UInt32(digit)
            rest.removeFirst()
            count += 1
        }
        if isInBraces, rest.first == UInt8(ascii: "}") { rest.removeFirst() }
        return value < 0x80 ? UInt8(value) : UInt8(ascii: "?")
    }
}
