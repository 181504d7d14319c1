package import ArgumentParser
import Cryptography
import Glibc
import Home
import Logging
import NodeService

/// `entente`: the node of one agency, on the command line.
package struct EntenteCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "entente",
        abstract: "Share attributions of stolen crypto assets with partner agencies.",
        discussion: """
            A node keeps its own signed, append-only logs and verified replicas of its partners'. Its state lives in \
            one home folder: --home DIR, else $ENTENTE_HOME, else ~/.entente.

            EXAMPLES
              entente init --node us.example --community krus
              entente identity > us.example.yaml
              entente peer add kr.example.yaml
              entente import lazarus.tagpack.yaml
              entente sync
              entente search --address 0x098b716b8aaf21512996dc57eb0615e2383e2f96
              entente verify
            """,
        version: "0.1.0",
        subcommands: [
            InitCommand.self, CommunityCommand.self, IdentityCommand.self, PeerCommand.self,
            AuditorCommand.self, SubmitCommand.self,
            ImportCommand.self, QuarantineCommand.self, ExportCommand.self, AssessCommand.self, WithdrawCommand.self,
            GrantCommand.self,
            EraseCommand.self, SearchCommand.self, ShowCommand.self, ExposedCommand.self, JournalCommand.self,
            SyncCommand.self, RunCommand.self, StatusCommand.self, VerifyCommand.self, ScrubCommand.self,
            BackupCommand.self, RestoreCommand.self, RecoverCommand.self, ProveCommand.self,
            LogCommand.self, KeyCommand.self, WitnessCommand.self,
            BenchCommand.self, DemoCommand.self,
        ])

    package init() {}

    /// Parses the process's arguments, runs the command and ends the process with its exit status.
    package static func launch() async -> Never {
        signal(SIGPIPE, SIG_IGN)
        if !ProcessMemory.forbidDumps() { Output.note("entente: the system does not let core dumps be switched off") }
        let arguments = moved(Array(CommandLine.arguments.dropFirst()))
        do {
            var command = try parseAsRoot(arguments)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            Glibc.exit(ExitStatus.done.rawValue)
        } catch let code as ExitCode {
            Glibc.exit(code.rawValue)
        } catch  where isFromParser(error) {
            // Help, the version and completion scripts come as errors, too.
            guard exitCode(for: error) != .success else { exit(withError: error) }
            Output.note("entente: \(oneLine(message(for: error))); \(hint(for: arguments))")
            Glibc.exit(ExitStatus.usage.rawValue)
        } catch {
            let failure = CommandFailure(error)
            Output.note("entente: \(failure.description)")
            Glibc.exit(failure.status.rawValue)
        }
    }

    /// The parser's own errors (usage, help, version) print themselves.
    private static func isFromParser(_ error: any Error) -> Bool {
        error is ValidationError || error is CleanExit
            || String(reflecting: type(of: error)).hasPrefix("ArgumentParser.")
    }

    /// The parser's sentence without its line breaks and its last full stop.
    private static func oneLine(_ message: String) -> String {
        var line = printable(message.split(whereSeparator: \.isWhitespace).joined(separator: " "))
        if line.hasSuffix(".") { line.removeLast() }
        return line
    }

    private static func hint(for arguments: [String]) -> String {
        let names = configuration.subcommands.compactMap { $0.configuration.commandName }
        guard let name = arguments.first(where: { !$0.hasPrefix("-") }), names.contains(name) else {
            return "see `entente help`"
        }
        return "see `entente help \(name)`"
    }

    /// `--home DIR`, `--passphrase-fd N` and `--json` may stand before the command, as in `entente --home DIR status`; the parser wants
    /// them behind it.
    static func moved(_ arguments: [String]) -> [String] {
        var leading: [String] = []
        var rest = arguments[...]
        while let first = rest.first {
            if ["--home", "--passphrase-fd"].contains(first), rest.count > 1 {
                leading += rest.prefix(2)
                rest = rest.dropFirst(2)
            } else if first.hasPrefix("--home=") || first.hasPrefix("--passphrase-fd=") || first == "--json" {
                leading.append(first)
                rest = rest.dropFirst()
            } else {
                break
            }
        }
        guard !leading.isEmpty else { return arguments }
        let end = rest.firstIndex(of: "--") ?? rest.endIndex
        return Array(rest[..<end]) + leading + Array(rest[end...])
    }
}

/// Options of every command.
struct GlobalOptions: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("The node's home folder.", valueName: "dir"))
    var home: String?

    @Flag(name: .long, help: "Print JSON: one object, or one a line for lists.")
    var json = false

    @Option(
        help: ArgumentHelp("Read the passphrase of the private keys from this file descriptor.", valueName: "n"))
    var passphraseFd: Int32?
}
