/// CashAddr, the addresses of Bitcoin Cash and eCash.
enum CashAddress {
    static func check(_ text: UnsafeBufferPointer<UInt8>, prefix: String) -> AddressOutcome {
        let looksLegacy = text[0] == UInt8(ascii: "1") || text[0] == UInt8(ascii: "3")
        if looksLegacy, text.count < 40 {
            return BitcoinAddress.checkBase58(text, versions: [0, 5])
        }
        return checkCash(text, prefix: prefix)
    }

    static func checkCash(_ text: UnsafeBufferPointer<UInt8>, prefix: String) -> AddressOutcome {
        let payload = withoutPrefix(text, prefix: prefix)
        guard (14...112).contains(payload.count) else { return .invalid("a CashAddr of the wrong length") }
        if text.contains(where: ASCII.isUpper) && text.contains(where: ASCII.isLower) {
            return .invalid("a CashAddr in mixed letter case")
        }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: payload.count) { values in
            for index in payload.indices {
                values[index] = Bech32.values[Int(payload[index])]
                if values[index] == 0xff { return .invalid("not a CashAddr: a character that is not of its alphabet") }
            }
            guard checksum(prefix, UnsafeBufferPointer(values)) == 0 else {
                return .invalid("CashAddr checksum does not match")
            }
            guard let count = Bech32.pack(values, from: 0, count: payload.count - 8), count > 0 else {
                return .invalid("CashAddr padding is not zero")
            }
            // Version: a zero bit, four bits of type, three of size.
            let sizes = [20, 24, 28, 32, 40, 48, 56, 64]
            guard values[0] < 0x80, count - 1 == sizes[Int(values[0] & 7)] else {
                return .invalid("a CashAddr of the wrong length")
            }
            return .valid
        }
    }

    static func withoutPrefix(_ text: UnsafeBufferPointer<UInt8>, prefix: String) -> UnsafeBufferPointer<UInt8> {
        let length = prefix.utf8.count
        guard text.count > length, text[length] == UInt8(ascii: ":"), ASCII.begins(text, with: prefix) else {
            return text
        }
        return ASCII.rest(text, from: length + 1)
    }

    /// The code's remainder over prefix, a zero and the values; zero where the last eight are the right ones.
    private static func checksum(_ prefix: String, _ values: UnsafeBufferPointer<UInt8>) -> UInt64 {
        var register: UInt64 = 1
        func feed(_ value: UInt8) {
            let top = register >> 35
            register = (register & 0x07_ffff_ffff) << 5 ^ UInt64(value)
            if top & 1 != 0 { register ^= 0x98_f2bc_8e61 }
            if top & 2 != 0 { register ^= 0x79_b76d_99e2 }
            if top & 4 != 0 { register ^= 0xf3_3e5f_b3c4 }
            if top & 8 != 0 { register ^= 0xae_2eab_e2a8 }
            if top & 16 != 0 { register ^= 0x1e_4f43_e470 }
        }
        for byte in prefix.utf8 { feed(byte & 31) }
        feed(0)
        for value in values { feed(value) }
        return register ^ 1
    }

    /// The CashAddr, without prefix, of a legacy address whose checksum matches; `nil` for anything else.
    static func fromLegacy(_ text: UnsafeBufferPointer<UInt8>, prefix: String) -> String? {
        var values: [UInt8] = []
        let outcome = Base58.withChecked(text) { payload in
            guard payload.count == 21, payload[0] == 0 || payload[0] == 5 else { return .invalid("") }
            var bits: UInt32 = payload[0] == 0 ? 0 : 8
            var bitCount: UInt32 = 8
            for byte in payload.dropFirst() {
                while bitCount >= 5 {
                    bitCount -= 5
                    values.append(UInt8(truncatingIfNeeded: bits >> bitCount & 31))
                }
                bits = (bits & 0xff) << 8 | UInt32(byte)
                bitCount += 8
            }
            while bitCount >= 5 {
                bitCount -= 5
                values.append(UInt8(truncatingIfNeeded: bits >> bitCount & 31))
            }
            if bitCount > 0 { values.append(UInt8(truncatingIfNeeded: bits << (5 - bitCount) & 31)) }
            return .valid
        }
        guard case .valid = outcome else { return nil }
        let body = values + [UInt8](repeating: 0, count: 8)
        let code = body.withUnsafeBufferPointer { checksum(prefix, $0) }
        for place in stride(from: UInt64(35), through: 0, by: -5) {
            values.append(UInt8(truncatingIfNeeded: code >> place & 31))
        }
        return String(decoding: values.map { Bech32.digits[Int($0)] }, as: UTF8.self)
    }
}
