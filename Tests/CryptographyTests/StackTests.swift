import Cryptography
import Glibc
import Testing

/// What handles secrets leaves nothing of them on the stack of its thread: a pool's threads stay for the life of the
/// process, and that part of their stacks may not be written again for long.
@Suite(.serialized) struct StackTests {
    private static let size = 1 << 20

    private final class Work {
        let body: () throws -> Void
        var failure: (any Error)?
        init(_ body: @escaping () throws -> Void) { self.body = body }
    }

    /// Runs something on a thread of its own; what its stack has afterwards.
    private func stack(after body: @escaping () throws -> Void) throws -> [UInt8] {
        let memory = mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        let start = try #require(memory != MAP_FAILED ? memory : nil)
        defer { munmap(start, Self.size) }
        let attributes = UnsafeMutablePointer<pthread_attr_t>.allocate(capacity: 1)
        defer { attributes.deallocate() }
        pthread_attr_init(attributes)
        defer { pthread_attr_destroy(attributes) }
        try #require(pthread_attr_setstack(attributes, start, Self.size) == 0)
        let work = Work(body)
        var thread = pthread_t()
        let created = pthread_create(
            &thread, attributes,
            { argument in
                guard let argument else { return nil }
                let work = Unmanaged<Work>.fromOpaque(argument).takeUnretainedValue()
                do { try work.body() } catch { work.failure = error }
                return nil
            }, Unmanaged.passUnretained(work).toOpaque())
        try #require(created == 0)
        pthread_join(thread, nil)
        if let failure = work.failure { throw failure }
        return Array(UnsafeRawBufferPointer(start: start, count: Self.size))
    }

    /// Any 16 bytes of a secret, at every eighth.
    private func expectNone(
        of secrets: [(name: String, secret: SecretBytes)], after what: String, _ body: @escaping () throws -> Void
    ) throws {
        // Once before, so that what is bound or allocated at the first call is.
        try body()
        let left = try stack(after: body)
        for (name, secret) in secrets {
            let bytes = secret.withUnsafeBytes { Array($0) }
            for start in stride(from: 0, through: bytes.count - 16, by: 8) {
                let isLeft = try stands(Array(bytes[start..<start + 16]), in: left)
                #expect(!isLeft, "\(what) leaves \(name), from byte \(start), on the stack")
            }
        }
    }

    private typealias Find =
        @convention(c) (UnsafeRawPointer?, Int, UnsafeRawPointer?, Int) -> UnsafeMutableRawPointer?
    /// memmem(3), which Swift does not import.
    private static let find = dlsym(nil, "memmem").map { unsafeBitCast($0, to: Find.self) }

    private func stands(_ part: [UInt8], in bytes: [UInt8]) throws -> Bool {
        let find = try #require(Self.find)
        return find(bytes, bytes.count, part, part.count) != nil
    }

    private func secret(_ count: Int = 32) throws -> SecretBytes { try SecretBytes.random(count: count) }

    @Test func theSearchFindsWhatIsThere() throws {
        let secret = try secret()
        let left = try stack {
            withUnsafeTemporaryAllocation(byteCount: 1_024, alignment: 16) { target in
                secret.withUnsafeBytes { target.copyBytes(from: $0) }
            }
        }
        let bytes = secret.withUnsafeBytes { Array($0) }
        let isFound = try stands(bytes, in: left)
        #expect(isFound)
    }

    @Test func boxes() throws {
        let content = try secret()
        let key = try SealedBox.PrivateKey()
        let secrets = [("the content", content), ("the private key", key.secret)]
        let box = try key.publicKey.seal(content)
        try expectNone(of: secrets, after: "sealing") { _ = try key.publicKey.seal(content) }
        try expectNone(of: secrets, after: "sealing to several") {
            _ = try SealedBox.Sender(of: content).box(to: key.publicKey)
        }
        for isPassing in [true, false] {
            try expectNone(of: secrets, after: "opening") { _ = try key.open(box, isPassing: isPassing) }
        }
        try expectNone(of: secrets, after: "computing a public key") {
            _ = try SealedBox.PrivateKey(secret: key.secret)
        }
    }

    @Test func encryption() throws {
        let key = try secret()
        let nonce = RandomBytes.make(count: XChaCha20Poly1305.nonceByteCount)
        for count in [16, 64, 700] {
            let text = try secret(count)
            let secrets = [("the key", key), ("the plaintext", text)]
            let sealed = try XChaCha20Poly1305.seal(text, key: key, nonce: nonce, associatedData: [1])
            try expectNone(of: secrets, after: "encrypting") {
                _ = try XChaCha20Poly1305.seal(text, key: key, nonce: nonce, associatedData: [1])
            }
            try expectNone(of: secrets, after: "decrypting") {
                _ = try XChaCha20Poly1305.open(sealed, key: key, nonce: nonce, associatedData: [1], isPassing: true)
            }
        }
    }

    @Test func hashesAndDerivedKeys() throws {
        let key = try secret()
        let derived = try KeyDerivation.subkey(of: key, id: 1, context: "entseal1")
        try expectNone(of: [("the master key", key), ("the subkey", derived)], after: "deriving") {
            _ = try KeyDerivation.subkey(of: key, id: 1, context: "entseal1", isPassing: true)
        }
        let text = try secret(300)
        try expectNone(of: [("the key", key), ("the message", text)], after: "a keyed hash") {
            _ = BLAKE2b.hash(text, key: key)
        }
        #expect(BLAKE2b.hash(text, key: key) == BLAKE2b.hash(text.withUnsafeBytes { Array($0) }, key: key))
    }

    @Test func signatures() throws {
        let seed = try secret()
        let key = try Ed25519.PrivateKey(seed: seed)
        try expectNone(of: [("the seed", seed)], after: "expanding a key") { _ = try Ed25519.PrivateKey(seed: seed) }
        try expectNone(of: [("the seed", seed)], after: "signing") { _ = key.sign([1, 2, 3]) }
    }

    @Test func passphrases() throws {
        let passphrase = try secret(24)
        let cost = PasswordHash.Cost(passes: 1, memoryByteCount: 1 << 20)
        let salt = RandomBytes.make(count: PasswordHash.saltByteCount)
        let key = try PasswordHash.key(passphrase: passphrase, salt: salt, cost: cost)
        try expectNone(of: [("the passphrase", passphrase), ("the key", key)], after: "Argon2") {
            _ = try PasswordHash.key(passphrase: passphrase, salt: salt, cost: cost)
        }
    }
}
