import CSodium

/// Padding that hides a length: one byte 0x80, then zeros (ISO/IEC 7816-4, as `sodium_pad` does). At least one byte
/// is always added, so that every padded text has exactly one reading.
extension SecretBytes {
    /// These bytes padded to `paddedCount` bytes, which must be more than ``count``.
    public func padded(to paddedCount: Int) throws -> SecretBytes {
        guard paddedCount > count else {
            throw CryptographyError.wrongLength(expected: paddedCount, actual: count)
        }
        return try SecretBytes(count: paddedCount, isPassing: true) { target in
            withUnsafeBytes { target.copyMemory(from: $0) }
            var written = 0
            let status = sodium_pad(&written, target.unsignedChars, count, paddedCount, paddedCount)
            guard status == 0, written == paddedCount else {
                throw CryptographyError.wrongLength(expected: paddedCount, actual: written)
            }
        }
    }

    /// What was padded, found in a time that depends on the padded length alone.
    public func unpadded() throws -> SecretBytes {
        var unpaddedCount = 0
        let status = withUnsafeBytes { sodium_unpad(&unpaddedCount, $0.unsignedChars, count, count) }
        guard status == 0, unpaddedCount < count else { throw CryptographyError.badPadding }
        return try SecretBytes(count: unpaddedCount, isPassing: true) { target in
            withUnsafeBytes { target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<unpaddedCount])) }
        }
    }
}
