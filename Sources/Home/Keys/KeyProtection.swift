public import Cryptography
import Glibc
import Synchronization

/// The key under which the key files of a home are encrypted, itself encrypted under the passphrase, in one file of
/// one line, `keys/passphrase.lock`:
///
///     entente-passphrase/1 argon2id us.example PASSES MEMORY SALT NONCE CIPHERTEXT
///
/// PASSES and MEMORY (bytes) are Argon2id's; SALT, NONCE and CIPHERTEXT are base64, the last XChaCha20-Poly1305 of the
/// 32 bytes under Argon2id of the passphrase, with everything before it on the line as associated data: a file with
/// other parameters does not open. Another passphrase means another such file, and no other.
struct KeyProtection {
    static let format = "entente-passphrase/1"
    static let fileName = "passphrase.lock"
    private static let maximumByteCount = 1_024
    /// A file that asks for more would take the machine's memory or its time.
    private static let allowedMemory = 8_192...(1 << 30)
    private static let allowedPasses: ClosedRange<UInt64> = 1...32

    let path: String
    let node: String

    init(_ home: HomeFolder, node: String) {
        path = "\(home.keysFolder)/\(KeyProtection.fileName)"
        self.node = node
    }

    /// Whether this home's keys are under a passphrase.
    var isThere: Bool {
        get throws { try SystemCall.status(path) != nil }
    }

    /// Encrypts the key under the passphrase and puts the file in its place in one step, durably.
    func write(_ key: SecretBytes, passphrase: SecretBytes, cost: PasswordHash.Cost, replacing: Bool) throws {
        let salt = RandomBytes.make(count: PasswordHash.saltByteCount)
        let nonce = RandomBytes.make(count: XChaCha20Poly1305.nonceByteCount)
        let header =
            "\(KeyProtection.format) argon2id \(node) \(cost.passes) \(cost.memoryByteCount) "
            + "\(Base64.encode(salt)) \(Base64.encode(nonce)) "
        let box = try XChaCha20Poly1305.seal(
            key, key: passphraseKey(passphrase, salt: salt, cost), nonce: nonce, associatedData: Array(header.utf8))
        let text = Array("\(header)\(Base64.encode(box))\n".utf8)
        if replacing { try AtomicFile.write(text, to: path) } else { try AtomicFile.create(text, at: path) }
    }

    /// Opens the file. Throws `notPermitted` for a wrong passphrase, `configuration` for a malformed file.
    func open(passphrase: SecretBytes) throws -> SecretBytes {
        let file = try OpenFile(path, O_RDONLY | O_NONBLOCK)
        try Ownership.check(file.status(), path)
        let bytes = try file.readAll(limit: KeyProtection.maximumByteCount)
        let fields = String(decoding: bytes, as: UTF8.self)
            .split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard bytes.last == UInt8(ascii: "\n"), fields.count == 8, fields[0] == KeyProtection.format,
            fields[1] == "argon2id",
            let passes = Names.number(fields[3].utf8, maximum: UInt64(UInt32.max)),
            let memory = Names.number(fields[4].utf8, maximum: UInt64(Int32.max)),
            let salt = Base64.decode(fields[5]), salt.count == PasswordHash.saltByteCount,
            let nonce = Base64.decode(fields[6]), nonce.count == XChaCha20Poly1305.nonceByteCount,
            let box = Base64.decode(String(fields[7].dropLast())), box.count == 32 + XChaCha20Poly1305.overhead
        else {
            throw HomeError(
                .configuration, "is no file of the format \(KeyProtection.format); restore it from a backup",
                path: path)
        }
        guard KeyProtection.allowedPasses ~= passes, KeyProtection.allowedMemory ~= Int(memory) else {
            throw HomeError(
                .configuration, "asks for more work or memory than a passphrase may cost; restore it from a backup",
                path: path)
        }
        guard fields[2] == node else {
            throw HomeError(
                .configuration, "is of \(Display.quoted(fields[2])), not of \(node); put the right file back",
                path: path)
        }
        let cost = PasswordHash.Cost(passes: UInt32(truncatingIfNeeded: passes), memoryByteCount: Int(memory))
        let key = try passphraseKey(passphrase, salt: salt, cost)
        do {
            return try XChaCha20Poly1305.open(
                box, key: key, nonce: nonce, associatedData: Array(bytes.dropLast(fields[7].utf8.count)))
        } catch CryptographyError.notAuthentic {
            throw HomeError(.notPermitted, "the passphrase is wrong, or the file was changed", path: path)
        }
    }

    private func passphraseKey(
        _ passphrase: SecretBytes, salt: [UInt8], _ cost: PasswordHash.Cost
    ) throws -> SecretBytes {
        do {
            return try PasswordHash.key(passphrase: passphrase, salt: salt, cost: cost)
        } catch CryptographyError.outOfSecretMemory {
            throw HomeError(
                .io, "a passphrase takes \(cost.memoryByteCount >> 20) MiB of memory, and the system gave less",
                path: path)
        }
    }
}

/// Opens protected keys: asks for the passphrase when the first of them is needed, and keeps what opens the rest in
/// guarded memory.
public final class KeyUnlocker: Sendable {
    private let ask: @Sendable () throws -> SecretBytes
    private let opened = Mutex<SecretBytes?>(nil)

    /// - Parameter ask: gives the passphrase, or throws an error that says how to give it. Called at most once, unless
    ///   what it gave was wrong.
    public init(_ ask: @escaping @Sendable () throws -> SecretBytes) {
        self.ask = ask
    }

    /// Opens nothing but plain keys, until it is told of a passphrase.
    public static var plainOnly: KeyUnlocker {
        KeyUnlocker { throw HomeError(.notPermitted, "the keys are protected by a passphrase; \(KeyUnlocker.ways)") }
    }

    public static let ways =
        "give it on the terminal, with --passphrase-fd N, or as the systemd credential \(Passphrase.credentialName)"

    func key(of protection: KeyProtection) throws -> SecretBytes {
        try opened.withLock { opened in
            if let opened { return opened }
            let key = try protection.open(passphrase: ask())
            opened = key
            return key
        }
    }

    /// Whether keys open without anybody being asked.
    var isOpen: Bool { opened.withLock { $0 != nil } }

    /// What was opened before counts no more: the file is another.
    func set(_ key: SecretBytes?) {
        opened.withLock { $0 = key }
    }
}
