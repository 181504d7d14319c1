import Cryptography
import Glibc
import Records

/// What an entry means to the node that stores it, noticed while it is committed: who may hold the log, which blob lies
/// beside the entry, and which key its node has published.
enum EntryFinding: Sendable {
    case membership(index: UInt64, Membership)
    case sealed(index: UInt64, sha256: SHA256Digest, size: Int, recipients: [String])
    case key(PublishedKey)

    var isLogKey: Bool {
        if case .key(let key) = self { key.role == .log } else { false }
    }

    /// Looks only into bodies that can say such a thing: those that spell a name of interest or escape characters.
    init?(body: UnsafeRawBufferPointer, index: UInt64) {
        guard EntryFinding.isCandidate(body) else { return nil }
        guard let record = EntryRecord.read(Array(body)).record else { return nil }
        if record.type == .members {
            self = .membership(
                index: index,
                Membership(members: record.members.map(\.text), membersCarrySealed: record.membersCarrySealed))
        } else if let sealed = record.sealed {
            self = .sealed(
                index: index, sha256: sealed.sha256, size: sealed.size,
                recipients: sealed.recipients.map(\.node.text))
        } else if record.type == .key, let key = KeyRecord(record).flatMap({ PublishedKey($0, entry: index) }) {
            self = .key(key)
        } else {
            return nil
        }
    }

    private static let sealed = ByteSearch("\"sealed\"", probing: (1, 6, 7))
    private static let members = ByteSearch("\"members\"", probing: (1, 4, 8))
    private static let key = ByteSearch("\"key\"", probing: (0, 1, 4))

    /// Whether any body in these bytes, one or a whole bundle, can hold a finding. Never misses one.
    static func isCandidate(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return false }
        if memchr(start, Int32(UInt8(ascii: "\\")), bytes.count) != nil { return true }
        return sealed.isIn(bytes) || members.isIn(bytes) || key.isIn(bytes)
    }
}
