import Home
import LogStore
import NodeService
import Records
import TransparencyLog

/// `export --format evidence`: one record in one file.
struct ExportEvidence {
    let node: Node
    let isJSON: Bool

    func export(_ text: String, to path: String) throws {
        guard let reference = Reference(text) else {
            throw CommandFailure(.usage, "\(printable(text)) is no reference; write NODE/COMMUNITY#INDEX")
        }
        guard let log = try node.store.log(reference.origin.text), reference.index < log.head?.size ?? 0 else {
            throw CommandFailure(.answerIsNo, "no record \(reference.text) under a checkpoint here")
        }
        let evidence = try node.evidence(of: reference, exported: Clock.timestamp)
        // Nobody is handed a file that does not prove what it says.
        _ = try evidence.verify(logKey: evidence.logKey)
        try node.journal.note([Journal.Entry(.export, reference: reference.text)])
        log.noteBeyondOwner(reference.index)
        let bytes = [UInt8](evidence.serialized.utf8)
        guard path != "-" else { return Output.bytes(bytes) }
        try AtomicFile.create(bytes, at: path)
        if isJSON {
            Output.json([
                JSONMember("ref", .string(reference.text)), JSONMember("file", .string(path)),
                JSONMember("bytes", .integer(Int64(bytes.count))), JSONMember("vkey", .string(evidence.logKey.text)),
                JSONMember("beyond_owner", .bool(log.isBeyondOwner(reference.index))),
            ])
        } else {
            Output.line("\(path): \(reference.text), \(grouped(bytes.count)) bytes")
        }
    }
}
