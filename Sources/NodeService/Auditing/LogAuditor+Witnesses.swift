import LogStore
import TransparencyLog

extension LogAuditor {
    /// What is kept of witnesses has to be what their keys have signed. Whose keys these are is for a policy to say.
    func checkWitnesses(_ log: StoredLog, in store: SQLiteLogStore, _ walk: inout LogWalk) throws {
        var head = log.head
        let limit = 1_024
        // What has come since belongs to checkpoints that this audit has not seen.
        var top = log.head?.size ?? 0
        while true {
            let page = try store.witnessCosignatures(of: log.id, upTo: top, limit: limit)
            // The last size of a full page may go on behind it.
            let isLast = page.count < limit || page.first?.size == page.last?.size
            for each in page where isLast || each.size != page.last?.size {
                if head?.size != each.size { head = try store.checkpoint(of: log.id, size: each.size) }
                guard !WitnessSignature.verifies(each, of: log, on: head) else { continue }
                let name = each.key.split(separator: "+").first.map(String.init) ?? "a witness"
                walk.problem(nil, "the cosignature of the witness \(name) on size \(each.size) does not verify")
            }
            guard !isLast, let last = page.last else { return }
            top = last.size
        }
    }
}

/// Whether a witness has signed what is kept as its cosignature.
enum WitnessSignature {
    static func verifies(_ kept: WitnessCosignature, of log: StoredLog, on head: SignedHead?) -> Bool {
        guard let head, head.size == kept.size, let key = try? VerifierKey(parsing: kept.key),
            let cosignature = try? Cosignature(parsing: kept.line), cosignature.time == kept.time,
            let checkpoint = try? Checkpoint(origin: log.origin, size: head.size, root: head.root)
        else { return false }
        return (try? cosignature.verify(checkpoint, by: key)) != nil
    }
}
