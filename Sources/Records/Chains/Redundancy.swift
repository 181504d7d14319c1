/// Cyclic redundancy checks, bit by bit: the texts are short.
enum Redundancy {
    /// CRC-32 of IEEE 802.3.
    static func crc32(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt32 {
        var register: UInt32 = 0xffff_ffff
        for byte in bytes {
            register ^= UInt32(byte)
            for _ in 0..<8 {
                register = register & 1 == 1 ? register >> 1 ^ 0xedb8_8320 : register >> 1
            }
        }
        return ~register
    }

    /// CRC-16/XMODEM: polynomial 0x1021, register starting at zero.
    static func crc16(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt16 {
        var register: UInt16 = 0
        for byte in bytes {
            register ^= UInt16(byte) << 8
            for _ in 0..<8 {
                register = register & 0x8000 != 0 ? register << 1 ^ 0x1021 : register << 1
            }
        }
        return register
    }
}
