public import Cryptography
import Home
public import LogStore
public import Records
import Sealing
import TransparencyLog

/// One record with everything this node knows of it.
public struct RecordView: Sendable {
    public enum SealedPart: String, Sendable {
        case none
        case opened
        case notForThisNode = "not_for_this_node"
        case notHere = "not_here_yet"
        /// Its bytes here are not those that the record names.
        case damaged
        /// It is sealed to a key of this node that is not in this keystore.
        case keyMissing = "key_missing"
        /// It is sealed to a key of this node that was destroyed, as its own log says.
        case keyDestroyed = "key_destroyed"
        case erased
        /// It is not what the signed record promises, as ``RecordView/refusal`` says.
        case refused
    }

    public let found: FoundRecord
    public let log: StoredLog
    public let header: Records.SealedHeader?
    public let sealedPart: SealedPart
    /// Why nothing of the sealed part is shown, where it is refused.
    public let refusal: SealedRefusal?
    /// The epochs of the keys that were destroyed, where nothing opens it because of that.
    public let destroyedEpochs: [UInt32]
    /// Paths and values of the sealed fields that this node opened.
    public let opened: [(path: String, value: JSONValue)]
    public let opinions: [RecordOpinion]
    /// Who has said that it holds the record or its sealed part, since when, and who has not.
    public let delivery: Delivery.OfRecord
    public var holders: [Delivery.Holder] { delivery.holders }
}

extension FoundRecord {
    /// RFC 6962 leaf hash of the body.
    public var leafHash: SHA256Digest { MerkleHasher().leaf(body) }
}

/// Reads single records, opening what is sealed to this node.
public struct RecordViewer {
    private let node: Node

    public init(node: Node) {
        self.node = node
    }

    /// The record, or `nil` where there is none here.
    public func view(_ reference: Reference, opening: Bool) throws -> RecordView? {
        guard let log = try node.store.log(reference.origin.text),
            let body = try node.store.soundBody(of: log, at: reference.index)
        else { return nil }
        let (standing, opinions) = try node.index().standing(of: log.origin, at: reference.index)
        let record = EntryRecord.read(body).record
        var part = RecordView.SealedPart.none
        var opened: [(path: String, value: JSONValue)] = []
        var destroyed: [UInt32] = []
        var refusal: SealedRefusal?
        if let record, let header = record.sealed, opening {
            let sealed = SealedRecord(
                opener: SealedOpener(node: node), log: log, index: reference.index, type: record.type, header: header,
                body: body)
            do {
                (part, opened) = try open(sealed)
            } catch {
                // One part that is not as promised hides nothing of the rest.
                refusal = SealedRefusal(error)
                guard refusal != nil else { throw error }
                part = .refused
            }
            if part == .keyMissing, case .destroyed(let epochs) = try sealed.lostKeys() {
                (part, destroyed) = (.keyDestroyed, epochs)
            }
        }
        return RecordView(
            found: FoundRecord(in: log, at: reference.index, standing: standing, body: body), log: log,
            header: record?.sealed, sealedPart: part, refusal: refusal, destroyedEpochs: destroyed, opened: opened,
            opinions: opinions,
            delivery: try Delivery(node: node).record(
                of: log, at: reference.index, blob: record?.sealed?.sha256))
    }

    private func open(
        _ sealed: SealedRecord
    ) throws -> (RecordView.SealedPart, [(path: String, value: JSONValue)]) {
        do {
            return switch try sealed.opener.open(sealed, for: .show) {
            case .notForThisNode: (.notForThisNode, [])
            case .notHere:
                try node.store.keepsBlob(sealed.blobReference) ? (.damaged, []) : (.notHere, [])
            case .erased: (.erased, [])
            case .opened(let fields): (.opened, fields)
            }
        } catch SealingError.keyMissing {
            return (.keyMissing, [])
        } catch SealingError.wrongHash, SealingError.wrongSize {
            return (.damaged, [])
        }
    }
}

extension Sealing.SealedHeader {
    init(_ header: Records.SealedHeader) {
        self.init(
            suite: header.suite, salt: header.salt,
            recipients: header.recipients.map { .init(node: $0.node.text, keyID: $0.keyID.bytes) },
            fields: header.fields,
            size: header.size, sha256: header.sha256, commitment: header.commitment)
    }
}
