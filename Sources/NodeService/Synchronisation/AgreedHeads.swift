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

    func remember(_ peer: String, _ memory: SessionMemory, since: SHA256Digest?, changed: Set<LogID>) throws {
        let head = { (log: LogID) in
            memory.entries[log].map { entry in
                AgreedHead(
                    log: log, community: entry.community, told: entry.told?.stored, heard: entry.heard?.stored,
                    isUnknownThere: entry.isUnknownThere)
            }
        }
        try store.agree(
            with: peer, digest: memory.digest, since: since, changed: changed.compactMap(head),
            forgotten: changed.filter { memory.entries[$0] == nil }, all: { memory.entries.keys.compactMap(head) })
    }
}
