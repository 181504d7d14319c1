public import Cryptography
import Glibc

// A key that is to take the place of another lies beside it, as `NAME.next.key`, until the log says that it has: then it
// is renamed over the old one. After a crash in between both are there, and the log says which of them signs.
extension Keystore {
    /// Makes the key that is to replace that of a log, or gives the one that was made before.
    public func makeNextLogKey(community: String, generation: UInt64 = 1) throws -> Ed25519.PrivateKey {
        if let made = try nextLogKey(community: community, generation: generation) { return made }
        let key = try Ed25519.PrivateKey()
        try create(nextLogFile(community, generation), key.seed)
        return key
    }

    /// The key that is to replace that of a log; `nil` where none was made.
    public func nextLogKey(community: String, generation: UInt64 = 1) throws -> Ed25519.PrivateKey? {
        let file = try nextLogFile(community, generation)
        guard try SystemCall.status(file.path) != nil else { return nil }
        return try Ed25519.PrivateKey(seed: file.read(unlock: unlock))
    }

    /// Its public key, for which no passphrase is needed; `nil` where none was made.
    public func nextLogPublicKey(community: String, generation: UInt64 = 1) throws -> Ed25519.PublicKey? {
        let file = try nextLogFile(community, generation)
        guard try SystemCall.status(file.path) != nil else { return nil }
        return try Ed25519.PublicKey(file.readPublicKey())
    }

    /// Puts the next key of a log in the place of the one before, which is gone then.
    public func promoteNextLogKey(community: String, generation: UInt64 = 1) throws {
        let next = try nextLogFile(community, generation).path
        let path = try logFile(community, generation).path
        try KeysLock.hold(home) { try KeyFile.promote(next, over: path) }
    }

    private func nextLogFile(_ community: String, _ generation: UInt64) throws -> KeyFile {
        let file = try logFile(community, generation)
        return KeyFile(path: KeyFile.nextPath(of: file.path), purpose: .log, name: file.name)
    }
}

extension KeyFile {
    /// `log-krus.key` becomes `log-krus.next.key`: no community or generation is named so.
    static func nextPath(of path: String) -> String {
        "\(path.dropLast(".key".count)).next.key"
    }

    static func promote(_ next: String, over path: String) throws {
        guard rename(next, path) == 0 else { throw SystemCall.error("cannot take the place of the old key", next) }
        try SystemCall.synchronise(folder: SystemCall.folder(of: path))
    }
}
