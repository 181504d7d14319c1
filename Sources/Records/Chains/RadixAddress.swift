/// Digits that carry a whole number of bits: RFC 4648's base32 and base64.
enum Radix {
    /// Bytes of the text, which carries no padding; `nil` where a character is no digit or bits left over are not
    /// zero.
    static func decode(
        _ text: UnsafeBufferPointer<UInt8>, bits: Int, value: (UInt8) -> UInt8?,
        into target: UnsafeMutableBufferPointer<UInt8>
    ) -> Int? {
        guard text.count * bits / 8 <= target.count else { return nil }
        var register: UInt32 = 0
        var held = 0
        var count = 0
        for character in text {
            guard let digit = value(character) else { return nil }
            register = (register << UInt32(bits) | UInt32(digit)) & 0xffff
            held += bits
            if held >= 8 {
                held -= 8
                target[count] = UInt8(truncatingIfNeeded: register >> UInt32(held))
                count += 1
            }
        }
        guard held < bits, register & (1 << UInt32(held) - 1) == 0 else { return nil }
        return count
    }

    static func base32(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): character - UInt8(ascii: "A")
        case UInt8(ascii: "2")...UInt8(ascii: "7"): character - UInt8(ascii: "2") + 26
        default: nil
        }
    }

    /// Both alphabets of base64; a text that mixes them is refused by whoever calls.
    static func base64(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): character - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): character - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
        case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
        default: nil
        }
    }
}

/// Addresses of TON: flags, workchain and account with CRC-16 in base64 (either alphabet), or raw, unchecked.
enum TONAddress {
    static func check(_ text: UnsafeBufferPointer<UInt8>) -> AddressOutcome {
        if let colon = text.firstIndex(of: UInt8(ascii: ":")) {
            return checkRaw(workchain: UnsafeBufferPointer(rebasing: text[..<colon]), ASCII.rest(text, from: colon + 1))
        }
        guard text.count == 48 else { return .invalid("not 48 base64 characters, nor workchain:64 digits") }
        let standard = text.contains { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "/") }
        let urlSafe = text.contains { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
        guard !(standard && urlSafe) else { return .invalid("two alphabets of base64 in one address") }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 36) { bytes in
            guard Radix.decode(text, bits: 6, value: Radix.base64, into: bytes) == 36 else {
                return .invalid("not base64")
            }
            let body = UnsafeBufferPointer(rebasing: UnsafeBufferPointer(bytes)[..<34])
            guard Redundancy.crc16(body) == UInt16(bytes[34]) << 8 | UInt16(bytes[35]) else {
                return .invalid("TON checksum does not match")
            }
            // 0x11 bounceable, 0x51 not; 0x80 added for test networks only. Workchains 0 and -1.
            guard bytes[0] == 0x11 || bytes[0] == 0x51, bytes[1] == 0 || bytes[1] == 0xff else {
                return .invalid("a TON address of a test network or an unknown workchain")
            }
            return .valid
        }
    }

    private static func checkRaw(
        workchain: UnsafeBufferPointer<UInt8>, _ account: UnsafeBufferPointer<UInt8>
    ) -> AddressOutcome {
        let known = workchain.elementsEqual("0".utf8) || workchain.elementsEqual("-1".utf8)
        return known && ASCII.isHexadecimal(account, count: 64)
            ? .unchecked : .invalid("not 48 base64 characters, nor workchain:64 digits")
    }
}

/// Addresses of Stellar (SEP-23): base32 with CRC-16, low byte first.
enum StellarAddress {
    static func check(_ text: UnsafeBufferPointer<UInt8>) -> AddressOutcome {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 80) { target in
            guard let count = Radix.decode(text, bits: 5, value: Radix.base32, into: target), count > 3 else {
                return .invalid("not base32")
            }
            let body = UnsafeBufferPointer(rebasing: UnsafeBufferPointer(target)[..<(count - 2)])
            guard Redundancy.crc16(body) == UInt16(target[count - 1]) << 8 | UInt16(target[count - 2]) else {
                return .invalid("Stellar checksum does not match")
            }
            // G account, C contract, M account with a number.
            switch (target[0], count) {
            case (6 << 3, 35), (2 << 3, 35), (12 << 3, 43): return .valid
            default: return .invalid("a Stellar key that is no address")
            }
        }
    }
}

/// Addresses of Algorand: a key of 32 bytes and the last four of its SHA-512/256, in base32.
enum AlgorandAddress {
    static func check(_ text: UnsafeBufferPointer<UInt8>) -> AddressOutcome {
        guard text.count == 58 else { return .invalid("not 58 base32 characters") }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 36) { target in
            guard Radix.decode(text, bits: 5, value: Radix.base32, into: target) == 36 else {
                return .invalid("not base32")
            }
            let digest = TruncatedSHA512.hash(Array(target[..<32]))
            return digest.suffix(4).elementsEqual(target[32...])
                ? .valid : .invalid("Algorand checksum does not match")
        }
    }
}

/// Addresses of Polkadot and its kin (SS58): network number, key, two bytes of BLAKE2b-512.
enum SubstrateAddress {
    static func check(_ text: UnsafeBufferPointer<UInt8>, networks: [UInt16]) -> AddressOutcome {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Base58.byteCapacity) { target in
            guard let count = Base58.decode(text, into: target) else {
                return .invalid("not base58: a character that is not of its alphabet")
            }
            guard count == 35 || count == 36, (target[0] < 64) == (count == 35), target[0] < 128 else {
                return .invalid("an SS58 address of the wrong length")
            }
            let digest = PersonalizedBLAKE2b.hash(
                [UInt8]("SS58PRE".utf8) + target[..<(count - 2)], byteCount: 64)
            guard digest[0] == target[count - 2], digest[1] == target[count - 1] else {
                return .invalid("SS58 checksum does not match")
            }
            return networks.contains(network(target, long: count == 36))
                ? .valid : .invalid("an SS58 address of another network")
        }
    }

    /// One byte below 64; otherwise fourteen bits whose low two stand in the second byte's top.
    private static func network(_ bytes: UnsafeMutableBufferPointer<UInt8>, long: Bool) -> UInt16 {
        guard long else { return UInt16(bytes[0]) }
        let low = (bytes[0] & 0x3f) << 2 | bytes[1] >> 6
        return UInt16(bytes[1] & 0x3f) << 8 | UInt16(low)
    }
}
