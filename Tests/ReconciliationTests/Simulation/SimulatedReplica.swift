import Cryptography
import Reconciliation
import TransparencyLog

/// One log as a node keeps it, its own or another's.
struct SimulatedReplica {
    let id: LogID
    let origin: String
    let community: String
    let owner: Int
    let isOwn: Bool
    /// The one on the card.
    let key: VerifierKey
    /// What the entries say of its keys.
    private(set) var changes: [LogKeyChange] = []
    /// What they say of its owner's mirror key: by generation, when that took the place of the one before.
    private(set) var mirrorChanges: [Int: UInt64] = [:]
    /// The verified prefix.
    var tree: SimulatedLog
    var head: SimulatedHead?
    var pending: SimulatedHead?
    /// The checkpoints that were heads.
    var checkpoints: [UInt64: SimulatedHead] = [:]
    /// The newest of each cosigner.
    var cosignatures: [String: CosignatureLine] = [:]
    /// Whom the newest `members` record names.
    var members: Set<Int>?
    var wantedBlobs: [UInt64: SHA256Digest] = [:]
    var blobs: [UInt64: [UInt8]] = [:]
    /// Evidence that its owner signed two histories.
    var frozen: [UInt8]?
    /// The size that is known to have been signed of an own log that is being recovered.
    var recovering: UInt64?
    /// What each member holds of it.
    var answers: [Int: UInt64] = [:]

    mutating func become(_ head: SimulatedHead) {
        self.head = head
        checkpoints[head.size] = head
        if let pending, pending.size <= head.size { self.pending = nil }
    }

    /// Takes in what the entries from an index on say.
    mutating func read(from index: UInt64, as node: Int) {
        for (offset, body) in tree.bodies[Int(index)...].enumerated() {
            switch SimulatedBody(body) {
            case .members(let nodes): members = nodes
            case .mirror(let generation, let until):
                if mirrorChanges[generation] == nil { mirrorChanges[generation] = until }
            case .rotated(let generation): rotate(to: generation, by: index + UInt64(offset))
            case .sealed(let recipients) where isOwn:
                _ = recipients
                blobs[index + UInt64(offset)] = SimulatedBody.blob(of: body)
            case .sealed(let recipients) where recipients.contains(node):
                wantedBlobs[index + UInt64(offset)] = SHA256.hash(SimulatedBody.blob(of: body))
            default: break
            }
        }
    }

    var keys: LogKeyChain { LogKeyChain(anchor: key, changes: changes) }

    private mutating func rotate(to generation: Int, by index: UInt64) {
        guard let old = try? SimulatedKeys.signer(origin, generation - 1).verifierKey,
            let new = try? SimulatedKeys.signer(origin, generation).verifierKey
        else { return }
        changes.append(LogKeyChange(size: index + 1, old: old, new: new))
    }

    /// The checkpoints held where one key took the place of another, and who has signed them here.
    private var steppingStones: [(head: SimulatedHead, signers: [VerifierKey])] {
        guard !changes.isEmpty else { return [] }
        let keys = keys
        return keys.changes.compactMap { change in
            guard let stone = checkpoints[change.size], let note = try? SignedNote(parsing: stone.note) else {
                return nil
            }
            return (stone, keys.signers(of: note, size: stone.size))
        }
    }

    /// Those with the signatures of both keys.
    var stones: [SimulatedHead] { steppingStones.filter { $0.signers.count == 2 }.map(\.head) }

    /// Keeps those of a peer's stepping stones that this log's keys have signed and that its entries have the root of.
    /// Answers whether any is kept now.
    mutating func keepStones(_ notes: [String]) throws -> Bool {
        let keys = keys
        var isAny = false
        for text in notes {
            guard let note = try? SignedNote(parsing: text), let (checkpoint, own) = try? keys.open(note),
                checkpoint.origin == origin, checkpoint.size <= head?.size ?? 0,
                keys.changes.contains(where: { $0.size == checkpoint.size }),
                try tree.root(at: checkpoint.size) == checkpoint.root, keys.isComplete(own, size: checkpoint.size)
            else { continue }
            checkpoints[checkpoint.size] = SimulatedHead(
                size: checkpoint.size, root: checkpoint.root, note: own.serialized)
            isAny = true
        }
        return isAny
    }

    func local() -> LocalLog {
        LocalLog(
            id: id, origin: origin, community: community, isOwn: isOwn, keys: keys,
            stones: steppingStones.map {
                SteppingStone(head: $0.head.head(of: id), signers: $0.signers.map(\.keyID))
            },
            head: head?.head(of: id), held: tree.size, pinned: pending?.head(of: id),
            cosignatures: cosignatures.values.sorted { $0.cosigner < $1.cosigner },
            wantedBlobs: wantedBlobs.sorted { $0.key < $1.key }.map {
                BlobKey(log: id, index: $0.key, sha256: $0.value)
            }, isRecovering: recovering != nil)
    }
}
