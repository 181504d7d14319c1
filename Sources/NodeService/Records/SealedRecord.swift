import Cryptography
import Home
import LogStore
import Records
import Sealing
import TransparencyLog

/// The sealed part of one record in a log, as this node sees it.
struct SealedRecord {
    let opener: SealedOpener
    let log: StoredLog
    let index: UInt64
    let type: RecordType
    let header: Records.SealedHeader
    /// The record as it stands in the log.
    let body: [UInt8]

    private var isRecipient: Bool { opener.isRecipient(of: header) }

    /// Whether the record itself or a grant names this node.
    func isForThisNode() throws -> Bool {
        guard !isRecipient else { return true }
        return try keptGrants().contains { $0.nodes.contains(opener.node) }
    }

    /// The author's wish that the sealed part be deleted, if there is one.
    func erasure() throws -> Erasure? {
        try opener.store.erasure(of: log.id, at: index, sha256: header.sha256)
    }

    enum Found {
        case blob([UInt8])
        case notForThisNode
        case notHere
        case erased
    }

    /// The blob, if it is here and for this node. What was erased is not here: the row goes in the step that learns of it.
    func found() throws -> Found {
        guard try isForThisNode() else { return try erasure() == nil ? .notForThisNode : .erased }
        guard let blob = try blob() else { return try erasure() == nil ? .notHere : .erased }
        return .blob(blob)
    }

    var blobReference: BlobReference {
        BlobReference(log: log.id, index: index, sha256: header.sha256, size: header.size)
    }

    func blob() throws -> [UInt8]? {
        try opener.store.blob(blobReference)
    }

    /// The fields, opened as one of the first recipients or with a grant. Throws why the last way that there was did not
    /// lead to them; a key that is gone may have a successor that a grant names, and is no reason where a check failed.
    func open(_ blob: [UInt8]) throws -> [SealedField] {
        var failure: any Error = SealingError.notARecipient(node: opener.node)
        if isRecipient {
            do {
                return try Envelope.open(
                    blob: blob, header: Sealing.SealedHeader(header), origin: log.origin, recordType: type.rawValue,
                    as: opener.node, keys: try opener.keys)
            } catch {
                failure = error
            }
        }
        for grant in try grants() where grant.recipients.contains(where: { $0.node == opener.node }) {
            do {
                return try grant.open(
                    blob: blob, header: Sealing.SealedHeader(header), origin: log.origin, recordType: type.rawValue,
                    reference: reference, leafHash: leafHash, as: opener.node, keys: try opener.keys)
            } catch {
                if !(error is SealingError) || SealedRefusal(error) != nil || SealedRefusal(failure) == nil {
                    failure = error
                }
            }
        }
        throw failure
    }

    /// The fields by their paths.
    func values(_ blob: [UInt8]) throws -> [(path: String, value: JSONValue)] {
        try open(blob).map { field in
            (field.name, try field.value.withUnsafeBytes { try JSONScanner.scan($0.bindMemory(to: UInt8.self)) })
        }
    }

    /// The boxes to this node's keys that ``open(_:)`` may look into.
    func boxes(in blob: [UInt8]) throws -> [BoxedKey] {
        let keyIDs = try opener.keyIDs
        let first = isRecipient ? (try? SealedBlob(parsing: blob).recipients) ?? [] : []
        return (first + (try grants().flatMap(\.recipients))).filter {
            $0.node == opener.node && keyIDs.contains($0.keyID)
        }
    }

    /// This node's keys that the record itself or a grant names.
    private func ownKeyIDs() throws -> Set<SHA256Digest> {
        let first = header.recipients.filter { $0.node.text == opener.node }.map(\.keyID)
        let granted = try grants().flatMap(\.recipients).filter { $0.node == opener.node }
        return Set(first + granted.compactMap { SHA256Digest($0.keyID) })
    }

