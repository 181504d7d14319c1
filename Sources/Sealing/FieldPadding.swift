/// How long a field's padded value is: Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and
/// Communication with PURBs", 2019, section 4) over a floor.
///
/// Padmé adds at most 12 % and leaves so few lengths that a length says little; but below 64 bytes it hides next to
/// nothing (names, case numbers), hence the floor.
enum FieldPadding {
    static let floor = 64

    /// The padded length of a value of `count` bytes, at most 1 MiB: more than `count` and at least 64.
    static func paddedCount(of count: Int) -> Int {
        rounded(max(count + 1, floor))
    }

    /// Whether this is the padded length of any value.
    static func isPaddedCount(_ count: Int) -> Bool {
        (floor...SealingSuite.maximumBlobByteCount).contains(count) && rounded(count) == count
    }

    private static func rounded(_ count: Int) -> Int {
        let exponent = logarithm(count)
        let mask = 1 << (exponent - logarithm(exponent) - 1) - 1
        return (count + mask) & ~mask
    }

    /// The binary logarithm, rounded down.
    private static func logarithm(_ number: Int) -> Int {
        Int.bitWidth - 1 - number.leadingZeroBitCount
    }
}
