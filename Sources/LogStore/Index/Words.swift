/// The words of a text, as search compares them: letters and digits in lower case, Latin letters without accents.
enum Words {
    /// The most words of a query that are looked at.
    static let maximumInQuery = 32
    /// Longer words are found by their beginning.
    private static let maximumByteCount = 64

    static func each(
        of text: String, limit: Int = maximumByteCount, _ body: (UnsafeBufferPointer<UInt8>) -> Void
    ) {
        var text = text
        text.withUTF8 { bytes in
            if bytes.contains(where: { $0 >= 0x80 }) {
                fold(String(decoding: bytes, as: UTF8.self), limit) { $0.withUnsafeBufferPointer(body) }
            } else {
                ascii(bytes, limit, body)
            }
        }
    }

    static func list(of query: String) -> [[UInt8]] {
        var words: [[UInt8]] = []
        // A query is bounded before anything is made of it.
        each(of: String(query.unicodeScalars.prefix(4_096))) { word in
            if words.count < maximumInQuery { words.append(Array(word)) }
        }
        return words
    }

    private static func ascii(
        _ text: UnsafeBufferPointer<UInt8>, _ limit: Int, _ body: (UnsafeBufferPointer<UInt8>) -> Void
    ) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: limit) { word in
            var count = 0
            for byte in text {
                let folded: UInt8
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): folded = byte
                case UInt8(ascii: "A")...UInt8(ascii: "Z"): folded = byte | 0x20
                default:
                    if count > 0 { body(UnsafeBufferPointer(rebasing: word[..<count])) }
                    count = 0
                    continue
                }
                guard count < limit else { continue }
                word[count] = folded
                count += 1
            }
            if count > 0 { body(UnsafeBufferPointer(rebasing: word[..<count])) }
        }
    }

    private static func fold(_ text: String, _ limit: Int, _ body: ([UInt8]) -> Void) {
        var word: [UInt8] = []
        var isFull = false
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber,
                .letterNumber, .otherNumber, .spacingMark:
                let folded = Array((base(of: scalar) ?? scalar.properties.lowercaseMapping).utf8)
                isFull = isFull || word.count + folded.count > limit
                if !isFull { word += folded }
            case .nonspacingMark: continue
            default:
                if !word.isEmpty { body(word) }
                word = []
                isFull = false
            }
        }
        if !word.isEmpty { body(word) }
    }

    /// The letter below the accents of a Latin letter, as its name tells: `LATIN SMALL LETTER U WITH DIAERESIS`.
    private static func base(of scalar: Unicode.Scalar) -> String? {
        guard (0xc0..<0x250).contains(scalar.value) || (0x1e00..<0x1f00).contains(scalar.value),
            let name = scalar.properties.name
        else { return nil }
        let parts = name.split(separator: " ")
        guard parts.count > 4, parts[0] == "LATIN", parts[2] == "LETTER", parts[3].utf8.count == 1, parts[4] == "WITH"
        else { return nil }
        return parts[3].lowercased()
    }
}

/// Texts as search compares them where the whole text counts.
package enum SearchText {
    /// The words of the text, whole, with single spaces between them; a text without words as it is.
    package static func normalised(_ text: String) -> [UInt8] {
        var result: [UInt8] = []
        // A letter in lower case may take more bytes than in upper case.
        Words.each(of: text, limit: text.utf8.count * 3 + 1) { word in
            if !result.isEmpty { result.append(UInt8(ascii: " ")) }
            result += word
        }
        return result.isEmpty ? Array(text.utf8) : result
    }
}
