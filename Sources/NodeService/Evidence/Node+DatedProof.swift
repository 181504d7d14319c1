import Cryptography
import Home
import LogStore
public import Records
public import TransparencyLog

/// What a node can prove that it held at a moment, and who else had said so by then.
public struct DatedProof: Sendable {
    public let proof: TLogProof
    /// Entries under the checkpoint.
    public let size: UInt64
    /// When this node cosigned that checkpoint, in Unix seconds.
    public let heldAt: UInt64
    /// All who had cosigned it by the moment asked for, by name.
    public let cosigners: [(node: String, time: UInt64)]
}

extension Node {
    /// The proof that this node held a record at a moment: under the largest checkpoint that it had cosigned by then,
    /// with all cosignatures on it that are not younger.
    ///
    /// Throws `noInput` where no cosignature that is kept says so. Of several on one checkpoint only the newest is kept,
    /// so an own log, which is dated every hour, may have been held for longer than can be shown.
    public func proof(of reference: Reference, asOf time: UInt64) throws -> DatedProof {
        guard let log = try store.log(reference.origin.text) else {
            throw HomeError(.noInput, "no log \(reference.origin.text) here")
        }
        let kept = try store.cosignatures(of: log.id)
        let own = kept.filter { $0.cosigner == name }
        guard let held = own.filter({ $0.time <= time }).max(by: { $0.size < $1.size }), reference.index < held.size,
            let head = try store.checkpoint(of: log.id, size: held.size)
        else {
            let first = own.filter { $0.size > reference.index }.min { $0.time < $1.time }
            let hint =
                first.map { "; the first that is kept is of \(Node.instant($0.time)), on \($0.size) entries" }
                ?? "; none is kept at all"
            throw HomeError(
                .noInput, "no cosignature of \(name) by \(Node.instant(time)) covers \(reference.text)\(hint)")
        }
        try checkSound(reference, log)
        let others = kept.filter { $0.size == held.size && $0.time <= time }
        return DatedProof(
            proof: try proof(at: reference.index, of: log, under: head, others, asOf: time), size: held.size,
            heldAt: held.time,
            cosigners: others.map { ($0.cosigner, $0.time) })
    }

    /// The proof for an entry under a checkpoint that covers it, with these cosignatures on it, and those of witnesses
    /// that are not younger than a moment.
    func proof(
        at index: UInt64, of log: StoredLog, under head: SignedHead, _ cosignatures: [StoredCosignature],
        asOf time: UInt64 = .max
    ) throws -> TLogProof {
        var note = try SignedNote(parsing: head.note)
        for cosignature in cosignatures { try note.add(NoteSignature(parsing: cosignature.line)) }
        for witness in try store.witnessCosignatures(of: log.id, at: head.size) where witness.time <= time {
            try note.add(NoteSignature(parsing: witness.line))
        }
        return try TLogProof.make(
            index: index, note: note, from: StoredNodes(store: store, log: log.id), hasher: MerkleHasher())
    }

    /// Refuses to prove a record that is damaged here: what is left of it would not verify.
    func checkSound(_ reference: Reference, _ log: StoredLog) throws {
        guard try store.soundBody(of: log, at: reference.index) != nil else {
            throw HomeError(.noInput, "no record \(reference.text) here")
        }
    }

    /// Of the checkpoints that cover an entry the newest of those that most nodes beside the owner have cosigned, with
    /// its cosignatures.
    func bestCheckpoint(
        covering index: UInt64, of log: StoredLog
    ) throws -> (head: SignedHead, cosignatures: [StoredCosignature])? {
        var bySize = Dictionary(grouping: try store.cosignatures(of: log.id)) { $0.size }
        if let head = log.head, bySize[head.size] == nil { bySize[head.size] = [] }
        func holders(_ size: UInt64) -> Int { bySize[size]?.count { $0.cosigner != log.node } ?? 0 }
        let sizes = bySize.keys.filter { $0 > index }.sorted { (holders($0), $0) > (holders($1), $1) }
        for size in sizes {
            if let head = try store.checkpoint(of: log.id, size: size) { return (head, bySize[size] ?? []) }
        }
        return nil
    }

    static func instant(_ seconds: UInt64) -> String {
        Timestamp(seconds: Int64(clamping: seconds))?.text ?? "\(seconds)"
    }
}
