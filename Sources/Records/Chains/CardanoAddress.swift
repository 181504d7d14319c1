/// Addresses of Cardano: Shelley's bech32 without a limit of length (CIP-19), and Byron's base58 CBOR.
enum CardanoAddress {
    static let prefixes = ["addr", "stake"]

    static func check(_ text: UnsafeBufferPointer<UInt8>) -> AddressOutcome {
        for prefix in prefixes where ASCII.begins(text, with: prefix) {
            return Bech32.withBytes(text, prefix: prefix) { variant, bytes in
                guard variant == .bech32 else { return .invalid("bech32m where a Cardano address has bech32") }
                return checkShelley(bytes, stake: prefix == "stake")
            }
        }
        return checkByron(text)
    }

    private static func checkShelley(_ bytes: UnsafeBufferPointer<UInt8>, stake: Bool) -> AddressOutcome {
        guard let header = bytes.first, header & 15 == 1 else {
            return .invalid("a Cardano address of another network")
        }
        let good =
            switch header >> 4 {
            case 0...3: !stake && bytes.count == 57
            // A pointer: slot, transaction and certificate, each of variable length.
            case 4...5: !stake && (32...59).contains(bytes.count)
            case 6...7: !stake && bytes.count == 29
            case 14...15: stake && bytes.count == 29
            default: false
            }
        return good ? .valid : .invalid("a Cardano address of the wrong length or type")
    }

    /// CBOR array of two: tag 24 over the payload's bytes, and their CRC-32.
    private static func checkByron(_ text: UnsafeBufferPointer<UInt8>) -> AddressOutcome {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Base58.byteCapacity) { target in
            guard let count = Base58.decode(text, into: target) else {
                return .invalid("neither bech32 with addr or stake, nor base58")
            }
            let bytes = UnsafeBufferPointer(rebasing: target[..<count])
            // The payload is between 24 and 255 bytes long: 0x58 and one byte of length.
            guard count >= 5 + 24, bytes.starts(with: [0x82, 0xd8, 0x18, 0x58]),
                count == 5 + Int(bytes[4]) + 5, bytes[count - 5] == 0x1a
            else { return .invalid("not the CBOR of a Byron address") }
            let stated = bytes.suffix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            let payload = UnsafeBufferPointer(rebasing: UnsafeBufferPointer(target)[5..<(count - 5)])
            return Redundancy.crc32(payload) == stated ? .valid : .invalid("Byron checksum does not match")
        }
    }
}

/// Addresses of chains built with the Cosmos SDK: bech32 over 20 bytes (accounts) or 32 (modules, contracts).
enum CosmosAddress {
    static func check(_ text: UnsafeBufferPointer<UInt8>, prefix: String) -> AddressOutcome {
        Bech32.withBytes(text, prefix: prefix) { variant, bytes in
            variant == .bech32 && (bytes.count == 20 || bytes.count == 32)
                ? .valid : .invalid("a bech32 address of the wrong length")
        }
    }
}
