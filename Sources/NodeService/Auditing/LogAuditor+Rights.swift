import Cryptography
import LogStore

extension LogAuditor {
    /// Compares what is kept of grants and erasures with what the log says: a row too much would open a sealed part to
    /// somebody or hide one, a row too little would keep one that is to be gone. Answers how many were erased.
    func checkRights(of log: StoredLog, in store: SQLiteLogStore, _ walk: inout LogWalk) throws -> Int {
        let grants = try store.grants(of: log.id)
        let erasures = try store.erasures(of: log.id)
        // Where entries cannot be read, one of them may be such a record.
        guard walk.problems.isEmpty else { return erasures.count }
        // What came while this was read is not judged; neither is an erasure whose record is still to be recovered.
        let kept = Set(grants.filter { $0.record >= walk.first && $0.record < log.size }.flatMap(Opening.all))
        let said = Set(walk.grants.flatMap(Opening.all))
        for opening in kept.symmetricDifference(said) {
            walk.problem(
                opening.grant.record,
                "what is kept of whom it opens entry \(opening.grant.index) to is not what it says")
        }
        let erased = Set(erasures.filter { $0.record >= walk.first && $0.record < log.size })
        let asked = Dictionary(walk.erasures.map { (Place($0), $0) }) { $0.record < $1.record ? $0 : $1 }
        for erasure in erased.symmetricDifference(asked.values) {
            let text =
                erased.contains(erasure)
                ? "its sealed part is kept as erased, which no record says"
                : "its sealed part was erased by entry \(erasure.record), and is not kept as erased"
            walk.problem(erasure.index, text)
        }
        return erasures.count
    }

    private struct Place: Hashable {
        let index: UInt64
        let sha256: SHA256Digest

        init(_ erasure: Erasure) {
            index = erasure.index
            sha256 = erasure.sha256
        }
    }

    /// One node of one grant.
    private struct Opening: Hashable {
        let grant: SealedGrant

        static func all(_ grant: SealedGrant) -> [Opening] {
            Set(grant.nodes).map { node in
                Opening(
                    grant: SealedGrant(
                        index: grant.index, record: grant.record, nodes: [node], hash: grant.hash,
                        commitment: grant.commitment))
            }
        }
    }
}
