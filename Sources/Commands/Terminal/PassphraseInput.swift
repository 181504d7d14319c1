import ArgumentParser
import Cryptography
import Glibc
import Home
import Logging
import NodeService
import Synchronization

extension GlobalOptions {
    /// The descriptor of the passphrase is there, before this process has any of its own, and no child process gets it.
    func validate() throws {
        if let passphraseFd { try PassphraseDescriptor.take(passphraseFd, option: "--passphrase-fd") }
    }

    /// The home, whose passphrase is asked for when a private key is needed first.
    func open(logger: Logger = Node.quietLogger, unlocker: KeyUnlocker? = nil) throws -> Node {
        try Node.open(home, logger: logger, unlocker: unlocker ?? self.unlocker)
    }

    /// Takes the passphrase from the descriptor, else the credential, else the terminal.
    var unlocker: KeyUnlocker { unlocker(closing: true) }

    /// The same; the descriptor stays open for what follows on it, unless it is for `closing`.
    func unlocker(closing: Bool) -> KeyUnlocker {
        KeyUnlocker { [passphraseFd] in
            if let passphraseFd { return try PassphraseDescriptor.read(passphraseFd, closing: closing) }
            if let credential = try Passphrase.credential() { return credential }
            if let typed = try Passphrase.ask("Passphrase of the private keys: ") { return typed }
            throw CommandFailure(
                .notPermitted, "the private keys are protected by a passphrase; \(KeyUnlocker.ways)")
        }
    }

    /// Opens the keys with a passphrase that was given as an option, where a command does not need it and can say more
    /// with it.
    func usePassphrase(of node: Node) throws {
        if passphraseFd != nil { try node.keystore.checkPassphrase() }
    }

    /// Closes the descriptor of a passphrase that nobody has needed.
    func dropPassphrase() {
        if let passphraseFd { PassphraseDescriptor.close(passphraseFd) }
    }
}

/// Descriptors that passphrases come from. Each gives one and is closed: nothing else in this process, and no child of it,
/// should find it open.
enum PassphraseDescriptor {
    /// Those that are closed, and whose numbers may be other files' by now.
    private static let closed = Mutex<Set<Int32>>([])

    static func read(_ descriptor: Int32, closing: Bool = true) throws -> SecretBytes {
        guard !closed.withLock({ $0.contains(descriptor) }) else {
            throw CommandFailure(.notPermitted, "descriptor \(descriptor) is closed: it gives one passphrase, once")
        }
        defer { if closing { close(descriptor) } }
        return try Passphrase.read(descriptor: descriptor)
    }

    /// Standard input and output stay: what follows the passphrase there is a command's input, and no other file should
    /// ever get their numbers.
    static func close(_ descriptor: Int32) {
        guard descriptor > STDERR_FILENO, closed.withLock({ $0.insert(descriptor).inserted }) else { return }
        Glibc.close(descriptor)
    }

    /// Whether whoever started this process has given it this descriptor. Those that the process has opened itself are
    /// closed for its children, which what it was given is not until ``keepFromChildren(_:)``.
    private static func isGiven(_ descriptor: Int32) -> Bool {
        given.withLock { known in
            if known.contains(descriptor) { return true }
            let flags = fcntl(descriptor, F_GETFD)
            guard flags >= 0, flags & FD_CLOEXEC == 0 else { return false }
            known.insert(descriptor)
            return true
        }
    }

    private static let given = Mutex<Set<Int32>>([])

    /// Refuses one that was not given, and keeps the others from children.
    static func take(_ descriptor: Int32, option: String) throws {
        guard isGiven(descriptor) else {
            throw ValidationError(
                "\(option) \(descriptor): no such descriptor is open; write for example \(option) 3 3< FILE")
        }
        keepFromChildren(descriptor)
    }

    private static func keepFromChildren(_ descriptor: Int32) {
        if descriptor > STDERR_FILENO { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
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
