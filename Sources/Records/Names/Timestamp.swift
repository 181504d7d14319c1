/// A moment in UTC, to the nanosecond, in the years 1 to 9999.
public struct Timestamp: Sendable, Hashable {
    /// Whole seconds since 1970-01-01T00:00:00Z, negative before.
    public let seconds: Int64
    /// What follows them, 0 to 999,999,999.
    public let nanoseconds: UInt32

    private static let first: Int64 = -62_135_596_800
    private static let last: Int64 = 253_402_300_799

    /// `nil` outside of the years 1 to 9999, and for a billion nanoseconds or more.
    public init?(seconds: Int64, nanoseconds: UInt32 = 0) {
        guard seconds >= Timestamp.first, seconds <= Timestamp.last, nanoseconds < 1_000_000_000 else { return nil }
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// Parses RFC 3339 in UTC as records hold it, `2026-03-01T12:00:00Z` with up to nine decimals of a second.
    ///
    /// Other offsets, lower-case letters, leap seconds and dates that do not exist give `nil`.
    public init?(_ text: String) {
        var text = text
        guard let parsed = text.withUTF8({ Timestamp.parse($0) }) else { return nil }
        self = parsed
    }

    /// Midnight UTC of a day as `2026-03-01`; `nil` for anything else.
    public init?(day text: String) {
        var text = text
        guard let days = text.withUTF8({ $0.count == 10 ? Timestamp.days($0) : nil }) else { return nil }
        self.init(seconds: days * 86_400)
    }

    static func parse(_ bytes: UnsafeBufferPointer<UInt8>) -> Timestamp? {
        guard bytes.count >= 20, bytes.count <= 30, let days = days(bytes), bytes[10] == UInt8(ascii: "T"),
            bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":"), bytes[bytes.count - 1] == UInt8(ascii: "Z"),
            let hour = number(bytes, 11, 2), let minute = number(bytes, 14, 2), let second = number(bytes, 17, 2),
            hour < 24, minute < 60, second < 60
        else { return nil }
        var nanoseconds: Int64 = 0
        if bytes.count > 20 {
            guard bytes[19] == UInt8(ascii: "."), bytes.count > 21 else { return nil }
            let digits = bytes.count - 21
            guard let fraction = number(bytes, 20, digits) else { return nil }
            nanoseconds = fraction
            for _ in digits..<9 {
                nanoseconds *= 10
            }
        }
        let time: Int64 = hour * 3_600 + minute * 60 + second
        return Timestamp(seconds: days * 86_400 + time, nanoseconds: UInt32(nanoseconds))
    }

    /// Days since 1970-01-01 of the date in the first ten bytes.
    static func days(_ bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
        guard bytes.count >= 10, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
            let year = number(bytes, 0, 4), let month = number(bytes, 5, 2), let day = number(bytes, 8, 2),
            year >= 1, (1...12).contains(month), day >= 1, day <= length(ofMonth: month, year: year)
        else { return nil }
        // Years that begin in March put the leap day last; 400 of them have 146,097 days.
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func length(ofMonth month: Int64, year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    @inline(__always)
    private static func number(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, _ count: Int) -> Int64? {
        var number: Int64 = 0
        for index in start..<start + count {
            guard ASCIIText.isDigit(bytes[index]) else { return nil }
            number = number * 10 + Int64(bytes[index] - UInt8(ascii: "0"))
        }
        return number
    }

    /// RFC 3339 in UTC, with as many decimals as it takes.
    public var text: String {
        let days = (seconds - (seconds < 0 ? 86_399 : 0)) / 86_400
        let time = seconds - days * 86_400
        let (year, month, day) = Timestamp.date(days)
        return String(unsafeUninitializedCapacity: 30) { bytes in
            var count = 0
            func put(_ number: Int64, _ width: Int, _ mark: Unicode.Scalar) {
                var rest = number
                for index in (count..<count + width).reversed() {
                    bytes[index] = UInt8(ascii: "0") + UInt8(rest % 10)
                    rest /= 10
                }
                bytes[count + width] = UInt8(ascii: mark)
                count += width + 1
            }
            put(year, 4, "-")
            put(month, 2, "-")
            put(day, 2, "T")
            put(time / 3_600, 2, ":")
            put(time / 60 % 60, 2, ":")
            put(time % 60, 2, nanoseconds > 0 ? "." : "Z")
            if nanoseconds > 0 {
                put(Int64(nanoseconds), 9, "Z")
                while bytes[count - 2] == UInt8(ascii: "0") {
                    count -= 1
                }
                bytes[count - 1] = UInt8(ascii: "Z")
            }
            return count
        }
    }

    private static func date(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = (shifted - (shifted < 0 ? 146_096 : 0)) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}

extension Timestamp: Comparable, CustomStringConvertible {
    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }

    public var description: String { text }
}
