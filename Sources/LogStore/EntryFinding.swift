import Cryptography
import Glibc
import Records

/// What an entry means to the node that stores it, noticed while it is committed: who may hold the log, which blob lies
/// beside the entry, who else may have one, which is to be there no more, and which key its node has published.
enum EntryFinding: Sendable {
    /// In the first record of a successor with how far the logs before it are their owner's, where it says so.
    case membership(index: UInt64, Membership, givenUp: [GivenUpLog])
    case sealed(index: UInt64, sha256: SHA256Digest, size: Int, recipients: [String], commitment: [UInt8])
    /// What a grant or an erasure says depends on the log it stands in: see ``grant(in:)`` and ``erasure(in:)``.
    case grant(record: UInt64, of: RecordTarget, nodes: [String], commitment: [UInt8])
    case erasure(record: UInt64, of: RecordTarget, sha256: SHA256Digest)
    case key(PublishedKey)

    /// Looks only into bodies that can say such a thing: those that spell a name of interest or escape characters.
    init?(body: UnsafeRawBufferPointer, index: UInt64) {
        guard EntryFinding.isCandidate(body) else { return nil }
        guard let record = EntryRecord.read(Array(body)).record else { return nil }
        if record.type == .members {
            self = .membership(
                index: index,
                Membership(members: record.members.map(\.text), membersCarrySealed: record.membersCarrySealed),
                givenUp: index == 0
                    ? record.givenUp.map { GivenUpLog(origin: $0.origin, size: $0.size, root: $0.root) } : [])
        } else if record.type == .grant || record.type == .erasure, let target = record.target {
            if let sha256 = record.erasedBlob, record.type == .erasure {
                self = .erasure(record: index, of: target, sha256: sha256)
            } else if let grant = record.grantedAccess, record.type == .grant {
                self = .grant(
                    record: index, of: target, nodes: grant.nodes.map(\.text), commitment: grant.commitment)
            } else {
                return nil
            }
        } else if let sealed = record.sealed {
            self = .sealed(
                index: index, sha256: sealed.sha256, size: sealed.size,
                recipients: sealed.recipients.map(\.node.text), commitment: sealed.commitment)
        } else if record.type == .key, let key = KeyRecord(record).flatMap({ PublishedKey($0, entry: index) }) {
            self = .key(key)
        } else {
            return nil
        }
    }

    private static let sealed = ByteSearch("\"sealed\"", probing: (1, 6, 7))
    private static let members = ByteSearch("\"members\"", probing: (1, 4, 8))
    private static let key = ByteSearch("\"key\"", probing: (0, 1, 4))
    /// Stands in grants and erasures, and in few other records.
    private static let target = ByteSearch("\"target\"", probing: (1, 4, 7))
    private static let grant = ByteSearch("\"grant\"", probing: (1, 2, 6))
    private static let erasure = ByteSearch("\"erasure\"", probing: (1, 6, 8))

    /// The grant that a record of this log is; `nil` where it is none, or is about a record that the log has no say in.
    func grant(in log: StoredLog) -> SealedGrant? {
        guard case .grant(let record, let target, let nodes, let commitment) = self,
            EntryFinding.hasEffect(on: target.reference, record: record, in: log)
        else { return nil }
        return SealedGrant(
            log: SHA256.hash(target.reference.origin.text), index: target.reference.index,
            record: RecordPosition(log: log.id, index: record), nodes: nodes, hash: target.hash, commitment: commitment)
    }

    /// The erasure that a record of this log is, likewise.
    func erasure(in log: StoredLog) -> Erasure? {
        guard case .erasure(let record, let target, let sha256) = self,
            EntryFinding.hasEffect(on: target.reference, record: record, in: log)
        else { return nil }
        return Erasure(
            log: SHA256.hash(target.reference.origin.text), index: target.reference.index, sha256: sha256,
            record: RecordPosition(log: log.id, index: record))
    }

    /// The logs that a successor says were given up: those before it, and no other's.
    func givenUp(in log: StoredLog) -> [GivenUpLog] {
        guard case .membership(_, _, let givenUp) = self, let origin = LogOrigin(log.origin) else { return [] }
        return givenUp.filter { $0.origin != origin && origin.speaks(for: $0.origin) }
    }

    /// Nobody opens or erases what stands in another's log, or what is not written yet.
    private static func hasEffect(on target: Reference, record: UInt64, in log: StoredLog) -> Bool {
        guard let origin = LogOrigin(log.origin), origin.speaks(for: target.origin) else { return false }
        return target.origin != origin || target.index < record
    }

    /// Whether a record asks for a blob to be deleted.
    var isErasure: Bool { if case .erasure = self { true } else { false } }

    var isMembership: Bool { if case .membership = self { true } else { false } }

    var isLogKey: Bool {
        if case .key(let key) = self { key.role == .log } else { false }
    }

    /// Whether any body in these bytes, one or a whole bundle, can hold a finding. Never misses one.
    static func isCandidate(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return false }
        if memchr(start, Int32(UInt8(ascii: "\\")), bytes.count) != nil { return true }
        if sealed.isIn(bytes) || members.isIn(bytes) || key.isIn(bytes) { return true }
        return target.isIn(bytes) && (grant.isIn(bytes) || erasure.isIn(bytes))
    }
}
