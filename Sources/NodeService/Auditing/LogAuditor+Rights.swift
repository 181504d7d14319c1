import Cryptography
import LogStore
import Records

extension LogAuditor {
    /// Compares what is kept of grants and erasures with what the log says: a row too much would open a sealed part to
    /// somebody or hide one, a row too little would keep one that is to be gone. Answers how many were erased,
    /// and how many of these by entries that are none of their log's owner.
    func checkRights(
        of log: StoredLog, in store: SQLiteLogStore, _ walk: inout LogWalk
    ) throws -> (all: Int, beyondOwner: Int) {
        let erasures = try store.erasures(of: log.id)
        let logs = try erasures.isEmpty ? [] : store.logs()
        let ends = Dictionary(logs.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        let erasedCount = (
            all: erasures.count,
            beyondOwner: erasures.count { ends[$0.record.log]?.isBeyondOwner($0.record.index) ?? false }
        )
        // Where entries cannot be read, one of them may be such a record.
        guard walk.problems.isEmpty else { return erasedCount }
        // What came while this was read is not judged; neither is an erasure whose record is still to be recovered.
        let judged = walk.first..<max(walk.first, log.size)
        let kept = Set(
            try store.grants(saidBy: log.id).filter { judged.contains($0.record.index) }.flatMap(Opening.all))
        let said = Set(walk.grants.flatMap(Opening.all))
        for opening in kept.symmetricDifference(said) {
            walk.problem(
                opening.grant.record.index,
                "what is kept of whom it opens \(try name(opening.grant.log, opening.grant.index, log, store)) to is not "
                    + "what it says")
        }
        let erased = Set(try store.erasures(saidBy: log.id).filter { judged.contains($0.record.index) })
        let asked = Dictionary(walk.erasures.map { (Place($0), $0) }) { $0.record < $1.record ? $0 : $1 }
        for erasure in erased.symmetricDifference(asked.values) {
            let isKept = erased.contains(erasure)
            // Where a record of another log asked for the same before, that one is kept.
            if try !isKept && store.erasure(of: erasure.log, at: erasure.index, sha256: erasure.sha256) != nil {
                continue
            }
            let text =
                isKept
                ? "its sealed part is kept as erased, which no record says"
                : "its sealed part was erased by entry \(erasure.record.index), and is not kept as erased"
            walk.problem(
                erasure.log == log.id ? erasure.index : nil,
                (erasure.log == log.id ? "" : "\(try name(erasure.log, erasure.index, log, store)): ") + text)
        }
        try checkSuccessors(of: log, in: store, &walk)
        return erasedCount
    }

    /// Looks for the records of successors that what is kept of this log's sealed parts names. That nothing which they
    /// say is missing is seen when they are read themselves.
    private func checkSuccessors(of log: StoredLog, in store: SQLiteLogStore, _ walk: inout LogWalk) throws {
        try checkGivenUp(log, in: store, &walk)
        for grant in try store.grants(of: log.id) where grant.record.log != log.id {
            if try store.says(grant) == false {
                walk.problem(grant.index, "its sealed part is kept as opened, which no record of a successor says")
            }
        }
        for erasure in try store.erasures(of: log.id) where erasure.record.log != log.id {
            // A successor may be still to be recovered.
            if try store.says(erasure) == false && !store.isMarked(erasure) {
                walk.problem(erasure.index, "its sealed part is kept as erased, which no record of a successor says")
            }
        }
    }

    /// Where a log that was given up ends is what its successor says, and nothing else: less would hide what its owner
    /// wrote, more would take a thief's word for the owner's.
    private func checkGivenUp(_ log: StoredLog, in store: SQLiteLogStore, _ walk: inout LogWalk) throws {
        if let size = log.givenUpAt {
            let successor = try store.givenUpLogs().first { $0.log == log.id }.flatMap {
                try store.log(id: $0.successor)
            }
            let said = try successor.flatMap { successor in
                try store.givenUp(saidBy: successor).first { $0.origin.text == log.origin }
            }
            // An own one is given up before its successor is there.
            let isUnderWay = log.isOwn && successor?.size ?? 0 == 0
            if !isUnderWay, said?.size != size {
                walk.problem(nil, "it is kept as given up at \(size) entries, which no successor says")
            }
        }
        guard try store.keepsGivenUp() else { return }
        let kept = try store.givenUpLogs()
        for said in try store.givenUp(saidBy: log) {
            // Of several successors the first stands that was here.
            let row = kept.first { $0.log == SHA256.hash(said.origin.text) }
            guard row == nil || (row?.successor == log.id && row?.size != said.size) else { continue }
            walk.problem(nil, "it says how far \(said.origin) is its owner's, and that is not kept")
        }
    }

    /// What cannot be proved where the owner of a log says, in its successor, that it had written something else: both
    /// are signed, and which of the two is the owner's this log cannot say.
    func otherHistory(of log: StoredLog, in store: SQLiteLogStore) throws -> String? {
        guard let said = try store.givenUp(log.id), let root = said.root, let held = try store.rootOfOwner(log.id),
            held != root
        else { return nil }
        return
            "\(log.origin): its first \(counted(said.size, "entry", "entries")) here are not what its owner says, in its "
            + "successor, that it had written"
    }

    private func name(
        _ target: SHA256Digest, _ index: UInt64, _ log: StoredLog, _ store: SQLiteLogStore
    ) throws -> String {
        target == log.id
            ? "entry \(index)" : "\(try store.log(id: target)?.origin ?? "an unknown log")#\(index)"
    }

    private struct Place: Hashable {
        let log: SHA256Digest
        let index: UInt64
        let sha256: SHA256Digest

        init(_ erasure: Erasure) {
            log = erasure.log
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
                        log: grant.log, index: grant.index, record: grant.record, nodes: [node], hash: grant.hash,
                        commitment: grant.commitment))
            }
        }
    }
}
