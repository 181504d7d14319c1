extension AddressCheck {
    /// Whether the text has the form of a transaction's hash on the chain. A hash has no checksum: the best
    /// verdict is `unchecked`.
    public static func transactionVerdict(_ hash: String, on chain: Chain) -> AddressVerdict {
        var hash = hash
        return hash.withUTF8 { text in
            if let fault = boundsFault(text) { return .invalid(reason: fault.description) }
            if let fault = transactionFault(text, chain.format) { return .invalid(reason: fault.description) }
            return .unchecked
        }
    }

    private static func transactionFault(
        _ text: UnsafeBufferPointer<UInt8>, _ format: AddressFormat
    ) -> StaticString? {
        switch format {
        case .other:
            return nil
        case .solana:
            return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Base58.byteCapacity) { target in
                Base58.decode(text, into: target) == 64 ? nil : "not base58 of 64 bytes"
            }
        case .algorand:
            return text.count == 52 && text.allSatisfy { Radix.base32($0) != nil } ? nil : "not 52 base32 characters"
        case .ton:
            return isHash(text) || isBase64Hash(text) ? nil : "neither 64 hexadecimal digits nor base64 of 32 bytes"
        case .substrate:
            return isHash(text, mayHavePrefix: true) || isExtrinsic(text)
                ? nil : "neither 0x and 64 hexadecimal digits nor block-index"
        case .evm, .rootstock, .xdc, .tron:
            return isHash(text, mayHavePrefix: true) ? nil : "not 0x and 64 hexadecimal digits"
        case .bitcoin, .cashAddress, .litecoin, .zcash, .ripple, .monero, .cardano, .cosmos, .stellar, .antelope:
            return isHash(text) ? nil : "not 64 hexadecimal digits"
        }
    }

    private static func isHash(_ text: UnsafeBufferPointer<UInt8>, mayHavePrefix: Bool = false) -> Bool {
        if mayHavePrefix, ASCII.begins(text, with: "0x") {
            return ASCII.isHexadecimal(ASCII.rest(text, from: 2), count: 64)
        }
        return ASCII.isHexadecimal(text, count: 64)
    }

    private static func isBase64Hash(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        text.count == 44 && text[43] == UInt8(ascii: "=") && text.dropLast().allSatisfy { Radix.base64($0) != nil }
    }

    /// Explorers name an extrinsic by its block and its place in it.
    private static func isExtrinsic(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        let parts = text.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        return parts.count == 2 && parts.allSatisfy { (1...10).contains($0.count) && $0.allSatisfy(ASCII.isDigit) }
    }
}
