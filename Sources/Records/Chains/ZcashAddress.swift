/// Addresses of Zcash: transparent, Sprout, Sapling, unified (ZIP 316) and transparent-source-only (ZIP 320).
enum ZcashAddress {
    static func check(_ text: UnsafeBufferPointer<UInt8>) -> AddressOutcome {
        if ASCII.begins(text, with: "zs1") {
            return Bech32.withBytes(text, prefix: "zs") { variant, bytes in
                variant == .bech32 && bytes.count == 43 ? .valid : .invalid("a Sapling address of the wrong length")
            }
        }
        if ASCII.begins(text, with: "tex1") {
            return Bech32.withBytes(text, prefix: "tex") { variant, bytes in
                variant == .bech32m && bytes.count == 20 ? .valid : .invalid("a tex address of the wrong length")
            }
        }
        if ASCII.begins(text, with: "u1") {
            return Bech32.withBytes(text, prefix: "u") { variant, bytes in
                variant == .bech32m ? checkUnified(bytes) : .invalid("bech32 where a unified address has bech32m")
            }
        }
        return Base58.withChecked(text) { payload in
            guard payload.count >= 2 else { return .invalid("base58 of the wrong length") }
            switch (payload[0], payload[1], payload.count) {
            case (0x1c, 0xb8, 22), (0x1c, 0xbd, 22), (0x16, 0x9a, 66): return .valid
            default: return .invalid("a base58 address of another network")
            }
        }
    }

    /// Undoes F4Jumble, then reads the receivers: typecode, length and bytes of each, in ascending order.
    private static func checkUnified(_ jumbled: UnsafeBufferPointer<UInt8>) -> AddressOutcome {
        guard let message = F4Jumble.undo([UInt8](jumbled)) else {
            return .invalid("a unified address of the wrong length")
        }
        // The prefix, padded with zeros to 16 bytes, ends the message: a checksum over all of it.
        let padding = [UInt8(ascii: "u")] + [UInt8](repeating: 0, count: 15)
        guard message.suffix(16) == padding[...] else { return .invalid("a unified address whose padding is wrong") }
        var rest = message.dropLast(16)
        var last = -1
        var shielded = false
        while !rest.isEmpty {
            guard let typecode = compactSize(&rest), let length = compactSize(&rest), length <= rest.count,
                typecode > last
            else { return .invalid("a unified address whose receivers are not well formed") }
            switch (typecode, length) {
            case (0...1, 20): break
            case (2...3, 43): shielded = true
            case (4..., _): shielded = true
            default: return .invalid("a unified address with a receiver of the wrong length")
            }
            last = typecode
            rest = rest.dropFirst(length)
        }
        return shielded ? .valid : .invalid("a unified address without a shielded receiver")
    }

    /// A number in Bitcoin's variable-length form; no receiver here needs more than two bytes of value.
    private static func compactSize(_ bytes: inout ArraySlice<UInt8>) -> Int? {
        guard let first = bytes.popFirst() else { return nil }
        if first < 253 { return Int(first) }
        guard first == 253, let low = bytes.popFirst(), let high = bytes.popFirst() else { return nil }
        let value = Int(high) << 8 | Int(low)
        return value >= 253 ? value : nil
    }
}

/// F4Jumble of ZIP 316: an unkeyed four-round Feistel network, so that every byte depends on all others.
package enum F4Jumble {
    /// The message whose jumbled form this is; `nil` outside 48 bytes to 64 KiB (a bound of ours: an address is
    /// far shorter).
    package static func undo(_ jumbled: [UInt8]) -> [UInt8]? {
        guard (48...65_536).contains(jumbled.count) else { return nil }
        let leftCount = min(64, jumbled.count / 2)
        var left = Array(jumbled[..<leftCount])
        var right = Array(jumbled[leftCount...])
        left = exclusiveOr(left, shortHash(1, right, count: leftCount))
        right = exclusiveOr(right, longHash(1, left, count: right.count))
        left = exclusiveOr(left, shortHash(0, right, count: leftCount))
        right = exclusiveOr(right, longHash(0, left, count: right.count))
        return left + right
    }

    private static func exclusiveOr(_ left: [UInt8], _ right: [UInt8]) -> [UInt8] {
        zip(left, right).map { $0 ^ $1 }
    }

    /// H of the specification: up to 64 bytes.
    private static func shortHash(_ round: UInt8, _ message: [UInt8], count: Int) -> [UInt8] {
        let name = [UInt8]("UA_F4Jumble_H".utf8) + [round, 0, 0]
        return PersonalizedBLAKE2b.hash(message, personalization: name, byteCount: count)
    }

    /// G of the specification: as many blocks of 64 bytes as are needed.
    private static func longHash(_ round: UInt8, _ message: [UInt8], count: Int) -> [UInt8] {
        var output: [UInt8] = []
        var block = 0
        while output.count < count {
            let name =
                [UInt8]("UA_F4Jumble_G".utf8)
                + [round, UInt8(truncatingIfNeeded: block), UInt8(truncatingIfNeeded: block >> 8)]
            output += PersonalizedBLAKE2b.hash(message, personalization: name, byteCount: 64)
            block += 1
        }
        return Array(output.prefix(count))
    }
}
