/// A number of seconds as people write it: `3h`, `90 min`, `2d`, `10800`.
public enum TimeSpan {
    /// With the longest first.
    private static let units: [(name: String, seconds: UInt64)] = [
        ("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1),
    ]

    /// What may stand behind the number, for people.
    static let rule = "a number with the unit s, min, h or d behind it, or of seconds without one"

    /// `nil` for anything but a whole number, alone or with a unit behind it.
    public static func parse(_ text: String) -> UInt64? {
        let digits = text.utf8.prefix { ASCII.isDigit($0) }
        guard let number = Names.number(digits, maximum: UInt64(UInt32.max)) else { return nil }
        let unit = text.utf8.dropFirst(digits.count).drop { $0 == UInt8(ascii: " ") }
        guard let name = String(unit) else { return nil }
        guard !name.isEmpty else { return number }
        return units.first { $0.name == name }.map { number * $0.seconds }
    }

    /// In the longest unit that says it exactly.
    public static func text(_ seconds: UInt64) -> String {
        let unit = units.first { seconds > 0 && seconds.isMultiple(of: $0.seconds) } ?? ("s", 1)
        return "\(seconds / unit.seconds)\(unit.name)"
    }
}
