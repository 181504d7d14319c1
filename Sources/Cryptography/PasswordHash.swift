import CSodium

/// A key from a passphrase: Argon2id, version 1.3, one lane (`crypto_pwhash`).
public enum PasswordHash {
    public static let saltByteCount = 16
    public static let keyByteCount = 32

    /// What a guess costs: passes over so much memory.
    public struct Cost: Sendable, Hashable {
        public var passes: UInt32
        public var memoryByteCount: Int

        public init(passes: UInt32, memoryByteCount: Int) {
            self.passes = passes
            self.memoryByteCount = memoryByteCount
        }

        /// libsodium's "moderate": three passes over 256 MiB.
        public static let moderate = Cost(passes: 3, memoryByteCount: 256 << 20)
    }

    /// 32 bytes that follow from passphrase, salt and cost. Takes the memory that the cost names, for as long as it
    /// runs; `outOfSecretMemory` where there is not so much.
    public static func key(passphrase: SecretBytes, salt: [UInt8], cost: Cost) throws -> SecretBytes {
        Sodium.start()
        guard salt.count == saltByteCount else {
            throw CryptographyError.wrongLength(expected: saltByteCount, actual: salt.count)
        }
        return try SecretBytes(count: keyByteCount) { target in
            let status = passphrase.withUnsafeBytes { passphrase in
                Sodium.wipingStack(byteCount: Sodium.argon2StackByteCount) {
                    crypto_pwhash(
                        target.unsignedChars, UInt64(target.count),
                        UnsafeRawPointer(passphrase.unsignedChars).assumingMemoryBound(to: CChar.self),
                        UInt64(passphrase.count), salt, UInt64(cost.passes), cost.memoryByteCount,
                        crypto_pwhash_alg_argon2id13())
                }
            }
            guard status == 0 else { throw CryptographyError.outOfSecretMemory }
        }
    }
}
