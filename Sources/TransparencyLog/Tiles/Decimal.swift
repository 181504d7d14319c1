/// Decimal numbers as these formats write them: digits only, no leading zero, at most 2^63 - 1.
enum Decimal {
    static func parse(_ digits: some Collection<UInt8>) -> UInt64? {
        guard (1...19).contains(digits.count), let first = digits.first else { return nil }
        guard first != UInt8(ascii: "0") || digits.count == 1 else { return nil }
        var number: UInt64 = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            // Nineteen digits stay below 2^64.
            number = number * 10 + UInt64(digit - UInt8(ascii: "0"))
        }
        return number <= TreeLimits.maximumSize ? number : nil
    }
}
