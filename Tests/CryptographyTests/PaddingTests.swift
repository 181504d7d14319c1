import Cryptography
import Testing

@Suite struct PaddingTests {
    private func secret(_ bytes: [UInt8]) throws -> SecretBytes {
        try SecretBytes(count: bytes.count) { $0.copyBytes(from: bytes) }
    }

    private func bytes(_ secret: SecretBytes) -> [UInt8] {
        secret.withUnsafeBytes { [UInt8]($0) }
    }

    @Test func paddingIsOneMarkAndZeros() throws {
        #expect(bytes(try secret([1, 2]).padded(to: 6)) == [1, 2, 0x80, 0, 0, 0])
        #expect(bytes(try secret([1, 2]).padded(to: 3)) == [1, 2, 0x80])
        #expect(bytes(try secret([]).padded(to: 1)) == [0x80])
    }

    @Test(arguments: [0, 1, 7, 63, 64, 100, 1000]) func whatWasPaddedComesBack(count: Int) throws {
        // Values that end like padding are the hard ones.
        for last in [UInt8(0), 0x80, 1] {
            let value = [UInt8](repeating: last, count: count)
            for paddedCount in [count + 1, count + 2, count + 64] {
                let padded = try secret(value).padded(to: paddedCount)
                #expect(padded.count == paddedCount)
                #expect(bytes(try padded.unpadded()) == value)
            }
        }
    }

    @Test func paddingAlwaysAddsAByte() throws {
        #expect(throws: CryptographyError.wrongLength(expected: 2, actual: 2)) { try secret([1, 2]).padded(to: 2) }
        #expect(throws: CryptographyError.wrongLength(expected: 0, actual: 2)) { try secret([1, 2]).padded(to: 0) }
    }

    @Test(arguments: [[], [0], [0, 0, 0], [1], [0x80, 1], [0x81, 0], [0x80, 0, 0x40]] as [[UInt8]])
    func bytesWithoutPaddingAreRefused(bytes: [UInt8]) throws {
        #expect(throws: CryptographyError.badPadding) { try secret(bytes).unpadded() }
    }
}
