import Cryptography
import Home
import Logging
import NodeService

extension GlobalOptions {
    /// The home, whose passphrase is asked for when a private key is needed first.
    func open(logger: Logger = Node.quietLogger, unlocker: KeyUnlocker? = nil) throws -> Node {
        try Node.open(home, logger: logger, unlocker: unlocker ?? self.unlocker)
    }

    /// Takes the passphrase from the descriptor, else the credential, else the terminal.
    var unlocker: KeyUnlocker {
        KeyUnlocker { [passphraseFd] in
            if let passphraseFd { return try Passphrase.read(descriptor: passphraseFd) }
            if let credential = try Passphrase.credential() { return credential }
            if let typed = try Passphrase.ask("Passphrase of the private keys: ") { return typed }
            throw CommandFailure(
                .notPermitted, "the private keys are protected by a passphrase; \(KeyUnlocker.ways)")
        }
    }
}

/// A passphrase that is to be.
enum NewPassphrase {
    /// Asks twice on the terminal; `nil` without a terminal.
    static func ask() throws -> SecretBytes? {
        guard let first = try Passphrase.ask("New passphrase for the private keys: ") else { return nil }
        guard let second = try Passphrase.ask("The same again: "), first.equals(second) else {
            throw CommandFailure(.usage, "the two passphrases differ; nothing was changed")
        }
        return first
    }
}
