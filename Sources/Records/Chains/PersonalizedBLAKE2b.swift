/// Unkeyed BLAKE2b (RFC 7693) with an output of 1 to 64 bytes and an optional personalisation of 16 bytes: the
/// forms that address checksums ask for.
package enum PersonalizedBLAKE2b {
    private static let initial: [UInt64] = [
        0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1,
        0x510e_527f_ade6_82d1, 0x9b05_688c_2b3e_6c1f, 0x1f83_d9ab_fb41_bd6b, 0x5be0_cd19_137e_2179,
    ]

    /// The order of the message words in each round; rounds 11 and 12 repeat the first two.
    private static let schedule: [[Int]] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    ]

    /// The four columns and four diagonals that a round mixes.
    private static let quarters: [(Int, Int, Int, Int)] = [
        (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
        (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
    ]

    package static func hash(_ message: [UInt8], personalization: [UInt8] = [], byteCount: Int) -> [UInt8] {
        precondition((1...64).contains(byteCount), "BLAKE2b has an output of 1 to 64 bytes")
        precondition(personalization.isEmpty || personalization.count == 16, "a personalisation has 16 bytes")
        var state = initial
        // Parameter block: digest length, no key, fan-out 1, depth 1.
        state[0] ^= 0x0101_0000 ^ UInt64(byteCount)
        if !personalization.isEmpty {
            state[6] ^= word(personalization, at: 0)
            state[7] ^= word(personalization, at: 8)
        }
        var start = 0
        repeat {
            let end = min(start + 128, message.count)
            let block = Array(message[start..<end]) + [UInt8](repeating: 0, count: 128 - (end - start))
            compress(&state, block, fed: UInt64(end), last: end == message.count)
            start = end
        } while start < message.count
        return (0..<byteCount).map { UInt8(truncatingIfNeeded: state[$0 / 8] >> UInt64($0 % 8 * 8)) }
    }

    private static func word(_ bytes: [UInt8], at start: Int) -> UInt64 {
        (0..<8).reduce(0) { $0 | UInt64(bytes[start + $1]) << UInt64($1 * 8) }
    }

    private static func compress(_ state: inout [UInt64], _ block: [UInt8], fed: UInt64, last: Bool) {
        let words = (0..<16).map { word(block, at: $0 * 8) }
        var v = state + initial
        v[12] ^= fed
        if last { v[14] = ~v[14] }
        for round in 0..<12 {
            let order = schedule[round % 10]
            for (index, (a, b, c, d)) in quarters.enumerated() {
                v[a] = v[a] &+ v[b] &+ words[order[index * 2]]
                v[d] = rotate(v[d] ^ v[a], 32)
                v[c] = v[c] &+ v[d]
                v[b] = rotate(v[b] ^ v[c], 24)
                v[a] = v[a] &+ v[b] &+ words[order[index * 2 + 1]]
                v[d] = rotate(v[d] ^ v[a], 16)
                v[c] = v[c] &+ v[d]
                v[b] = rotate(v[b] ^ v[c], 63)
            }
        }
        for index in 0..<8 {
            state[index] ^= v[index] ^ v[index + 8]
        }
    }

    private static func rotate(_ word: UInt64, _ count: UInt64) -> UInt64 {
        word &>> count | word &<< (64 &- count)
    }
}
