import ArgumentParser
import Cryptography
import Home
import LogStore
import NodeService
import Records

struct LogHistoryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "The checkpoints of a log, newest first: sizes, roots, who cosigned when.",
        discussion: """
            A checkpoint bears no time. WRITTEN is what its last entry says of itself; a cosignature's time is what its \
            node has signed. LAG is how much later that is than WRITTEN, or than the latest that smaller checkpoints say \
            by their entries or by the dates of the log's own node. That node's dates have none: it dates its newest \
            checkpoint every hour. Of several cosignatures of one node on one checkpoint the newest is kept.

            EXAMPLES
              entente log history us.example/krus
              entente log history us.example/krus --limit 0 --json
              entente log history us.example/krus --svg krus.svg
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: "The log, by its origin.")
    var origin: String

    @Option(help: ArgumentHelp("The most checkpoints to list; 0 for all.", valueName: "n"))
    var limit = 20

    @Option(help: ArgumentHelp("Draw growth and lag instead, as a picture; - for standard output.", valueName: "file"))
    var svg: String?

    /// Checkpoints read at a time.
    private static let step = 256
    /// Points of a picture.
    private static let points = 400

    func validate() throws {
        if limit < 0 { throw ValidationError("--limit is 0 or more") }
    }

    func run() throws {
        Interruption.exitsWith130()
        let node = try global.open()
        let log = try LogCommand.log(origin, of: node)
        if let svg { return try draw(log, node, to: svg) }
        var table = Table("ENTRIES", "WRITTEN", "ROOT", "COSIGNED BY", "LAG")
        var left = limit == 0 ? Int.max : limit
        var top: UInt64 = log.head?.size ?? 0
        while left > 0 {
            let heads = try node.store.checkpoints(
                of: log.id, upTo: top, limit: min(left, LogHistoryCommand.step))
            for past in try node.history(of: log, heads: heads) {
                if global.json { Output.json(past.members(of: log)) } else { past.add(to: &table) }
            }
            guard let last = heads.last, last.size > 0 else { break }
            left -= heads.count
            top = last.size - 1
        }
        if !global.json { table.print() }
    }

    private func draw(_ log: StoredLog, _ node: Node, to path: String) throws {
        let sizes = try node.store.checkpointSizes(of: log.id, about: LogHistoryCommand.points)
        var heads: [SignedHead] = []
        for size in sizes {
            if let head = try node.store.checkpoint(of: log.id, size: size) { heads.append(head) }
        }
        let picture = LogPicture(origin: log.origin, past: try node.history(of: log, heads: heads)).svg
        guard path != "-" else { return Output.write(picture, to: 1) }
        try AtomicFile.write(Array(picture.utf8), to: path, mode: 0o600)
        if global.json {
            Output.json([JSONMember("origin", .string(log.origin)), JSONMember("file", .string(path))])
        } else {
            Output.line("\(path): \(groupedCount(heads.count, "checkpoint", "checkpoints")) of \(log.origin)")
        }
    }
}

extension PastCheckpoint {
    func members(of log: StoredLog) -> [JSONMember] {
        [
            JSONMember("origin", .string(log.origin)), JSONMember("size", .integer(Int64(clamping: head.size))),
            JSONMember("root", .string(head.root.base64)),
            JSONMember("written", entryTime.map { .string(moment($0)) } ?? .null),
            JSONMember("not_before", notBefore.map { .string(moment($0)) } ?? .null),
            JSONMember(
                "cosigned_by",
                .array(
                    cosigners.map {
                        .object([
                            JSONMember("node", .string($0.node)), JSONMember("time", .string(moment($0.time))),
                            JSONMember("lag_seconds", $0.lag.map { .integer(Int64(clamping: $0)) } ?? .null),
                        ])
                    })),
            JSONMember("checkpoint", .string(head.note)),
        ]
    }

    /// One row for the checkpoint and its first cosigner, one for each further.
    func add(to table: inout Table) {
        func cells(_ cosigner: Cosigner?) -> (String, String) {
            guard let cosigner else { return ("-", "-") }
            return ("\(cosigner.node) \(moment(cosigner.time))", cosigner.lag.map { Duration.words($0) } ?? "-")
        }
        let first = cells(cosigners.first)
        table.add(grouped(head.size), entryTime.map { moment($0) } ?? "-", head.root.base64, first.0, first.1)
        for cosigner in cosigners.dropFirst() {
            let more = cells(cosigner)
            table.add("", "", "", more.0, more.1)
        }
    }
}
