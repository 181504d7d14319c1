import Cryptography

// What a killed change of the passphrase, or a key file that was put back, leaves behind.
extension Keystore {
    /// Key files that are not protected as they should be, by their names in `keys/`, sorted.
    public struct Mixture: Sendable, Hashable {
        /// In clear, although there is a passphrase.
        public var plain: [String] = []
        /// Encrypted, although there is no passphrase.
        public var orphaned: [String] = []
        /// Encrypted, and not under what the passphrase opens. Only whoever has the keys open sees that.
        public var foreign: [String] = []
    }

    /// Looks at every key file, while nobody changes them. Nobody is asked for a passphrase: where the keys are not open
    /// already, none is called foreign.
    public func mixture() throws -> Mixture {
        try KeysLock.hold(home) {
            let hasPassphrase = try isProtected
            var found = Mixture()
            var protected = 0
            for name in try SystemCall.names(in: home.keysFolder, limit: 10_000)
            where name != KeyProtection.fileName {
                guard let (isEncrypted, file, text) = keyFile(name) else { continue }
                guard isEncrypted else {
                    if hasPassphrase { found.plain.append(name) }
                    continue
                }
                protected += 1
                if !hasPassphrase {
                    found.orphaned.append(name)
                } else if unlocker.isOpen, (try? file.read(text: text, unlock: unlock)) == nil {
                    found.foreign.append(name)
                }
            }
            // All of them were put under another passphrase since this process opened them.
            if found.foreign.count == protected { found.foreign = [] }
            return found
        }
    }

    /// A file of `keys/` that is a key; `nil` for what is none, or cannot be read, of which others tell.
    private func keyFile(_ name: String) -> (isEncrypted: Bool, file: KeyFile, text: SecretBytes)? {
        let path = "\(home.keysFolder)/\(name)"
        guard let text = try? SecretFile.read(path, limit: 2 * Keystore.maximumTLSByteCount) else { return nil }
        if let (file, isEncrypted) = KeyFile.survey(path, text) { return (isEncrypted, file, text) }
        guard text.withUnsafeBytes({ $0.starts(with: "-----BEGIN ".utf8) }) else { return nil }
        return (false, tlsFile(path), text)
    }
}
