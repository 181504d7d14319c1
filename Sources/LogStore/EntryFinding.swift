import Cryptography
import Glibc
import Records

/// What an entry means to the node that stores it, noticed while it is committed: who may hold the log, and which
/// blob lies beside the entry.
enum EntryFinding: Sendable {
    case membership(index: UInt64, Membership)
    case sealed(index: UInt64, sha256: SHA256Digest, size: Int, recipients: [String])

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
        } else {
            return nil
        }
    }

    private static let names = [ByteSearch("\"sealed\""), ByteSearch("\"members\"")]

    /// Whether any body in these bytes, one or a whole bundle, can hold a finding. Never misses one.
    static func isCandidate(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return false }
        if memchr(start, Int32(UInt8(ascii: "\\")), bytes.count) != nil { return true }
        return names.contains { $0.isIn(bytes) }
    }
}

/// Finds one short text in many bytes (Horspool's algorithm): looks at about one byte in `text.count`.
private struct ByteSearch: Sendable {
    private let text: [UInt8]
    private let skips: [UInt8]

    init(_ text: StaticString) {
        self.text = text.withUTF8Buffer { Array($0) }
        var skips = [UInt8](repeating: UInt8(text.utf8CodeUnitCount), count: 256)
        for (offset, byte) in self.text.dropLast().enumerated() {
            skips[Int(byte)] = UInt8(self.text.count - 1 - offset)
        }
        self.skips = skips
    }

    func isIn(_ bytes: UnsafeRawBufferPointer) -> Bool {
        text.withUnsafeBufferPointer { text in
            skips.withUnsafeBufferPointer { skips in
                let last = text.count - 1
                var end = last
                while end < bytes.count {
                    let byte = bytes[end]
                    if byte == text[last], (0..<last).allSatisfy({ bytes[end - last + $0] == text[$0] }) {
                        return true
                    }
                    end += Int(skips[Int(byte)])
                }
                return false
            }
        }
    }
}
