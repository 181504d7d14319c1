import LogStore
import TransparencyLog

extension LogAuditor {
    /// What the log says of keys is kept apart, so that checkpoints are judged without reading it all.
    func checkKeys(_ end: LogEnd, _ walk: inout LogWalk) {
        // Where entries cannot be read, one of them may be such a record.
        guard walk.problems.isEmpty else { return }
        let said = walk.keys
        let kept = end.keys
        for key in said where !kept.contains(where: { $0.saysSame(as: key) }) {
            walk.problem(key.entry, "the key that it publishes is not kept as its record says")
        }
        for key in kept where !said.contains(where: { $0.saysSame(as: key) }) {
            walk.problem(key.entry, "a key is kept for it that no valid record says")
        }
    }
}
