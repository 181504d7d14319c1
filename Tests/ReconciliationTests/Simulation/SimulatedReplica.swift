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
    let key: VerifierKey
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
            case .sealed(let recipients) where isOwn:
                _ = recipients
                blobs[index + UInt64(offset)] = SimulatedBody.blob(of: body)
            case .sealed(let recipients) where recipients.contains(node):
                wantedBlobs[index + UInt64(offset)] = SHA256.hash(SimulatedBody.blob(of: body))
            default: break
            }
        }
    }

    func local() -> LocalLog {
        LocalLog(
            id: id, origin: origin, community: community, isOwn: isOwn, keys: LogKeyChain(anchor: key),
            head: head?.head(of: id), held: tree.size, pinned: pending?.head(of: id),
            cosignatures: cosignatures.values.sorted { $0.cosigner < $1.cosigner },
            wantedBlobs: wantedBlobs.sorted { $0.key < $1.key }.map {
                BlobKey(log: id, index: $0.key, sha256: $0.value)
            }, isRecovering: recovering != nil)
    }
}
