extension JSONScanner {
    /// The number under the index; the index moves past it.
    mutating func number() throws(JSONError) -> JSONValue {
        let start = index
        let isNegative = base[index] == UInt8(ascii: "-")
        if isNegative { index += 1 }
        guard let digit = digit() else { throw error("expected a digit") }
        var magnitude: Int64 = 0
        var isTooLarge = false
        if digit == 0 {
            index += 1
            if self.digit() != nil { throw error("a number with a leading zero", at: start) }
        } else {
            while let digit = self.digit() {
                if !isTooLarge { magnitude = magnitude * 10 + digit }
                // Stops below 10 × 2^53, far from an overflow.
                isTooLarge = isTooLarge || magnitude > JSONScanner.maximumInteger
                index += 1
            }
        }
        var isInteger = true
        if index < end, base[index] == UInt8(ascii: ".") {
            isInteger = false
            index += 1
            try digits()
        }
        if index < end, base[index] | 0x20 == UInt8(ascii: "e") {
            isInteger = false
            index += 1
            if index < end, base[index] == UInt8(ascii: "+") || base[index] == UInt8(ascii: "-") { index += 1 }
            try digits()
        }
        if isInteger {
            if isTooLarge { throw error("an integer beyond 2^53 − 1: write it as a text", at: start) }
            return .integer(isNegative ? -magnitude : magnitude)
        }
        let literal = String(decoding: UnsafeBufferPointer(start: base + start, count: index - start), as: UTF8.self)
        guard let double = Double(literal), double.isFinite else {
            throw error("a number that no double can hold", at: start)
        }
        return .number(literal)
    }

    private func digit() -> Int64? {
        guard index < end, UInt8(ascii: "0")...UInt8(ascii: "9") ~= base[index] else { return nil }
        return Int64(base[index] - UInt8(ascii: "0"))
    }

    private mutating func digits() throws(JSONError) {
        guard digit() != nil else { throw error("expected a digit") }
        while digit() != nil {
            index += 1
        }
    }
}
