import CSodium

/// Authenticated encryption with associated data: XChaCha20-Poly1305-IETF.
///
/// It does not commit to its key; whoever needs that adds a commitment.
public enum XChaCha20Poly1305 {
    public static let keyByteCount = 32
    public static let nonceByteCount = 24
    /// What a ciphertext adds to its plaintext, in bytes.
    public static let overhead = 16

    public static func seal(
        _ plaintext: SecretBytes, key: SecretBytes, nonce: [UInt8], associatedData: [UInt8]
    ) throws -> [UInt8] {
        try check(key: key, nonce: nonce)
        var ciphertext = [UInt8](repeating: 0, count: plaintext.count + overhead)
        plaintext.withUnsafeBytes { plaintext in
            key.withUnsafeBytes { key in
                _ = Sodium.wipingStack {
                    crypto_aead_xchacha20poly1305_ietf_encrypt(
                        &ciphertext, nil, plaintext.unsignedChars, UInt64(plaintext.count), associatedData,
                        UInt64(associatedData.count), nil, nonce, key.unsignedChars)
                }
            }
        }
        return ciphertext
    }

    /// - Parameter isPassing: whether the plaintext lives for an instant; see ``SecretBytes``. A key that stays does not.
    public static func open(
        _ ciphertext: [UInt8], key: SecretBytes, nonce: [UInt8], associatedData: [UInt8], isPassing: Bool = false
    ) throws -> SecretBytes {
        try check(key: key, nonce: nonce)
        guard ciphertext.count >= overhead else {
            throw CryptographyError.wrongLength(expected: overhead, actual: ciphertext.count)
        }
        return try SecretBytes(count: ciphertext.count - overhead, isPassing: isPassing) { target in
            let status = key.withUnsafeBytes { key in
                Sodium.wipingStack {
                    crypto_aead_xchacha20poly1305_ietf_decrypt(
                        target.unsignedChars, nil, nil, ciphertext, UInt64(ciphertext.count), associatedData,
                        UInt64(associatedData.count), nonce, key.unsignedChars)
                }
            }
            guard status == 0 else { throw CryptographyError.notAuthentic }
        }
    }

    private static func check(key: SecretBytes, nonce: [UInt8]) throws {
        Sodium.start()
        guard key.count == keyByteCount else {
            throw CryptographyError.wrongLength(expected: keyByteCount, actual: key.count)
        }
        guard nonce.count == nonceByteCount else {
            throw CryptographyError.wrongLength(expected: nonceByteCount, actual: nonce.count)
        }
    }
}
