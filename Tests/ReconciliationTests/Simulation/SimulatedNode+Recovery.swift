import Cryptography
import Reconciliation
import TransparencyLog

// Own logs that hold less than was signed: they come back from the partners.
extension SimulatedNode {
    /// After a restore the marks tell which own logs are behind.
    func noticeLosses() {
        for (id, log) in store.logs where log.isOwn {
            if let mark = marks.own[id], mark.size > log.tree.size { store.logs[id]?.recovering = mark.size }
        }
    }

    func beginRecovery(_ id: LogID, size: UInt64) throws {
        let log = try store.log(id)
        guard log.isOwn, log.frozen == nil else { throw SimulatedError("not to be recovered") }
        store.logs[id]?.recovering = max(log.recovering ?? 0, size)
        notify([id])
    }

    /// Notes what a member holds, and takes appends again once every member has answered.
    func noteAnswer(of peer: Int, _ head: Head?, for id: LogID) {
        guard let log = store.logs[id], log.isOwn, log.recovering != nil else { return }
        if head == nil, log.members?.contains(peer) ?? true { return }
        let answer = head ?? Head(log: id, size: 0, root: .zero)
        guard answer.size <= log.tree.size else { return }
        if answer.size > 0, (try? log.tree.root(at: answer.size)) != answer.root { return }
        store.logs[id]?.answers[peer] = max(log.answers[peer] ?? 0, answer.size, answer.pinnedSize)
        finishRecovery(of: id)
    }

    func finishRecovery(of id: LogID) {
        guard let log = store.logs[id], log.frozen == nil, let expected = log.recovering,
            let members = log.members, members.subtracting([index]).isSubset(of: Set(log.answers.keys)),
            log.head?.size ?? 0 >= max(expected, marks.own[id]?.size ?? 0, log.answers.values.max() ?? 0),
            (try? marks.check(log)) != nil
        else { return }
        store.logs[id]?.recovering = nil
        store.logs[id]?.answers = [:]
        notify([id])
    }

    /// To a peer that the newest record here does not admit: it may have been admitted by one that is lost.
    func lostLog(_ log: SimulatedReplica, heardFrom peer: Int) -> LocalLog? {
        guard log.isOwn, log.recovering != nil, communities(admitting: peer).contains(log.community) else { return nil }
        return LocalLog(
            id: log.id, origin: log.origin, community: log.community, isOwn: true, keys: log.keys,
            head: nil,
            held: 0, pinned: nil, cosignatures: [], wantedBlobs: [], isRecovering: true)
    }
}
