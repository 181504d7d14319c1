public import Cryptography
import Glibc

/// The private keys of a node, one file each in `keys/`, none with two roles.
///
/// Every read demands a regular file of this user with mode 0600, and checks that the file holds the key its name
/// promises. Secrets go from the file into guarded memory and nowhere else. Making a key never overwrites one.
public struct Keystore: Sendable {
    /// The longest TLS key file read, in bytes.
    public static let maximumTLSByteCount = 65_536

    let home: HomeFolder
    let node: String
    let unlocker: KeyUnlocker

    /// The keys of the named node. Throws `usage` for what is no node name.
    public init(_ home: HomeFolder, node: String, unlocker: KeyUnlocker = .plainOnly) throws {
        guard Names.isNode(node) else {
            throw HomeError(.usage, "\(Display.quoted(node)) is no node name; \(Names.nodeRule)")
        }
        self.home = home
        self.node = node
        self.unlocker = unlocker
    }

    // MARK: Log keys

    /// Makes the key of this node's log in the community: `log-COMMUNITY.key`, or `log-COMMUNITY.N.key` for the N-th
    /// log there, after forks.
    public func createLogKey(community: String, generation: UInt64 = 1) throws -> Ed25519.PrivateKey {
        let key = try Ed25519.PrivateKey()
        try create(logFile(community, generation), key.seed)
        return key
    }

    public func logKey(community: String, generation: UInt64 = 1) throws -> Ed25519.PrivateKey {
        try Ed25519.PrivateKey(seed: logFile(community, generation).read(unlock: unlock))
    }

    /// The private key of an own log that belongs to a public one: the key in its place, or the one that is to replace it.
    ///
    /// Throws `notPermitted` where there is none.
    public func logKey(origin: String, publicKey: Ed25519.PublicKey) throws -> Ed25519.PrivateKey {
        // The one that is to replace another may be the only one that is left.
        for (community, generation) in try logGenerations(withNext: true)
        where self.origin(community, generation) == origin {
            if try hasLogKey(community: community, generation: generation) {
                let current = try logKey(community: community, generation: generation)
                if current.publicKey == publicKey { return current }
            }
            if let next = try nextLogKey(community: community, generation: generation), next.publicKey == publicKey {
                return next
            }
        }
        throw HomeError(
            .notPermitted, "there is no key of \(origin) in keys/ that is the one it has now", path: home.keysFolder)
    }

    /// The public key of a log, for which no passphrase is needed.
    public func logPublicKey(community: String, generation: UInt64 = 1) throws -> Ed25519.PublicKey {
        try Ed25519.PublicKey(logFile(community, generation).readPublicKey())
    }

    /// The public key of a log as peer cards carry it.
    public func logCardKey(community: String, generation: UInt64 = 1) throws -> CardKey {
        let key = try logPublicKey(community: community, generation: generation)
        return CardKey(name: origin(community, generation), kind: .log, publicKey: key)
    }

    // MARK: Mirror key

    /// Makes the key of this node's cosignatures: `mirror.key`.
    public func createMirrorKey() throws -> Ed25519.PrivateKey {
        let key = try Ed25519.PrivateKey()
        try create(mirrorFile, key.seed)
        return key
    }

    public func mirrorKey() throws -> Ed25519.PrivateKey {
        try reading(.mirror) { try Ed25519.PrivateKey(seed: mirrorFile.read(unlock: unlock)) }
    }

    /// The public mirror key as peer cards carry it.
    public func mirrorCardKey() throws -> CardKey {
        let key = try reading(.mirror) { try Ed25519.PublicKey(mirrorFile.readPublicKey()) }
        return CardKey(name: node, kind: .mirror, publicKey: key)
    }

    // MARK: Sealing keys

    /// Makes the key that opens what is sealed to this node in the epoch, from 1: `sealing-EPOCH.key`.
    public func createSealingKey(epoch: UInt32) throws -> SealedBox.PrivateKey {
        let key = try SealedBox.PrivateKey()
        try create(sealingFile(epoch), key.secret)
        return key
    }

    public func sealingKey(epoch: UInt32) throws -> SealedBox.PrivateKey {
        try SealedBox.PrivateKey(secret: sealingFile(epoch).read(unlock: unlock))
    }

    /// What is sealed to this node in the epoch is sealed to this key.
    public func sealingPublicKey(epoch: UInt32) throws -> SealedBox.PublicKey {
        try SealedBox.PublicKey(sealingFile(epoch).readPublicKey())
    }

    /// The epochs for which there is a sealing key, ascending. The last is the one to seal to.
    public func sealingEpochs() throws -> [UInt32] {
        try SystemCall.names(in: home.keysFolder, limit: 10_000).compactMap { name -> UInt32? in
            guard name.hasPrefix("sealing-"), name.hasSuffix(".key") else { return nil }
            let digits = name.dropFirst(8).dropLast(4).utf8
            let epoch = Names.number(digits, maximum: UInt64(UInt32.max)).map(UInt32.init(truncatingIfNeeded:))
            return epoch == 0 ? nil : epoch
        }.sorted()
    }

    // MARK: Other secrets

    /// Makes the random key under which records are hashed to find doubles: `doubles.key`, 32 bytes.
    public func createDoublesKey() throws -> SecretBytes {
        let key = try SecretBytes.random(count: 32)
        try create(doublesFile, key)
        return key
    }

    /// Throws `noInput` where it is gone; ``Node/restoreDoubles()`` makes another.
    public func doublesKey() throws -> SecretBytes {
        try reading(.doubles) { try doublesFile.read(unlock: unlock) }
    }

    public var hasDoublesKey: Bool {
        get throws { try SystemCall.status(doublesFile.path) != nil }
    }

