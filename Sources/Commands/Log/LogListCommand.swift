import ArgumentParser
import LogStore
import NodeService
import Records
import TransparencyLog

struct LogListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Every log, with its newest checkpoint.")

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let node = try global.open()
        let book = try FreshnessBook(node: node)
        let keys = CosignerKeys(node)
        var table = Table("LOG", "ENTRIES", "CHECKPOINTS", "STATE", "DATED", "COSIGNED UP TO")
        for log in try node.store.logs() {
            let checkpoints = try node.store.checkpointCount(of: log.id)
            let newest = try node.store.newestCosignatures(of: log.id, by: keys).sorted { $0.cosigner < $1.cosigner }
            let freshness = try book.freshness(of: log, cosignatures: newest)
            if global.json {
                Output.json(
                    log.members(cosigners: newest.filter { $0.size == log.head?.size }.map(\.cosigner)) + [
                        log.endMember, JSONMember("node", .string(log.node)),
                        JSONMember("community", .string(log.community)),
                        JSONMember("vkey", .string((try? log.keys.current.text) ?? log.verifierKey)),
                        JSONMember("checkpoints", .integer(Int64(checkpoints))),
                        JSONMember("cosignatures", .array(newest.map(\.value))),
                    ] + freshness.members)
            } else {
                table.add(
                    log.origin, grouped(log.size), grouped(checkpoints), log.stateAndEndText, freshness.cell,
                    newest.map { "\($0.cosigner) \(grouped($0.size))" }.joined(separator: ", "))
            }
        }
        if !global.json { table.print() }
    }
}

extension StoredCosignature {
    var value: JSONValue {
        .object([
            JSONMember("node", .string(cosigner)), JSONMember("size", .integer(Int64(clamping: size))),
            JSONMember("time", .string(moment(time))),
        ])
    }
}
