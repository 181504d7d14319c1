extension AddressCheck {
    /// The key by which two spellings of one address match on the chain with this CAIP-2 identifier.
    ///
    /// Letter case is folded where the form ignores it: EVM's hexadecimal (any `eip155` chain), bech32, CashAddr,
    /// whose prefix is left out. A legacy address of a CashAddr chain becomes its CashAddr. Everything else stays
    /// as it is, white space included, whether its checksum matches or not.
    public static func canonicalKey(_ address: String, on caip2: String) -> String {
        let format = Chain.format(of: caip2)
        if format == .other { return address }
        var copy = address
        return copy.withUTF8 { text -> String? in
            guard boundsFault(text) == nil else { return nil }
            switch format {
            case .evm, .rootstock: return evmKey(text)
            case .xdc where text.count == 43 && ASCII.begins(text, with: "xdc"):
                return evmKey(ASCII.rest(text, from: 3), bare: true)
            case .xdc: return evmKey(text)
            case .bitcoin(_, let prefix): return bech32Key(text, prefixes: [prefix])
            case .litecoin: return bech32Key(text, prefixes: ["ltc", "ltcmweb"])
            case .zcash: return bech32Key(text, prefixes: ["u", "zs", "tex"])
            case .cardano: return bech32Key(text, prefixes: CardanoAddress.prefixes)
            case .cosmos(let prefix): return bech32Key(text, prefixes: [prefix])
            case .cashAddress(let prefix): return cashKey(text, prefix: prefix)
            case .tron, .ripple, .solana, .monero, .ton, .substrate, .stellar, .algorand, .antelope, .other:
                return nil
            }
        } ?? address
    }

    private static func evmKey(_ text: UnsafeBufferPointer<UInt8>, bare: Bool = false) -> String? {
        let start = bare ? 0 : 2
        guard text.count == start + 40, bare || text[0] == UInt8(ascii: "0") && text[1] | 0x20 == UInt8(ascii: "x"),
            ASCII.rest(text, from: start).allSatisfy(ASCII.isHexadecimal(_:))
        else { return nil }
        return String(unsafeUninitializedCapacity: 42) { target in
            target[0] = UInt8(ascii: "0")
            target[1] = UInt8(ascii: "x")
            for index in 0..<40 {
                target[index + 2] = ASCII.lowercased(text[index + start])
            }
            return 42
        }
    }

    /// Folds upper-case bech32; mixed case is no bech32 and stays as it is.
    private static func bech32Key(_ text: UnsafeBufferPointer<UInt8>, prefixes: [String]) -> String? {
        guard !text.contains(where: ASCII.isLower), text.contains(where: ASCII.isUpper) else { return nil }
        for prefix in prefixes where !prefix.isEmpty && ASCII.begins(text, with: prefix) {
            let start = prefix.utf8.count
            guard text.count > start, text[start] == UInt8(ascii: "1"),
                ASCII.rest(text, from: start + 1).allSatisfy({ Bech32.values[Int($0)] != 0xff })
            else { continue }
            return folded(text)
        }
        return nil
    }

    private static func cashKey(_ text: UnsafeBufferPointer<UInt8>, prefix: String) -> String? {
        if let cash = CashAddress.fromLegacy(text, prefix: prefix) { return cash }
        if text.contains(where: ASCII.isUpper) && text.contains(where: ASCII.isLower) { return nil }
        let payload = CashAddress.withoutPrefix(text, prefix: prefix)
        guard payload.count >= 42, payload.allSatisfy({ Bech32.values[Int($0)] != 0xff }) else { return nil }
        return folded(payload)
    }

    private static func folded(_ text: UnsafeBufferPointer<UInt8>) -> String {
        String(decoding: text.map(ASCII.lowercased), as: UTF8.self)
    }
}
