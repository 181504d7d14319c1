import ArgumentParser
import LogStore
import NodeService

struct LogCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log",
        abstract: "The logs that are here: what was signed when, and who has cosigned it.",
        subcommands: [LogListCommand.self, LogShowCommand.self, LogHistoryCommand.self])

    /// The log that was named.
    static func log(_ origin: String, of node: Node) throws -> StoredLog {
        guard let log = try node.store.log(origin) else {
            throw CommandFailure(.noInput, "no log \(printable(origin)) here; `entente log list` lists them")
        }
        return log
    }
}
