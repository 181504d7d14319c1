extension JSONScanner {
    /// The text that starts at the quotation mark under the index; the index moves past its end.
    mutating func text() throws(JSONError) -> String {
        index += 1
        let start = index
        try plainRun()
        if base[index] == UInt8(ascii: "\"") {
            let text = String(decoding: UnsafeBufferPointer(start: base + start, count: index - start), as: UTF8.self)
            index += 1
            return text
        }
        return try escapedText(from: start)
    }

    /// Goes on to the next quotation mark or backslash; everything before it is valid UTF-8 without controls.
    private mutating func plainRun() throws(JSONError) {
        let raw = UnsafeRawPointer(base)
        while true {
            // Eight bytes at once: a byte's top bit is set in `stop` where it needs a look. Borrows can set it too
            // high up, never below the first true hit.
            while end - index >= 8 {
                let word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: index, as: UInt64.self))
                let quote = word ^ 0x2222_2222_2222_2222
                let slash = word ^ 0x5C5C_5C5C_5C5C_5C5C
                let ones: UInt64 = 0x0101_0101_0101_0101
                let low = (word &- 0x2020_2020_2020_2020) & ~word
                let stop =
                    (low | word | ((quote &- ones) & ~quote) | ((slash &- ones) & ~slash)) & 0x8080_8080_8080_8080
                if stop == 0 {
                    index += 8
                } else {
                    index += stop.trailingZeroBitCount >> 3
                    break
                }
            }
            guard index < end else { throw error("the input ends inside a text") }
            switch base[index] {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): return
            case 0x20..<0x80: index += 1
            case 0x80...: try sequence()
            default: throw error("a control character in a text: escape it")
            }
        }
    }

    private func byte(_ offset: Int) -> UInt8 {
        index + offset < end ? base[index + offset] : 0
    }

    /// Checks one sequence of two to four bytes (RFC 3629, section 4) and moves past it.
    private mutating func sequence() throws(JSONError) {
        let lead = base[index]
        let second = byte(1)
        switch lead {
        case 0xC2...0xDF:
            guard second & 0xC0 == 0x80 else { throw error("invalid UTF-8") }
            index += 2
        case 0xE0...0xEF:
            guard second & 0xC0 == 0x80, byte(2) & 0xC0 == 0x80 else { throw error("invalid UTF-8") }
            let scalar = UInt32(lead & 0x0F) << 12 | UInt32(second & 0x3F) << 6 | UInt32(byte(2) & 0x3F)
            if scalar < 0x800 { throw error("invalid UTF-8: an overlong sequence") }
            if 0xD800...0xDFFF ~= scalar { throw error("invalid UTF-8: a surrogate") }
            try refuseNoncharacter(scalar)
            index += 3
        case 0xF0...0xF4:
            guard second & 0xC0 == 0x80, byte(2) & 0xC0 == 0x80, byte(3) & 0xC0 == 0x80 else {
                throw error("invalid UTF-8")
            }
            let high = UInt32(lead & 0x07) << 18 | UInt32(second & 0x3F) << 12
            let scalar = high | UInt32(byte(2) & 0x3F) << 6 | UInt32(byte(3) & 0x3F)
            if scalar < 0x1_0000 { throw error("invalid UTF-8: an overlong sequence") }
            if scalar > 0x10_FFFF { throw error("invalid UTF-8: beyond U+10FFFF") }
            try refuseNoncharacter(scalar)
            index += 4
        default:
            throw error("invalid UTF-8")
        }
    }

    /// RFC 7493, section 2.1: names and texts "MUST NOT include code points that identify Surrogates or
    /// Noncharacters".
    private func refuseNoncharacter(_ scalar: UInt32, at offset: Int? = nil) throws(JSONError) {
        if scalar & 0xFFFE == 0xFFFE || 0xFDD0...0xFDEF ~= scalar {
            throw error("a Unicode noncharacter", at: offset)
        }
    }

    /// A text with escapes; the index stands on the first backslash.
    private mutating func escapedText(from start: Int) throws(JSONError) -> String {
        scratch.removeAll(keepingCapacity: true)
        var runStart = start
        while true {
            scratch.append(contentsOf: UnsafeBufferPointer(start: base + runStart, count: index - runStart))
            if base[index] == UInt8(ascii: "\"") {
                index += 1
                return String(decoding: scratch, as: UTF8.self)
            }
            try escape()
            runStart = index
            try plainRun()
        }
    }

    /// Decodes the escape under the index into the scratch bytes.
    private mutating func escape() throws(JSONError) {
        let start = index
        let code = byte(1)
        switch code {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): scratch.append(code)
        case UInt8(ascii: "b"): scratch.append(0x08)
        case UInt8(ascii: "f"): scratch.append(0x0C)
        case UInt8(ascii: "n"): scratch.append(0x0A)
        case UInt8(ascii: "r"): scratch.append(0x0D)
        case UInt8(ascii: "t"): scratch.append(0x09)
        case UInt8(ascii: "u"):
            index += 2
            let unit = try hexadecimalUnit(at: start)
            try append(unit, at: start)
            return
        default:
            throw error(index + 1 < end ? "an unknown escape" : "the input ends inside a text")
        }
        index += 2
    }

    private mutating func append(_ unit: UInt32, at start: Int) throws(JSONError) {
        var value = unit
        switch unit {
        case 0:
            throw error("NUL in a text", at: start)
        case 0xDC00...0xDFFF:
            throw error("a lone surrogate", at: start)
        case 0xD800...0xDBFF:
            guard byte(0) == UInt8(ascii: "\\"), byte(1) == UInt8(ascii: "u") else {
                throw error("a lone surrogate", at: start)
            }
            index += 2
            let low = try hexadecimalUnit(at: index - 2)
            guard 0xDC00...0xDFFF ~= low else { throw error("a lone surrogate", at: start) }
            value = 0x1_0000 + ((unit - 0xD800) << 10 | (low - 0xDC00))
        default:
            break
        }
        try refuseNoncharacter(value, at: start)
        guard let scalar = Unicode.Scalar(value) else { throw error("a lone surrogate", at: start) }
        scratch.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }

    private mutating func hexadecimalUnit(at start: Int) throws(JSONError) -> UInt32 {
        guard end - index >= 4 else { throw error("the input ends inside an escape", at: end) }
        var unit: UInt32 = 0
        for offset in 0..<4 {
            let digit: UInt8
            switch base[index + offset] {
            case let byte where UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte: digit = byte - UInt8(ascii: "0")
            case let byte where UInt8(ascii: "a")...UInt8(ascii: "f") ~= byte: digit = byte - UInt8(ascii: "a") + 10
            case let byte where UInt8(ascii: "A")...UInt8(ascii: "F") ~= byte: digit = byte - UInt8(ascii: "A") + 10
            default: throw error("an escape without four hexadecimal digits", at: start)
            }
            unit = unit << 4 | UInt32(digit)
        }
        index += 4
        return unit
    }
}
