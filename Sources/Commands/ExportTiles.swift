import Home
import LogStore
import NodeService
import Records

/// `export --format tiles`: one log after the other, each told about; one that fails does not stop the others.
struct ExportTiles {
    let node: Node
    let target: String
    let isJSON: Bool

    func export(_ communities: [String]) throws {
        let export = TileExport(store: node.store, folder: target)
        var table = Table("LOG", "ENTRIES", "NEW", "FILES", "BYTES", "FOLDER")
        var failure: CommandFailure?
        for log in try node.store.logs() where communities.contains(log.community) {
            let bar = ProgressBar("exporting \(log.origin)", isQuiet: isJSON)
            do {
                try node.journal.note([Journal.Entry(.export, reference: log.origin)])
                let result = try export.export(log) { bar.update($0, of: $1) }
                bar.finish()
                guard let result else {
                    tell(log, ok: true, "nothing of it is here yet")
                    continue
                }
                // Tiles cannot say so themselves.
                if let text = log.beyondOwnerText { Output.note("entente: \(text)") }
                if isJSON { Output.json(members(result, of: log)) }
                table.add(
                    result.origin, grouped(result.size), grouped(result.size - result.previous), grouped(result.files),
                    grouped(result.bytes), result.path)
            } catch {
                bar.finish()
                let reason = CommandFailure(error)
                // The first one is what the command ends with.
                if failure == nil, !isJSON { failure = reason } else { tell(log, ok: false, reason.description) }
                failure = failure ?? reason
            }
        }
        if !isJSON, !table.isEmpty { table.print() }
        if let failure { throw failure }
    }

    private func tell(_ log: StoredLog, ok: Bool, _ reason: String) {
        guard isJSON else { return Output.note("\(printable(log.origin)) is left as it is: \(printable(reason))") }
        Output.json([
            JSONMember("origin", .string(log.origin)), JSONMember("ok", .bool(ok)),
            JSONMember("reason", .string(reason)),
        ])
    }

    private func members(_ result: TileExport.Result, of log: StoredLog) -> [JSONMember] {
        [
            JSONMember("origin", .string(result.origin)), JSONMember("ok", .bool(true)),
            JSONMember("path", .string(result.path)), JSONMember("size", .integer(Int64(clamping: result.size))),
            JSONMember("previous", .integer(Int64(clamping: result.previous))),
            JSONMember("files", .integer(Int64(result.files))), JSONMember("bytes", .integer(Int64(result.bytes))),
            JSONMember("removed", .integer(Int64(result.removed))),
            JSONMember("beyond_owner", .bool(log.reachesBeyondOwner)),
        ]
    }
}
