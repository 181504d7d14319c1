import Cryptography
import Reconciliation
import TransparencyLog

/// What a node has on its disk, apart from its marks: it survives a crash, and an old copy of it may be restored.
struct SimulatedStore {
    let node: Int
    var logs: [LogID: SimulatedReplica] = [:]
    var agreements: [String: SessionMemory] = [:]

    func log(_ id: LogID) throws -> SimulatedReplica {
        guard let log = logs[id] else { throw SimulatedError("unknown log") }
        return log
    }

    /// - Parameter generation: of the key on the card.
    mutating func create(
        _ origin: String, owner: Int, community: String, generation: Int = 0, hasher: MerkleHasher
    ) throws {
        let id = SHA256.hash(origin)
        guard logs[id] == nil else { return }
        logs[id] = SimulatedReplica(
            id: id, origin: origin, community: community, owner: owner, isOwn: owner == node,
            key: try SimulatedKeys.signer(origin, generation).verifierKey, tree: SimulatedLog(hasher: hasher))
    }

    // MARK: Own logs

    mutating func append(_ bodies: [[UInt8]], to id: LogID) throws {
        var log = try log(id)
        let start = log.tree.size
        for body in bodies { log.tree.append(body) }
        log.read(from: start, as: node)
        let root = try log.tree.root(at: log.tree.size)
        let checkpoint = try Checkpoint(origin: log.origin, size: log.tree.size, root: root)
        // The key of before, too, where a new one takes its place.
        let isRotation = log.changes.last?.size == log.tree.size
        var note = try checkpoint.sign(with: SimulatedKeys.signer(log.origin, log.changes.count))
        if isRotation { try note.add(SimulatedKeys.signer(log.origin, log.changes.count - 1).sign(note.text)) }
        log.become(SimulatedHead(size: log.tree.size, root: root, note: note.serialized))
        logs[id] = log
    }

    // MARK: Replicas

    /// Makes a checkpoint the one that ranges are proved against; where all of it is held already, the head.
    mutating func pin(_ head: SimulatedHead, of id: LogID) throws {
        var log = try log(id)
        guard !log.isOwn || log.recovering != nil else { throw SimulatedError("an own log") }
        guard log.frozen == nil else { throw SimulatedError("a frozen log") }
        guard head.size > log.head?.size ?? 0, head.size >= log.tree.size else {
            throw SimulatedError("\(log.tree.size) entries are held")
        }
        if let pending = log.pending, pending.size == head.size, pending.root != head.root {
            throw SimulatedError("another checkpoint of that size is pinned")
        }
        if head.size == log.tree.size {
            guard try log.tree.root(at: head.size) == head.root else { throw SimulatedError("not the root held") }
            log.become(head)
        } else {
            log.pending = head
        }
        logs[id] = log
    }

    /// Entries that were checked, with the tree they make.
    struct Verified {
        let log: LogID
        let start: UInt64
        let tree: SimulatedLog
        let target: SimulatedHead
    }

    mutating func commit(_ range: Verified) throws -> SimulatedReplica {
        var log = try log(range.log)
        guard log.frozen == nil else { throw SimulatedError("a frozen log") }
        guard log.tree.size == range.start else { throw SimulatedError("not contiguous") }
        log.tree = range.tree
        let changes = log.changes.count
        log.read(from: range.start, as: node)
        // A key that the entries have replaced signs no longer.
        guard log.changes.count == changes || (try? log.keys.verify(SignedNote(parsing: range.target.note))) != nil
        else {
            throw SimulatedError("a key that was replaced")
        }
        if range.tree.size == range.target.size { log.become(range.target) }
        logs[range.log] = log
        return log
    }

    // MARK: Beside the log

    mutating func keep(_ line: CosignatureLine, of id: LogID) {
        guard var log = logs[id] else { return }
        if let known = log.cosignatures[line.cosigner], (known.size, known.time) >= (line.size, line.time) { return }
        log.cosignatures[line.cosigner] = line
        logs[id] = log
    }

    mutating func store(_ bytes: [UInt8], for key: BlobKey) throws {
        guard SHA256.hash(bytes) == key.sha256 else { throw SimulatedError("not the blob that was wanted") }
        // Another session may have brought it first.
        if logs[key.log]?.blobs[key.index] == bytes { return }
        guard logs[key.log]?.wantedBlobs[key.index] == key.sha256 else { throw SimulatedError("a blob nobody wants") }
        logs[key.log]?.wantedBlobs[key.index] = nil
        logs[key.log]?.blobs[key.index] = bytes
    }

    mutating func remember(_ peer: String, _ memory: SessionMemory, since: SHA256Digest?, _ changed: Set<LogID>) {
        let kept = agreements[peer]
        guard kept != nil || since == nil else { return }
        guard let kept, kept.digest == since else {
            agreements[peer] = memory
            return
        }
        var entries = kept.entries
        for log in changed { entries[log] = memory.entries[log] }
        agreements[peer] = SessionMemory(digest: memory.digest, entries: entries)
    }
}
