import ArgumentParser

struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "The keys of this node: list, protect, rotate, destroy.",
        subcommands: [
            KeyListCommand.self, KeyPassphraseCommand.self, KeyRotateCommand.self, KeyDestroyCommand.self,
            KeyStolenCommand.self,
        ],
        defaultSubcommand: KeyListCommand.self)
}
