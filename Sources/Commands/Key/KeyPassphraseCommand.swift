import ArgumentParser
import Cryptography
import Home
import NodeService
import Records

struct KeyPassphraseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "passphrase",
        abstract: "Set, change or remove the passphrase of the private keys.",
        discussion: """
            The new passphrase is asked for on the terminal, or read from --new-passphrase-fd; the one so far, \
            where there is one, from --passphrase-fd, the systemd credential entente-passphrase, or the terminal. \
            A crash leaves the keys readable with the old passphrase or with the new one. Copies of keys/ made \
            before stay readable as they were: where one may have been taken, a new passphrase is no remedy.

            EXAMPLES
              entente key passphrase
              entente key passphrase --passphrase-fd 3 --new-passphrase-fd 4 3< old.txt 4< new.txt
              entente key passphrase --no-passphrase
            """)

    @OptionGroup var global: GlobalOptions

    @Option(help: ArgumentHelp("Read the new passphrase from this file descriptor.", valueName: "n"))
    var newPassphraseFd: Int32?

    @Flag(help: "Keep the private keys as plain files that only this user can read.")
    var noPassphrase = false

    func validate() throws {
        if let newPassphraseFd { try PassphraseDescriptor.take(newPassphraseFd, option: "--new-passphrase-fd") }
    }

    func run() throws {
        guard !noPassphrase || newPassphraseFd == nil else {
            throw CommandFailure(.usage, "--no-passphrase and --new-passphrase-fd exclude each other")
        }
        // Both may be lines of one descriptor.
        let node = try global.open(unlocker: global.unlocker(closing: global.passphraseFd != newPassphraseFd))
        let left: Keystore.Leftovers
        let wasPlain = try !node.keystore.isProtected
        if noPassphrase {
            left = try node.keystore.unprotect()
        } else {
            // The one so far comes first, as everywhere.
            try node.keystore.checkPassphrase()
            left = try node.keystore.protect(with: newPassphrase())
        }
        if global.json {
            return Output.json([
                JSONMember("protected", .bool(!noPassphrase)),
                JSONMember("left", .array(left.names.map { .string($0) })),
            ])
        }
        Output.line(
            noPassphrase
                ? "the private keys are plain files, readable by this user alone"
                : "the private keys are encrypted under the new passphrase")
        for name in left.names {
            Output.note("keys/\(printable(name)) is no key file of this node; it was left as it is")
        }
        // A running node goes on with the keys it has; only where these were plain does it need to be told.
        if wasPlain, !noPassphrase, NodeBell.ring(node.home) {
            Output.note("start `entente run` again, so that it knows the passphrase")
        }
    }

    private func newPassphrase() throws -> SecretBytes {
        if let newPassphraseFd { return try PassphraseDescriptor.read(newPassphraseFd) }
        if let typed = try NewPassphrase.ask() { return typed }
        throw CommandFailure(
            .usage, "there is no terminal to ask for the new passphrase; give it with --new-passphrase-fd N")
    }
}
