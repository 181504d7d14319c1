import CSodium

/// Ed25519 signatures (RFC 8032).
public enum Ed25519 {
    public static let signatureByteCount = 64

    /// A public key: 32 bytes.
    public struct PublicKey: Sendable, Hashable {
        public static let byteCount = 32
        public let bytes: [UInt8]

        public init(_ bytes: [UInt8]) throws {
            guard bytes.count == PublicKey.byteCount else {
                throw CryptographyError.wrongLength(expected: PublicKey.byteCount, actual: bytes.count)
            }
            self.bytes = bytes
        }

        /// Whether the signature is this key's over exactly these bytes.
        public func verifies(_ signature: [UInt8], of message: [UInt8]) -> Bool {
            Sodium.start()
            return signature.count == signatureByteCount
                && crypto_sign_verify_detached(signature, message, UInt64(message.count), bytes) == 0
        }
    }

    /// A private key, kept as its 32-byte seed and the expanded form that signing needs.
    public struct PrivateKey: Sendable {
        public static let seedByteCount = 32
        public let publicKey: PublicKey
        /// The 32 bytes to store; everything else follows from them.
        public let seed: SecretBytes
        private let expanded: SecretBytes

        public init() throws {
            try self.init(seed: SecretBytes.random(count: PrivateKey.seedByteCount))
        }

        public init(seed: SecretBytes) throws {
            Sodium.start()
            guard seed.count == PrivateKey.seedByteCount else {
                throw CryptographyError.wrongLength(expected: PrivateKey.seedByteCount, actual: seed.count)
            }
            var publicBytes = [UInt8](repeating: 0, count: PublicKey.byteCount)
            self.seed = seed
            expanded = try SecretBytes(count: crypto_sign_secretkeybytes()) { target in
                seed.withUnsafeBytes { seed in
                    _ = Sodium.wipingStack {
                        crypto_sign_seed_keypair(&publicBytes, target.unsignedChars, seed.unsignedChars)
                    }
                }
            }
            publicKey = try PublicKey(publicBytes)
        }

        /// The 64-byte signature over the message.
        public func sign(_ message: [UInt8]) -> [UInt8] {
            var signature = [UInt8](repeating: 0, count: signatureByteCount)
            expanded.withUnsafeBytes { key in
                _ = Sodium.wipingStack {
                    crypto_sign_detached(&signature, nil, message, UInt64(message.count), key.unsignedChars)
                }
            }
            return signature
        }
    }
}
