import LogStore
import TransparencyLog

extension LogAuditor {
    /// What the log says of keys is kept apart, so that checkpoints are judged without reading it all; and where a key
    /// took the place of another, both have signed the checkpoint there.
    func checkKeys(
        _ end: LogEnd, in store: SQLiteLogStore, _ walk: inout LogWalk, _ report: inout AuditReport
    ) throws {
        // Where entries cannot be read, one of them may be such a record.
        guard walk.problems.isEmpty else { return }
        let said = walk.keys
        let kept = end.keys.filter { $0.entry >= walk.first }
        for key in said where !kept.contains(where: { $0.saysSame(as: key) }) {
            walk.problem(key.entry, "the key that it publishes is not kept as its record says")
        }
        for key in kept where !said.contains(where: { $0.saysSame(as: key) }) {
            walk.problem(key.entry, "a key is kept for it that no valid record says")
        }
        guard let keys = try? end.log.keys else { return }
        for change in said.compactMap(\.change) where !keys.changes.contains(change) {
            // Whoever writes the log can write such a record; it says nothing, here and at every partner.
            report.unproved.append(
                "\(end.log.origin)#\(change.size - 1) replaces a key of the log that no chain leads to from the one it is "
                    + "known by, or brings one back: it counts for nothing")
        }
        for change in keys.changes where change.size <= end.log.head?.size ?? 0 {
            let stone = try store.checkpoint(of: end.log.id, size: change.size)
            // A replica takes the stone with what it can judge, and gets the new key's line afterwards.
            let isComplete =
                (try? stone.map { try keys.isComplete(SignedNote(parsing: $0.note), size: $0.size) }) ?? nil
            guard let stone, end.log.isOwn || isComplete == true else {
                report.unproved.append(
                    "\(end.log.origin): the checkpoint of size \(change.size), where a key took the place of another, "
                        + "has not come yet")
                continue
            }
            for key in [change.old, change.new] {
                if (try? Checkpoint(verifying: SignedNote(parsing: stone.note), logKey: key)) == nil {
                    walk.problem(
                        change.size - 1, "the checkpoint behind it is not signed by both the old and the new key")
                }
            }
        }
    }
}
