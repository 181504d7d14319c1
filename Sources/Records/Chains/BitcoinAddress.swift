/// Addresses of Bitcoin and of the chains that kept its forms.
enum BitcoinAddress {
    /// Base58check with one of the versions, or segwit with the prefix (none where it is empty).
    static func check(_ text: UnsafeBufferPointer<UInt8>, versions: [UInt8], prefix: String) -> AddressOutcome {
        if !prefix.isEmpty, text.count > prefix.utf8.count, text[prefix.utf8.count] == UInt8(ascii: "1"),
            ASCII.begins(text, with: prefix)
        {
            return checkSegwit(text, prefix: prefix)
        }
        return checkBase58(text, versions: versions)
    }

    static func checkBase58(_ text: UnsafeBufferPointer<UInt8>, versions: [UInt8]) -> AddressOutcome {
        Base58.withChecked(text) { payload in
            guard payload.count == 21 else { return .invalid("base58 of the wrong length") }
            return versions.contains(payload[0]) ? .valid : .invalid("a base58 address of another network")
        }
    }

    /// BIP-173 and BIP-350: version 0 has bech32 and 20 or 32 bytes, later ones bech32m and 2 to 40 bytes.
    static func checkSegwit(_ text: UnsafeBufferPointer<UInt8>, prefix: String) -> AddressOutcome {
        guard text.count <= 90 else { return .invalid("longer than the 90 characters of a segwit address") }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: text.count) { target in
            switch Bech32.decode(text, prefix: prefix, into: target) {
            case .failure(let fault): return .invalid(fault.reason)
            case .success(let decoded):
                guard decoded.count >= 1 else { return .invalid("a segwit address without a version") }
                let version = target[0]
                guard version <= 16 else { return .invalid("a segwit version above 16") }
                guard decoded.variant == (version == 0 ? .bech32 : .bech32m) else {
                    return .invalid("the checksum is of another segwit version (bech32 for bech32m, or the reverse)")
                }
                guard let count = Bech32.pack(target, from: 1, count: decoded.count - 1) else {
                    return .invalid("bech32 padding is not zero")
                }
                guard version == 0 ? count == 20 || count == 32 : (2...40).contains(count) else {
                    return .invalid("a segwit program of the wrong length")
                }
                return .valid
            }
        }
    }

    static func checkLitecoin(_ text: UnsafeBufferPointer<UInt8>) -> AddressOutcome {
        if ASCII.begins(text, with: "ltcmweb1") {
            return Bech32.withBytes(text, prefix: "ltcmweb") { variant, bytes in
                // A version of five bits stands before two keys of 33 bytes: 66 bytes and five bits, padded.
                variant == .bech32 && bytes.count >= 66 ? .valid : .invalid("an MWEB address of the wrong length")
            }
        }
        // 5 is what pay-to-script-hash had before 50: such addresses are on both chains.
        return check(text, versions: [48, 50, 5], prefix: "ltc")
    }
}

/// Addresses of Tron: base58check with version 0x41, or the same 21 bytes in hexadecimal.
enum TronAddress {
    static func check(_ text: UnsafeBufferPointer<UInt8>) -> AddressOutcome {
        if ASCII.isHexadecimal(text, count: 42), text[0] == UInt8(ascii: "4"), text[1] == UInt8(ascii: "1") {
            return .unchecked
        }
        return BitcoinAddress.checkBase58(text, versions: [0x41])
    }
}

/// Addresses of Solana: a key of 32 bytes in base58, without a checksum.
enum SolanaAddress {
    static func check(_ text: UnsafeBufferPointer<UInt8>) -> AddressOutcome {
        guard (32...44).contains(text.count) else { return .invalid("not base58 of 32 bytes") }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Base58.byteCapacity) { target in
            Base58.decode(text, into: target) == 32 ? .unchecked : .invalid("not base58 of 32 bytes")
        }
    }
}
