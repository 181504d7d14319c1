import Cryptography
import Glibc

extension Keystore {
    /// Overwrites the key of an epoch and removes it. What only it opens cannot be opened from then on.
    ///
    /// On disks and file systems that write elsewhere than where a file was, old bytes may stay until they are reused.
    public func destroySealingKey(epoch: UInt32) throws {
        // Whoever changes the passphrase meanwhile would write it again.
        try KeysLock.hold(home) { try SecretFile.destroy("\(home.keysFolder)/sealing-\(epoch).key") }
    }

    /// Overwrites the key of a log in which nothing was signed and removes it.
    public func destroyLogKey(community: String, generation: UInt64) throws {
        try KeysLock.hold(home) { try SecretFile.destroy(logFile(community, generation).path) }
    }

    /// Overwrites the witness key and removes it. What it has cosigned stays cosigned.
    public func destroyWitnessKey() throws {
        try KeysLock.hold(home) { try SecretFile.destroy(witnessFile.path) }
    }
}

extension SecretFile {
    /// Overwrites a file of this user with random bytes, makes that durable, and removes it.
    static func destroy(_ path: String) throws {
        let file = try OpenFile(path, O_WRONLY | O_NONBLOCK)
        let size = try file.regularSize(limit: KeyFile.maximumByteCount)
        try Ownership.check(file.status(), path)
        try RandomBytes.make(count: size).withUnsafeBytes { try file.write($0) }
        try file.synchronise()
        guard unlink(path) == 0 else { throw SystemCall.error("cannot be removed", path) }
        try SystemCall.synchronise(folder: SystemCall.folder(of: path))
    }
}