    /// The random key of the blind index over sealed fields: `index.key`, 32 bytes. It is made where there is none:
    /// all that hangs on it is the index, which is then filled again.
    public func blindIndexKey() throws -> SecretBytes {
        do {
            return try blindIndexFile.read(unlock: unlock)
        } catch let error as HomeError where error.category == .noInput {
            let key = try SecretBytes.random(count: 32)
            do {
                try create(blindIndexFile, key)
            } catch let error as HomeError where error.category == .exists {
                return try blindIndexFile.read(unlock: unlock)
            }
            return key
        }
    }

    /// Stores a new TLS key, in PEM as OpenSSL writes it: `tls.key`. Throws `exists` where there is one, unless it is
    /// to be replaced.
    public func storeTLSKey(pem: SecretBytes, replacing: Bool = false) throws {
        try storeTLSKey(pem, at: tlsPath, replacing: replacing)
    }

    func storeTLSKey(_ pem: SecretBytes, at path: String, replacing: Bool) throws {
        guard 1...Keystore.maximumTLSByteCount ~= pem.count else {
            throw HomeError(
                .usage, "a TLS key must have 1 to \(Keystore.maximumTLSByteCount) bytes of PEM", path: path)
        }
        try underProtection { key in
            let text = try key.map { try tlsFile(path).protectedText(pem, under: $0) } ?? pem
            if replacing {
                try SecretFile.replace(text, at: path)
            } else {
                try SecretFile.create(text, at: path)
            }
        }
    }

    /// The TLS key, in PEM.
    public func tlsKey() throws -> SecretBytes { try reading(.tls) { try tlsKey(at: tlsPath) } }

    func tlsKey(at path: String) throws -> SecretBytes {
        let text = try SecretFile.read(path, limit: 2 * Keystore.maximumTLSByteCount)
        return Keystore.isKeyFile(text) ? try tlsFile(path).read(text: text, unlock: unlock) : text
    }

    /// Whether a file is one of ours, and no PEM.
    static func isKeyFile(_ text: SecretBytes) -> Bool {
        text.withUnsafeBytes { $0.starts(with: "\(KeyFile.format) ".utf8) }
    }

    // MARK: Protection

    var protection: KeyProtection { KeyProtection(home, node: node) }

    /// Whether private keys can be read without a passphrase.
    public var isProtected: Bool {
        get throws { try protection.isThere }
    }

    /// Whether private keys can be read without anybody being asked for the passphrase.
    public var isUnlocked: Bool {
        get throws { try unlocker.isOpen || !isProtected }
    }

    func unlock() throws -> SecretBytes {
        // Before anybody is asked for a passphrase that would open nothing.
        guard try isProtected else {
            throw HomeError(
                .configuration, "is gone, and keys are encrypted under it: put it back from a backup of keys/",
                path: protection.path)
        }
        return try unlocker.key(of: protection)
    }

    /// Writes a new key file as the others are protected.
    func create(_ file: KeyFile, _ secret: SecretBytes) throws {
        try underProtection { key in
            let text = try key.map { try file.protectedText(secret, under: $0) } ?? file.plainText(secret)
            try SecretFile.create(text, at: file.path)
        }
    }

    /// Runs the closure with the key that new files are to be encrypted under, while nobody changes that.
    private func underProtection(_ body: (SecretBytes?) throws -> Void) throws {
        // This may ask for the passphrase, for which nobody else should have to wait.
        if try isProtected { _ = try unlock() }
        try KeysLock.hold(home) {
            let key = try isProtected ? unlock() : nil
            // Beside keys whose passphrase.lock is gone a new one would lie there in plain, unasked.
            if key == nil { try checkProtectedFiles(isUnlocked: false) }
            try body(key)
        }
    }

    // MARK: Files

    var tlsPath: String { "\(home.keysFolder)/tls.key" }

    func tlsFile(_ path: String) -> KeyFile { KeyFile(path: path, purpose: .tls, name: node) }

    /// Whether a file holds a TLS key: as PEM it says nothing of itself.
    func isTLS(_ path: String) -> Bool { path == tlsPath || path == KeyFile.nextPath(of: tlsPath) }

    var mirrorFile: KeyFile {
        KeyFile(path: "\(home.keysFolder)/mirror.key", purpose: .mirror, name: node)
    }

    var doublesFile: KeyFile {
        KeyFile(path: "\(home.keysFolder)/doubles.key", purpose: .doubles, name: node)
    }

    private var blindIndexFile: KeyFile {
        KeyFile(path: "\(home.keysFolder)/index.key", purpose: .blindIndex, name: node)
    }

    func logFile(_ community: String, _ generation: UInt64) throws -> KeyFile {
        guard Names.isCommunity(community) else {
            throw HomeError(.usage, "\(Display.quoted(community)) is no community name; \(Names.communityRule)")
        }
        guard 1...9_007_199_254_740_991 ~= generation else {
            throw HomeError(.usage, "the logs of a community are counted from 1")
        }
        // Community names have no dots, so no two logs share a file.
        let suffix = generation == 1 ? "" : ".\(generation)"
        return KeyFile(
            path: "\(home.keysFolder)/log-\(community)\(suffix).key", purpose: .log,
            name: origin(community, generation))
    }

    private func sealingFile(_ epoch: UInt32) throws -> KeyFile {
        guard epoch > 0 else { throw HomeError(.usage, "the epochs of sealing keys are counted from 1") }
        return KeyFile(path: "\(home.keysFolder)/sealing-\(epoch).key", purpose: .sealing, name: "\(node)#\(epoch)")
    }

    private func origin(_ community: String, _ generation: UInt64) -> String {
        generation == 1 ? "\(node)/\(community)" : "\(node)/\(community)/\(generation)"
    }
}
