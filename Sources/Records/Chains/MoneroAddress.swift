import Cryptography

/// Addresses of Monero: base58 in blocks of eight bytes, with the first four bytes of a Keccak-256 at the end.
enum MoneroAddress {
    /// Bytes that a block of so many digits holds; -1 where no block has that length.
    private static let blockSizes: [Int] = [0, -1, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8]

    static func check(_ text: UnsafeBufferPointer<UInt8>) -> AddressOutcome {
        guard text.count == 95 || text.count == 106 else { return .invalid("not 95 or 106 base58 characters") }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 80 + Base58.byteCapacity) { target in
            guard let count = decode(text, into: target) else { return .invalid("not Monero's base58") }
            let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(target)[..<count])
            let body = UnsafeRawBufferPointer(rebasing: bytes.dropLast(4))
            let matches = Keccak256.withDigest(of: body) { $0.prefix(4).elementsEqual(bytes.suffix(4)) }
            guard matches else { return .invalid("Monero checksum does not match") }
            // 18 standard, 42 subaddress; 19 integrated, with a payment id of eight bytes.
            switch (bytes[0], count) {
            case (18, 69), (42, 69), (19, 77): return .valid
            default: return .invalid("a Monero address of another network")
            }
        }
    }

    private static func decode(
        _ text: UnsafeBufferPointer<UInt8>, into target: UnsafeMutableBufferPointer<UInt8>
    ) -> Int? {
        var count = 0
        var start = 0
        while start < text.count {
            let digits = min(11, text.count - start)
            let size = blockSizes[digits]
            let block = UnsafeBufferPointer(rebasing: text[start..<(start + digits)])
            let space = UnsafeMutableBufferPointer(rebasing: target[count...])
            guard size > 0, var written = Base58.decode(block, into: space) else { return nil }
            // The block has a fixed width: what the number lacks, or leading zero digits add, is zeros in front.
            while written > size, space[0] == 0 {
                for index in 1..<written { space[index - 1] = space[index] }
                written -= 1
            }
            guard written <= size else { return nil }
            if written < size {
                let shift = size - written
                for index in stride(from: written - 1, through: 0, by: -1) { space[index + shift] = space[index] }
                for index in 0..<shift { space[index] = 0 }
            }
            count += size
            start += digits
        }
        return count
    }
}