    /// What has become of this node's keys, where none of those that the record names is here.
    ///
    /// - Parameter retired: the keys that this node's own logs call retired, where somebody has read that already.
    func lostKeys(retired: [SHA256Digest: UInt32?]? = nil) throws -> LostKeys? {
        let ids = try ownKeyIDs()
        let here = Set(try opener.keyIDs.compactMap { SHA256Digest($0) })
        guard !ids.isEmpty, ids.isDisjoint(with: here) else { return nil }
        let destroyed = try retired ?? opener.destroyedKeys()
        return ids.allSatisfy { destroyed.keys.contains($0) }
            ? .destroyed(epochs: Set(ids.compactMap { destroyed[$0] ?? nil }).sorted()) : .missing
    }

    /// Boxes the record's data key to further nodes.
    func grant(to recipients: [SealingRecipient], _ blob: [UInt8]) throws -> Grant {
        try Grant.make(
            blob: blob, header: Sealing.SealedHeader(header), origin: log.origin, reference: reference,
            leafHash: leafHash, newRecipients: recipients, as: opener.node, keys: try opener.keys)
    }

    /// The grants to this record that can be read, in their order; those in one log, where one is named.
    func grants(in only: SHA256Digest? = nil) throws -> [Grant] {
        try keptGrants().filter { only == nil || $0.record.log == only }.compactMap { kept in
            // One that is damaged, in a successor perhaps, is no obstacle to the others.
            guard let log = try opener.store.log(id: kept.record.log) else { return nil }
            let body = try? opener.store.soundBody(of: log, at: kept.record.index)
            return body.flatMap { $0 }.flatMap { Grant(body: $0) }
        }
    }

    /// The grants that are kept, but those that are to another record than this one: they open nothing.
    private func keptGrants() throws -> [SealedGrant] {
        let kept = try opener.store.grants(of: log.id, to: index)
        guard !kept.isEmpty else { return [] }
        let leafHash = leafHash
        return kept.filter { $0.opens(index, leafHash: leafHash, commitment: header.commitment) }
    }

    var reference: String { "\(log.origin)#\(index)" }

    private var leafHash: SHA256Digest { MerkleHasher().leaf(body) }
}

/// Why nothing here opens a record that is sealed to this node.
enum LostKeys {
    /// The own logs say that they are retired.
    case destroyed(epochs: [UInt32])
    case missing
}

extension Grant {
    /// Reads the body of a grant; `nil` where something is missing or malformed. Opening judges the rest.
    init?(body: [UInt8]) {
        guard let record = EntryRecord.read(body).record, record.type == .grant, let target = record.target,
            let original = record.grantedAccess?.commitment, let listed = record["recipients"]?.array,
            let commitment = record["commitment"]?.string.flatMap(Base64.decode)
        else { return nil }
        let recipients = listed.compactMap { item -> BoxedKey? in
            guard let node = item["node"]?.string,
                let keyID = item["key_id"]?.string.flatMap({ SHA256Digest(hex: $0) }),
                let box = item["box"]?.string.flatMap(Base64.decode)
            else { return nil }
            return BoxedKey(node: node, keyID: keyID.bytes, box: box)
        }
        guard recipients.count == listed.count else { return nil }
        self.init(
            reference: target.reference.text, leafHash: target.hash, originalCommitment: original,
            recipients: recipients, commitment: commitment)
    }

    /// The fields of the record that says it, beside its target.
    var members: [(name: String, value: JSONValue)] {
        [
            ("original_commitment", .string(Base64.encode(originalCommitment))),
            (
                "recipients",
                .array(
                    recipients.map { boxed in
                        .object([
                            JSONMember("node", .string(boxed.node)),
                            JSONMember("key_id", .string(SHA256Digest(boxed.keyID)?.hex ?? "")),
                            JSONMember("box", .string(Base64.encode(boxed.box))),
                        ])
                    })
            ),
            ("commitment", .string(Base64.encode(commitment))),
        ]
    }
}
