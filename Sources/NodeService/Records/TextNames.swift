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
    /// The letters of a name, in lower case; `nil` for what is between them.
    let folded: (UInt8) -> UInt8?
    private let longest: Int
    /// The fewest letters of a joined one.
    private let shortest: Int?

    init(
        names: Set<[UInt8]>, beforeColon: Set<[UInt8]>, joined: Set<[UInt8]>, folded: @escaping (UInt8) -> UInt8?
    ) {
        self.names = names
        self.beforeColon = beforeColon.intersection(names)
        self.joined = joined.intersection(names)
        self.folded = folded
        longest = names.map(\.count).max() ?? 0
        shortest = self.joined.map(\.count).min()
    }

    func isIn(_ text: some StringProtocol) -> Bool {
        hasJoined(text) || (TextNames.mayAssign(text) && hasAssigned(text))
    }

    /// Cheap to say no to: most texts have nothing in them that a name could stand before.
    private static func mayAssign(_ text: some StringProtocol) -> Bool {
        text.utf8.contains { $0 >= 0x80 || (UInt8(ascii: ":")...UInt8(ascii: ">")).contains($0) }
    }

    /// `case_number` or `caseNumber`, whatever stands around it.
    private func hasJoined(_ text: some StringProtocol) -> Bool {
        guard let shortest else { return false }
        var word: [UInt8] = []
        for byte in text.utf8 {
            if let letter = folded(byte) {
                if word.count <= longest { word.append(letter) }
            } else if byte != UInt8(ascii: "_") {
                if word.count >= shortest, joined.contains(word) { return true }
                word.removeAll(keepingCapacity: true)
            }
        }
        return word.count >= shortest && joined.contains(word)
    }

    private func hasAssigned(_ text: some StringProtocol) -> Bool {
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
            if scalar.isASCII, let letter = looked.folded(UInt8(scalar.value)) {
                take(letter)
                return false
            }
            switch scalar {
            case "<" where next.map { $0 == "/" || $0.properties.isAlphabetic } ?? false:
                item = []
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
                    item = []
                }
            }
            return false
        }

        private mutating func take(_ letter: UInt8) {
            if isApart { item = [] }
            isApart = false
            // No name begins with a digit, but items of lists do.
            let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(letter)
            if item.count <= looked.longest, !item.isEmpty || !isDigit { item.append(letter) }
        }

        private mutating func takeSpace(_ scalar: Unicode.Scalar) -> Bool {
            if isTagName { return endsTagName() }
            if isInTag {
                isApart = true
            } else if scalar.properties.generalCategory == .control
                || ".!?\u{3002}".unicodeScalars.contains(previous)
            {
                item = []
            }
            return false
        }

        private mutating func ends(in names: Set<[UInt8]>) -> Bool {
            defer { item = [] }
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
