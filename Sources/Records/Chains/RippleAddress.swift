/// Addresses of the XRP Ledger: classic, and X-addresses that carry a destination tag.
enum RippleAddress {
    static func check(_ text: UnsafeBufferPointer<UInt8>) -> AddressOutcome {
        Base58.withChecked(text, alphabet: .ripple) { payload in
            switch (payload.count, payload[0]) {
            case (21, 0):
                return .valid
            // Prefix 05 44, account, flag (0 without a tag, 1 with one of 32 bits), tag of 64 bits.
            case (31, 0x05) where payload[1] == 0x44:
                let tag = payload[23...]
                switch payload[22] {
                case 0 where tag.allSatisfy { $0 == 0 }, 1 where tag.dropFirst(4).allSatisfy { $0 == 0 }:
                    return .valid
                default:
                    return .invalid("an X-address whose tag is not well formed")
                }
            default:
                return .invalid("a base58 address of another network")
            }
        }
    }
}
