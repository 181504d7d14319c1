import CSodium

/// Anonymous boxes to an X25519 public key (`crypto_box_seal`): anyone can seal, only the key's owner can open.
public enum SealedBox {
    /// What a box adds to its content, in bytes.
    public static let overhead = 48

    public struct PublicKey: Sendable, Hashable {
        public static let byteCount = 32
        public let bytes: [UInt8]

        public init(_ bytes: [UInt8]) throws {
            guard bytes.count == PublicKey.byteCount else {
                throw CryptographyError.wrongLength(expected: PublicKey.byteCount, actual: bytes.count)
            }
            self.bytes = bytes
        }

        /// The content in a box of `content.count + overhead` bytes. Refuses keys of small order.
        public func seal(_ content: SecretBytes) throws -> [UInt8] {
            var box = [UInt8](repeating: 0, count: content.count + overhead)
            let status = content.withUnsafeBytes { content in
                Sodium.wipingStack { crypto_box_seal(&box, content.unsignedChars, UInt64(content.count), bytes) }
            }
            guard status == 0 else { throw CryptographyError.badPublicKey }
            return box
        }
    }

    /// A fresh sender's key pair that seals one content to several keys, in boxes that `crypto_box_seal_open` opens.
    ///
    /// `crypto_box_seal` makes a key pair for each box, which is half of its work. What keeps boxes apart is that key
    /// and nonce follow from the receiver's key, too; so one pair will do for boxes of the same content. Two contents
    /// never share a pair: to one receiver they would share key and nonce.
    public struct Sender: Sendable {
        private let content: SecretBytes
        private let publicKey: [UInt8]
        private let secret: SecretBytes

        public init(of content: SecretBytes) throws {
            Sodium.start()
            var publicBytes = [UInt8](repeating: 0, count: PublicKey.byteCount)
            secret = try SecretBytes(count: PrivateKey.byteCount, isPassing: true) { target in
                guard Sodium.wipingStack({ crypto_box_keypair(&publicBytes, target.unsignedChars) }) == 0 else {
                    throw CryptographyError.badPublicKey
                }
            }
            publicKey = publicBytes
            self.content = content
        }

        /// The content in a box of `content.count + overhead` bytes. Refuses keys of small order.
        public func box(to key: PublicKey) throws -> [UInt8] {
            let nonce = BLAKE2b.hash(publicKey + key.bytes, byteCount: crypto_box_noncebytes())
            var sealed = [UInt8](repeating: 0, count: content.count + overhead - PublicKey.byteCount)
            let status = content.withUnsafeBytes { content in
                secret.withUnsafeBytes { secret in
                    Sodium.wipingStack {
                        crypto_box_easy(
                            &sealed, content.unsignedChars, UInt64(content.count), nonce, key.bytes,
                            secret.unsignedChars)
                    }
                }
            }
            guard status == 0 else { throw CryptographyError.badPublicKey }
            return publicKey + sealed
        }
    }

    public struct PrivateKey: Sendable {
        public static let byteCount = 32
        public let publicKey: PublicKey
        /// The 32 bytes to store.
        public let secret: SecretBytes

        public init() throws {
            try self.init(secret: SecretBytes.random(count: PrivateKey.byteCount))
        }

        public init(secret: SecretBytes) throws {
            Sodium.start()
            guard secret.count == PrivateKey.byteCount else {
                throw CryptographyError.wrongLength(expected: PrivateKey.byteCount, actual: secret.count)
            }
            var publicBytes = [UInt8](repeating: 0, count: PublicKey.byteCount)
            let status = secret.withUnsafeBytes { secret in
                Sodium.wipingStack { crypto_scalarmult_base(&publicBytes, secret.unsignedChars) }
            }
            guard status == 0 else { throw CryptographyError.badPublicKey }
            self.secret = secret
            publicKey = try PublicKey(publicBytes)
        }

        /// The content of a box that was sealed to this key.
        public func open(_ box: [UInt8], isPassing: Bool = false) throws -> SecretBytes {
            guard box.count >= overhead else {
                throw CryptographyError.wrongLength(expected: overhead, actual: box.count)
            }
            return try SecretBytes(count: box.count - overhead, isPassing: isPassing) { target in
                let status = secret.withUnsafeBytes { secret in
                    Sodium.wipingStack {
                        crypto_box_seal_open(
                            target.unsignedChars, box, UInt64(box.count), publicKey.bytes, secret.unsignedChars)
                    }
                }
                guard status == 0 else { throw CryptographyError.notAuthentic }
            }
        }
    }
}
