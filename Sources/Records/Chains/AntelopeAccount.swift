/// Account names of EOS (Vaulta) and its relatives.
enum AntelopeAccount {
    /// 1 to 13 of a–z, 1–5 and the point, which may not end it; the thirteenth has four bits: a–j, 1–5.
    static func check(_ text: UnsafeBufferPointer<UInt8>) -> AddressOutcome {
        let wrong = AddressOutcome.invalid("not an account name of 1 to 13 characters a-z, 1-5 and points")
        guard (1...13).contains(text.count), text[text.count - 1] != UInt8(ascii: ".") else { return wrong }
        for (index, byte) in text.enumerated() {
            let digit = byte &- UInt8(ascii: "1") < 5
            let letter = byte &- UInt8(ascii: "a") < (index == 12 ? 10 : 26)
            guard digit || letter || byte == UInt8(ascii: ".") else { return wrong }
        }
        return .unchecked
    }
}
