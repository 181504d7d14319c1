import Cryptography
import Home
import LogStore
import Records
import Sealing

/// Opens sealed fields as this node, as one of their first readers or with a grant, with the sealing keys of all epochs
/// that it still has.
struct SealedOpener: Sendable {
    enum Outcome: Sendable {
        case opened([(path: String, value: JSONValue)])
        case notForThisNode
        case notHere
        case erased
    }

    let node: String
    let store: SQLiteLogStore
    private let keystore: Keystore
    private let read = Guarded<[SealedBox.PrivateKey]?>(nil)

    init(node: Node) {
        self.node = node.name
        store = node.store
        keystore = node.keystore
    }

    /// Read when the first is needed, so that nobody is asked for a passphrase for what is not sealed to this node.
    var keys: [SealedBox.PrivateKey] {
        get throws {
            if let keys = read.value { return keys }
            let keys = try keystore.sealingEpochs().map { try keystore.sealingKey(epoch: $0) }
            read.value = keys
            return keys
        }
    }

    /// Whether the record itself names this node.
    func isRecipient(of header: Records.SealedHeader) -> Bool { header.recipients.contains { $0.node.text == node } }

    /// Opens all fields of the record that was found at this place. Throws `SealingError` for what does not open.
    func open(
        _ header: Records.SealedHeader, type: RecordType, log: StoredLog, index: UInt64
    ) throws -> Outcome {
        let sealed = SealedRecord(opener: self, log: log, index: index, type: type, header: header)
        // What was erased is not here: the row goes in the step that learns of it.
        guard try sealed.isForThisNode() else { return try sealed.erasure() == nil ? .notForThisNode : .erased }
        guard let blob = try sealed.blob() else { return try sealed.erasure() == nil ? .notHere : .erased }
        return .opened(
            try sealed.open(blob).map { field in
                (field.name, try field.value.withUnsafeBytes { try JSONScanner.scan($0.bindMemory(to: UInt8.self)) })
            })
    }
}
