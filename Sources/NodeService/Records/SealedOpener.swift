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
    private let owner: Node
    private let known = Guarded<[[UInt8]]?>(nil)
    private let openedBefore: [[UInt8]: SecretBytes]

    init(node: Node) {
        self.init(node, openedBefore: [:])
    }

    private init(_ owner: Node, openedBefore: [[UInt8]: SecretBytes]) {
        node = owner.name
        store = owner.store
        self.owner = owner
        self.openedBefore = openedBefore
    }

    /// The ids of this node's sealing keys, for which no passphrase is needed.
    var keyIDs: [[UInt8]] {
        get throws {
            if let ids = known.value { return ids }
            let keystore = owner.keystore
            let ids = try keystore.sealingEpochs().map { try keystore.sealingPublicKey(epoch: $0).sealingKeyID }
            known.value = ids
            return ids
        }
    }

    /// The epochs of this node's sealing keys that its own logs call retired.
    func destroyedKeys() throws -> [SHA256Digest: UInt32?] { try owner.ownSealingKeys().retired }

    /// Asked for when the first box is there to open, so that nobody is asked for a passphrase for what is not sealed to
    /// this node.
    var keys: BoxOpener {
        get throws { try owner.privateKeys.boxOpener(keyIDs: keyIDs, opened: openedBefore) }
    }

    /// The same with these boxes opened already, all at once.
    func opening(_ boxes: [BoxedKey]) throws -> SealedOpener {
        guard !boxes.isEmpty else { return self }
        try owner.journal.note([Journal.Entry(.index, count: boxes.count)])
        var opened: [[UInt8]: SecretBytes] = [:]
        for (boxed, key) in try zip(boxes, owner.privateKeys.open(boxes)) { opened[boxed.box] = key }
        return SealedOpener(owner, openedBefore: opened)
    }

    /// Notes in the journal what is about to be opened.
    func note(_ deed: Journal.Deed, _ record: SealedRecord) throws {
        try owner.journal.note([Journal.Entry(deed, reference: record.reference, fields: record.header.fields)])
    }

    /// Whether the record itself names this node.
    func isRecipient(of header: Records.SealedHeader) -> Bool { header.recipients.contains { $0.node.text == node } }

    /// Opens all fields of a record, once the journal says so. Throws `SealingError` for what does not open.
    func open(_ sealed: SealedRecord, for deed: Journal.Deed) throws -> Outcome {
        switch try sealed.found() {
        case .notForThisNode: return .notForThisNode
        case .notHere: return .notHere
        case .erased: return .erased
        case .blob(let blob):
            // Without a key that a box is for nothing can come of it.
            if try !sealed.boxes(in: blob).isEmpty { try note(deed, sealed) }
            return .opened(try sealed.values(blob))
        }
    }
}
