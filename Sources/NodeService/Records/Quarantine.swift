import Cryptography
import Glibc
import Home
import Interchange
import Records

/// Rows that an import did not take, in `quarantine/`: one JSON object a line with file, position and reason in clear,
/// and the row itself sealed to this node, since it may hold what policy seals.
final class Quarantine {
    private let folder: String
    private let key: SealedBox.PublicKey
    private var lines: [UInt8] = []

    init(node: Node) throws {
        guard let epoch = try node.keystore.sealingEpochs().last else {
            throw HomeError(.configuration, "there is no sealing key", path: node.home.keysFolder)
        }
        folder = node.home.quarantineFolder
        key = try node.keystore.sealingPublicKey(epoch: epoch)
    }

    func add(_ row: [UInt8], file: String, position: ImportPosition, reason: String) throws {
        var row = row
        let box = try key.seal(SecretBytes(wiping: &row))
        var members = [
            JSONMember("file", .string(file)), JSONMember("line", .integer(Int64(position.line))),
            JSONMember("reason", .string(reason)), JSONMember("row_box", .string(Base64.encode(box))),
        ]
        if let item = position.item { members.insert(JSONMember("item", .integer(Int64(item))), at: 2) }
        lines += JSONWriter.write(.object(members)) + [0x0A]
    }

    func finish() throws {
        guard !lines.isEmpty else { return }
        let stamp = Clock.timestamp.text.filter { $0.isNumber || $0 == "T" || $0 == "Z" }
        try AtomicFile.create(lines, at: "\(folder)/\(stamp)-\(getpid()).jsonl")
        lines = []
    }
}
