import Cryptography
import LogStore
import Reconciliation

// Between what sessions remember and the rows that keep it.

extension Head {
    /// Size (8 bytes, big-endian), root, digest of what lies beside.
    fileprivate var stored: [UInt8] {
        withUnsafeBytes(of: size.bigEndian) { Array($0) } + root.bytes + beside.bytes
    }

    fileprivate init?(log: LogID, stored bytes: [UInt8]) {
        guard bytes.count == 72, let root = SHA256Digest(bytes[8..<40]), let beside = SHA256Digest(bytes[40...]) else {
            return nil
        }
        self.init(
            log: log, size: bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }, root: root, pinnedSize: 0,
            beside: beside)
    }
}

extension SyncContext {
    /// What this node remembers of the last session with a peer.
    func memory(of peer: String) throws -> SessionMemory? {
        guard let (digest, heads) = try store.agreement(with: peer) else { return nil }
        var entries: [LogID: SessionMemory.Entry] = [:]
        for head in heads {
            entries[head.log] = SessionMemory.Entry(
                community: head.community, told: head.told.flatMap { Head(log: head.log, stored: $0) },
                heard: head.heard.flatMap { Head(log: head.log, stored: $0) }, isUnknownThere: head.isUnknownThere)
        }
        return SessionMemory(digest: digest, entries: entries)
    }

    func remember(_ peer: String, _ digest: SHA256Digest, _ changes: [LogID: SessionMemory.Entry?]) throws {
        var changed: [AgreedHead] = []
        var forgotten: [SHA256Digest] = []
        for (log, entry) in changes {
            if let entry {
                changed.append(
                    AgreedHead(
                        log: log, community: entry.community, told: entry.told?.stored, heard: entry.heard?.stored,
                        isUnknownThere: entry.isUnknownThere))
            } else {
                forgotten.append(log)
            }
        }
        try store.agree(with: peer, digest: digest, changed: changed, forgotten: forgotten)
    }
}
