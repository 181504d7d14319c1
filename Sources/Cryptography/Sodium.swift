import CSodium

/// What can fail here with inputs that are well formed.
public enum CryptographyError: Error, Hashable, Sendable {
    /// Guarded memory could not be had.
    case outOfSecretMemory
    /// A key, signature or box has a length other than its algorithm's.
    case wrongLength(expected: Int, actual: Int)
    /// The key is not a usable public key (of small order, or not on the curve).
    case badPublicKey
    /// The ciphertext does not open under this key and associated data.
    case notAuthentic
    /// The bytes do not end in padding.
    case badPadding
}

/// The library's one-time start, before anything else of it is called.
enum Sodium {
    private static let started: Bool = sodium_init() >= 0

    static func start() {
        precondition(started, "libsodium could not be started: no random source")
    }

    /// More than any of its functions but Argon2 takes of the stack, which is under 4 KiB, with calls in between.
    private static let stackByteCount = 8 << 10
    /// The same for Argon2, which takes 7 KiB.
    static let argon2StackByteCount = 32 << 10

    /// Calls what handles secrets, and wipes the part of the stack that it had. libsodium leaves things there: a box that
    /// was opened its first 32 bytes, which are a whole data key.
    @inline(never)
    static func wipingStack<Result>(
        byteCount: Int = stackByteCount, _ body: () throws -> Result
    ) rethrows -> Result {
        defer { sodium_stackzero(byteCount) }
        return try body()
    }
}

/// Random bytes that need not stay secret: salts, nonces, session numbers.
public enum RandomBytes {
    public static func make(count: Int) -> [UInt8] {
        Sodium.start()
        var bytes = [UInt8](repeating: 0, count: count)
        randombytes_buf(&bytes, count)
        return bytes
    }
}
