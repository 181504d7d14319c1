import ArgumentParser
import Dispatch
import Glibc
import Logging
import NodeService
import Records

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run the node: listen for partners, stay connected to them, pass on what is new.",
        discussion: """
            Runs until Ctrl-C or SIGTERM. Commands on the same home work beside it, and it hears of what they append.

            EXAMPLES
              entente run
              entente run --json      # the first line says where it listens
            """)

    @OptionGroup var global: GlobalOptions

    @Flag(help: "Say more on standard error.")
    var verbose = false

    func run() async throws {
        var logger = Logger(label: "entente") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = verbose ? .debug : .notice
        let node = try global.open(logger: logger)
        let runner = try NodeRunner(node: node, logger: logger)
        let isJSON = global.json
        let task = Task {
            try await runner.run { address in
                if isJSON {
                    Output.json([JSONMember("listening", .string(address)), JSONMember("node", .string(node.name))])
                } else {
                    Output.line("\(node.name) listens on \(address)")
                }
            }
        }
        let sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { task.cancel() }
            source.resume()
            return source
        }
        defer { sources.forEach { $0.cancel() } }
        try await task.value
    }
}
