import CSodium

/// BLAKE2b (`crypto_generichash`), keyed or not, with an output of 32 bytes unless another count is given.
public enum BLAKE2b {
    public static let byteCount = 32

    public static func hash(
        _ message: [UInt8], key: SecretBytes? = nil, byteCount: Int = BLAKE2b.byteCount
    ) -> [UInt8] {
        Sodium.start()
        precondition((16...64).contains(byteCount), "BLAKE2b makes 16 to 64 bytes here")
        if let key { return keyed(message, UInt64(message.count), key, byteCount) }
        var output = [UInt8](repeating: 0, count: byteCount)
        _ = crypto_generichash(&output, output.count, message, UInt64(message.count), nil, 0)
        return output
    }

    /// The same of a message that is secret, too.
    public static func hash(_ message: SecretBytes, key: SecretBytes) -> [UInt8] {
        message.withUnsafeBytes { keyed($0.unsignedChars, UInt64($0.count), key, byteCount) }
    }

    private static func keyed(
        _ message: UnsafePointer<UInt8>, _ count: UInt64, _ key: SecretBytes, _ byteCount: Int
    ) -> [UInt8] {
        precondition((16...64).contains(key.count), "a BLAKE2b key has 16 to 64 bytes")
        var output = [UInt8](repeating: 0, count: byteCount)
        key.withUnsafeBytes { key in
            _ = Sodium.wipingStack {
                crypto_generichash(&output, output.count, message, count, key.unsignedChars, key.count)
            }
        }
        return output
    }
}

/// Subkeys of a master key (`crypto_kdf`, BLAKE2b with the id and the context as salt and personalisation).
public enum KeyDerivation {
    public static let masterKeyByteCount = 32

    /// The subkey of 32 bytes with this id under an eight-character context.
    public static func subkey(
        of master: SecretBytes, id: UInt64, context: StaticString, isPassing: Bool = false
    ) throws -> SecretBytes {
        Sodium.start()
        guard master.count == masterKeyByteCount else {
            throw CryptographyError.wrongLength(expected: masterKeyByteCount, actual: master.count)
        }
        precondition(context.utf8CodeUnitCount == 8, "a derivation context has eight characters")
        return try SecretBytes(count: 32, isPassing: isPassing) { target in
            master.withUnsafeBytes { master in
                let label = context.withUTF8Buffer { $0.map { CChar(bitPattern: $0) } }
                _ = Sodium.wipingStack {
                    crypto_kdf_derive_from_key(target.unsignedChars, target.count, id, label, master.unsignedChars)
                }
            }
        }
    }
}

/// Comparison whose time does not depend on where two byte strings differ.
public enum ConstantTime {
    public static func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && sodium_memcmp(left, right, left.count) == 0
    }
}
