/// Looks for names in a text that is no JSON: in XML (`<case_number>`, `<field name="victim">`), before an arrow, an equals
/// sign or a colon, those of Chinese, Japanese and Korean texts among them.
///
/// A sentence may well have a word in it that is also a name. So a name counts where it stands alone at the beginning of
/// something, or is spelled as no sentence spells it.
struct TextNames {
    /// As `folded` makes them.
    let names: Set<[UInt8]>
    /// Those of them that count before a colon, too: a `note:` is in many texts that have no need to be sealed.
    let beforeColon: Set<[UInt8]>
    /// Those of them that are written with an underscore, and count wherever they stand as one word.
    let joined: Set<[UInt8]>
    /// For each byte the letter of a name, in lower case; 0 for what is between them.
    private let letters: [UInt8]
    private let longest: Int
    /// Whether a joined name has so many letters.
    private let isJoinedLength: [Bool]

    init(
        names: Set<[UInt8]>, beforeColon: Set<[UInt8]>, joined: Set<[UInt8]>, folded: (UInt8) -> UInt8?
    ) {
        self.names = names
        self.beforeColon = beforeColon.intersection(names)
        self.joined = joined.intersection(names)
        letters = (UInt8.min...UInt8.max).map { folded($0) ?? 0 }
        longest = names.map(\.count).max() ?? 0
        let lengths = Set(self.joined.map(\.count))
        isJoinedLength = (0...longest).map(lengths.contains)
    }

    func isIn(_ text: some StringProtocol) -> Bool {
        var text = String(text)
        let (hasJoined, mayAssign) = text.withUTF8 { (self.hasJoined($0), TextNames.mayAssign($0)) }
        return hasJoined || (mayAssign && hasAssigned(text))
    }

    /// Cheap to say no to: most texts have nothing in them that a name could stand before.
    private static func mayAssign(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        text.contains { $0 >= 0x80 || ($0 >= UInt8(ascii: ":") && $0 <= UInt8(ascii: ">")) }
    }

    /// `case_number` or `caseNumber`, whatever stands around it.
    private func hasJoined(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard !joined.isEmpty else { return false }
        var count = 0
        var start = 0
        for index in 0...text.count {
            let byte = index < text.count ? text[index] : UInt8(ascii: " ")
            if letters[Int(byte)] != 0 {
                count += 1
            } else if byte != UInt8(ascii: "_") {
                if count <= longest, isJoinedLength[count] {
                    let word = text[start..<index].map { letters[Int($0)] }.filter { $0 != 0 }
                    if joined.contains(word) { return true }
                }
                count = 0
                start = index + 1
            }
        }
        return false
    }

    private func hasAssigned(_ text: String) -> Bool {
        var scan = Scan(self)
        var scalars = text.unicodeScalars.makeIterator()
        var next = scalars.next()
        while let scalar = next {
            next = scalars.next()
            if scan.take(scalar, before: next) { return true }
        }
        return false
    }

    /// A look through a text. What stands between two places where something begins is an item.
    private struct Scan {
        private let looked: TextNames
        /// The letters of the item so far.
        private var item: [UInt8] = []
        private var previous: Unicode.Scalar = "\n"
        private var isInTag = false
        private var isTagName = false
        /// Whether the next letter begins an item: an equals sign may stand apart from the attribute before it.
        private var isApart = false

        init(_ looked: TextNames) {
            self.looked = looked
        }

        /// Whether a name ends with this character.
        mutating func take(_ scalar: Unicode.Scalar, before next: Unicode.Scalar?) -> Bool {
            defer { previous = scalar }
            let letter = scalar.isASCII ? looked.letters[Int(scalar.value)] : 0
            guard letter == 0 else {
                take(letter)
                return false
            }
            switch scalar {
            case "<" where next.map { $0 == "/" || $0.properties.isAlphabetic } ?? false:
                item.removeAll(keepingCapacity: true)
                (isInTag, isTagName) = (true, true)
            case ":", "\u{FF1A}", "\u{FE55}", "\u{2236}":
                // `:=` is an equals sign, and a colon in the name of an element ends its prefix.
                return ends(in: next == "=" && !isInTag ? looked.names : looked.beforeColon)
            case "=", "\u{FF1D}", "\u{2192}", "\u{21D2}", "\u{27A1}", "\u{27F6}", "\u{FE66}":
                return ends(in: looked.names)
            case "-" where next == ">": return ends(in: looked.names)
            case ">" where isInTag:
                defer { isInTag = false }
                return endsTagName()
            case "/" where isTagName && !item.isEmpty: return endsTagName()
            case "\"" where isInTag, "'" where isInTag: return ends(in: looked.names)
            case _ where scalar.properties.isWhitespace: return takeSpace(scalar)
            default:
                // Letters of other scripts are in no name, and one may stand right behind them.
                if TextNames.beginnings.contains(scalar) || (!scalar.isASCII && scalar.properties.isAlphabetic) {
                    item.removeAll(keepingCapacity: true)
                }
            }
            return false
        }

        private mutating func take(_ letter: UInt8) {
            if isApart { item.removeAll(keepingCapacity: true) }
            isApart = false
            // No name begins with a digit, but items of lists do.
            let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(letter)
            if item.count <= looked.longest, !item.isEmpty || !isDigit { item.append(letter) }
        }

        private mutating func takeSpace(_ scalar: Unicode.Scalar) -> Bool {
            if isTagName { return endsTagName() }
            if isInTag {
                isApart = true
            } else if (scalar.properties.generalCategory == .control && scalar != "\t")
                || ".!?\u{3002}".unicodeScalars.contains(previous)
            {
                item.removeAll(keepingCapacity: true)
            }
            return false
        }

        private mutating func ends(in names: Set<[UInt8]>) -> Bool {
            defer { item.removeAll(keepingCapacity: true) }
            return names.contains(item)
        }

        private mutating func endsTagName() -> Bool {
            defer { isTagName = false }
            return isTagName ? ends(in: looked.names) : false
        }
    }

    /// Commas, semicolons, bars and brackets, those of other scripts, too, and what stands before the items of a list.
    private static let beginnings = Set(
        ",;|([{\u{FF0C}\u{FF1B}\u{3001}\u{FF5C}\u{FF08}\u{3010}\u{300C}\u{300E}\u{3008}\u{300A}\u{2022}\u{00B7}\u{25AA}"
            .unicodeScalars)
}
