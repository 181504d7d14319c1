import ArgumentParser
import Dispatch
import Glibc
import Home
import Logging
import NodeService
import Records
import WebService

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
        let runner = try NodeRunner(node: node, logger: logger, transport: WitnessClient())
        // Plain keys have needed none, and nobody gives one later.
        global.dropPassphrase()
        let isJSON = global.json
        let readers = try await TileServer.listen(for: runner, at: node.configuration.tiles, logger: logger)
        let address = runner.witness.address()
        var server: WitnessServer?
        if let address {
            server = try await WitnessServer.listen(at: address, witness: runner.witness, logger: logger)
        }
        let witness = address.map { Endpoint(host: $0.host, port: server?.port ?? $0.port) }
        let witnessing = Task { [server] in
            await WitnessServer.serve(runner.witness, first: server, logger: logger)
        }
        defer { witnessing.cancel() }
        let task = Task {
            try await runner.run { address in
                if isJSON {
                    Output.json(
                        [JSONMember("listening", .string(address)), JSONMember("node", .string(node.name))]
                            + (readers.map { [JSONMember("tiles", .string("https://\($0)/"))] } ?? [])
                            + (witness.map { [JSONMember("witness", .string("https://\($0)/"))] } ?? []))
                } else {
                    Output.line("\(node.name) listens on \(address)")
                    if let readers { Output.line("its logs as tiles: https://\(readers)/") }
                    if let witness { Output.line("as a witness: https://\(witness)/") }
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

extension TileServer {
    /// Serves the logs of a node for as long as the process runs, where node.yaml says so; answers where.
    fileprivate static func listen(
        for runner: NodeRunner, at address: HostAndPort?, logger: Logger
    ) async throws -> Endpoint? {
        guard let address else { return nil }
        let server = try await listen(
            at: Endpoint(host: address.host, port: Int(address.port)), publishing: runner.publishing, logger: logger)
        return Endpoint(host: address.host, port: server.port ?? Int(address.port))
    }
}
