import ArgumentParser

struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "The keys of this node: list, rotate, destroy.",
        subcommands: [KeyListCommand.self, KeyRotateCommand.self, KeyDestroyCommand.self, KeyStolenCommand.self],
        defaultSubcommand: KeyListCommand.self)
}
