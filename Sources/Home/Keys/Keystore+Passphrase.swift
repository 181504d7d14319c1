public import Cryptography
import Glibc

// How the key files of a home are protected, and how that is changed.
extension Keystore {
    /// What a change has found in `keys/` that is no key file, and left as it is.
    public struct Leftovers: Sendable {
        public var names: [String] = []
    }

    /// Asks for the passphrase, where there is one. Throws `notPermitted` for a wrong one.
    public func checkPassphrase() throws {
        if try isProtected { _ = try unlock() }
    }

    /// Puts the keys under a passphrase, or under another one.
    ///
    /// A new passphrase replaces one file, in one step. Plain keys are encrypted one by one; until the last is, the
    /// others are plain as they were, and doing it again goes on. A crash never leaves a key that cannot be read.
    ///
    /// Throws `notPermitted` where there is a passphrase already and it is not given.
    @discardableResult
    public func protect(with passphrase: SecretBytes, cost: PasswordHash.Cost = .moderate) throws -> Leftovers {
        try Passphrase.checkNew(passphrase)
        return try changing { old in
            let key = try old ?? SecretBytes.random(count: 32)
            try protection.write(key, passphrase: passphrase, cost: cost, replacing: old != nil)
            unlocker.set(key)
            return try rewrite(under: key)
        }
    }

    /// Writes the keys as plain files, and then forgets the passphrase. A key file that cannot be read, for its rights or
    /// for what is in it, ends that with the passphrase as it was.
    @discardableResult
    public func unprotect() throws -> Leftovers {
        try changing { old in
            guard old != nil else { return Leftovers() }
            let left = try rewrite(under: nil)
            guard unlink(protection.path) == 0 else { throw SystemCall.error("cannot be removed", protection.path) }
            try SystemCall.synchronise(folder: home.keysFolder)
            unlocker.set(nil)
            return left
        }
    }

    /// Runs the closure with what the keys are encrypted under now, while nobody else changes it.
    private func changing(_ body: (SecretBytes?) throws -> Leftovers) throws -> Leftovers {
        let before = try protectionBytes()
        let old = try before.isEmpty ? nil : unlock()
        return try KeysLock.hold(home) {
            guard try protectionBytes() == before else {
                throw HomeError(.busy, "was changed by another command meanwhile; try again", path: protection.path)
            }
            try checkProtectedFiles(isUnlocked: old != nil)
            return try body(old)
        }
    }

    /// Every key file that is protected can be opened, before anything is changed: under another passphrase.lock than
    /// the one beside it, or without one, a key is lost, and no new passphrase brings it back.
    func checkProtectedFiles(isUnlocked: Bool) throws {
        for name in try SystemCall.names(in: home.keysFolder, limit: 10_000)
        where name != KeyProtection.fileName && name.hasSuffix(".key") {
            let path = "\(home.keysFolder)/\(name)"
            let text = try SecretFile.read(path, limit: 2 * Keystore.maximumTLSByteCount)
            let file: KeyFile
            if isTLS(path) {
                guard Keystore.isKeyFile(text) else { continue }
                file = tlsFile(path)
            } else {
                guard let (found, isProtected) = KeyFile.survey(path, text), isProtected else { continue }
                file = found
            }
            guard isUnlocked else {
                throw HomeError(
                    .configuration,
                    "is encrypted, and passphrase.lock, without which no passphrase opens it, is gone: put that back from "
                        + "a backup of keys/. Leave the keys of this home where they are: one that is moved away is lost "
                        + "to it (docs/keystore.md)",
                    path: path)
            }
            _ = try file.read(text: text, unlock: unlock)
        }
    }

    private func protectionBytes() throws -> [UInt8] {
        guard try protection.isThere else { return [] }
        return try OpenFile(protection.path, O_RDONLY | O_NONBLOCK).readAll(limit: 4_096)
    }

    /// Writes every key file that is protected in another way anew.
    private func rewrite(under key: SecretBytes?) throws -> Leftovers {
        var left = Leftovers()
        for name in try SystemCall.names(in: home.keysFolder, limit: 10_000) where name != KeyProtection.fileName {
            let path = "\(home.keysFolder)/\(name)"
            if name.hasPrefix("."), name.hasSuffix(".tmp") {
                // A crash may have left a second name of a key that was made then.
                guard unlink(path) == 0 || errno == ENOENT else { throw SystemCall.error("cannot be removed", path) }
                continue
            }
            let text: SecretBytes
            do {
                text = try SecretFile.read(path, limit: 2 * Keystore.maximumTLSByteCount)
            } catch  where !name.hasSuffix(".key") {
                left.names.append(name)
                continue
            }
            if isTLS(path) {
                try rewriteTLS(text, at: path, under: key)
            } else if let (file, isProtected) = KeyFile.survey(path, text) {
                guard isProtected != (key != nil) else { continue }
                let secret = try file.read(text: text, unlock: unlock)
                try SecretFile.replace(
                    key.map { try file.protectedText(secret, under: $0) } ?? file.plainText(secret), at: path)
            } else if Keystore.isKeyFile(text) {
                // Without the passphrase's file nobody could ever read it again.
                throw HomeError(
                    .configuration,
                    "is a key file of a kind that is not known here; move it out of keys/, and try again",
                    path: path)
            } else {
                left.names.append(name)
            }
        }
        return left
    }

    private func rewriteTLS(_ text: SecretBytes, at path: String, under key: SecretBytes?) throws {
        guard Keystore.isKeyFile(text) != (key != nil) else { return }
        let file = tlsFile(path)
        if let key {
            try SecretFile.replace(file.protectedText(text, under: key), at: path)
        } else {
            try SecretFile.replace(file.read(text: text, unlock: unlock), at: path)
        }
    }
}
