import ArgumentParser
import LogStore
import NodeService
import Records
import TransparencyLog

struct LogShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "One log: its key, its newest checkpoint as it was signed, who cosigned and when.")

    @OptionGroup var global: GlobalOptions

    @Argument(help: "The log, by its origin.")
    var origin: String

    func run() throws {
        let node = try global.open()
        let log = try LogCommand.log(origin, of: node)
        let newest = try node.store.newestCosignatures(of: log.id, by: CosignerKeys(node)).sorted {
            $0.cosigner < $1.cosigner
        }
        let members = try node.store.membership(of: log.id)?.members ?? []
        let checkpoints = try node.store.checkpointCount(of: log.id)
        let freshness = try FreshnessBook(node: node).freshness(of: log, cosignatures: newest)
        if global.json {
            return Output.json(
                log.members(cosigners: newest.filter { $0.size == log.head?.size }.map(\.cosigner)) + [
                    log.endMember, JSONMember("node", .string(log.node)),
                    JSONMember("community", .string(log.community)),
                    JSONMember("vkey", .string((try? log.keys.current.text) ?? log.verifierKey)),
                    JSONMember("members", .array(members.map { .string($0) })),
                    JSONMember("checkpoints", .integer(Int64(checkpoints))),
                    JSONMember("checkpoint", log.head.map { .string($0.note) } ?? .null),
                    JSONMember("cosignatures", .array(newest.map(\.value))),
                ] + freshness.members)
        }
        Output.line("\(Style.bold(log.origin))  \(log.stateText), \(groupedCount(log.size, "entry", "entries"))")
        if let end = log.givenUpAt {
            let rest = log.reachesBeyondOwner ? "; what is here from #\(end) on is \(notOwners)" : ""
            Output.line("owner's part \(groupedCount(end, "entry", "entries")), then it gave the log up\(rest)")
        }
        Output.line("key          \((try? log.keys.current.text) ?? log.verifierKey)")
        Output.line("members      \(printable(members.joined(separator: ", ")))")
        Output.line("checkpoints  \(grouped(checkpoints))")
        Output.line("dated        \(freshness.cell)")
        for cosignature in newest {
            Output.line(
                "cosigned by  \(printable(cosignature.cosigner)), \(groupedCount(cosignature.size, "entry", "entries")), "
                    + moment(cosignature.time))
        }
        if let note = log.head?.note { Output.line("\n" + note) }
    }
}
